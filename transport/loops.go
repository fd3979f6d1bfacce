package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync"

	"p2p-messaging/transport/internal/epoll"
)

// carriers puts connections on loops. Both adopt methods return nil if no loop can carry the connection. Otherwise the loop
// owns the socket.
type carriers interface {
	adopt(net.Conn) *looped
	adoptDescriptor(fd int) *looped
	// answer reports whether all loops answer before ctx ends.
	answer(ctx context.Context) bool
	// stop ends the loops. No connection may be left.
	stop()
}

// loops are the loops of one server: one for each processor that Go uses. They start with the first connection.
type loops struct {
	logger *slog.Logger
	new    func() (*epoll.Loop, error)

	mu      sync.Mutex
	started bool
	all     []*epoll.Loop // empty if the system has no epoll, or refuses it
	next    int           // the index in all of the loop that got the last connection
}

// adopt implements carriers: loops carry connections over TCP, and those over TLS that this package speaks.
func (l *loops) adopt(socket net.Conn) *looped {
	raw, layer := beneath(socket)
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return nil
	}
	loop, number := l.take()
	if loop == nil {
		return nil
	}
	if layer != nil {
		_ = tcp.SetKeepAlive(false) // package net sets it; the service sends pings
	}
	fd, err := epoll.Detach(tcp)
	switch {
	case socket != raw && errors.Is(err, net.ErrClosed): // the client was sent away during its greeting
		return nil
	case err != nil:
		l.logger.Warn("a connection was not given to a loop and costs more memory", slog.Any("error", err))
		return nil
	}
	return newLooped(loop, number, fd, layer)
}

// adoptDescriptor implements carriers.
func (l *loops) adoptDescriptor(fd int) *looped {
	loop, number := l.take()
	if loop == nil {
		return nil
	}
	return newLooped(loop, number, fd, nil)
}

// newLooped returns a connection over a socket that loop takes over. Number is that of the loop.
// Layer is TLS between them, or nil.
func newLooped(loop *epoll.Loop, number, fd int, layer *secured) *looped {
	c := new(looped)
	c.shard = uint8(number % shardCount) // until it is added
	if layer == nil {
		c.socket = loop.Socket(fd, c)
	} else {
		c.socket = layer.between(c, loop.Socket(fd, layer))
	}
	return c
}

// take returns the loop for the next connection and its number, or nil.
func (l *loops) take() (loop *epoll.Loop, number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		l.started = true
		l.start()
	}
	if len(l.all) == 0 {
		return nil, 0
	}
	l.next = (l.next + 1) % len(l.all)
	return l.all[l.next], l.next
}

// start starts the loops. The caller holds mu.
func (l *loops) start() {
	for range runtime.GOMAXPROCS(0) {
		loop, err := l.new()
		switch {
		case err == nil:
			l.all = append(l.all, loop)
		case !errors.Is(err, errors.ErrUnsupported):
			l.logger.Warn("an event loop could not be started", slog.Any("error", err))
		}
	}
}

// stop implements carriers.
func (l *loops) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, loop := range l.all {
		loop.Stop()
	}
	l.all, l.started = nil, true
}
