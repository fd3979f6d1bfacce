package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

const (
	// progressChecks is into how many waits a write's timeout is divided, so that a reader counts as stalled when it
	// took nothing for that time, wherever in a write it stopped.
	progressChecks = 4
	// maxTLSPlaintext is how much one record of TLS carries (RFC 8446, section 5.1).
	maxTLSPlaintext = 16 << 10
)

// blocking carries a connection over a socket whose reads and writes block: one goroutine reads, and calls end when
// nothing more can be read; another one writes while there is something to write.
type blocking struct {
	conn
	socket net.Conn

	// Guarded by the conn's mu.
	drained bool          // the reader has begun to drop what comes
	resumed bool          // what the reader waits for has been decided
	wake    chan struct{} // closed when a waiting reader should look again; nil while none waits
}

// start implements carrier.
func (c *blocking) start(any) { go c.flush() }

// press implements carrier: whoever writes is at it already.
func (c *blocking) press() {}

// check implements carrier: reads and writes have deadlines of their own.
func (c *blocking) check(int64) int64 { return never }

// Resume implements [actors.Link].
func (c *blocking) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumed = true
	c.wakeReader()
}

// sawBytes notes a sign of life.
func (c *blocking) sawBytes() { c.lastRead.Store(c.server.now()) }

// act has the reader act on one text message and waits until the next one may follow.
func (c *blocking) act(text []byte) {
	if !c.receive(text, nil) {
		c.pause(
			func() bool {
				resumed := c.resumed
				c.resumed = false
				return resumed
			},
			func(wake <-chan struct{}) { <-wake },
		)
	}
	c.settle()
}

// admit blocks the reader until it may act on so many more frames.
func (c *blocking) admit(frames uint32) {
	wait := c.charge(c.server.now(), frames)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	elapsed := false
	c.pause(func() bool { return elapsed }, func(wake <-chan struct{}) {
		select {
		case <-timer.C:
			elapsed = true
		case <-wake:
		}
	})
}

// settle blocks the reader while its answers crowd.
func (c *blocking) settle() {
	if c.crowded() {
		c.pause(func() bool { return !c.crowded() }, func(wake <-chan struct{}) { <-wake })
	}
}

// pause blocks the reader with wait until done or until the connection is closing. Both are called by the reader, done
// with mu held.
func (c *blocking) pause(done func() bool, wait func(wake <-chan struct{})) {
	c.paused.Store(true)
	for {
		c.mu.Lock()
		if c.closing.Load() || done() {
			c.mu.Unlock()
			break
		}
		wake := c.wakeup()
		c.mu.Unlock()
		wait(wake)
	}
	c.sawBytes()
	c.paused.Store(false)
}

// end is the reader's last call: the session ends, then what is queued goes out, then the socket is closed. Where the
// connection is not closing yet, payload is what its close frame says; nil sends none.
func (c *blocking) end(payload []byte) {
	c.seal(payload)
	c.endSession()
	c.release()
	c.drain()
	_ = c.socket.Close()
	c.server.connections.remove(&c.conn)
}

// stopReader implements carrier.
func (c *blocking) stopReader() {
	_ = c.socket.SetReadDeadline(time.Unix(1, 0))
	c.wakeReader()
}

// wakeup returns a channel that is closed when the reader should look again. The caller holds mu.
func (c *blocking) wakeup() <-chan struct{} {
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	return c.wake
}

// wakeReader has a waiting reader look again. The caller holds mu.
func (c *blocking) wakeReader() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// flush writes what is queued, all of it in one write, until nothing is. It runs on a goroutine of its own, one at a
// time, which is what writing says.
func (c *blocking) flush() {
	for {
		c.mu.Lock()
		c.wakeReader()
		batch, cut := c.queued, c.halfway
		if batch == nil && (!c.closing.Load() || c.halfway) {
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.queued = nil
		c.mu.Unlock()
		switch {
		case batch == nil:
			c.closeSending()
			continue
		case cut:
			c.lose(batch, 0)
		default:
			c.write(batch)
		}
		c.free(batch)
	}
}

// write writes one batch, or gives up and closes the socket.
func (c *blocking) write(batch *buffer) {
	timeout := c.server.options.WriteTimeout
	// A TLS connection does not outlive a write's time-out, because a record may be half out: each record has the whole
	// of it at once.
	_, final := c.socket.(*tls.Conn)
	written := 0
	progress := time.Now()
	for written < len(batch.bytes) {
		part, deadline := batch.bytes[written:], time.Now().Add(timeout/progressChecks)
		if final {
			part, deadline = part[:min(len(part), maxTLSPlaintext)], c.recordDeadline()
		}
		_ = c.socket.SetWriteDeadline(deadline)
		n, err := c.socket.Write(part)
		written += n
		c.waiting.Add(int64(-n))
		if err == nil {
			continue
		}
		now := time.Now()
		// A time-out that comes before its time is an earlier one's, and there will be no other.
		final = final || n == 0 && now.Before(deadline) || !errors.Is(err, os.ErrDeadlineExceeded)
		if final || c.overdue(now) {
			c.cut()
			c.lose(batch, written)
			return
		}
		if n > 0 {
			progress = now
		}
		if now.Sub(progress) >= timeout {
			c.giveUpOn(batch, written)
		}
	}
}

// recordDeadline returns until when the write that begins now may make no progress at all.
func (c *blocking) recordDeadline() time.Time {
	deadline := time.Now().Add(c.server.options.WriteTimeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	if closeBy := c.server.time(c.closeBy); c.closing.Load() && closeBy.Before(deadline) {
		return closeBy
	}
	return deadline
}

// overdue has a waiting reader look again, and reports whether the connection is closing and should have written all.
func (c *blocking) overdue(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeReader()
	return c.closing.Load() && !now.Before(c.server.time(c.closeBy))
}

// cut implements carrier.
func (c *blocking) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing.Store(true)
	c.halfway = true
	socket := c.socket
	if secure, ok := socket.(*tls.Conn); ok {
		socket = secure.NetConn() // or Close would wait to say goodbye
	}
	_ = socket.Close()
	c.wakeReader()
}

// closeSending tells the client that nothing more comes, and bounds what it may still send.
func (c *blocking) closeSending() {
	if half, ok := c.socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halfway = true
	if c.drained {
		_ = c.socket.SetReadDeadline(time.Now().Add(lingerTimeout))
	}
}

// drain drops what the client still sends until it has closed its side too, or has had the time to, and what is queued
// is out.
func (c *blocking) drain() {
	c.mu.Lock()
	c.drained = true
	deadline := c.server.time(c.closeBy)
	if c.halfway {
		deadline = time.Now()
	}
	_ = c.socket.SetReadDeadline(deadline.Add(lingerTimeout))
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, c.socket)
	for {
		c.mu.Lock()
		if !c.writing {
			c.mu.Unlock()
			return
		}
		wake := c.wakeup()
		c.mu.Unlock()
		<-wake
	}
}
