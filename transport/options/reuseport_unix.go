//go:build unix && !solaris && !illumos

package options

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort lets other sockets listen at the same address and port (SO_REUSEPORT).
func reusePort(_, _ string, c syscall.RawConn) (err error) {
	if refused := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); refused != nil {
		return refused
	}
	return os.NewSyscallError("setsockopt", err)
}
