//go:build !linux

package epoll

import (
	"errors"
	"net"
	"net/netip"
)

// Loop stands for a loop. This system has none.
type Loop struct{}

// New returns [errors.ErrUnsupported].
func New() (*Loop, error) { return nil, errors.ErrUnsupported }

// Stop does nothing.
func (*Loop) Stop() {}

// Post does nothing.
func (*Loop) Post(Task) {}

// Socket returns a socket that cannot be opened.
func (*Loop) Socket(int, Handler) *Socket { return new(Socket) }

// Socket stands for a socket on a loop. This system has no loops.
type Socket struct{}

// Post does nothing.
func (*Socket) Post(Task) {}

// Open returns [errors.ErrUnsupported].
func (*Socket) Open() error { return errors.ErrUnsupported }

// Watch does nothing.
func (*Socket) Watch(_, _ bool) {}

// Write returns [errors.ErrUnsupported].
func (*Socket) Write([]byte, bool) (int, error) { return 0, errors.ErrUnsupported }

// CloseWrite returns [errors.ErrUnsupported].
func (*Socket) CloseWrite() error { return errors.ErrUnsupported }

// Shutdown does nothing.
func (*Socket) Shutdown() {}

// Close does nothing.
func (*Socket) Close() {}

// Detach returns [errors.ErrUnsupported].
func Detach(*net.TCPConn) (int, error) { return -1, errors.ErrUnsupported }

// Tune returns [errors.ErrUnsupported].
func Tune(*net.TCPListener) error { return errors.ErrUnsupported }

// Listener stands for a listener for loops. This system has no loops.
type Listener struct{ *net.TCPListener }

// NewListener returns [errors.ErrUnsupported].
func NewListener(*net.TCPListener) (*Listener, error) { return nil, errors.ErrUnsupported }

// AcceptSocket returns [errors.ErrUnsupported].
func (*Listener) AcceptSocket() (int, netip.Addr, bool, error) {
	return -1, netip.Addr{}, false, errors.ErrUnsupported
}

// Conn returns [errors.ErrUnsupported].
func Conn(int) (net.Conn, error) { return nil, errors.ErrUnsupported }

// ReceiveNow reads nothing and returns 0.
func ReceiveNow(int, []byte) int { return 0 }
