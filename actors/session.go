package actors

import (
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// session is the actor that owns a login. The registry spawns it when it grants the login. It ends when the client logs out,
// when the connection ends, when it panics, or with the system. Only the goroutine that runs the actor uses the fields, except
// mailbox.
//
// There may be a million sessions, so a session takes only one cache line. It gets everything else from its connection and
// from its address.
type session struct {
	mailbox mailbox

	connection *Connection

	// departing says that the client has given up the login, or that its connection has ended. The session then closes no
	// connection when it stops.
	departing bool
	// loggingOut says that the connection waits until the login is free again.
	loggingOut bool
	failed     bool
	// place says where the end of its token stands. See tokens, whose mutex guards it.
	place uint32
}

// These marks stand in a session's name. No login has a control character, so they cannot be part of a login.
const (
	keyMark   = '\x01' // stands before the key of the login, if the key differs from the login as shown
	shownMark = '\x02' // stands before the login as shown
)

// sessionName returns the name of the session that owns a login. The name begins with a unique string, because protoactor
// frees a name before its actor has ended.
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

// loginOf returns the login of the session with this address.
func loginOf(pid *actor.PID) messages.Login {
	return messages.Login{Shown: sessionLogin(pid.Id), Key: sessionKey(pid)}
}

// sessionLogin returns the login of the session with this address, as shown.
func sessionLogin(id string) string { return id[strings.IndexByte(id, shownMark)+1:] }

// pid returns the session's address.
func (s *session) pid() *actor.PID { return s.mailbox.invoker.Self() }

// Receive implements actor.Actor.
func (s *session) Receive(ctx actor.Context) {
	defer s.fail(ctx)
	switch m := ctx.Message().(type) {
	case welcome:
		s.welcome(m)
	case *messages.Send:
		s.send(ctx, m)
	case *messages.Deliver:
		s.deliver(ctx, m)
	case *messages.Return:
		s.returned(ctx, m)
	case *takeOver:
		s.takeOver(ctx, (*claim)(m))
	case *logout:
		s.logout(ctx, m)
	case caughtUp:
		m.connection.caughtUp()
	case ponged:
		s.ponged(m)
	case located:
		s.located(m)
	case news:
		s.news(m)
	case expired:
		s.expired(ctx, m)
	case *renewal:
		s.renew(ctx, m)
	case tokenEnded:
		s.tokenEnded(ctx)
	case disconnected:
		s.disconnected(ctx, m)
	case dismissal:
		s.dismiss(ctx)
	case lost:
		s.lost(ctx)
	case *handingOver:
		s.handOver(ctx, m)
	case moved:
		s.moved(ctx)
	case unmoved:
		s.unmoved(m)
	case stays:
		s.stays(ctx, m)
	case *actor.Stopping:
		s.stopping()
	}
}

// fail is deferred while the session handles a message. It deals with a panic.
func (s *session) fail(ctx actor.Context) {
	if cause := recover(); cause != nil {
		s.failed = true
		s.system().counts.sessionFailures.Add(1)
		s.system().logger.Error("a session failed and is being closed",
			slog.Any("cause", cause), slog.String("stack", string(debug.Stack())), s.connection.logged(), s.system().loggedLogin(ctx.Self()))
		s.system().abandon(ctx.Message())
		panic(cause) // for the supervisor
	}
}

// waiting implements client. It counts what the client has not confirmed, which may be queued in the link as well.
func (s *session) waiting() int {
	waiting := s.link().Waiting()
	if k := s.kept(); k != nil {
		waiting = max(waiting, int(k.bytes.Load()))
	}
	return waiting
}

// crowd implements client.
func (s *session) crowd(m *messages.Send) { m.Origin.(*Connection).crowded = true }

// kept returns the state of a kept session, or nil.
func (s *session) kept() *kept { return s.connection.kept.Load() }

func (s *session) link() Link      { return s.connection.link }
func (s *session) system() *System { return s.connection.system }

// iceServers returns what the service offers to this session's client.
func (s *session) iceServers() []messages.ICEServer {
	if offer := s.system().iceServers; offer != nil {
		return offer(s.key())
	}
	return nil
}

// send passes on a message of this session's client, if the client may send it. It answers messages to the service. The answers are then
// behind those to all messages that came before.
func (s *session) send(ctx actor.Context, m *messages.Send) {
	k := s.kept()
	if !s.owned(ctx) || k != nil && !s.count(k, m) {
		(*messages.Relay)(m).Release()
		return
	}
	if !m.Type.Relayed() {
		s.answer(ctx, m)
		(*messages.Relay)(m).Release()
		return
	}
	refusal := messages.CodeWrongFrom
	if s.owns(m.From) {
		to, away, compared := s.system().find(m.To)
		if compared {
			s.charge(m.To)
		}
		if away != nil {
			m.Sender = ctx.Self()
			if k != nil {
				m.Count = uint32(k.received)
				k.sendsAway((*messages.Relay)(m))
			}
			s.system().cluster.Deliver(away, (*messages.Deliver)(m))
			return
		}
		if to != nil {
			m.Sender = ctx.Self()
			if k != nil && s.system().cluster != nil {
				m.Count = uint32(k.received)
			}
			ctx.Send(to, (*messages.Deliver)(m))
			return
		}
		refusal = messages.CodePeerUnavailable
	}
	s.reply(ctx, refusal, m.RawTo)
	(*messages.Relay)(m).Release()
}

// returned tells this session's client that one of its messages was not delivered.
func (s *session) returned(ctx actor.Context, m *messages.Return) {
	if k := s.kept(); k != nil && k.moving.Load() {
		s.system().later(s.pid(), m)
		return
	}
	s.reply(ctx, m.Refusal, m.RawTo)
	concluded((*messages.Relay)(m))
	(*messages.Relay)(m).Release()
}

// answer answers a message to the service.
func (s *session) answer(ctx actor.Context, m *messages.Send) {
	switch m.Type {
	case messages.TypePing:
		s.pong(m)
	case messages.TypeWatch:
		s.watch(ctx, m)
	case messages.TypeToken: // the service wants none
		s.reply(ctx, messages.CodeUnknownType, nil)
	case messages.TypeICEServers:
		s.tell(ctx, messages.AppendICEServers(nil, s.iceServers()))
	default: // it was refused, and its text is the answer
		if len(m.Text) > 0 {
			s.tell(ctx, m.Text)
		}
	}
}

// deliver passes another session's message to the link of this session's client.
func (s *session) deliver(ctx actor.Context, m *messages.Deliver) {
	k, size := s.kept(), len(m.Text)
	if k != nil {
		size = weight(m)
	}
	switch {
	case !s.owned(ctx):
		s.system().handBack(m, messages.CodePeerUnavailable)
	case k != nil && k.moving.Load():
		s.forward(m)
	case s.waiting()+size > s.mailbox.terms.limit:
		s.system().handBack(m, messages.CodePeerOverloaded)
	case k != nil:
		s.keep(k, m)
	case !s.link().Deliver(m):
		s.system().handBack(m, messages.CodePeerUnavailable)
	default:
		s.system().settled(m)
	}
}

func (s *session) logout(ctx actor.Context, m *logout) {
	k := s.kept()
	if k != nil && m.connection != s.connection {
		m.relay.Release()
		m.connection.stillLoggedIn()
		return
	}
	if !s.owns(m.relay.Login) {
		if k != nil {
			k.shown(s.system())
			k.received++
		}
		s.reply(ctx, messages.CodeWrongLogin, nil)
		m.relay.Release()
		m.connection.stillLoggedIn()
		return
	}
	m.relay.Release()
	s.loggingOut = true
	if k != nil {
		s.loggedOut(k)
	}
	s.depart(ctx)
}

// dismiss ends the session, because the operator wants it to end.
func (s *session) dismiss(ctx actor.Context) {
	s.system().counts.ended.Add(1)
	s.link().Close(messages.CloseEnded, "the operator has ended this session")
	s.depart(ctx)
}

// depart ends the session. Its end is a message of the system, and those come before all that waits. So the session acts on no further
// message.
func (s *session) depart(ctx actor.Context) {
	s.departing = true
	ctx.Stop(ctx.Self())
}

// stopping is the last thing that the session does.
func (s *session) stopping() {
	defer s.connection.survive()
	defer s.mailbox.close()
	defer s.letGo()
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

// charge charges the client for comparing a login that it has named. See [Link.Charge].
func (s *session) charge(login []byte) {
	if cost := messages.LoginCost(login); cost > 0 {
		s.link().Charge(cost)
	}
}

// reply tells this session's client that one of its own messages was refused.
func (s *session) reply(ctx actor.Context, code messages.Code, rawTo []byte) {
	s.system().counts.relaysRefused.add(code)
	s.tell(ctx, messages.AppendError(nil, code, "", rawTo))
}

// tell sends a message of the service itself that counts.
func (s *session) tell(ctx actor.Context, text []byte) {
	if k := s.kept(); k != nil {
		s.tellKept(ctx, k, text)
		return
	}
	s.link().Send(text)
}
