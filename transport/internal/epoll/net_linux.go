package epoll

import (
	"net"
	"os"
	"syscall"
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

// Listener is a listener of package net whose connections can be taken without a net.Conn for each.
type Listener struct {
	*net.TCPListener
	raw syscall.RawConn
}

// NewListener makes l one whose connections come with TCP_NODELAY, as package net has it, and only once something has
// come on them, or when nothing has for about a second, which is the least that the system knows. The error says what
// it refused.
func NewListener(l *net.TCPListener) (*Listener, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	for _, option := range []int{unix.TCP_NODELAY, unix.TCP_DEFER_ACCEPT} {
		if refused := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, 1)
		}); refused != nil {
			return nil, refused
		}
		if err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	return &Listener{TCPListener: l, raw: raw}, nil
}

// TryAccept takes the next connection that waits, without waiting for one, and returns its descriptor. The error is the
// system's.
func (l *Listener) TryAccept() (fd int, err error) {
	var errno syscall.Errno
	if refused := l.raw.Control(func(listener uintptr) {
		var n uintptr
		n, _, errno = unix.RawSyscall6(unix.SYS_ACCEPT4, listener, 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		fd = int(n)
	}); refused != nil {
		return -1, refused
	}
	if errno != 0 {
		return -1, os.NewSyscallError("accept4", errno)
	}
	return fd, nil
}

// Conn returns the connection whose descriptor fd is. It is closed where there is an error.
func Conn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// Peek copies to b what has come and was not read, which stays there, and returns how much that is. It does not wait.
func Peek(fd int, b []byte) int { return look(fd, b, unix.MSG_PEEK) }

// Discard reads what Peek has seen, as much as b holds.
func Discard(fd int, b []byte) { look(fd, b, 0) }

func look(fd int, b []byte, flags int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
