package actors

import (
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// session is the actor that owns a login. The registry spawns it when it grants the login; it ends when the client
// logs out, when the connection ends, when it panics, or with the system. All fields but the mailbox belong to the
// goroutine that runs it.
//
// It takes one cache line, because there may be a million: what it needs besides is reached through its connection and
// read off its address.
type session struct {
	mailbox mailbox

	connection *Connection

	// departing is set once the client has given the login up or its connection has ended: there is no connection to
	// close then.
	departing bool
	// loggingOut is set where the connection waits for the login to be free again.
	loggingOut bool
	failed     bool
}

// Marks in a session's name. No login has a control character.
const (
	keyMark   = '\x01' // stands before the login's key where that is not what is shown
	shownMark = '\x02' // stands before the login as shown
)

// sessionName returns the name of the session that owns a login. It begins with what is unique, because protoactor frees
// a name before its actor has ended.
func sessionName(unique string, login messages.Login) string {
	if login.Key == login.Shown {
		return unique + string(shownMark) + login.Shown
	}
	return unique + string(keyMark) + login.Key + string(shownMark) + login.Shown
}

// key returns the key of the session's login.
func (s *session) key() string { return sessionKey(s.pid()) }

func sessionKey(pid *actor.PID) string {
	shown := strings.IndexByte(pid.Id, shownMark)
	if i := strings.IndexByte(pid.Id[:shown], keyMark); i >= 0 {
		return pid.Id[i+1 : shown]
	}
	return pid.Id[shown+1:]
}

// pid returns the session's address.
func (s *session) pid() *actor.PID { return s.mailbox.invoker.Self() }

// Receive implements actor.Actor.
func (s *session) Receive(ctx actor.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			s.failed = true
			s.system().logger.Error("a session failed and is being closed",
				slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
			s.system().abandon(ctx.Message())
			panic(cause) // for the supervisor
		}
	}()
	switch m := ctx.Message().(type) {
	case welcome:
		s.link().Send(messages.AppendLoginAccepted(nil))
	case *messages.Send:
		s.send(ctx, m)
	case *messages.Deliver:
		s.deliver(m)
	case *messages.Return:
		s.reply(m.Refusal, m.RawTo)
		(*messages.Relay)(m).Release()
	case *logout:
		s.logout(ctx, m)
	case caughtUp:
		m.connection.caughtUp()
	case disconnected:
		s.depart(ctx)
	case *actor.Stopping:
		s.stopping()
	}
}

// waiting implements client.
func (s *session) waiting() int { return s.link().Waiting() }

// crowd implements client.
func (s *session) crowd() { s.connection.crowded = true }

func (s *session) link() Link      { return s.connection.link }
func (s *session) system() *System { return s.connection.system }

// send passes on what this session's client sent, if it may.
func (s *session) send(ctx actor.Context, m *messages.Send) {
	refusal := messages.CodeWrongFrom
	if s.owns(m.From) {
		to, compared := s.system().find(m.To)
		if compared {
			s.charge(m.To)
		}
		if to != nil {
			m.Sender = ctx.Self()
			ctx.Send(to, (*messages.Deliver)(m))
			return
		}
		refusal = messages.CodePeerUnavailable
	}
	s.reply(refusal, m.RawTo)
	(*messages.Relay)(m).Release()
}

// deliver writes another session's message to this session's client.
func (s *session) deliver(m *messages.Deliver) {
	switch {
	case s.departing:
		s.system().handBack(m, messages.CodePeerUnavailable)
	case s.link().Waiting()+len(m.Text) > s.mailbox.terms.limit:
		s.system().handBack(m, messages.CodePeerOverloaded)
	case !s.link().Deliver(m):
		s.system().handBack(m, messages.CodePeerUnavailable)
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
	s.loggingOut = true
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
			s.system().logger.Error("closing a session's connection failed", slog.Any("cause", cause))
		}
	}()
	defer s.mailbox.close()
	switch {
	case s.failed:
		s.link().Close(messages.CloseInternalError, "this session failed: please log in again")
	case !s.departing:
		s.link().Close(messages.CloseGoingAway, "the service is going down")
	}
}

// owns reports whether login names this session's login.
func (s *session) owns(login []byte) bool {
	id := s.pid().Id
	if shown := len(id) - len(login); shown > 0 && id[shown-1] == shownMark && id[shown:] == string(login) {
		return true
	}
	own := s.key()
	if string(login) == own {
		return true
	}
	s.charge(login)
	var buf [messages.MaxLoginCharacters]byte
	key, ok := messages.LoginKey(buf[:0], login)
	return ok && string(key) == own
}

// charge has the client pay for the comparison of a login that it has named.
func (s *session) charge(login []byte) {
	if cost := messages.LoginCost(login); cost > 0 {
		s.link().Charge(cost)
	}
}

// reply tells this session's client of a message of its own that was refused.
func (s *session) reply(code messages.Code, rawTo []byte) {
	s.link().Send(messages.AppendError(nil, code, "", rawTo))
}
