//go:build !linux

package service

// forgetProgram does nothing. It is written for Linux alone.
func forgetProgram() {}
