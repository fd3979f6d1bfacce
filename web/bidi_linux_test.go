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

// hasSharedMemory reports whether /dev/shm has room for the browser. In a container it is often small. Then the browser uses files in
// /tmp, which takes more time.
func hasSharedMemory() bool {
	var space syscall.Statfs_t
	return syscall.Statfs("/dev/shm", &space) == nil && space.Bavail*uint64(space.Bsize) >= 1<<30
}
