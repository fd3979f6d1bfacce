package client_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter is a TCP proxy that cuts connections, in the ways in which networks do.
type cutter struct {
	t        *testing.T
	listener net.Listener
	service  string
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[*cutConn]struct{} // those that are not cut yet
	cut   []*cutConn            // those that are
	taken int                   // connections so far
	ended bool
}

// cutConn is one connection through a cutter.
type cutConn struct {
	client, service *net.TCPConn
	silent          atomic.Bool // nothing is passed on any more, and nobody is told
	torn            atomic.Bool // a part of the next bytes is passed on; then the connection is reset
}

// A way to cut a connection.
type way func(c *cutConn)

// ways are the ways to cut a connection.
var ways = map[string]way{
	"reset":                                  func(c *cutConn) { reset(c.client); reset(c.service) },
	"silent drop":                            func(c *cutConn) { c.silent.Store(true) },
	"half-open: the client does not notice":  func(c *cutConn) { c.silent.Store(true); reset(c.service) },
	"half-open: the service does not notice": func(c *cutConn) { c.silent.Store(true); reset(c.client) },
	"in the middle of a frame":               func(c *cutConn) { c.torn.Store(true) },
	"closed by both":                         func(c *cutConn) { _ = c.client.CloseWrite(); _ = c.service.CloseWrite() },
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// newCutter starts a cutter in front of the service at an address. It ends with the test.
func newCutter(t *testing.T, service string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &cutter{t: t, listener: l, service: service, conns: map[*cutConn]struct{}{}}
	x.work.Go(x.accept)
	t.Cleanup(x.stop)
	return x
}

func (x *cutter) address() string { return "ws://" + x.listener.Addr().String() }

func (x *cutter) accept() {
	for {
		client, err := x.listener.Accept()
		if err != nil {
			return
		}
		service, err := net.Dial("tcp", x.service)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &cutConn{client: client.(*net.TCPConn), service: service.(*net.TCPConn)}
		x.mu.Lock()
		x.taken++
		x.conns[c] = struct{}{}
		if x.ended {
			reset(c.client)
			reset(c.service)
		}
		x.mu.Unlock()
		x.work.Go(func() { x.pass(c, c.service, c.client) })
		x.work.Go(func() { x.pass(c, c.client, c.service) })
	}
}

// pass copies bytes in one direction until either end is closed.
func (x *cutter) pass(c *cutConn, to, from *net.TCPConn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		switch {
		case c.silent.Load():
			if err != nil {
				return
			}
			continue
		case c.torn.Load() && n > 0:
			_, _ = to.Write(buffer[:rand.IntN(n)])
			reset(c.client)
			reset(c.service)
		case n > 0:
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.Close()
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			break
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.conns, c)
	x.cut = append(x.cut, c) // to be closed at the end, in both directions
}

// cutOne cuts a random connection in a way.
func (x *cutter) cutOne(how way) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for c := range x.conns {
		delete(x.conns, c)
		x.cut = append(x.cut, c)
		how(c)
		return
	}
}

func (x *cutter) connections() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.taken
}

// stop ends the cutter and all connections.
func (x *cutter) stop() {
	_ = x.listener.Close()
	x.mu.Lock()
	x.ended = true
	for c := range x.conns {
		x.cut = append(x.cut, c)
	}
	for _, c := range x.cut {
		reset(c.client)
		reset(c.service)
	}
	x.mu.Unlock()
	x.work.Wait()
}
