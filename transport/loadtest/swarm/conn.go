package swarm

import (
	"bytes"
	"encoding/binary"
	"io"

	"p2p-messaging/transport/internal/frame"
)

// state is how far a connection is.
type state uint8

const (
	connecting state = iota
	shaking          // the request of the handshake is on its way
	opened
	closing // a close frame is on its way; the other side is to end the connection
	aborted // the socket is closed
	gone    // the handler was told
)

// A Conn is one connection. Its methods may be called on its loop only.
type Conn struct {
	loop    *Loop
	handler Handler
	stream  *stream // where there is no epoll
	in      *inbound
	out     []byte // what waits to be written; nil for nothing
	id      uint64 // the key of the handshake follows from it
	fd      int32  // where there is epoll
	state   state
	paused  bool
	dirty   bool // in the loop's list
	blocked bool // the socket takes nothing just now
	quiet   bool // the end was asked for, and is no error
	told    *CloseError
}

// inbound is the part of a message that has come so far. A connection has one only while a message is incomplete.
type inbound struct {
	bytes   []byte       // of a frame, or of the answer to the handshake
	message []byte       // the fragments so far
	reader  frame.Reader // zero unless a message in fragments has begun
}

// Loop returns the connection's loop.
func (c *Conn) Loop() *Loop { return c.loop }

// Waiting returns how many bytes wait to be taken by the operating system.
func (c *Conn) Waiting() int { return len(c.out) }

// Send sends a text message. It is copied, and goes out when the handlers have returned, together with what else is
// sent until then. The error is [ErrNotOpen], or [ErrFull] where as much waits as may; then nothing is sent.
func (c *Conn) Send(text []byte) error {
	if c.state != opened {
		return ErrNotOpen
	}
	if len(c.out) > 0 && len(c.out)+len(text) > c.loop.swarm.options.SendLimit {
		return ErrFull
	}
	c.queue(frame.Text, text)
	return nil
}

// PauseReading leaves what comes in to wait in the operating system, which is to keep little of it: most waits with the
// service.
func (c *Conn) PauseReading() { c.setPaused(true) }

// ResumeReading ends PauseReading.
func (c *Conn) ResumeReading() { c.setPaused(false) }

func (c *Conn) setPaused(paused bool) {
	if c.paused == paused || c.state >= aborted {
		return
	}
	c.paused = paused
	c.loop.driver.reading(c)
}

// Close ends the connection with a close handshake (code 1000); what waits goes out first. The handler is told when the
// service has ended the connection too.
func (c *Conn) Close() {
	switch c.state {
	case connecting, shaking:
		c.Abort()
	case opened:
		c.quiet = true
		c.farewell(binary.BigEndian.AppendUint16(nil, 1000))
	}
}

// Abort resets the connection at once. The handler is told later, not during the call.
func (c *Conn) Abort() {
	if c.state >= aborted {
		return
	}
	c.quiet = true
	c.state = aborted
	c.loop.driver.drop(c, true)
	c.loop.Do(func() { c.fail(nil) })
}

// readBuffer returns what the operating system is asked to keep for a connection that is read, or is not.
func readBuffer(paused bool) int {
	if paused {
		return 128 << 10
	}
	return 1 << 20
}

// queue appends a frame to the bytes that wait.
func (c *Conn) queue(opcode frame.Opcode, payload []byte) {
	if c.out == nil {
		c.out = c.loop.buffer()
	}
	c.out = frame.AppendMasked(c.out, opcode, payload, uint32(c.loop.random()))
	c.touch()
}

// touch has the loop flush the connection.
func (c *Conn) touch() {
	if !c.dirty && !c.blocked {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// farewell sends a close frame and waits for the service to end the connection (RFC 6455, section 7.1.1: the server is
// the one to close first, which also keeps the waiting ports on its side).
func (c *Conn) farewell(payload []byte) {
	c.queue(frame.Close, payload)
	c.state = closing
	c.setPaused(false)
	c.loop.waits.add(&c.loop.waits.closes, c, c.loop.Now()+c.loop.swarm.options.CloseTimeout)
}

// connected goes on with the handshake.
func (c *Conn) connected() {
	c.state = shaking
	target := c.loop.swarm.path
	if t, ok := c.handler.(Targeted); ok {
		target = t.Target()
	}
	c.out = appendRequest(c.loop.buffer(), target, c.loop.swarm.host, c.id)
	c.touch()
}

// fail ends the connection, if it has not ended. Err is why, unless it was wanted or the service has given a reason.
func (c *Conn) fail(err error) {
	if c.state == gone {
		return
	}
	c.state = gone
	c.loop.driver.drop(c, false)
	c.loop.open--
	c.release()
	switch {
	case c.told != nil:
		err = c.told
	case c.quiet && err != ErrTimeout:
		err = nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	c.handler.Closed(c, err)
}

func (c *Conn) release() {
	c.loop.free(c.out)
	c.out = nil
	if c.in != nil {
		c.loop.free(c.in.bytes)
		c.in = nil
	}
}

// wrote takes what was written off what waits.
func (c *Conn) wrote(n int) {
	if n < len(c.out) {
		c.out = c.out[:copy(c.out, c.out[n:])]
		return
	}
	c.loop.free(c.out)
	c.out = nil
}

// receive takes bytes from the socket. They are valid only during the call.
func (c *Conn) receive(data []byte) {
	if c.state == shaking {
		data = c.shake(data)
	}
	for len(data) > 0 && (c.state == opened || c.state == closing && c.told == nil) {
		if c.in == nil || len(c.in.bytes) == 0 {
			h, more, ok := c.peek(data)
			switch {
			case !ok:
				return
			case more > 0:
				c.keep(data)
				return
			}
			size := h.Size() + int(h.Length)
			c.take(h, data[h.Size():size])
			data = data[size:]
			continue
		}
		// A frame came in parts. Its rest is appended. What follows is read in place again.
		_, more, ok := c.peek(c.in.bytes)
		if !ok {
			return
		}
		part := min(more, len(data))
		c.in.bytes = append(c.in.bytes, data[:part]...)
		data = data[part:]
		h, more, ok := c.peek(c.in.bytes)
		switch {
		case !ok:
			return
		case more > 0:
			continue
		}
		whole := c.in.bytes
		c.in.bytes = nil
		c.take(h, whole[h.Size():])
		c.loop.free(whole)
		c.forget()
	}
}

// keep stores an incomplete frame.
func (c *Conn) keep(data []byte) {
	if c.in == nil {
		c.in = &inbound{}
	}
	if c.in.bytes == nil {
		c.in.bytes = c.loop.buffer()
	}
	c.in.bytes = append(c.in.bytes, data...)
}

// forget drops the inbound of a connection that has no incomplete message.
func (c *Conn) forget() {
	if c.in != nil && len(c.in.bytes) == 0 && c.in.reader == (frame.Reader{}) {
		c.loop.free(c.in.bytes)
		c.in = nil
	}
}

// peek looks at the frame at the start of b. More is how many of its bytes are missing. If the frame breaks the protocol,
// the connection fails and ok is false.
func (c *Conn) peek(b []byte) (h frame.Header, more int, ok bool) {
	var reader frame.Reader
	if c.in != nil {
		reader = c.in.reader
	}
	h, more, err := reader.Peek(b, &c.loop.swarm.rules)
	if err != nil {
		c.fail(&ProtocolError{err.Error()})
		return h, 0, false
	}
	return h, more, true
}

// take acts on the whole frame that peek has found.
func (c *Conn) take(h frame.Header, payload []byte) {
	if c.in == nil && !h.Fin() {
		c.in = &inbound{}
	}
	if c.in != nil {
		c.in.reader.Take(h)
	}
	switch h.Opcode() {
	case frame.Text, frame.Continuation:
		c.message(h, payload)
	case frame.Ping:
		c.loop.pings++
		if c.state == opened && len(c.out) < c.loop.swarm.options.SendLimit {
			c.queue(frame.Pong, payload)
		}
	case frame.Close:
		c.closed(payload)
	}
}

// message takes a whole message, or a fragment of one.
func (c *Conn) message(h frame.Header, payload []byte) {
	if h.Fin() && h.Opcode() == frame.Text {
		c.handler.Text(c, payload)
		return
	}
	c.in.message = append(c.in.message, payload...)
	if h.Fin() {
		message := c.in.message
		c.in.message = nil
		c.forget()
		c.handler.Text(c, message)
	}
}

// closed takes the service's close frame: it is answered, unless it is the answer, and the service ends the connection.
func (c *Conn) closed(payload []byte) {
	told := &CloseError{Code: 1005}
	switch {
	case len(payload) == 1:
		c.fail(&ProtocolError{frame.FaultClosePayload.Error()})
		return
	case len(payload) >= 2:
		told.Code, told.Reason = binary.BigEndian.Uint16(payload), string(payload[2:])
	}
	if c.quiet {
		if c.told == nil && told.Code == 1000 {
			return // the answer to Close: what is left is the end of the stream
		}
	}
	if c.state == opened {
		c.farewell(bytes.Clone(payload[:min(2, len(payload))]))
	}
	c.told = told
}
