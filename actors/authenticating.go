package actors

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// Question asks whether a token holds for a login.
type Question struct {
	Login messages.Login
	Token string
	// From stands for the address from which the client comes. 0 means that it is not known.
	From uint64
}

// Authenticate finds out whether a token holds for a login. It calls decide once, from any goroutine, perhaps before it returns.
// It must not block. It may call decide long after, but the client's next message waits until then.
type Authenticate func(q Question, decide func(Verdict))

// Verdict says whether a token holds.
type Verdict struct {
	// Refusal is why it does not hold, in a sentence for the client. It repeats nothing of the token. It is empty if the token holds.
	Refusal string
	// Ends is when the token ends. The zero time means never.
	Ends time.Time
}

// The answer to a token that does not hold is delayed. The delay doubles with each refusal in a row on one connection.
const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = time.Second
)

// renewalInterval is the shortest time between two fresh tokens of one connection. A token that comes earlier waits, and so does what the
// client sends behind it.
const renewalInterval = time.Second

// renewal brings a session a fresh token of its client, and what became of it.
type renewal struct {
	relay      *messages.Relay
	connection *Connection
	verdict    Verdict
}

// authenticate asks whether a token holds, and then calls decided. If the token does not hold, it calls decided after a delay.
func (c *Connection) authenticate(login messages.Login, token []byte, decided func(Verdict)) {
	delay := min(firstDelay<<min(c.refusals, 10), longestDelay)
	guarded := func(v Verdict) {
		defer func() {
			if cause := recover(); cause != nil {
				c.system.logger.Error("answering a token failed", slog.Any("cause", cause), slog.String("stack", string(debug.Stack())), c.logged())
				c.failed()
			}
		}()
		decided(v)
	}
	c.system.authenticate(Question{login, string(token), c.link.Address()}, func(v Verdict) {
		if v.Refusal != "" {
			time.AfterFunc(delay, func() { guarded(v) })
			return
		}
		guarded(v)
	})
}

// prove asks for a login if its token holds, and otherwise calls refuse with the reason. It reports whether that is decided already.
func (c *Connection) prove(question *claim, token []byte, refuse func(reason string)) bool {
	c.decision.Store(asked)
	c.authenticate(question.login, token, func(v Verdict) {
		switch {
		case v.Refusal != "":
			refuse(v.Refusal)
			c.decide()
		case c.decision.Load() == moot:
			c.decide()
		default:
			question.ends = v.Ends
			c.system.root.Send(c.system.registry, question)
		}
	})
	return !c.decision.CompareAndSwap(asked, awaited)
}

// renew passes a fresh token on to the session, with what became of it. It reports whether that is decided already. The end of the
// connection is not held up by the check.
func (c *Connection) renew(m *messages.Relay) (next bool) {
	m.Origin = c
	session := c.session
	c.decision.Store(asked)
	ask := func() {
		c.authenticate(loginOf(session), m.Request.Token, func(v Verdict) {
			c.system.root.Send(session, &renewal{m, c, v})
		})
	}
	now := time.Now()
	due := now
	if uint16(now.Unix()) == c.tokenAt {
		due = now.Truncate(renewalInterval).Add(renewalInterval)
	}
	c.tokenAt = uint16(due.Unix())
	if due == now {
		ask()
	} else {
		time.AfterFunc(due.Sub(now), func() {
			if c.decision.Load() == left {
				m.Release()
				return
			}
			ask()
		})
	}
	return !c.decision.CompareAndSwap(asked, renewing)
}

// renewed is the decision about a fresh token, after the session has answered it.
func (c *Connection) renewed(v Verdict) {
	if v.Refusal != "" {
		c.count()
	} else {
		c.refusals = 0
	}
	c.decide()
}

// renew answers a fresh token, and goes on with it if it holds.
func (s *session) renew(ctx actor.Context, m *renewal) {
	k := s.kept()
	serves := k == nil || s.count(k, (*messages.Send)(m.relay))
	m.relay.Release()
	switch {
	case !serves:
		m.connection.decide()
		return
	case m.verdict.Refusal != "":
		s.tell(ctx, messages.AppendTokenRefused(nil, messages.CodeAuthFailed, m.verdict.Refusal))
	default:
		s.system().tokens.set(s, m.verdict.Ends)
		ends := int64(0)
		if !m.verdict.Ends.IsZero() {
			ends = m.verdict.Ends.Unix()
		}
		s.tell(ctx, messages.AppendTokenAccepted(nil, ends))
	}
	m.connection.renewed(m.verdict)
}

// tokenEnded closes the session's connection, because its token has ended. A kept session goes on without a connection.
func (s *session) tokenEnded(ctx actor.Context) {
	if !s.system().tokens.take(s) {
		return // a fresh one has come
	}
	k := s.kept()
	if k != nil && k.absence != nil {
		return // its window passes as ever
	}
	s.link().Close(messages.CloseTokenEnded, "your token has ended: come back with a fresh one")
	if k == nil {
		s.depart(ctx)
		return
	}
	s.goAway(k)
}
