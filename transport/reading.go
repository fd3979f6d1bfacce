package transport

import (
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

// The reasons in the close frames for frames that the service does not accept, and for a failure of the service.
const (
	reasonProtocol  = "the frames break RFC 6455"
	reasonEncoding  = "the text is not valid UTF-8"
	reasonBinary    = "binary messages are not part of this protocol: send text"
	reasonTooLong   = "the message is longer than 64 KiB"
	reasonFragments = "the message has too many fragments"
	reasonFailed    = "the service failed on this connection: please come back"
)

// accepted says which frames the service accepts. The longest message may come in fragments of one byte, with as many empty
// fragments between them.
var accepted = &frame.Rules{FromClient: true, MaxMessage: messages.MaxMessageBytes, MaxFragments: 2 * messages.MaxMessageBytes}

// farewell returns the payload of the close frame that answers a frame which is not acceptable.
func farewell(fault error) []byte {
	f := fault.(frame.Fault) // package frame has no other errors
	reason := reasonProtocol
	switch f {
	case frame.FaultBinary:
		reason = reasonBinary
	case frame.FaultTooLong:
		reason = reasonTooLong
	case frame.FaultFragments:
		reason = reasonFragments
	case frame.FaultCloseReason:
		reason = reasonEncoding
	}
	return frame.AppendClose(nil, f.Code(), reason)
}

// closeAnswer returns the payload of the close frame that answers a close frame with this payload. It has the same status
// code. If the payload is not acceptable, the answer says why.
func closeAnswer(payload []byte) []byte {
	answer, fault := frame.AnswerClose(payload)
	switch {
	case fault != nil:
		return farewell(fault)
	case answer == nil:
		return []byte{} // a close frame without a status code; nil means none
	}
	return answer
}

// received acts on bytes that have come. It may change b, and does not keep it. The reader calls it.
func (c *conn) received(b []byte, now int64) {
	c.lastRead.Store(now)
	if c.inbox.state() < dropping {
		c.proceed(c.inbox.join(b), false, now)
	}
}

// proceed acts on the whole frames in b and holds the rest. B has all bytes that have come and were not acted on. Paid says
// that the first frame has been charged for.
func (c *conn) proceed(b []byte, paid bool, now int64) {
	n := c.act(b, paid, now)
	if c.inbox.state() < dropping {
		c.inbox.keep(&c.server.buffers, b, n)
	} else {
		c.inbox.drop(&c.server.buffers)
	}
}

// act acts on the frames in b, one by one, while they are whole and the state is reading. It returns how many bytes it
// took.
func (c *conn) act(b []byte, paid bool, now int64) (taken int) {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
			c.finish(frame.AppendClose(nil, uint16(messages.CloseInternalError), reasonFailed))
		}
	}()
	for c.inbox.state() == reading {
		h, more, fault := c.inbox.frames.Peek(b[taken:], accepted)
		if fault != nil {
			c.finish(farewell(fault))
			return taken
		}
		if more > 0 {
			return taken
		}
		// A close frame is free. It costs the service no more than a connection that ends without one.
		if h.Opcode() != frame.Close && !paid && !c.pay(now) {
			return taken
		}
		paid = false
		c.inbox.frames.Take(h)
		taken += h.Size()
		payload := b[taken : taken+int(h.Length)]
		taken += len(payload)
		frame.Mask(payload, h.Key)
		c.frame(h, payload)
		c.settle()
	}
	return taken
}

// pay charges for the next frame, and reports whether it may be acted on at once. Otherwise the reader waits until it may,
// and does not charge for it again.
func (c *conn) pay(now int64) bool {
	wait := c.charge(now, 1)
	if wait <= 0 {
		return true
	}
	c.inbox.become(awaitingRate)
	time.AfterFunc(wait, c.carrier.wake)
	return false
}

// settle makes the reader wait for room if too many bytes wait for the client.
func (c *conn) settle() {
	if !c.crowded() || !c.inbox.change(reading, awaitingRoom) {
		return
	}
	if !c.crowded() { // a flusher may have made room before it could see the new state
		c.inbox.become(reading)
	}
}

// frame acts on one frame.
func (c *conn) frame(h frame.Header, payload []byte) {
	switch h.Opcode() {
	case frame.Ping: // answered with its own payload (RFC 6455, section 5.5.3)
		c.queue(frame.Pong, payload, nil, nil)
	case frame.Pong:
	case frame.Close:
		c.finish(closeAnswer(payload))
	default:
		if h.Fin() && h.Opcode() == frame.Text {
			c.text(payload)
			return
		}
		if message := c.inbox.fragment(&c.server.buffers, payload, h.Fin()); message != nil {
			defer c.server.buffers.put(message)
			c.text(message.bytes)
		}
	}
}

// text acts on one text message. It does not keep it.
func (c *conn) text(text []byte) {
	if !c.outbox.isOpen() {
		return
	}
	relay, err := messages.NewRelay(text)
	if err != nil {
		c.refuse(err)
		return
	}
	relay.Via = c.carrier
	if !c.session.Receive(relay) {
		c.awaitDecision()
	}
}

// awaitDecision makes the reader wait for Resume, unless Resume was called before the session returned.
func (c *conn) awaitDecision() {
	if !c.inbox.change(reading, awaitingDecision) {
		c.inbox.change(decided, reading)
	}
}

// refuse answers a text that is not a message of the protocol.
func (c *conn) refuse(err error) {
	refusal, ok := err.(*messages.DecodeError)
	if !ok {
		refusal = &messages.DecodeError{Code: messages.CodeMalformed}
	}
	if refusal.NotUTF8 {
		c.Close(messages.CloseInvalidPayload, reasonEncoding)
		return
	}
	if refusal.Login != nil {
		c.session.RefuseLogin(refusal.Code, refusal.Login.Error())
		return
	}
	c.Send(messages.AppendError(nil, refusal.Code, refusal.Reason, nil))
}

// charge counts frames against the connection's rate. It returns how long to wait before acting on them.
func (c *conn) charge(now int64, frames uint32) time.Duration {
	interval := c.server.frameInterval
	if interval == 0 {
		return 0
	}
	if c.extra.Load() > 0 {
		frames += uint32(c.extra.Swap(0))
	}
	c.dueAt = max(c.dueAt, now) + interval*int64(frames)
	return time.Duration(c.dueAt - now - c.server.burstInterval)
}

// Charge implements [actors.Link].
func (c *conn) Charge(frames int) {
	if c.server.frameInterval > 0 {
		c.extra.Add(int32(frames))
	}
}

// Resume implements [actors.Link].
func (c *conn) Resume() {
	// The reader may go from reading to awaitingDecision at the same time, and never the other way.
	if !c.inbox.change(reading, decided) && c.inbox.change(awaitingDecision, decided) {
		c.carrier.wake()
	}
}

// ready reports whether the reader may stop waiting.
func (c *conn) ready(now int64) bool {
	switch c.inbox.state() {
	case awaitingRate:
		return now >= c.dueAt-c.server.burstInterval
	case awaitingRoom:
		return !c.crowded()
	case awaitingDecision:
		return false
	}
	return true
}

// goOn ends the reader's wait if the reader is ready. The reader calls goOn whenever it is woken.
func (c *conn) goOn(now int64) {
	state := c.inbox.state()
	if !state.waits() || !c.ready(now) {
		return
	}
	c.lastRead.Store(now)
	c.inbox.become(reading)
	if state == decided {
		c.settle()
	}
	c.proceed(c.inbox.waiting(), state == awaitingRate, now)
}

// finish ends the reading, if it has not ended yet. From now on all bytes that come are dropped. The session ends, and the
// frames that wait for the client are written. If the outbox is still open, payload is the payload of its close frame. Nil
// means no close frame.
func (c *conn) finish(payload []byte) {
	if c.inbox.state() >= dropping {
		return
	}
	c.inbox.become(dropping)
	c.seal(payload)
	c.endSession()
	c.release()
}
