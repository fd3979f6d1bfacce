package actors

import (
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// refusalLimit is how many refused logins one connection has before it is closed with 1008.
const refusalLimit = 20

// Connection is one client's connection as the actors see it, logged in or not. [System.Connect] makes it; whoever reads
// the connection owns it, and says Closed at its end. While a decision is awaited, it belongs to the actor that decides.
type Connection struct {
	system   *System
	link     Link
	session  *actor.PID // nil while nobody is logged in
	refusals int
	decision atomic.Int32
	crowded  bool // set below Receive where more than the limit is held for the client
}

// How the decision about a login or a logout stands.
const (
	decided int32 = iota // or nothing was asked
	asked                // Receive has not returned yet
	awaited              // Receive has returned false
	moot                 // the connection ended before the decision came
)

// Connect takes on a connection whose client is reached by link.
func (s *System) Connect(link Link) *Connection {
	return &Connection{system: s, link: link}
}

// Receive acts on one message of the client and owns it from then on. Messages are acted on in the order of the calls.
// It never blocks. It returns true when the next message may be acted on at once, which is nearly always. It returns
// false while the next message must wait: for the decision about a login or a logout, whose effect it must see, or for
// the session, which has not caught up while more than [Options.QueueLimit] is held for the client. Then one call of
// [Link.Resume] follows, from any goroutine and perhaps before Receive has returned, unless Closed comes first. Until
// then Receive must not be called.
func (c *Connection) Receive(m *messages.Relay) (next bool) {
	switch {
	case m.Type == messages.TypeLogin:
		defer m.Release()
		return c.login(m.Login)
	case c.session == nil:
		defer m.Release()
		c.link.Send(messages.AppendError(nil, messages.CodeNotLoggedIn, "", m.RawTo))
		return true
	case m.Type == messages.TypeLogout:
		return c.ask(c.session, &logout{relay: m, connection: c})
	default:
		c.system.root.Send(c.session, (*messages.Send)(m))
		if !c.crowded {
			return true
		}
		c.crowded = false
		return c.ask(c.session, caughtUp{c})
	}
}

// Closed ends the session, if there is one: the connection has ended. A login that is granted later is given up at once.
func (c *Connection) Closed() {
	if !c.decision.CompareAndSwap(awaited, moot) {
		c.leave()
	}
}

// Undelivered tells the sender of a message that the connection's link had taken that it never went out. It may be
// called from any goroutine, also after Closed, and never blocks.
func (c *Connection) Undelivered(text []byte, sender messages.Address) {
	m, err := messages.NewRelay(text)
	if err != nil {
		return // nothing that was relayed: the link was given it decoded
	}
	m.Sender = sender
	c.system.handBack((*messages.Deliver)(m), messages.CodePeerUnavailable)
}

func (c *Connection) login(typed []byte) (next bool) {
	if c.session != nil {
		c.refuse(messages.CodeAlreadyLoggedIn, "")
		return true
	}
	if cost := messages.LoginCost(typed); cost > 0 {
		c.link.Charge(cost)
	}
	login, err := messages.ParseLogin(typed)
	if err != nil {
		c.refuse(messages.CodeLoginInvalid, err.Error())
		return true
	}
	return c.ask(c.system.registry, &claim{login: login, connection: c})
}

// refuse refuses a login, and the connection after too many of them.
func (c *Connection) refuse(code messages.Code, message string) {
	c.link.Send(messages.AppendLoginRefused(nil, code, message))
	if c.refusals++; c.refusals == refusalLimit {
		c.link.Close(messages.ClosePolicyViolation, "too many refused logins on this connection")
	}
}

// leave ends the session, if there is one.
func (c *Connection) leave() {
	if c.session != nil {
		c.system.root.Send(c.session, disconnected{})
		c.session = nil
	}
}

// ask has an actor decide, and reports whether it has done so already.
func (c *Connection) ask(pid *actor.PID, question any) bool {
	c.decision.Store(asked)
	c.system.root.Send(pid, question)
	return !c.decision.CompareAndSwap(asked, awaited)
}

// The decisions. The actor that was asked, or whoever finds that it will not answer, calls one of them, once.

func (c *Connection) granted(session *actor.PID) {
	c.session = session
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

// stillLoggedIn answers a logout that was not the client's to ask for.
func (c *Connection) stillLoggedIn() { c.decide() }

// caughtUp answers for a session that has acted on all that the client has sent.
func (c *Connection) caughtUp() { c.decide() }

// failed stands for the decision of an actor that failed on the question.
func (c *Connection) failed() {
	defer c.decide()
	c.link.Close(messages.CloseInternalError, "the service could not answer: please come back")
}

// stopped stands for the decision of a registry that has stopped.
func (c *Connection) stopped() {
	defer c.decide()
	c.link.Close(messages.CloseGoingAway, "the service is going down")
}

// decide gives the connection back to its reader once the decision's effect is there. It contains a panic of the link's:
// whoever decides has others to see to.
func (c *Connection) decide() {
	defer func() {
		if cause := recover(); cause != nil {
			c.system.logger.Error("resuming a connection failed", slog.Any("cause", cause), "stack", string(debug.Stack()))
		}
	}()
	switch {
	case c.decision.CompareAndSwap(asked, decided):
	case c.decision.CompareAndSwap(awaited, decided):
		c.link.Resume()
	case c.decision.Load() == moot:
		c.leave()
	}
}
