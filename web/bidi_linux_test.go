package web_test

import (
	"os/exec"
	"syscall"
)

// endWithTests has the kernel end the process when this one has ended, however that came: a test that runs out of time panics, and
// nothing is cleaned up.
func endWithTests(process *exec.Cmd) {
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
