package actors

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// DefaultQueueLimit is how many bytes are held for one client where Options says nothing else.
const DefaultQueueLimit = 256 << 10

// MinQueueLimit is the least useful queue limit: with less, the longest message could never be delivered.
const MinQueueLimit = messages.MaxMessageBytes

// Options says how a System behaves. The zero value is useful.
type Options struct {
	// Logger is told of sessions that fail; nil means slog.Default(). No message's content is ever logged.
	Logger *slog.Logger
	// QueueLimit is how many bytes the service holds for one client. Held is what others have sent to the client, be it
	// in its session's mailbox or in its link; what answers the client's own messages; and what the client has sent and
	// its session has not acted on yet.
	//
	// A message of somebody else's is refused with peer-overloaded where it would exceed the limit together with what
	// waits for the client already. The client itself is read no more while more than the limit is held, and is read on
	// when less is.
	//
	// 0 means DefaultQueueLimit. Less than MinQueueLimit means MinQueueLimit.
	QueueLimit int
}

// System is the actor system of one service: the registry and its sessions. Its methods may be called from any
// goroutine.
type System struct {
	logger    *slog.Logger
	terms     terms
	directory *directory
	sessions  atomic.Int64

	actors   *actor.ActorSystem
	root     *actor.RootContext
	registry *actor.PID
	stop     sync.Once
	ended    chan struct{} // closed by the registry when it has ended, the last of all
}

// NewSystem starts a registry. Stop ends it.
func NewSystem(o Options) *System {
	s := &System{logger: o.Logger, directory: newDirectory(), ended: make(chan struct{})}
	s.terms.limit, s.terms.handBack = o.QueueLimit, s.handBack
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.terms.limit == 0 {
		s.terms.limit = DefaultQueueLimit
	}
	s.terms.limit = max(s.terms.limit, MinQueueLimit)
	s.actors = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		// Sessions and the registry log their own failures, once and with the stack; protoactor would add lines
		// without it, and whole messages for dead letters.
		return slog.New(slog.DiscardHandler)
	}))
	s.actors.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok {
			s.handBack(letter.Message, messages.CodePeerUnavailable)
		}
	})
	// A registry that restarted would take every session down with it, so it goes on with the state that it has.
	resume := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.ResumeDirective })
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	s.root = s.actors.Root
	r := newRegistry(s)
	s.registry = s.root.Spawn(actor.PropsFromProducer(
		func() actor.Actor { return r },
		actor.WithMailbox(func() actor.Mailbox { return &r.mailbox }),
		actor.WithGuardian(resume),
		actor.WithSupervisor(stop),
	))
	return s
}

// Sessions returns how many logins are taken.
func (s *System) Sessions() int { return int(s.sessions.Load()) }

// QueueLimit returns how many bytes are held for one client.
func (s *System) QueueLimit() int { return s.terms.limit }

// Stop ends every session, which closes its link with 1001, and then the registry. It returns when all have ended, or
// with ctx's error when ctx ends first. Logins that come later are refused.
func (s *System) Stop(ctx context.Context) error {
	s.stop.Do(func() { s.root.Stop(s.registry) })
	select {
	case <-s.ended:
		return nil
	default:
	}
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// find returns the session that owns login, or nil, and whether the login had to be compared for that.
func (s *System) find(login []byte) (pid *actor.PID, compared bool) {
	// Nearly always a login is written as its key, which is its own key.
	owner := s.directory.owner(login)
	if owner == nil {
		var buf [messages.MaxLoginCharacters]byte
		key, ok := messages.LoginKey(buf[:0], login)
		if !ok || bytes.Equal(key, login) {
			return nil, true
		}
		if owner = s.directory.owner(key); owner == nil {
			return nil, true
		}
		compared = true
	}
	return owner.pid(), compared
}

// abandon deals with the message that an actor failed on.
func (s *System) abandon(message any) {
	switch m := message.(type) {
	case *claim:
		m.connection.failed()
	case *logout:
		m.connection.failed()
	default:
		s.handBack(message, messages.CodePeerUnavailable)
	}
}

// handBack deals with a message that its actor will not receive, so that nobody waits for it and whoever sent it is
// told.
func (s *System) handBack(message any, reason messages.Code) {
	switch m := message.(type) {
	case *messages.Deliver:
		m.Refusal = reason
		s.root.Send(m.Sender.(*actor.PID), (*messages.Return)(m))
	case *messages.Send:
		// Its session has ended, and with it the connection that the answer would go to.
		(*messages.Relay)(m).Release()
	case *messages.Return:
		(*messages.Relay)(m).Release()
	case *claim:
		m.connection.stopped()
	case *logout:
		m.relay.Release()
		m.connection.loggedOut()
	case caughtUp:
		m.connection.caughtUp()
	}
}
