package epoll

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Detach returns a new descriptor for the socket of c and closes c. The runtime's poller does not watch the new descriptor.
// If it did, each arrival would wake it too. If Detach returns an error, c is unchanged.
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

// Listener is a listener of package net that can accept connections without a net.Conn for each of them.
type Listener struct {
	*net.TCPListener
	raw syscall.RawConn
}

// NewListener returns a Listener for l and sets options on its socket. The error is the system's.
//
//   - TCP_NODELAY: accepted connections have this option too, like those of package net.
//   - TCP_DEFER_ACCEPT: a connection can be accepted when its first bytes have arrived, or after about a second without
//     any. A second is the shortest time that the system offers.
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

// TryAccept accepts a connection and returns its descriptor. It does not wait for one. The error is the system's.
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

// Conn returns a connection of package net for the socket fd. It takes fd over, and closes it if there is an error.
func Conn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// Peek copies bytes that have arrived to b, and returns their number. A later read gets the same bytes again. Peek does not
// wait.
func Peek(fd int, b []byte) int { return look(fd, b, unix.MSG_PEEK) }

// Discard reads bytes that Peek has copied, as many as b holds.
func Discard(fd int, b []byte) { look(fd, b, 0) }

func look(fd int, b []byte, flags int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// Peer returns the address of the other side of the socket fd. It is invalid if there is none.
func Peer(fd int) netip.Addr {
	address, err := unix.Getpeername(fd)
	if err != nil {
		return netip.Addr{}
	}
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr)
	}
	return netip.Addr{}
}
