package epoll

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
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

// Tune sets options on the socket of a listener. The error is the system's.
//
//   - TCP_NODELAY: accepted connections have this option too, like those of package net.
//   - TCP_DEFER_ACCEPT: a connection can be accepted when its first bytes have arrived, or after about a second without
//     any. A second is the shortest time that the system offers.
func Tune(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	for _, option := range []int{unix.TCP_NODELAY, unix.TCP_DEFER_ACCEPT} {
		if refused := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, option, 1)
		}); refused != nil {
			return refused
		}
		if err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// closedInterval is how often a Listener that waits looks whether the listener beneath it was closed.
const closedInterval = time.Second

// Listener accepts the connections of a listener of package net, without a net.Conn for each of them. It uses raw system calls
// only, also to wait: see the package documentation.
type Listener struct {
	*net.TCPListener
	original syscall.RawConn // of the TCPListener
	file     *os.File        // a duplicate of its socket
	socket   syscall.RawConn // of the file

	// The address of the other side of the last connection, as the system writes it. There is room for that of IPv4, too.
	peer unix.RawSockaddrInet6
}

// NewListener returns a Listener for l, and sets the options of [Tune]. Its Close closes l as well. If l is closed by itself,
// Accept learns of it within a second. The error is the system's.
func NewListener(l *net.TCPListener) (*Listener, error) {
	if err := Tune(l); err != nil {
		return nil, err
	}
	original, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	socket, err := file.SyscallConn()
	if err == nil {
		err = awaitable(file)
	}
	if err == nil {
		err = file.SetReadDeadline(time.Now().Add(closedInterval))
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &Listener{TCPListener: l, original: original, file: file, socket: socket}, nil
}

// AcceptSocket waits for a connection, and returns its descriptor and the address of its other side. Waited says that there was
// none at first. After Close, the error is [net.ErrClosed]. Otherwise it is the system's. Only one goroutine may call it.
func (l *Listener) AcceptSocket() (fd int, peer netip.Addr, waited bool, err error) {
	for {
		var errno syscall.Errno
		tries := 0
		err := l.socket.Read(func(listener uintptr) bool {
			tries++
			size := uint32(unsafe.Sizeof(l.peer))
			var n uintptr
			n, _, errno = unix.RawSyscall6(unix.SYS_ACCEPT4, listener, uintptr(unsafe.Pointer(&l.peer)), uintptr(unsafe.Pointer(&size)),
				unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
			fd = int(n)
			return errno != unix.EAGAIN
		})
		waited = waited || tries > 1
		switch {
		case err == nil && errno == 0:
			return fd, l.address(), waited, nil
		case err == nil && errno == unix.EINTR:
		case err == nil:
			return -1, peer, waited, os.NewSyscallError("accept4", errno)
		case errors.Is(err, os.ErrDeadlineExceeded) && l.original.Control(func(uintptr) {}) == nil:
			waited = true
			_ = l.file.SetReadDeadline(time.Now().Add(closedInterval)) // it fails only after Close
		default:
			return -1, peer, waited, net.ErrClosed
		}
	}
}

// address returns the address of the other side of the last connection.
func (l *Listener) address() netip.Addr {
	switch l.peer.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&l.peer)).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16(l.peer.Addr)
	}
	return netip.Addr{}
}

// Close closes the listener and the one beneath it. Connections that wait to be accepted are reset.
func (l *Listener) Close() error {
	return errors.Join(l.file.Close(), l.TCPListener.Close())
}

// Conn returns a connection of package net for the socket fd. It takes fd over, and closes it if there is an error.
func Conn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// ReceiveNow reads bytes that have arrived, and returns their number. It does not wait. It returns 0 if there are none, and for
// faults too, which the next read meets again.
func ReceiveNow(fd int, b []byte) int {
	n, errno := Receive(fd, b)
	if errno != 0 {
		return 0
	}
	return n
}
