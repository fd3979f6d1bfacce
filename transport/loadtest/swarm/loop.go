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

// Limits of what a loop keeps for connections to come.
const (
	keepBuffer  = 128 << 10 // bytes in one buffer
	keepBuffers = 8 << 20   // bytes in all of them
	newBuffer   = 2 << 10
)

// A Loop has some of a Swarm's connections. But for [Loop.Do], its methods, and those of its connections, may be called
// on the loop only: by handlers, by [Options.Tick], and by what is given to Do.
type Loop struct {
	swarm  *Swarm
	index  int
	driver driver
	seed   uint64 // of masks and keys

	dirty    []*Conn // something waits to be written, or there is more to do after the handlers
	open     int     // connections whose end was not reported yet
	waits    waits
	buffers  [][]byte
	kept     int // bytes in buffers
	response *bufio.Reader
	source   bytes.Reader
	sources  int // addresses used so far
	pings    int // that came
	stopping bool
	read     time.Duration // when what is being handled was read

	mu    sync.Mutex
	tasks []func()
}

// driver moves bytes for the connections of one loop. All methods but run and wake are called on the loop.
type driver interface {
	run()                 // until the loop is stopping and has no connection left
	wake()                // has run look at the tasks; from anywhere
	dial(c *Conn)         // ends in c.connected or c.fail, but never during the call
	flush(c *Conn)        // writes c.out as far as it goes
	reading(c *Conn)      // c.paused has changed
	drop(c *Conn, r bool) // closes the socket; with a reset where r
	each(f func(*Conn))   // f for each connection that has a socket, or is about to
}

// Index returns the loop's number in [Swarm.Loops].
func (l *Loop) Index() int { return l.index }

// Now returns the time on the Swarm's clock.
func (l *Loop) Now() time.Duration { return l.swarm.Now() }

// ReadAt returns when the bytes were read that the handlers are being told of, on the Swarm's clock.
func (l *Loop) ReadAt() time.Duration { return l.read }

// Do has f called on the loop, soon and from anywhere; in the order of the calls, but never during the call. After Stop
// it does nothing.
func (l *Loop) Do(f func()) {
	l.mu.Lock()
	l.tasks = append(l.tasks, f)
	l.mu.Unlock()
	l.driver.wake()
}

// Open returns how many connections there are whose handler was not told of their end.
func (l *Loop) Open() int { return l.open }

// Pings returns how many pings have come from the service so far.
func (l *Loop) Pings() int { return l.pings }

// CloseAll closes all connections, as [Conn.Close] does.
func (l *Loop) CloseAll() { l.driver.each((*Conn).Close) }

// Dial begins a connection. How it goes, h is told.
func (l *Loop) Dial(h Handler) *Conn {
	c := &Conn{loop: l, handler: h, id: l.random(), fd: -1}
	l.open++
	if l.stopping {
		l.Do(func() { c.fail(ErrStopped) })
		return c
	}
	l.driver.dial(c)
	l.waits.add(&l.waits.handshakes, c, l.Now()+l.swarm.options.HandshakeTimeout)
	return c
}

// takeTasks runs what was given to Do.
func (l *Loop) takeTasks() {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

// settle does what is due after anything happened and returns when it must be called again.
func (l *Loop) settle() time.Duration {
	next := l.waits.expire(l)
	if l.swarm.options.Tick != nil && !l.stopping {
		next = min(next, l.swarm.options.Tick(l))
	}
	if len(l.dirty) == 0 {
		return next
	}
	for i := 0; i < len(l.dirty); i++ { // a handler that hears of a failure may add to it
		c := l.dirty[i]
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

// finished reports whether the loop has stopped, for which it ends what is open.
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

// buffer returns an empty buffer.
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

// free takes a buffer back.
func (l *Loop) free(b []byte) {
	if cap(b) == 0 || cap(b) > keepBuffer || l.kept+cap(b) > keepBuffers {
		return
	}
	l.kept += cap(b)
	l.buffers = append(l.buffers, b[:0])
}

// random returns the next number of SplitMix64 (Steele, Lea and Flood, 2014): masks need to be unforeseeable where
// intermediaries could be led astray by the content (RFC 6455, section 10.3), which here is the tool's own.
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

// waits has the connections that wait for the other side. What waits in one list waits equally long, so the lists are
// in order.
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

func (*waits) add(w *waiting, c *Conn, at time.Duration) {
	w.list = append(w.list, deadline{at, c})
}

// expire ends what waited too long and returns when the next one will have.
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

// nextSource returns the local address for the next connection; none where the operating system chooses.
func (l *Loop) nextSource() netip.Addr {
	sources := l.swarm.options.Sources
	if len(sources) == 0 {
		return netip.Addr{}
	}
	// Loops begin at different places, so that few connections are spread over all addresses too.
	l.sources++
	return sources[(l.index+l.sources*len(l.swarm.loops))%len(sources)]
}
