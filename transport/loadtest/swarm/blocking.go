package swarm

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"
)

// blocking drives the connections of a loop with goroutines. Each connection has one that reads, and one that writes while
// there are bytes to write. A lock makes a loop of them: the goroutine that holds it is on the loop.
type blocking struct {
	loop    *Loop
	on      sync.Mutex // held by the goroutine that is on the loop
	woken   chan struct{}
	conns   map[*Conn]struct{}
	readers sync.WaitGroup // the goroutines of the connections
}

// stream is the part of a connection that only this driver uses. Its fields change on the loop only.
type stream struct {
	socket  net.Conn           // nil until connected
	cancel  context.CancelFunc // ends the attempt to connect
	resumed sync.Cond          // paused or dropped has changed; its lock is that of the loop
	writing bool               // a goroutine writes, or a write has failed
	dropped bool
}

func newBlocking(l *Loop) *blocking {
	return &blocking{loop: l, woken: make(chan struct{}, 1), conns: map[*Conn]struct{}{}}
}

func (d *blocking) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

func (d *blocking) close() {}

func (d *blocking) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d.on.Lock()
		d.loop.takeTasks()
		next := d.loop.settle()
		end := d.loop.finished()
		d.on.Unlock()
		if end {
			d.readers.Wait()
			return
		}
		timer.Reset(max(0, next-d.loop.Now()))
		select {
		case <-timer.C:
		case <-d.woken:
		}
	}
}

// enter runs f on the loop and then settles the loop.
func (d *blocking) enter(f func()) {
	d.on.Lock()
	defer d.on.Unlock()
	f()
	if d.loop.settle() != Never {
		d.wake() // run may wait for a later time
	}
}

func (d *blocking) each(f func(*Conn)) {
	for c := range d.conns {
		f(c)
	}
}

func (d *blocking) dial(c *Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{cancel: cancel}
	s.resumed.L = &d.on
	c.stream = s
	d.conns[c] = struct{}{}
	source := c.loop.nextSource()
	d.readers.Go(func() {
		defer cancel()
		socket, err := d.connect(ctx, source)
		dropped := false
		d.enter(func() {
			s.socket = socket
			switch {
			case c.state != connecting:
				dropped = true
			case err != nil:
				c.fail(err)
			default:
				c.connected()
			}
		})
		if socket == nil {
			return
		}
		defer socket.Close()
		if !dropped {
			d.read(c, s)
		}
	})
}

func (d *blocking) connect(ctx context.Context, source netip.Addr) (net.Conn, error) {
	s := d.loop.swarm
	var dialer net.Dialer
	if source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	if s.secure == nil {
		return dialer.DialContext(ctx, "tcp", s.address.String())
	}
	secure := tls.Dialer{NetDialer: &dialer, Config: s.secure}
	return secure.DialContext(ctx, "tcp", s.address.String())
}

func (d *blocking) read(c *Conn, s *stream) {
	buffer := make([]byte, 4<<10)
	for {
		n, err := s.socket.Read(buffer)
		at := c.loop.Now()
		end := false
		d.enter(func() {
			for c.paused && !s.dropped {
				s.resumed.Wait()
			}
			c.loop.read = at
			if n > 0 && !s.dropped {
				c.receive(buffer[:n])
			}
			if err != nil && !s.dropped {
				c.fail(err)
			}
			end = s.dropped
		})
		if end {
			return
		}
	}
}

func (d *blocking) reading(c *Conn) {
	c.stream.resumed.Broadcast()
	if tcp, ok := c.stream.tcp(); ok {
		_ = tcp.SetReadBuffer(readBuffer(c.paused))
	}
}

// tcp returns the TCP connection. Over TLS it is the underlying one.
func (s *stream) tcp() (*net.TCPConn, bool) {
	raw := s.socket
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	tcp, ok := raw.(*net.TCPConn)
	return tcp, ok
}

func (d *blocking) flush(c *Conn) {
	s := c.stream
	if s.writing || s.socket == nil || len(c.out) == 0 {
		return
	}
	s.writing = true
	c.blocked = true
	d.readers.Go(func() {
		d.on.Lock()
		defer d.on.Unlock()
		for len(c.out) > 0 && !s.dropped {
			batch := append(d.loop.buffer(), c.out...)
			d.on.Unlock()
			n, err := s.socket.Write(batch)
			d.on.Lock()
			d.loop.free(batch)
			if s.dropped {
				return
			}
			c.wrote(n)
			if err != nil {
				// The connection does not end here. The reading goroutine ends it, after it has read the last bytes of the
				// service. They may be a close frame.
				c.unsend()
				return
			}
		}
		s.writing = false
		c.blocked = false
		if d.loop.swarm.options.Tick != nil {
			d.wake()
		}
	})
}

func (d *blocking) drop(c *Conn, reset bool) {
	s := c.stream
	if s.dropped {
		return
	}
	s.dropped = true
	delete(d.conns, c)
	s.cancel()
	s.resumed.Broadcast()
	if tcp, ok := s.tcp(); ok { // closing the TLS connection would send an alert, which may block
		if reset {
			_ = tcp.SetLinger(0)
		}
		_ = tcp.Close()
	}
}
