package actors

import (
	"bytes"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// refusalLimit is the number of refused logins in a row after which a connection is closed with 1008.
const refusalLimit = 20

// Connection is the connection of one client, with or without a login. [System.Connect] makes it. Its reader is the goroutine
// that reads the client's messages. The reader owns the Connection and calls Closed at the end. While the reader waits for a
// decision, the actor that decides owns the Connection.
type Connection struct {
	system   *System
	link     Link
	session  *actor.PID           // nil while nobody is logged in
	kept     atomic.Pointer[kept] // the state of the client's kept session, or nil
	decision atomic.Int32
	refusals uint8  // since the last accepted login
	crowded  bool   // set during Receive if the service holds more than the limit for the client
	tokenAt  uint16 // when the last fresh token was taken up: the lower bits of its second
}

// The states of a decision.
const (
	decided  int32 = iota // there is a decision, or nobody has asked for one
	asked                 // Receive has not returned yet
	awaited               // Receive has returned false
	renewing              // Receive has returned false, and the decision is about a fresh token of the session
	moot                  // the connection has ended before the decision, which is still to end the session
	left                  // the connection has ended before the decision, and the session was told
)

// Connect returns a Connection for a new client. The service reaches the client by link.
func (s *System) Connect(link Link) *Connection {
	return &Connection{system: s, link: link}
}

// Receive acts on one message of the client, and owns it from then on. The service acts on the messages in the order of the
// calls. Receive never blocks.
//
// Nearly always Receive returns true. Then it may be called at once with the next message. It returns false if the next
// message must wait, for one of two reasons:
//
//   - The message was a login, a logout or a token that is not decided yet. The next message must see its effect.
//   - The service holds more than [Options.QueueLimit] for the client, and the session has not acted on all of its messages.
//
// After false, Receive must not be called before [Link.Resume]. There is one call of Resume, from any goroutine. It may come
// before Receive has returned. If Closed is called first, there may be none.
func (c *Connection) Receive(m *messages.Relay) (next bool) {
	switch {
	case m.Type == messages.TypeLogin:
		defer m.Release()
		return c.login(m)
	case c.session == nil:
		defer m.Release()
		if m.Type == messages.TypePing {
			c.link.Send(messages.AppendPong(nil, m.RawID))
			return true
		}
		code := messages.CodeNotLoggedIn
		if m.Type == messages.TypeToken && c.system.authenticate == nil {
			code = messages.CodeUnknownType
		}
		c.link.Send(messages.AppendError(nil, code, "", m.RawTo))
		return true
	case m.Type == messages.TypeLogout:
		return c.ask(c.session, &logout{relay: m, connection: c})
	case m.Type == messages.TypeToken && c.system.authenticate != nil:
		return c.renew(m)
	default:
		return c.send(m)
	}
}

// Refuse answers a message of the client that could not be decoded. Its result is that of Receive.
func (c *Connection) Refuse(err *messages.DecodeError) (next bool) {
	answer := messages.AppendError(nil, err.Code, err.Reason, nil)
	if err.Login != nil {
		c.refuse(err.Code, err.Login.Error())
		answer = nil // a kept session counts the message, and not this answer
	}
	if c.kept.Load() == nil {
		if answer != nil {
			c.link.Send(answer)
		}
		return true
	}
	m := messages.NewAnswer(answer)
	m.Uncounted = err.Uncounted
	return c.send(m)
}

// send passes a message on to the session. It reports whether the next message may follow at once, as Receive does.
func (c *Connection) send(m *messages.Relay) (next bool) {
	m.Origin = c
	c.system.root.Send(c.session, (*messages.Send)(m))
	if !c.crowded {
		return true
	}
	c.crowded = false
	return c.ask(c.session, caughtUp{c})
}

// Queued returns a number for [Connection.Pong] that says how many messages of a kept session are queued in the link at least, and
// false if the session is not kept. It may be called from any goroutine.
func (c *Connection) Queued() (count uint64, ok bool) {
	k := c.kept.Load()
	if k == nil {
		return 0, false
	}
	return k.pinged(), true
}

// Pong says that the client has answered a WebSocket ping, and what Queued returned before that. Only the reader may call it.
func (c *Connection) Pong(queued uint64) {
	if c.session != nil && c.kept.Load() != nil {
		c.system.root.Send(c.session, ponged{c, queued})
	}
}

// LoggedIn reports whether the client has a login. Only the reader may call it, and not while a message must wait.
func (c *Connection) LoggedIn() bool { return c.session != nil }

// Closed says that the connection has ended. It ends the session, if there is one. If a login is granted later, it is given up
// at once. A kept session goes on without a connection, unless final says that the client has caused the end and would do so again.
func (c *Connection) Closed(final bool) {
	if c.decision.CompareAndSwap(renewing, left) || !c.decision.CompareAndSwap(awaited, moot) {
		c.leave(final)
	}
}

// Undelivered tells a sender that its message never went out, although the link of this connection had taken it. If the session
// retains the message, nobody is told, unless the client has logged out. Undelivered may be called from any goroutine, even after
// Closed, and never blocks.
func (c *Connection) Undelivered(text []byte, sender messages.Address, retained bool) {
	if k := c.kept.Load(); retained && k != nil {
		k.undelivered.Store(true)
		if c.kept.Load() != nil { // otherwise a logout came in between, and has not seen that
			return
		}
	}
	m, err := messages.NewRelay(text)
	if err != nil {
		return // does not happen: the link was given only messages that had been decoded
	}
	m.Sender = sender
	c.system.handBack((*messages.Deliver)(m), messages.CodePeerUnavailable)
}

func (c *Connection) login(m *messages.Relay) (next bool) {
	typed := m.Login
	if c.session != nil {
		c.refuse(messages.CodeAlreadyLoggedIn, "")
		if c.kept.Load() == nil {
			return true
		}
		shows := messages.NewAnswer(nil) // any message shows that the client has the next secret
		shows.Uncounted = true
		return c.send(shows)
	}
	brings := m.Request != nil && m.Request.Resume != nil && c.system.away.window > 0
	if !brings && !c.link.Admit(false) { // the registry asks for a login that brings a secret
		c.refuse(messages.CodeTooMany, "")
		return true
	}
	cost := messages.LoginCost(typed)
	if cost > 0 {
		c.link.Charge(cost)
	}
	login, err := messages.ParseLogin(typed)
	if err != nil {
		if cost > 0 {
			c.link.Charge(cost) // finding the character at fault has taken as long again
		}
		c.refuseBrought(brings, messages.CodeLoginInvalid, err.Error())
		return true
	}
	question := &claim{login: login, connection: c}
	var token []byte
	if r := m.Request; r != nil {
		if r.Keep && c.system.away.window > 0 {
			question.keep, question.secret, question.received = true, bytes.Clone(r.Resume), r.Received
		}
		token = r.Token
	}
	switch {
	case c.system.authenticate == nil:
	case token == nil:
		c.refuseBrought(brings, messages.CodeAuthRequired, "")
		return true
	case brings && c.link.Exhausted(): // any secret would otherwise have any number of tokens looked at
		c.refuse(messages.CodeTooMany, "")
		return true
	default:
		return c.prove(question, token, func(reason string) { c.refuseBrought(brings, messages.CodeAuthFailed, reason) })
	}
	return c.ask(c.system.registry, question)
}

// refuseBrought refuses a login. Brings says that it was not counted yet, because it may have resumed a session.
func (c *Connection) refuseBrought(brings bool, code messages.Code, message string) {
	if brings {
		c.link.CountLogin()
	}
	c.refuse(code, message)
}

// refuse refuses a login. After too many refusals in a row it closes the connection.
func (c *Connection) refuse(code messages.Code, message string) {
	c.system.counts.loginsRefused.add(code)
	if c.system.debugs() {
		c.system.logger.Debug("a login was refused", slog.String("code", string(code)), c.logged())
	}
	c.link.Send(messages.AppendLoginRefused(nil, code, message))
	c.count()
}

// count counts a refused login or token.
func (c *Connection) count() {
	if c.refusals++; c.refusals == refusalLimit {
		c.link.Close(messages.ClosePolicyViolation, "too many refused logins in a row")
	}
}

// gone reports whether the connection has ended while it waited for a decision.
func (c *Connection) gone() bool { return c.decision.Load() == moot }

// leave ends the session, if there is one.
func (c *Connection) leave(final bool) {
	if c.session != nil {
		c.system.root.Send(c.session, disconnected{c, final})
		c.session = nil
	}
}

// ask asks an actor for a decision. It reports whether the actor has already decided.
func (c *Connection) ask(pid *actor.PID, question any) bool {
	c.decision.Store(asked)
	c.system.root.Send(pid, question)
	return !c.decision.CompareAndSwap(asked, awaited)
}

// The methods below are the decisions. The actor that was asked calls one of them, once. If the actor will not answer, whoever
// finds that out calls one instead.

func (c *Connection) granted(session *actor.PID) {
	c.session, c.refusals = session, 0
	if c.system.debugs() {
		c.system.logger.Debug("a login was accepted", c.logged(), c.system.loggedLogin(session))
	}
	c.decide()
}

func (c *Connection) refused(code messages.Code) {
	c.refuse(code, "")
	c.decide()
}

func (c *Connection) loggedOut() {
	c.session = nil
	c.decide()
}

// stillLoggedIn is the decision about a logout that names another client's login.
func (c *Connection) stillLoggedIn() { c.decide() }

// caughtUp says that the session has acted on all messages that the client has sent.
func (c *Connection) caughtUp() { c.decide() }

// failed replaces the decision of an actor that has failed on the question.
func (c *Connection) failed() {
	defer c.decide()
	c.link.Close(messages.CloseInternalError, "the service could not answer: please come back")
}

// stopped replaces the decision of a registry that has stopped.
func (c *Connection) stopped() {
	defer c.decide()
	c.link.Close(messages.CloseGoingAway, "the service is going down")
}

// decide gives the connection back to its reader, after the decision has taken effect. If the link panics, decide recovers,
// because the actor that decides also serves other connections.
func (c *Connection) decide() {
	defer func() {
		if cause := recover(); cause != nil {
			c.system.counts.connectionFailures.Add(1)
			c.system.logger.Error("resuming a connection failed", slog.Any("cause", cause), "stack", string(debug.Stack()), c.logged())
		}
	}()
	switch {
	case c.decision.CompareAndSwap(asked, decided):
	case c.decision.CompareAndSwap(awaited, decided), c.decision.CompareAndSwap(renewing, decided):
		c.link.Resume()
	case c.decision.Load() == moot:
		c.leave(false)
	}
}
