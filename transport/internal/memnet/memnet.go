// Package memnet is a network in memory. It waits on channels only, so tests can use it with testing/synctest. Unlike
// net.Pipe, its connections have buffers, like those of a kernel, and an end can close its sending direction alone.
package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Listener accepts the connections that [Listener.Dial] opens.
type Listener struct {
	buffer int
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener. In each direction, its connections hold up to buffer bytes that nobody has read yet.
func Listen(buffer int) *Listener {
	return &Listener{buffer: buffer, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial opens a connection. It waits until Accept takes the other end. After Close the error is ECONNREFUSED.
func (l *Listener) Dial() (*Conn, error) {
	client, server := Pipe(l.buffer)
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "mem", Err: syscall.ECONNREFUSED}
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "mem" }
func (addr) String() string  { return "mem" }

// Conn is one end of a connection.
type Conn struct {
	in, out     *stream
	read, write deadline
}

// Pipe returns the two ends of a connection. In each direction it holds up to buffer bytes that nobody has read yet.
func Pipe(buffer int) (*Conn, *Conn) {
	a, b := newStream(buffer), newStream(buffer)
	return newConn(a, b), newConn(b, a)
}

func newConn(in, out *stream) *Conn {
	return &Conn{in: in, out: out, read: newDeadline(), write: newDeadline()}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p, &c.read) }

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p, &c.write)
	if err == syscall.ECONNRESET {
		c.in.change(c.in.reset)
	}
	return n, err
}

// CloseWrite closes the sending direction. The other end reads the bytes that were sent, and then io.EOF.
func (c *Conn) CloseWrite() error {
	c.out.change(func() { c.out.ended = true })
	return nil
}

// Close implements net.Conn. As in TCP, it resets the connection if this end has bytes that it did not read. A later write
// of the other end resets the connection too. After a reset, the other end cannot read the bytes that it has not read yet.
func (c *Conn) Close() error {
	unread := false
	c.in.change(func() {
		unread = len(c.in.bytes) > 0
		c.in.abandoned = true
	})
	c.out.change(func() {
		c.out.ended = true
		if unread {
			c.out.reset()
		}
	})
	c.read.set(time.Time{})
	c.write.set(time.Time{})
	return nil
}

// State is the state of a connection, like the events of poll(2).
type State struct {
	Readable bool // Read would not wait
	Writable bool // Write would take a byte or fail without waiting
	Ended    bool // the other end has closed its sending direction
	HungUp   bool // the connection was reset, or closed in both directions
}

// State returns the state of the connection and two channels. When the state may have changed, one of them is closed.
func (c *Conn) State() (s State, in, out <-chan struct{}) {
	c.in.mu.Lock()
	s.Readable = len(c.in.bytes) > 0 || c.in.ended || c.in.lost || c.in.abandoned
	s.HungUp = c.in.lost || c.in.abandoned
	s.Ended = c.in.ended
	in = c.in.changed
	c.in.mu.Unlock()
	c.out.mu.Lock()
	s.Writable = len(c.out.bytes) < c.out.limit || c.out.ended || c.out.abandoned
	s.HungUp = s.HungUp || s.Ended && c.out.ended
	out = c.out.changed
	c.out.mu.Unlock()
	return s, in, out
}

// TryWrite writes as much of p as there is room for. It does not wait.
func (c *Conn) TryWrite(p []byte) (int, error) {
	n, err := c.out.tryWrite(p)
	if err == syscall.ECONNRESET {
		c.in.change(c.in.reset)
	}
	return n, err
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}

// stream is one direction of a connection.
type stream struct {
	limit int

	mu        sync.Mutex
	bytes     []byte
	ended     bool // the writing end writes no more
	abandoned bool // the reading end reads no more
	lost      bool // the connection was reset, and the unread bytes are lost
	changed   chan struct{}
}

func newStream(limit int) *stream { return &stream{limit: limit, changed: make(chan struct{})} }

// change runs f with the lock held and wakes everybody who waits for the stream.
func (s *stream) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// reset drops the bytes that were not read. The caller holds mu.
func (s *stream) reset() {
	s.bytes = nil
	s.lost = true
}

func (s *stream) read(p []byte, d *deadline) (n int, err error) {
	for {
		var changed chan struct{}
		s.mu.Lock()
		switch {
		case s.abandoned:
			err = net.ErrClosed
		case s.lost:
			err = syscall.ECONNRESET
		case d.passed():
			err = os.ErrDeadlineExceeded
		case len(s.bytes) > 0:
			n = copy(p, s.bytes)
			s.bytes = s.bytes[n:]
			close(s.changed)
			s.changed = make(chan struct{})
		case s.ended:
			err = io.EOF
		default:
			changed = s.changed
		}
		s.mu.Unlock()
		if changed == nil {
			return n, err
		}
		d.wait(changed)
	}
}

func (s *stream) write(p []byte, d *deadline) (n int, err error) {
	for {
		s.mu.Lock()
		switch {
		case s.ended:
			err = net.ErrClosed
		case s.abandoned:
			err = syscall.ECONNRESET
		case d.passed():
			err = os.ErrDeadlineExceeded
		}
		if err != nil {
			s.mu.Unlock()
			return n, err
		}
		if room := min(s.limit-len(s.bytes), len(p)-n); room > 0 {
			s.bytes = append(s.bytes, p[n:n+room]...)
			n += room
			close(s.changed)
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if n == len(p) {
			return n, nil
		}
		d.wait(changed)
	}
}

func (s *stream) tryWrite(p []byte) (n int, err error) {
	s.change(func() {
		switch {
		case s.ended:
			err = net.ErrClosed
		case s.abandoned:
			err = syscall.ECONNRESET
		default:
			n = max(0, min(s.limit-len(s.bytes), len(p)))
			s.bytes = append(s.bytes, p[:n]...)
		}
	})
	return n, err
}

// deadline is a deadline for reads or writes. It can be set again while somebody waits for it.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired bool
	changed chan struct{} // closed when the deadline expires or is set
}

func newDeadline() deadline { return deadline{changed: make(chan struct{})} }

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.expired = !t.IsZero() && !time.Now().Before(t)
	d.announce()
	if !t.IsZero() && !d.expired {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.timer == timer {
				d.expired = true
				d.announce()
			}
		})
		d.timer = timer
	}
}

func (d *deadline) announce() {
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

// wait returns when changed is closed or when the deadline expires or is set.
func (d *deadline) wait(changed <-chan struct{}) {
	d.mu.Lock()
	mine, expired := d.changed, d.expired
	d.mu.Unlock()
	if expired {
		return
	}
	select {
	case <-changed:
	case <-mine:
	}
}
