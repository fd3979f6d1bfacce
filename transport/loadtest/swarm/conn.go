package swarm

import (
	"bytes"
	"encoding/binary"
	"io"
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

// inbound is what of a message has come so far, where that is not all.
type inbound struct {
	bytes    []byte // of a frame, or of the answer to the handshake
	message  []byte // the fragments so far
	fragment bool   // a message in fragments has begun
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
	c.queue(opText, text)
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

// queue appends a frame to what waits.
func (c *Conn) queue(opcode byte, payload []byte) {
	if c.out == nil {
		c.out = c.loop.buffer()
	}
	c.out = appendFrame(c.out, opcode, payload, uint32(c.loop.random()))
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
	c.queue(opClose, payload)
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

// receive takes bytes from the socket. They are valid during the call only.
func (c *Conn) receive(data []byte) {
	if c.state == shaking {
		data = c.shake(data)
	}
	for len(data) > 0 && (c.state == opened || c.state == closing && c.told == nil) {
		if c.in == nil || len(c.in.bytes) == 0 {
			h, want := c.header(data)
			size := h.size + int(h.length)
			if want == 0 && len(data) >= size {
				c.frame(h, data[h.size:size])
				data = data[size:]
				continue
			}
			if c.state < aborted {
				c.keep(data)
			}
			return
		}
		// A frame came in parts: its rest is put to it, and what follows is read in place again.
		h, want := c.header(c.in.bytes)
		if want == 0 {
			want = h.size + int(h.length)
		}
		take := min(want-len(c.in.bytes), len(data))
		c.in.bytes = append(c.in.bytes, data[:take]...)
		data = data[take:]
		if h, want = c.header(c.in.bytes); want > 0 || len(c.in.bytes) < h.size+int(h.length) {
			continue
		}
		whole := c.in.bytes
		c.in.bytes = nil
		c.frame(h, whole[h.size:])
		c.loop.free(whole)
		c.forget()
	}
}

// keep puts aside what is not complete.
func (c *Conn) keep(data []byte) {
	if c.in == nil {
		c.in = &inbound{}
	}
	if c.in.bytes == nil {
		c.in.bytes = c.loop.buffer()
	}
	c.in.bytes = append(c.in.bytes, data...)
}

// forget drops what is kept for messages in parts, when nothing is.
func (c *Conn) forget() {
	if c.in != nil && len(c.in.bytes) == 0 && !c.in.fragment {
		c.loop.free(c.in.bytes)
		c.in = nil
	}
}

// header reads and checks a frame's header. Where it breaks the protocol, the connection is gone and want is not 0.
func (c *Conn) header(b []byte) (h header, want int) {
	h, want = parseHeader(b)
	if want > 2 || want == 0 {
		if broken := c.broken(h, want == 0); broken != "" {
			c.fail(&ProtocolError{broken})
			return header{}, len(b) + 1
		}
	}
	return h, want
}

func (c *Conn) broken(h header, complete bool) string {
	fragment := c.in != nil && c.in.fragment
	control := h.opcode() >= opClose
	switch {
	case h.masked:
		return "a frame is masked"
	case h.first&reserved != 0:
		return "a frame has reserved bits"
	case h.opcode() == opBinary:
		return "a message is binary"
	case h.opcode() > opText && h.opcode() < opClose || h.opcode() > opPong:
		return "a frame has an unknown opcode"
	case control && (h.first&fin == 0 || h.size > 2):
		return "a control frame is too long or in fragments"
	case h.opcode() == opContinuation && !fragment:
		return "a message goes on that has not begun"
	case h.opcode() == opText && fragment:
		return "a message begins inside another"
	case complete && !control && h.length > uint64(c.loop.swarm.options.MessageLimit-c.fragments()):
		return "a message is too long"
	}
	return ""
}

func (c *Conn) fragments() int {
	if c.in == nil {
		return 0
	}
	return len(c.in.message)
}

// frame takes a whole frame, whose header was checked.
func (c *Conn) frame(h header, payload []byte) {
	switch h.opcode() {
	case opText:
		if h.first&fin != 0 {
			c.handler.Text(c, payload)
			return
		}
		if c.in == nil {
			c.in = &inbound{}
		}
		c.in.fragment = true
		c.in.message = append(c.in.message, payload...)
	case opContinuation:
		c.in.message = append(c.in.message, payload...)
		if h.first&fin != 0 {
			message := c.in.message
			c.in.message, c.in.fragment = nil, false
			c.forget()
			c.handler.Text(c, message)
		}
	case opPing:
		c.loop.pings++
		if c.state == opened && len(c.out) < c.loop.swarm.options.SendLimit {
			c.queue(opPong, payload)
		}
	case opClose:
		c.closed(payload)
	}
}

// closed takes the service's close frame: it is answered, unless it is the answer, and the service ends the connection.
func (c *Conn) closed(payload []byte) {
	told := &CloseError{Code: 1005}
	switch {
	case len(payload) == 1:
		c.fail(&ProtocolError{"a close frame has half a code"})
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
