package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"time"

	"p2p-messaging/messages"
)

const (
	// bufferSize is what a buffer of frames begins with.
	bufferSize = 4 << 10
	// keepBuffer is how large a buffer may have grown to be used again.
	keepBuffer = 64 << 10
	// progressChecks is into how many waits a write's timeout is divided, so that a reader counts as stalled when it
	// took nothing for that time, wherever in a write it stopped.
	progressChecks = 4
	// maxTLSPlaintext is how much one record of TLS carries (RFC 8446, section 5.1).
	maxTLSPlaintext = 16 << 10
)

// buffer holds complete frames.
type buffer struct {
	bytes []byte
	marks []mark // in the order of the frames
}

// mark says whose message the frame at an offset is. Frames without one are the service's own.
type mark struct {
	offset uint32
	sender messages.Address
}

// Send implements [actors.Link].
func (c *conn) Send(text []byte) bool {
	return c.queue(nil, func(b []byte) []byte { return appendFrame(b, opText, text) })
}

// Deliver implements [actors.Link].
func (c *conn) Deliver(m *messages.Deliver) bool {
	return c.queue(m.Sender, func(b []byte) []byte { return appendFrame(b, opText, m.Text) })
}

// Waiting implements [actors.Link].
func (c *conn) Waiting() int { return int(c.waiting.Load()) }

// Close implements [actors.Link].
func (c *conn) Close(code messages.CloseCode, reason string) {
	if c.seal(appendClosePayload(nil, code, reason)) {
		c.release()
	}
}

// queue has add append a frame of sender's, nil for the service's own, to what waits and reports whether it was taken.
func (c *conn) queue(sender messages.Address, add func([]byte) []byte) bool {
	c.mu.Lock()
	if c.closing.Load() {
		c.mu.Unlock()
		return false
	}
	c.append(sender, add)
	start := !c.writing
	c.writing = true
	c.mu.Unlock()
	if start {
		go c.flush()
	}
	return true
}

// seal lets the outbox take nothing more after a close frame with payload, or without one where payload is nil, and
// stops the reader. It reports whether the outbox was open until now. What is queued stays where it is until release.
func (c *conn) seal(payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Load() {
		return false
	}
	c.closing.Store(true)
	c.closeBy = time.Now().Add(c.server.options.WriteTimeout)
	if payload != nil {
		c.append(nil, func(b []byte) []byte { return appendFrame(b, opClose, payload) })
	}
	c.stopReader()
	return true
}

// release lets a sealed outbox go out, or be lost where the connection has been cut.
func (c *conn) release() {
	c.mu.Lock()
	start := !c.writing && (!c.halfway || c.queued != nil)
	c.writing = c.writing || start
	c.mu.Unlock()
	if start {
		go c.flush()
	}
}

// append changes what is queued. The caller holds mu.
func (c *conn) append(sender messages.Address, add func([]byte) []byte) {
	if c.queued == nil {
		c.queued = c.server.buffers.Get().(*buffer)
	}
	before := len(c.queued.bytes)
	c.queued.bytes = add(c.queued.bytes)
	if sender != nil {
		c.queued.marks = append(c.queued.marks, mark{offset: uint32(before), sender: sender})
	}
	c.waiting.Add(int64(len(c.queued.bytes) - before))
}

// stopReader ends the reader's wait, be it for bytes or on purpose. The caller holds mu.
func (c *conn) stopReader() {
	_ = c.socket.SetReadDeadline(time.Unix(1, 0))
	c.wakeReader()
}

// wakeup returns a channel that is closed when the reader should look again. The caller holds mu.
func (c *conn) wakeup() <-chan struct{} {
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	return c.wake
}

// wakeReader has a waiting reader look again. The caller holds mu.
func (c *conn) wakeReader() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// flush writes what is queued, all of it in one write, until nothing is. It runs on a goroutine of its own, one at a
// time, which is what writing says.
func (c *conn) flush() {
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
func (c *conn) write(batch *buffer) {
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
func (c *conn) recordDeadline() time.Time {
	deadline := time.Now().Add(c.server.options.WriteTimeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Load() && c.closeBy.Before(deadline) {
		return c.closeBy
	}
	return deadline
}

// overdue has a waiting reader look again, and reports whether the connection is closing and should have written all.
func (c *conn) overdue(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeReader()
	return c.closing.Load() && !now.Before(c.closeBy)
}

// giveUpOn closes the connection of a reader that took nothing for too long, if it is not closing yet: of what waits,
// only the rest of the frame that is partly written stays, and a close frame, for a reader that wakes up in time.
func (c *conn) giveUpOn(batch *buffer, written int) {
	c.mu.Lock()
	if c.closing.Load() {
		c.mu.Unlock()
		return
	}
	c.closing.Store(true)
	c.closeBy = time.Now().Add(c.server.options.WriteTimeout)
	queued := c.queued
	c.queued = nil
	c.stopReader()
	c.mu.Unlock()
	end := 0
	for end < written {
		end += frameSize(batch.bytes[end:])
	}
	c.lose(batch, end)
	if queued != nil {
		c.lose(queued, 0)
		c.free(queued)
	}
	batch.bytes = appendFrame(batch.bytes, opClose,
		appendClosePayload(nil, messages.CloseTooSlow, "you did not read what was sent to you"))
	c.waiting.Add(int64(len(batch.bytes) - end))
}

// lose drops what b has behind its first n bytes, and hands each message that will not go out whole back to its sender.
// The caller does not hold mu: the sender may be this connection's own client.
func (c *conn) lose(b *buffer, n int) {
	first := len(b.marks)
	for first > 0 && int(b.marks[first-1].offset)+frameSize(b.bytes[b.marks[first-1].offset:]) > n {
		first--
	}
	for _, m := range b.marks[first:] {
		c.handBack(framePayload(b.bytes[m.offset:]), m.sender)
	}
	clear(b.marks[first:])
	b.marks = b.marks[:first]
	c.waiting.Add(int64(n - len(b.bytes)))
	b.bytes = b.bytes[:n]
}

// handBack contains a panic of the session's: nothing above it on this goroutine would.
func (c *conn) handBack(text []byte, sender messages.Address) {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
		}
	}()
	c.session.Undelivered(text, sender)
}

// cut ends the connection at once. What waits is lost, which flush finds out.
func (c *conn) cut() {
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

// free gives a buffer back for other connections.
func (c *conn) free(b *buffer) {
	if cap(b.bytes) > keepBuffer {
		return
	}
	b.bytes = b.bytes[:0]
	clear(b.marks) // so that none keeps a session that has ended
	b.marks = b.marks[:0]
	c.server.buffers.Put(b)
}

// closeSending tells the client that nothing more comes, and bounds what it may still send.
func (c *conn) closeSending() {
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
func (c *conn) drain() {
	c.mu.Lock()
	c.drained = true
	deadline := c.closeBy
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
