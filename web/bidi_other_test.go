//go:build !linux

package web_test

import "os/exec"

// endWithTests: other systems have no such thing.
func endWithTests(*exec.Cmd) {}

// hasSharedMemory: other systems have no /dev/shm.
func hasSharedMemory() bool { return true }
