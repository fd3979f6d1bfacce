package swarm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"

	"p2p-messaging/transport/internal/frame"
)

// state is the state of a connection. It only moves forward, and may skip states.
type state uint8

const (
	connecting state = iota
	shaking          // the handshake is going on
	opened
	closing // a close frame was sent or waits to be sent; the service must end the connection
	aborted // the socket is closed, and the handler is not told yet
	gone    // the connection has ended
)

// A Conn is one connection. Its methods may be called on its loop only.
type Conn struct {
	loop    *Loop
	handler Handler
	stream  *stream // used without epoll
	in      *inbound
	out     []byte // bytes that wait to be written; nil if there are none
	id      uint64 // determines the key of the handshake
	fd      int32  // used with epoll; -1 without a socket
	state   state
	paused  bool
	dirty   bool        // the connection is in the loop's list of the same name
	blocked bool        // flushing must wait until the socket takes more
	quiet   bool        // Close or Abort asked for the end
	told    *CloseError // the service's close frame, if it is the reason for the end
}

// inbound is the received part of an incomplete message. A connection has one only while a message is incomplete.
type inbound struct {
	bytes   []byte       // part of a frame, or of the answer to the handshake
	message []byte       // the fragments of the message so far
	reader  frame.Reader // zero unless a message in fragments has begun
}

// Send sends a text message. It copies text. When the handlers have returned, the loop writes all messages that were sent
// meanwhile together.
//
// If the error is not nil, nothing is sent. It is [ErrNotOpen], or [ErrFull] if bytes wait already and text would exceed
// [Options.SendLimit].
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

// PauseReading stops reading. It also asks the operating system for a smaller buffer. So most of what the service sends
// waits in the service.
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

// Close ends the connection with a close handshake (code 1000). Messages that wait go out first. The handler is told when
// the service has ended the connection too. Before the connection is open, Close does the same as Abort.
func (c *Conn) Close() {
	switch c.state {
	case connecting, shaking:
		c.Abort()
	case opened:
		c.quiet = true
		c.farewell(binary.BigEndian.AppendUint16(nil, 1000))
	}
}

// Abort resets the connection at once. The handler is told after the call, not during it.
func (c *Conn) Abort() {
	if c.state >= aborted {
		return
	}
	c.quiet = true
	c.state = aborted
	c.loop.driver.drop(c, true)
	c.loop.Do(func() { c.fail(nil) })
}

// readBuffer returns the size of a connection's receive buffer in the operating system, in bytes.
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

// touch makes the loop flush the connection, unless it is blocked.
func (c *Conn) touch() {
	if !c.dirty && !c.blocked {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// farewell sends a close frame and waits until the service ends the connection. The server should close the TCP connection
// first (RFC 6455, section 7.1.1). Then the connection's port waits (TIME_WAIT) on the server's side and not here.
func (c *Conn) farewell(payload []byte) {
	c.queue(frame.Close, payload)
	c.state = closing
	c.setPaused(false)
	c.loop.waits.closes.add(c, c.loop.Now()+c.loop.swarm.options.CloseTimeout)
}

// connected sends the request of the handshake.
func (c *Conn) connected() {
	c.state = shaking
	target := c.loop.swarm.path
	if t, ok := c.handler.(Targeted); ok {
		target = cmp.Or(t.Target(), target)
	}
	c.out = appendRequest(c.loop.buffer(), target, c.loop.swarm.host, c.id)
	c.touch()
}

// fail ends the connection if it has not ended yet. Err is the reason for the handler. But the close frame of the service
// is a better reason if there is one. If Close or Abort asked for the end, there is no error, except [ErrTimeout].
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

// release frees the connection's buffers.
func (c *Conn) release() {
	c.unsend()
	if c.in != nil {
		c.loop.free(c.in.bytes)
		c.in = nil
	}
}

// wrote removes the first n bytes of those that wait, because they were written.
func (c *Conn) wrote(n int) {
	if n < len(c.out) {
		c.out = c.out[:copy(c.out, c.out[n:])]
		return
	}
	c.unsend()
}

// unsend drops what waits to be written.
func (c *Conn) unsend() {
	c.loop.free(c.out)
	c.out = nil
}

// receive handles bytes from the socket. They are valid only during the call.
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

// keep stores an incomplete frame, or an incomplete answer to the handshake.
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

// take handles the whole frame that peek has found.
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

// message handles a whole message or a fragment of one.
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

// closed handles the close frame of the service. If the frame is not the answer to one of ours, closed answers it. Then the
// service ends the connection.
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
			return // this is the answer to Close; only the end of the stream follows
		}
	}
	if c.state == opened {
		c.farewell(bytes.Clone(payload[:min(2, len(payload))]))
	}
	c.told = told
}
