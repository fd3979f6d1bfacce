package actors

import (
	"bytes"
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// session is the actor that owns a login. The registry spawns it when it grants the login; it ends when the client
// logs out, when the connection ends, when it panics, or with the system. All fields but the mailbox belong to the
// goroutine that runs it.
type session struct {
	mailbox mailbox

	system *System
	link   Link
	login  messages.Login

	// departing is set once the client has given the login up or its connection has ended: there is no connection to
	// close then.
	departing bool
	failed    bool
	// answerTo waits for the login to be free again after a logout.
	answerTo *Connection
}

// Receive implements actor.Actor.
func (s *session) Receive(ctx actor.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			s.failed = true
			s.system.logger.Error("a session failed and is being closed",
				"session", ctx.Self().GetId(), slog.Any("cause", cause), "stack", string(debug.Stack()))
			s.system.abandon(ctx.Message())
			panic(cause) // for the supervisor
		}
	}()
	switch m := ctx.Message().(type) {
	case welcome:
		s.link.Send(messages.AppendLoginAccepted(nil))
	case *messages.Send:
		s.send(ctx, m)
	case *messages.Deliver:
		s.deliver(m)
	case *messages.Return:
		s.reply(m.Refusal, m.RawTo)
		(*messages.Relay)(m).Release()
	case *logout:
		s.logout(ctx, m)
	case disconnected:
		s.depart(ctx)
	case *actor.Stopping:
		s.stopping()
	}
}

// send passes on what this session's client sent, if it may.
func (s *session) send(ctx actor.Context, m *messages.Send) {
	var refusal messages.Code
	if !s.owns(m.From) {
		refusal = messages.CodeWrongFrom
	} else if to := s.system.find(m.To); to == nil {
		refusal = messages.CodePeerUnavailable
	} else {
		m.Sender = ctx.Self()
		ctx.Send(to, (*messages.Deliver)(m))
		return
	}
	s.reply(refusal, m.RawTo)
	(*messages.Relay)(m).Release()
}

// deliver writes another session's message to this session's client.
func (s *session) deliver(m *messages.Deliver) {
	switch {
	case s.departing:
		s.system.handBack(m, messages.CodePeerUnavailable)
	case s.link.Waiting()+len(m.Text) > s.system.queueLimit:
		s.system.handBack(m, messages.CodePeerOverloaded)
	case !s.link.Deliver(m):
		s.system.handBack(m, messages.CodePeerUnavailable)
	default:
		(*messages.Relay)(m).Release()
	}
}

func (s *session) logout(ctx actor.Context, m *logout) {
	if !s.owns(m.relay.Login) {
		s.reply(messages.CodeWrongLogin, nil)
		m.relay.Release()
		m.connection.stillLoggedIn()
		return
	}
	m.relay.Release()
	s.answerTo = m.connection
	s.depart(ctx)
}

func (s *session) depart(ctx actor.Context) {
	s.departing = true
	ctx.Stop(ctx.Self())
}

// stopping is the session's last act.
func (s *session) stopping() {
	// A panic from here on would keep protoactor from ending this actor, and its parent from ever stopping.
	defer func() {
		if cause := recover(); cause != nil {
			s.system.logger.Error("closing a session's connection failed", slog.Any("cause", cause))
		}
	}()
	defer s.mailbox.close()
	switch {
	case s.failed:
		s.link.Close(messages.CloseInternalError, "this session failed: please log in again")
	case !s.departing:
		s.link.Close(messages.CloseGoingAway, "the service is going down")
	}
}

// owns reports whether login names this session's login.
func (s *session) owns(login []byte) bool {
	if string(login) == s.login.Shown {
		return true
	}
	key, ok := messages.LoginKey(nil, login)
	return ok && bytes.Equal(key, []byte(s.login.Key))
}

// reply tells this session's client of a message of its own that was refused.
func (s *session) reply(code messages.Code, rawTo []byte) {
	s.link.Send(messages.AppendError(nil, code, "", rawTo))
}
