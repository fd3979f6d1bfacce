//go:build !linux

package service

// forgetStart does nothing. It is written for Linux alone.
func forgetStart() {}
