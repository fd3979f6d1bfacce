package swarm

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// Sizes of the buffers that a loop keeps and uses again, in bytes.
const (
	keepBuffer  = 128 << 10 // the largest buffer that is kept
	keepBuffers = 8 << 20   // the most that all kept buffers have together
	newBuffer   = 2 << 10   // a new buffer
)

// A Loop has some of a Swarm's connections. [Loop.Do] may be called from anywhere. All other methods of the loop and of its
// connections may be called on the loop only. That is in handlers, in [Options.Tick] and [Options.Flushed], and in functions
// that are given to Do.
type Loop struct {
	swarm  *Swarm
	index  int
	driver driver
	seed   uint64 // state of the random numbers for masks and keys

	dirty    []*Conn // connections to flush
	open     int     // connections whose end was not reported yet
	waits    waits
	buffers  [][]byte      // buffers to use again
	kept     int           // capacity of buffers, in bytes
	response *bufio.Reader // reads answers to handshakes, from source
	source   bytes.Reader
	sources  int // how many connections got a source address so far
	pings    int // how many pings came so far
	stopping bool
	read     time.Duration // the time when the bytes were read that are handled now

	mu    sync.Mutex
	tasks []func()
	ended bool // nothing takes tasks any more; the driver must not be woken
}

// driver moves bytes for the connections of one loop. Its methods are called on the loop, except run and wake.
type driver interface {
	run()                     // runs until the loop is stopping and has no connections
	close()                   // frees what the driver has; nothing but this is called after run
	wake()                    // makes run look at the tasks; may be called from anywhere
	dial(c *Conn)             // connects, and calls c.connected or c.fail later, never during the call
	flush(c *Conn)            // writes as much of c.out as the socket takes
	reading(c *Conn)          // reads or stops reading, because c.paused has changed
	drop(c *Conn, reset bool) // closes the socket; reset says that the connection is reset
	each(f func(*Conn))       // calls f for each connection that has a socket or is about to have one
}

// Index returns the loop's number in [Swarm.Loops].
func (l *Loop) Index() int { return l.index }

// Now returns the time on the Swarm's clock.
func (l *Loop) Now() time.Duration { return l.swarm.Now() }

// ReadAt returns when the bytes were read that the handlers get now, on the Swarm's clock.
func (l *Loop) ReadAt() time.Duration { return l.read }

// Do makes the loop call f soon, but not during the call of Do. It may be called from anywhere. The loop keeps the order of
// the calls. After [Swarm.Stop] the loop does not call f.
func (l *Loop) Do(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.tasks = append(l.tasks, f)
	l.driver.wake() // with mu held: after the end, the driver's descriptors can be another file's
}

// run runs the loop until it has stopped.
func (l *Loop) run() {
	l.driver.run()
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.driver.close()
}

// Open returns the number of connections whose handlers have not been told of the end.
func (l *Loop) Open() int { return l.open }

// Pings returns how many pings the service has sent so far.
func (l *Loop) Pings() int { return l.pings }

// CloseAll closes all connections, as [Conn.Close] does.
func (l *Loop) CloseAll() { l.driver.each((*Conn).Close) }

// Dial begins a connection and returns at once. It calls no method of h. Later the loop calls h.Opened or h.Closed.
func (l *Loop) Dial(h Handler) *Conn {
	c := &Conn{loop: l, handler: h, id: l.random(), fd: -1}
	l.open++
	if l.stopping {
		l.Do(func() { c.fail(ErrStopped) })
		return c
	}
	l.driver.dial(c)
	l.waits.handshakes.add(c, l.Now()+l.swarm.options.HandshakeTimeout)
	return c
}

// takeTasks calls the functions that were given to Do.
func (l *Loop) takeTasks() {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

// settle must be called after anything has happened on the loop. It ends connections that have waited too long, calls Tick
// and flushes. It returns the time at which it must be called again.
func (l *Loop) settle() time.Duration {
	next := l.waits.expire(l)
	if l.swarm.options.Tick != nil && !l.stopping {
		next = min(next, l.swarm.options.Tick(l))
	}
	if len(l.dirty) == 0 {
		return next
	}
	for _, c := range l.dirty {
		c.dirty = false
		if c.state >= aborted {
			continue
		}
		l.driver.flush(c)
	}
	clear(l.dirty)
	l.dirty = l.dirty[:0]
	if l.swarm.options.Flushed != nil {
		l.swarm.options.Flushed(l)
	}
	return next
}

// finished reports whether the loop can end. If the loop is stopping, it ends all connections.
func (l *Loop) finished() bool {
	if !l.stopping {
		return false
	}
	l.driver.each(func(c *Conn) { c.fail(ErrStopped) })
	l.mu.Lock()
	left := len(l.tasks)
	l.mu.Unlock()
	return l.open == 0 && left == 0
}

// buffer returns an empty buffer with capacity.
func (l *Loop) buffer() []byte {
	n := len(l.buffers)
	if n == 0 {
		return make([]byte, 0, newBuffer)
	}
	b := l.buffers[n-1]
	l.buffers[n-1] = nil
	l.buffers = l.buffers[:n-1]
	l.kept -= cap(b)
	return b
}

// free keeps a buffer to use it again, within the limits above.
func (l *Loop) free(b []byte) {
	if cap(b) == 0 || cap(b) > keepBuffer || l.kept+cap(b) > keepBuffers {
		return
	}
	l.kept += cap(b)
	l.buffers = append(l.buffers, b[:0])
}

// random returns the next number of SplitMix64 (Steele, Lea and Flood, 2014). It is predictable. RFC 6455, section 10.3,
// wants masks that are not, because an attacker who chooses the content could deceive intermediaries. Here the load tool
// chooses the content itself.
func (l *Loop) random() uint64 {
	l.seed += 0x9E3779B97F4A7C15
	return mix(l.seed)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.NativeEndian.Uint64(b[:])
}

// waits has the connections that wait for the service. All connections in a list have the same time limit, so the list is in order
// of time.
type waits struct {
	handshakes waiting
	closes     waiting
}

type waiting struct {
	list  []deadline
	first int
}

type deadline struct {
	at   time.Duration
	conn *Conn
}

func (w *waiting) add(c *Conn, at time.Duration) {
	w.list = append(w.list, deadline{at, c})
}

// expire ends the connections that have waited too long. It returns the time at which it must be called again.
func (w *waits) expire(l *Loop) time.Duration {
	if len(w.handshakes.list) == 0 && len(w.closes.list) == 0 {
		return Never
	}
	now := l.Now()
	return min(
		w.handshakes.expire(now, func(c *Conn) bool { return c.state < opened }),
		w.closes.expire(now, func(c *Conn) bool { return c.state == closing }),
	)
}

func (w *waiting) expire(now time.Duration, still func(*Conn) bool) time.Duration {
	for w.first < len(w.list) {
		d := &w.list[w.first]
		if still(d.conn) {
			if d.at > now {
				return d.at
			}
			d.conn.fail(ErrTimeout)
		}
		d.conn = nil
		w.first++
	}
	w.list, w.first = w.list[:0], 0
	if cap(w.list) > 1<<10 {
		w.list = nil
	}
	return Never
}

// nextSource returns the local address for the next connection. It is the zero Addr if the operating system chooses.
func (l *Loop) nextSource() netip.Addr {
	sources := l.swarm.options.Sources
	if len(sources) == 0 {
		return netip.Addr{}
	}
	// Each loop begins with another address. So even a few connections use all addresses.
	l.sources++
	return sources[(l.index+l.sources*len(l.swarm.loops))%len(sources)]
}
