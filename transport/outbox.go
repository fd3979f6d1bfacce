package transport

import (
	"p2p-messaging/messages"
)

const (
	// bufferSize is what a buffer of frames begins with.
	bufferSize = 512
	// keepBuffer is how large a buffer may have grown to be used again.
	keepBuffer = 64 << 10
	// pressSize is how much may be queued before the carrier is pressed to write: what one round of a loop brings for one
	// client together is not to reach the limit of its queue where its socket could have taken it.
	pressSize = 32 << 10
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

// opRaw, in place of an opcode, queues bytes that are no frame: the response to the handshake.
const opRaw = 0xFF

// Send implements [actors.Link].
func (c *conn) Send(text []byte) bool { return c.queue(opText, text, nil, nil) }

// Deliver implements [actors.Link].
func (c *conn) Deliver(m *messages.Deliver) bool { return c.queue(opText, m.Text, m.Sender, m.Via) }

// Waiting implements [actors.Link].
func (c *conn) Waiting() int { return int(c.waiting.Load()) }

// Close implements [actors.Link].
func (c *conn) Close(code messages.CloseCode, reason string) {
	if c.seal(appendClosePayload(nil, code, reason)) {
		c.release()
	}
}

// queue appends a frame of sender's, nil for the service's own, to what waits and reports whether it was taken. Via is
// what brought it, or nil.
func (c *conn) queue(opcode byte, payload []byte, sender messages.Address, via any) bool {
	c.mu.Lock()
	if c.closing.Load() {
		c.mu.Unlock()
		return false
	}
	c.append(opcode, payload, sender)
	start, press := !c.writing, len(c.queued.bytes) >= pressSize
	c.writing = true
	c.mu.Unlock()
	if start {
		c.carrier.start(via)
	}
	if press {
		c.carrier.press()
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
	c.close()
	if payload != nil {
		c.append(opClose, payload, nil)
	}
	return true
}

// close has the connection be closing. The caller holds mu.
func (c *conn) close() {
	c.closing.Store(true)
	c.closeBy = c.server.now() + int64(c.server.options.WriteTimeout)
	c.carrier.stopReader()
}

// release lets a sealed outbox go out, or be lost where the connection has been cut.
func (c *conn) release() {
	c.mu.Lock()
	start := !c.writing && (!c.halfway || c.queued != nil)
	c.writing = c.writing || start
	c.mu.Unlock()
	if start {
		c.carrier.start(nil)
	}
}

// append changes what is queued. The caller holds mu.
func (c *conn) append(opcode byte, payload []byte, sender messages.Address) {
	if c.queued == nil {
		c.queued = c.server.buffers.Get().(*buffer)
	}
	before := len(c.queued.bytes)
	if opcode == opRaw {
		c.queued.bytes = append(c.queued.bytes, payload...)
	} else {
		c.queued.bytes = appendFrame(c.queued.bytes, opcode, payload)
	}
	if sender != nil {
		c.queued.marks = append(c.queued.marks, mark{offset: uint32(before), sender: sender})
	}
	c.waiting.Add(int64(len(c.queued.bytes) - before))
}

// giveUpOn closes the connection of a reader that took nothing for too long, if it is not closing yet: of what waits,
// only the rest of the frame that is partly written stays in batch, and a close frame, for a reader that wakes up in
// time. Only who writes batch calls it.
func (c *conn) giveUpOn(batch *buffer, written int) {
	c.mu.Lock()
	if c.closing.Load() {
		c.mu.Unlock()
		return
	}
	c.close()
	queued := c.queued
	c.queued = nil
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
