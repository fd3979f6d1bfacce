package epoll

import (
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Detach returns a descriptor of c's socket that the runtime's poller knows nothing of, or else each arrival would wake
// that too, and closes c. Where there is an error, c is as it was.
func Detach(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if refused := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); refused != nil {
		return -1, refused
	}
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	_ = c.Close()
	return fd, nil
}

// Peek copies to b what has come on c and was not read, which stays there, and returns how much that is. It does not wait.
func Peek(c *net.TCPConn, b []byte) int { return receive(c, b, unix.MSG_PEEK) }

// Discard reads what Peek has seen, as much as b holds.
func Discard(c *net.TCPConn, b []byte) { receive(c, b, 0) }

func receive(c *net.TCPConn, b []byte, flags int) (n int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		count, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		if errno == 0 {
			n = int(count)
		}
	})
	return n
}

// DeferAccept has l accept a connection only once something has come on it, or when nothing has for about a second, which
// is the least that the system knows. The error says what it refused.
func DeferAccept(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	if refused := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1)
	}); refused != nil {
		return refused
	}
	return os.NewSyscallError("setsockopt", err)
}
