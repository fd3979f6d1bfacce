package transport

import (
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

const (
	// pressSize is how many bytes may be queued before the carrier is pressed to write. Without it, what one round of a
	// loop brings for one client could reach the queue limit although the socket would have taken it.
	pressSize = 32 << 10
	// lingerTimeout is how long a client may still send into a connection that the service has closed before the
	// socket is closed too.
	lingerTimeout = 3 * time.Second
)

const reasonTooSlow = "you did not read what was sent to you"

// Send implements [actors.Link].
func (c *conn) Send(text []byte) bool { return c.queue(frame.Text, text, nil, nil) }

// Deliver implements [actors.Link].
func (c *conn) Deliver(m *messages.Deliver) bool { return c.queue(frame.Text, m.Text, m.Sender, m.Via) }

// Waiting implements [actors.Link].
func (c *conn) Waiting() int { return int(c.outbox.waiting.Load()) }

// Close implements [actors.Link].
func (c *conn) Close(code messages.CloseCode, reason string) {
	if c.seal(frame.AppendClose(nil, uint16(code), reason)) {
		c.release()
	}
}

// queue puts a frame into the outbox and has it written. It reports whether the frame was taken. Sender is nil where the
// frame is the service's own. Via is what brought the frame, or nil.
func (c *conn) queue(opcode frame.Opcode, payload []byte, sender messages.Address, via any) bool {
	taken, start, queued := c.outbox.put(&c.server.buffers, opcode, payload, sender)
	if start {
		c.carrier.start(via)
	}
	if queued >= pressSize {
		c.carrier.press()
	}
	return taken
}

// ping has a ping written. Its caller holds the mutex of the connection's shard, so it never presses the carrier.
func (c *conn) ping() {
	if _, start, _ := c.outbox.put(&c.server.buffers, frame.Ping, nil, nil); start {
		c.carrier.start(nil)
	}
}

// seal seals the outbox and wakes the reader. It reports whether the outbox was open. The last frame is a close frame with
// payload; where payload is nil there is none.
func (c *conn) seal(payload []byte) bool {
	if !c.outbox.seal(&c.server.buffers, payload, c.writeDeadline()) {
		return false
	}
	c.carrier.wake()
	return true
}

// release has what waits in a sealed outbox written, or handed back where the connection is cut.
func (c *conn) release() {
	if c.outbox.schedule() {
		c.carrier.start(nil)
	}
}

// cut ends the connection at once. What waits is handed back.
func (c *conn) cut() {
	c.outbox.cut(c.carrier.abort)
	c.carrier.wake()
}

// wrote notes that the network has taken n more bytes. The flusher calls it.
func (c *conn) wrote(n int) {
	c.outbox.wrote(&c.server.buffers, n)
	if c.inbox.state() == awaitingRoom && !c.crowded() {
		c.carrier.wake()
	}
}

// giveUp closes a connection whose client has taken nothing for too long.
func (c *conn) giveUp() {
	payload := frame.AppendClose(nil, uint16(messages.CloseTooSlow), reasonTooSlow)
	if c.outbox.giveUp(&c.server.buffers, payload, c.writeDeadline(), c.handBack) {
		c.carrier.wake()
	}
}

// lose hands back all that waits on a connection that is cut. The flusher calls it.
func (c *conn) lose() {
	c.outbox.lose(&c.server.buffers, c.lingerDeadline(), c.handBack)
	c.carrier.wake()
}

// handBack hands back a message that will not go out. It contains a panic of the session's, because nothing above it on
// this goroutine does.
func (c *conn) handBack(text []byte, sender messages.Address) {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
		}
	}()
	c.session.Undelivered(text, sender)
}

// writeDeadline returns the time by which a write must have made progress.
func (c *conn) writeDeadline() int64 { return c.server.now() + int64(c.server.options.WriteTimeout) }

// lingerDeadline returns the time until which a client whose connection lingers from now on may close its side.
func (c *conn) lingerDeadline() int64 { return c.server.now() + int64(lingerTimeout) }

// crowded reports whether more waits for the client than the queue limit. The client is not read then, so that memory is
// bounded and nothing is lost: a client that does not read causes no more answers. Messages of others do not crowd by
// themselves, because the session refuses them at the limit; what exceeds it are answers to the client's own frames.
func (c *conn) crowded() bool { return c.outbox.waiting.Load() > c.server.queueLimit }
