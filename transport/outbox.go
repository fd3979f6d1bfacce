package transport

import (
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
)

// buffer holds complete frames.
type buffer struct{ bytes []byte }

// Send implements [actors.Link].
func (c *conn) Send(text []byte) bool {
	return c.queue(func(b []byte) []byte { return appendFrame(b, opText, text) })
}

// Waiting implements [actors.Link].
func (c *conn) Waiting() int { return int(c.waiting.Load()) }

// Close implements [actors.Link].
func (c *conn) Close(code messages.CloseCode, reason string) {
	if c.seal(appendClosePayload(nil, code, reason)) {
		c.release()
	}
}

// queue has add append a frame to what waits and reports whether it was taken.
func (c *conn) queue(add func([]byte) []byte) bool {
	c.mu.Lock()
	if c.closing.Load() {
		c.mu.Unlock()
		return false
	}
	c.append(add)
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
		c.append(func(b []byte) []byte { return appendFrame(b, opClose, payload) })
	}
	c.stopReader()
	return true
}

// release lets a sealed outbox go out.
func (c *conn) release() {
	c.mu.Lock()
	start := !c.writing && !c.halfway
	c.writing = c.writing || start
	c.mu.Unlock()
	if start {
		go c.flush()
	}
}

// append changes what is queued. The caller holds mu.
func (c *conn) append(add func([]byte) []byte) {
	if c.queued == nil {
		c.queued = c.server.buffers.Get().(*buffer)
	}
	before := len(c.queued.bytes)
	c.queued.bytes = add(c.queued.bytes)
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
		batch := c.queued
		if batch == nil && (!c.closing.Load() || c.halfway) {
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.queued = nil
		c.mu.Unlock()
		if batch == nil {
			c.closeSending()
			continue
		}
		c.write(batch)
		c.free(batch)
	}
}

// write writes one batch, or gives up and closes the socket.
func (c *conn) write(batch *buffer) {
	timeout := c.server.options.WriteTimeout
	written := 0
	progress := time.Now()
	for written < len(batch.bytes) {
		_ = c.socket.SetWriteDeadline(time.Now().Add(timeout / progressChecks))
		n, err := c.socket.Write(batch.bytes[written:])
		written += n
		c.waiting.Add(int64(-n))
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.cut()
			return
		}
		now := time.Now()
		if n > 0 {
			progress = now
		}
		c.mu.Lock()
		switch {
		case c.closing.Load() && !now.Before(c.closeBy):
			c.mu.Unlock()
			c.cut()
			return
		case !c.closing.Load() && now.Sub(progress) >= timeout:
			c.giveUpOn(batch, written)
		}
		c.wakeReader()
		c.mu.Unlock()
	}
}

// giveUpOn closes the connection of a reader that took nothing for too long: of what waits, only the rest of the frame
// that is partly written stays, and a close frame, for a reader that wakes up in time. The caller holds mu.
func (c *conn) giveUpOn(batch *buffer, written int) {
	c.closing.Store(true)
	c.closeBy = time.Now().Add(c.server.options.WriteTimeout)
	if c.queued != nil {
		c.free(c.queued)
		c.queued = nil
	}
	end := 0
	for end < written {
		end += frameSize(batch.bytes[end:])
	}
	batch.bytes = appendFrame(batch.bytes[:end], opClose,
		appendClosePayload(nil, messages.CloseTooSlow, "you did not read what was sent to you"))
	c.waiting.Store(int64(len(batch.bytes) - written))
	c.stopReader()
}

// cut ends the connection at once. What waits is lost.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing.Store(true)
	c.halfway = true
	if c.queued != nil {
		c.free(c.queued)
		c.queued = nil
	}
	c.waiting.Store(0)
	_ = c.socket.Close()
	c.wakeReader()
}

// free gives a buffer back for other connections.
func (c *conn) free(b *buffer) {
	if cap(b.bytes) > keepBuffer {
		return
	}
	b.bytes = b.bytes[:0]
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
