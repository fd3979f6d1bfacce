package actors

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"

	"p2p-messaging/messages"
)

// DefaultQueueLimit is the default of [Options.QueueLimit], in bytes.
const DefaultQueueLimit = 256 << 10

// MinQueueLimit is the smallest queue limit, in bytes. With less, the longest message could never be delivered.
const MinQueueLimit = messages.MaxMessageBytes

// DefaultResumeWindow is how long the service keeps sessions by default, and MaxResumeWindow the longest that makes sense.
const (
	DefaultResumeWindow = 30 * time.Second
	MaxResumeWindow     = time.Hour
)

// Options configures a System. The zero value is useful.
type Options struct {
	// Logger receives the failures of sessions. Nil means slog.Default(). The content of messages is never logged.
	Logger *slog.Logger
	// QueueLimit bounds what the service holds for one client, in bytes. This counts messages of others for the client, in
	// its session's mailbox and in its link. It counts the answers to the client's own messages. And it counts messages of
	// the client that its session has not acted on yet. A short message that a kept session retains counts half of what it occupies.
	//
	// A message of another client is refused with peer-overloaded if it would exceed the limit. For this, the client's own messages
	// that its session has not acted on do not count. While more than the limit is held, the client is not read. So those messages, and
	// all the rest, each stay below the limit but for one message or answer.
	// A kept session that does not confirm what the service itself tells it ends at twice the limit.
	//
	// 0 means DefaultQueueLimit. Less than MinQueueLimit means MinQueueLimit.
	QueueLimit int
	// ICEServers returns the ICE servers (RFC 8445) for a client with a login, which is in its normal form. It is called for each accepted
	// login and each ice-servers message, from any goroutine, and must not block. Nil means that the service has none to offer.
	ICEServers func(login string) []messages.ICEServer
	// ResumeWindow is how long a kept session stays when it has lost its connection, in whole seconds. 0 means that no session
	// is kept.
	ResumeWindow time.Duration
	// NoPresence refuses watches: nobody learns who is there.
	NoPresence bool
	// LogLogins adds the login to lines about a session. Otherwise no login is logged.
	LogLogins bool
	// Authenticate looks at the token that each login then needs. Nil means that the service wants no tokens.
	Authenticate Authenticate
	// Cluster shares the logins with other nodes. Nil means that this service is alone.
	Cluster Cluster
	// RetrySpread is how long clients at most wait before they come back to a service that has lost its logins to the cluster.
	RetrySpread time.Duration
	// DrainTimeout is how long a service with a cluster that stops waits until other nodes have taken its kept sessions over.
	DrainTimeout time.Duration
	// PeerJS says what PeerJS clients may do. See [System.ConnectPeer]. Nil means its zero value.
	PeerJS *PeerJS
}

// System is the actor system of one service: the registry and its sessions. Its methods may be called from any
// goroutine.
type System struct {
	logger     *slog.Logger
	logLogins  bool
	iceServers func(login string) []messages.ICEServer
	terms      terms
	directory  *directory
	sessions   atomic.Int64
	secretKey  [32]byte // that of the secrets of kept sessions
	away       away
	counts     counts
	looked     atomic.Uint32 // the part of the directory at which EachBacklog has looked last
	presence   presence
	tokens     tokens
	peers      peers
	// authenticate is nil if the service wants no tokens.
	authenticate Authenticate
	// cluster is nil if the service is alone.
	cluster                   Cluster
	retrySpread, drainTimeout time.Duration

	departures departures

	actors   *actor.ActorSystem
	root     *actor.RootContext
	registry *actor.PID
	stop     sync.Once
	ended    chan struct{} // closed by the registry when it has ended, the last of all
}

// NewSystem starts a registry. Stop ends it.
func NewSystem(o Options) *System {
	s := &System{logger: o.Logger, iceServers: o.ICEServers, authenticate: o.Authenticate, logLogins: o.LogLogins, directory: newDirectory(), ended: make(chan struct{})}
	s.cluster, s.retrySpread, s.drainTimeout = o.Cluster, o.RetrySpread, o.DrainTimeout
	s.terms.limit, s.terms.handBack = o.QueueLimit, s.handBack
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.terms.limit == 0 {
		s.terms.limit = DefaultQueueLimit
	}
	s.terms.limit = max(s.terms.limit, MinQueueLimit)
	s.actors = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		// Sessions and the registry log their own failures, once and with the stack. protoactor would add lines without
		// the stack.
		return slog.New(slog.DiscardHandler)
	}))
	narrow(s.actors.ProcessRegistry)
	// The new stream lacks protoactor's own subscribers. They log, with a goroutine and a timer behind each dead letter. They also
	// answer a Watch of an actor that has ended, which nothing here sends.
	s.actors.EventStream = eventstream.NewEventStream()
	s.actors.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok {
			s.handBack(letter.Message, messages.CodePeerUnavailable)
		}
	})
	// A restart of the registry would end every session. So the registry resumes with its present state.
	resume := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.ResumeDirective })
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	s.root = s.actors.Root
	_, _ = rand.Read(s.secretKey[:]) // never fails
	s.away.init(s.root, o.ResumeWindow)
	s.presence.init(s.root, o.NoPresence)
	if s.cluster != nil {
		s.presence.follow = s.cluster.Follow
	}
	s.tokens.root = s.root
	s.peers.init(s, o.PeerJS)
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

// QueueLimit returns how many bytes the service holds for one client.
func (s *System) QueueLimit() int { return s.terms.limit }

// Stop ends every session and then the registry. The end of a session closes its link with 1001. Stop returns when all have
// ended. If ctx ends first, it returns the error of ctx. Later logins are refused.
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

// find returns the session that owns login, or nil. With a cluster, it returns the key of a login that may be another node's in away. It
// also reports whether it had to compute the login's key.
func (s *System) find(login []byte) (pid *actor.PID, away []byte, compared bool) {
	// Nearly always a login is written exactly as its key.
	owner := s.directory.owner(login)
	if owner == nil || messages.IsPeerKey(login) {
		var buf [messages.MaxLoginCharacters]byte
		key, ok := messages.LoginKey(buf[:0], login)
		if !ok {
			return nil, nil, true
		}
		if !bytes.Equal(key, login) {
			owner = s.directory.owner(key)
		}
		if owner == nil {
			return nil, s.elsewhere(key, login), true
		}
		compared = true
	}
	if s.cluster != nil && s.cluster.Behind(owner.key()) {
		return nil, []byte(owner.key()), compared
	}
	return owner.pid(), nil, compared
}

// elsewhere returns the key of a login that another node may have, or nil if the service is alone. The login may stand for an equal key,
// which has no other memory.
func (s *System) elsewhere(key, login []byte) []byte {
	switch {
	case s.cluster == nil:
		return nil
	case bytes.Equal(key, login):
		return login
	}
	return bytes.Clone(key)
}

// succession returns a claim on the login of a session that is ending. If the session has ended already, the claim is an ordinary
// one.
func (s *System) succession(m *takeOver) *succeed {
	m.ending = s.directory.owner([]byte(m.login.Key))
	return (*succeed)(m)
}

// abandon settles a message on which its actor failed.
func (s *System) abandon(message any) {
	switch m := message.(type) {
	case *claim:
		m.connection.failed()
	case *takeOver:
		m.connection.failed()
	case *succeed:
		m.connection.failed()
	case *logout:
		m.connection.failed()
	case *claimed:
		for _, c := range m.claims {
			c.connection.failed()
		}
	case *renewal:
		m.connection.failed()
	default:
		s.handBack(message, messages.CodePeerUnavailable)
	}
}

// handBack settles a message that its actor will not receive. It tells the sender, so that nobody waits for it.
func (s *System) handBack(message any, reason messages.Code) {
	switch m := message.(type) {
	case *messages.Deliver:
		if messages.IsPeerKey(m.To) { // a message of another node for a login has no To
			s.handBackPeer(m, reason)
			return
		}
		m.Refusal = reason
		s.giveBack((*messages.Return)(m))
	case *messages.Send:
		// Its session has ended, and so has the connection that would get the answer.
		(*messages.Relay)(m).Release()
	case *messages.Return:
		s.pursue(m)
		(*messages.Relay)(m).Release()
	case *claim:
		if m.ask == nil || !m.ask.over {
			m.connection.stopped()
		}
	case *succeed:
		m.connection.stopped()
	case *takeOver:
		s.root.Send(s.registry, s.succession(m))
	case *claimed:
		if m.outcome == Granted {
			s.cluster.Release(m.key, func() {})
			s.giveBackMoved(m.moved)
		}
	case *evict:
		m.ended()
	case evicted:
		s.root.Send(s.registry, peerEvicted(m))
	case *handingOver:
		m.answer(Ends, nil)
	case *logout:
		m.relay.Release()
		m.connection.loggedOut()
	case *renewal:
		m.relay.Release()
		m.connection.decide()
	case caughtUp:
		m.connection.caughtUp()
	case *absentee:
		m.tell()
		(*messages.Relay)(m.message).Release()
	}
}
