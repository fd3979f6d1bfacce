package transport

import (
	"encoding/binary"
	"log/slog"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

const (
	// pressSize is how many bytes may be queued before the carrier is pressed to write. Otherwise the frames of one round of
	// a loop for one client could reach the queue limit, although the socket has room for them.
	pressSize = 32 << 10
	// lingerTimeout is how long a client may still send into a connection that the service has closed before the
	// socket is closed too.
	lingerTimeout = 3 * time.Second
)

const (
	reasonTooSlow   = "you did not read what was sent to you"
	reasonTakenOver = "another connection has taken this session over"
)

// Send implements [actors.Link].
func (c *conn) Send(text []byte) bool { return c.queue(frame.Text, text, nil, nil) }

// Deliver implements [actors.Link].
func (c *conn) Deliver(m *messages.Deliver) bool { return c.queue(frame.Text, m.Text, m, m.Via) }

// Waiting implements [actors.Link].
func (c *conn) Waiting() int { return int(c.outbox.waiting.Load()) }

// Close implements [actors.Link].
func (c *conn) Close(code messages.CloseCode, reason string) {
	payload := []byte{} // a close frame without a status code; nil means none
	if code != messages.CloseNoStatus {
		payload = frame.AppendClose(nil, uint16(code), reason)
	}
	if c.seal(payload) {
		if c.server.debugs() {
			c.debug("the service closes a connection", slog.Int("code", int(code)), slog.String("reason", reason))
		}
		c.release()
	}
}

// queue puts a frame into the outbox, and starts a flusher if there is none. It reports whether the frame was taken. M is
// the message that it carries, or nil if the frame is the service's own. Via is the carrier that brought the frame, or nil.
func (c *conn) queue(opcode frame.Opcode, payload []byte, m *messages.Deliver, via any) bool {
	taken, start, queued := c.outbox.put(&c.server.buffers, opcode, payload, m)
	if taken && m != nil {
		c.time(via)
	}
	if start {
		c.carrier.start(via)
	}
	if queued >= pressSize {
		c.carrier.press()
	}
	return taken
}

// Ping implements [actors.Link]. The sweep calls it with the mutex of the connection's shard held, so Ping never presses the carrier.
// The payload is 8 bytes, big-endian. There is none if the session is not kept.
func (c *conn) Ping() {
	var payload []byte
	if count, ok := c.session.Queued(); ok {
		payload = binary.BigEndian.AppendUint64(nil, count)
	}
	if _, start, _ := c.outbox.put(&c.server.buffers, frame.Ping, payload, nil); start {
		c.carrier.start(nil)
	}
}

// Abandon implements [actors.Link].
func (c *conn) Abandon() {
	payload := frame.AppendClose(nil, uint16(messages.CloseTakenOver), reasonTakenOver)
	open := c.outbox.abandon(&c.server.buffers, payload, c.writeDeadline())
	c.carrier.wake()
	if open {
		c.server.counts.closed(messages.CloseTakenOver)
		c.release()
	}
}

// seal seals the outbox and wakes the reader. It reports whether the outbox was open. The last frame is a close frame with
// payload.
func (c *conn) seal(payload []byte) bool {
	if !c.outbox.seal(&c.server.buffers, payload, c.writeDeadline()) {
		return false
	}
	c.server.counts.sealed(payload, false)
	c.carrier.wake()
	return true
}

// release starts a flusher for a sealed outbox that has none. The flusher writes the waiting frames, or hands them back if
// the connection is cut.
func (c *conn) release() {
	if c.outbox.schedule() {
		c.carrier.start(nil)
	}
}

// cut ends the connection at once. The waiting messages are handed back.
func (c *conn) cut() {
	if c.outbox.cut(c.carrier.abort) {
		c.server.counts.lost.Add(1)
	}
	c.carrier.wake()
}

// wrote notes that the network has taken n more bytes. The flusher calls it.
func (c *conn) wrote(n int) {
	if since := c.outbox.wrote(&c.server.buffers, n); since != 0 {
		c.server.counts.latency.observe(time.Duration(c.server.now() - since))
	}
	if c.inbox.state() == awaitingRoom && !c.crowded() {
		c.carrier.wake()
	}
}

// giveUp closes a connection whose client has taken nothing for too long. Begun is how many bytes of the write under way must
// still be written, because a part of their record was sent.
func (c *conn) giveUp(begun int) {
	payload := frame.AppendClose(nil, uint16(messages.CloseTooSlow), reasonTooSlow)
	if c.outbox.giveUp(&c.server.buffers, payload, begun, c.writeDeadline(), c.handBack) {
		c.server.counts.closed(messages.CloseTooSlow)
		c.carrier.wake()
	}
}

// lose hands back the waiting messages of a connection that is cut. The flusher calls it.
func (c *conn) lose() {
	c.outbox.lose(&c.server.buffers, c.lingerDeadline(), c.handBack)
	c.carrier.wake()
}

// handBack hands back a message that will not be written. It recovers from a panic of the session, because no caller on this
// goroutine does.
func (c *conn) handBack(text []byte, sender messages.Address, retained bool) {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
		}
	}()
	c.session.Undelivered(text, sender, retained)
}

// writeDeadline returns the time by which a write must have made progress.
func (c *conn) writeDeadline() int64 { return c.server.now() + int64(c.server.options.WriteTimeout) }

// lingerDeadline returns the time until which a client whose connection lingers from now on may close its side.
func (c *conn) lingerDeadline() int64 { return c.server.now() + int64(lingerTimeout) }

// crowded reports whether more bytes wait for the client than the queue limit. If so, the connection is not read. A client
// that does not read then causes no more answers, so memory is bounded and nothing is lost. The session refuses messages of
// others at the limit. So only answers to the client's own frames exceed it.
func (c *conn) crowded() bool { return c.outbox.waiting.Load() > c.server.queueLimit }
