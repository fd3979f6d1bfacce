package transport

import (
	"encoding/binary"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

// The reasons in the close frames for frames that the service does not accept, and for a failure of the service.
const (
	reasonProtocol    = "the frames break RFC 6455"
	reasonEncoding    = "the text is not valid UTF-8"
	reasonBinary      = "binary messages are not part of this protocol: send text"
	reasonTooLong     = "the message is longer than 64 KiB"
	reasonTooLongPeer = "the message is too long"
	reasonTooEarly    = "the message is longer than 16 KiB, which is the limit before a login"
	reasonFragments   = "the message has too many fragments"
	reasonFailed      = "the service failed on this connection: please come back"
)

// maxAnonymousMessage is the size in bytes of the longest message that a client without a login may send. The longest login,
// with a token of 8 KiB, takes about half of that. The limit bounds what the service keeps for a client that it does not know.
const maxAnonymousMessage = 16 << 10

// pongSize is the size of a pong that answers a ping of [conn.Ping] to a kept session.
const pongSize = 8

// These rules say which frames the service accepts. The longest message may come in fragments of one byte, with as many empty
// fragments between them.
var (
	acceptedWithLogin    = &frame.Rules{FromClient: true, MaxMessage: messages.MaxMessageBytes, MaxFragments: 2 * messages.MaxMessageBytes}
	acceptedWithoutLogin = &frame.Rules{FromClient: true, MaxMessage: maxAnonymousMessage, MaxFragments: 2 * maxAnonymousMessage}
)

// accepted returns the rules for the next frame of the client.
func (c *conn) accepted() *frame.Rules {
	switch {
	case c.server.peers != nil && c.peer() != nil:
		return c.server.peers.rules
	case c.loggedIn:
		return acceptedWithLogin
	}
	return acceptedWithoutLogin
}

// farewell returns the payload of the close frame that answers a frame which is not acceptable by the rules.
func farewell(fault error, rules *frame.Rules) []byte {
	f := fault.(frame.Fault) // package frame has no other errors
	reason := reasonProtocol
	switch f {
	case frame.FaultBinary:
		reason = reasonBinary
	case frame.FaultTooLong:
		reason = reasonTooLong
		switch rules {
		case acceptedWithLogin:
		case acceptedWithoutLogin:
			reason = reasonTooEarly
		default:
			reason = reasonTooLongPeer
		}
	case frame.FaultFragments:
		reason = reasonFragments
	case frame.FaultCloseReason:
		reason = reasonEncoding
	}
	return frame.AppendClose(nil, f.Code(), reason)
}

// closeAnswer returns the payload of the close frame that answers a close frame with this payload. It has the same status
// code. If the payload is not acceptable, the answer says why, and the client is at fault.
func (c *conn) closeAnswer(payload []byte) []byte {
	answer, fault := frame.AnswerClose(payload)
	switch {
	case fault != nil:
		c.atFault = true
		return farewell(fault, acceptedWithLogin)
	case answer == nil:
		return []byte{} // a close frame without a status code; nil means none
	}
	return answer
}

// received acts on bytes that have come. It may change b, and does not keep it. The reader calls it.
func (c *conn) received(b []byte, now int64) {
	c.lastRead.Store(now)
	c.read(len(b))
	if c.inbox.state() < dropping {
		c.proceed(c.inbox.join(&c.server.keeps, b), false, now)
	}
}

// proceed acts on the whole frames in b and holds the rest. B has all bytes that have come and were not acted on. Paid says
// that the first frame has been charged for.
func (c *conn) proceed(b []byte, paid bool, now int64) {
	n := c.act(b, paid, now)
	if c.inbox.state() >= dropping {
		c.drop()
		return
	}
	c.inbox.keep(&c.server.keeps, b, n)
	c.setClock(now)
	c.hangUp()
}

// readsAhead reports whether the reader wants more bytes while the frames before them wait for the rate. It does if the client
// has a login, because the login must be free when the client has gone. What the service holds for the client stays bounded.
func (c *conn) readsAhead() bool {
	return c.inbox.state() == awaitingRate && c.loggedIn && !c.hungUp &&
		c.outbox.waiting.Load()+int64(len(c.inbox.waiting())) < c.server.queueLimit
}

// hangUp ends the reading if frames wait for the rate and their client has gone: it has sent a close frame behind them, or has
// ended its direction. Those frames are dropped.
func (c *conn) hangUp() {
	if c.inbox.state() != awaitingRate {
		return
	}
	switch payload, found := c.inbox.findClose(c.accepted()); {
	case found:
		c.finish(c.closeAnswer(payload))
	case c.hungUp:
		c.finish(nil)
	default:
		return
	}
	c.drop()
}

// setClock makes the clock of the unfinished message run, if there is one and the reader does not wait.
func (c *conn) setClock(now int64) {
	switch {
	case !c.inbox.unfinished():
		c.clock.clear()
	case c.inbox.state() != reading:
		c.clock.stop(now)
	case c.clock.run(now, int64(c.server.options.MessageTimeout)):
		c.server.connections.hasten(c, c.clock.due())
	}
}

// drop drops all bytes that have come and were not acted on. The reading has ended.
func (c *conn) drop() {
	c.inbox.drop(&c.server.keeps)
	c.clock.clear()
}

// act acts on the frames in b, one by one, while they are whole and the state is reading. It returns how many bytes it
// took.
func (c *conn) act(b []byte, paid bool, now int64) (taken int) {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
			c.atFault = true
			c.finish(frame.AppendClose(nil, uint16(messages.CloseInternalError), reasonFailed))
		}
	}()
	frames := c.inbox.frames()
	for c.inbox.state() == reading {
		rules := c.accepted()
		h, more, fault := frames.Peek(b[taken:], rules)
		if fault != nil {
			c.atFault = true
			c.finish(farewell(fault, rules))
			return taken
		}
		if more > 0 {
			return taken
		}
		// A close frame is free. It costs the service no more than a connection that ends without one.
		if h.Opcode() != frame.Close && !paid && !c.pay(now, h.Size()+int(h.Length)) {
			return taken
		}
		paid = false
		frames.Take(h)
		if frames == (frame.Reader{}) {
			c.clock.clear() // what was begun is finished
		}
		taken += h.Size()
		payload := b[taken : taken+int(h.Length)]
		taken += len(payload)
		frame.Mask(payload, h.Key)
		c.frame(h, payload, frames)
		c.settle()
	}
	return taken
}

// pay charges for the next frame, of this size in bytes, and reports whether it may be acted on at once. Otherwise the reader
// waits until it may, and does not charge for it again.
func (c *conn) pay(now int64, size int) bool {
	wait := c.charge(now, size)
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

// frame acts on one frame. Frames is the state of the reading behind it.
func (c *conn) frame(h frame.Header, payload []byte, frames frame.Reader) {
	switch h.Opcode() {
	case frame.Ping: // answered with its own payload (RFC 6455, section 5.5.3)
		c.queue(frame.Pong, payload, nil, nil)
	case frame.Pong:
		if len(payload) == pongSize {
			c.session.Pong(binary.BigEndian.Uint64(payload))
		}
	case frame.Close:
		c.finish(c.closeAnswer(payload))
	default:
		if h.Fin() && h.Opcode() == frame.Text {
			c.text(payload)
			return
		}
		if message := c.inbox.fragment(&c.server.keeps, payload, frames, h.Fin()); message != nil {
			defer c.server.keeps.put(message)
			c.text(message.bytes)
		}
	}
}

// text acts on one text message. It does not keep it.
func (c *conn) text(text []byte) {
	if !c.outbox.isOpen() {
		return
	}
	if p := c.peer(); p != nil {
		c.peerText(p, text)
		return
	}
	relay, err := messages.NewRelay(text)
	if err != nil {
		if !c.refuse(err) {
			c.awaitDecision()
		}
		return
	}
	relay.Via = c.carrier
	decides := !relay.Type.Relayed() // the session owns the relay after Receive
	if !decides {
		c.relay(len(text))
	}
	if next := c.session.Receive(relay) || !c.awaitDecision(); next && decides {
		c.noteLogin()
	}
}

// noteLogin notes whether the client has a login, after a message that may have changed that.
func (c *conn) noteLogin() {
	loggedIn := c.session.LoggedIn()
	if loggedIn == c.loggedIn {
		return
	}
	c.loggedIn = loggedIn
	if loggedIn {
		c.server.connections.places.release(c.place)
		c.place = nil
	} else {
		c.place = c.server.connections.places.await(c, c.from)
	}
}

// awaitDecision makes the reader wait for Resume, and reports whether it waits. It does not wait if Resume was called before the
// session returned.
func (c *conn) awaitDecision() bool {
	if c.inbox.change(reading, awaitingDecision) {
		return true
	}
	c.inbox.change(decided, reading)
	return false
}

// refuse answers a text that is not a message of the protocol. Its result is that of [actors.Connection.Receive].
func (c *conn) refuse(err error) (next bool) {
	refusal, ok := err.(*messages.DecodeError)
	if !ok {
		refusal = &messages.DecodeError{Code: messages.CodeMalformed}
	}
	if refusal.NotUTF8 {
		c.atFault = true
		c.finish(frame.AppendClose(nil, uint16(messages.CloseInvalidPayload), reasonEncoding))
		return true
	}
	return c.session.Refuse(refusal)
}

// charge counts a frame of this size, in bytes, against the rates of the connection. It returns how long to wait before acting
// on it.
func (c *conn) charge(now int64, size int) time.Duration {
	pace := &c.server.limits.Load().pace
	if pace.frame == 0 {
		return 0
	}
	cost := pace.cost(size)
	if c.inbox.extra.Load() > 0 {
		cost += pace.frame * int64(c.inbox.extra.Swap(0))
	}
	c.allowedAt = max(c.allowedAt, now-pace.burst) + cost
	return time.Duration(c.allowedAt - now)
}

// LoggedIn implements [actors.Link]. The reader waits meanwhile.
func (c *conn) LoggedIn() {
	if c.server.peers != nil {
		c.outbox.await(false)
	}
	c.server.connections.places.release(c.place)
}

// Charge implements [actors.Link].
func (c *conn) Charge(frames int) {
	if c.server.limits.Load().pace.frame > 0 {
		c.inbox.extra.Add(int32(frames))
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
		return now >= c.allowedAt
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
		c.noteLogin()
		c.settle()
	}
	c.proceed(c.inbox.waiting(), state == awaitingRate, now)
}

// finish ends the reading, if it has not ended yet. From now on all bytes that come are dropped. The session ends, and the
// frames that wait for the client are written. If the outbox is still open, payload is the payload of its close frame. Nil
// means no close frame.
//
// A client may log in again as soon as it has read the close frame. So that is held until the session was told, no matter who writes
// meanwhile. The login is nearly always free then. It is not yet if another goroutine runs the session, which hears of the end next, or
// if the cluster still has to give the login up. A close frame of [conn.Close] goes out at once.
func (c *conn) finish(payload []byte) {
	if c.inbox.state() >= dropping {
		return
	}
	c.inbox.become(dropping)
	if c.outbox.hold(c.writeDeadline()) {
		c.server.counts.sealed(payload, !c.atFault)
		c.carrier.wake()
	}
	c.endSession()
	if c.outbox.complete(&c.server.buffers, payload) {
		c.carrier.start(nil)
	}
}
