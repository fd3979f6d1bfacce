package actors

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// Messages between connections, sessions and the registry.
type (
	// claim asks the registry for a login. The registry or the session that owns the login tells the connection its decision.
	claim struct {
		login      messages.Login
		connection *Connection
		keep       bool
		secret     []byte         // that of a kept session, or nil
		received   messages.Count // by the client
		ends       time.Time      // when the client's token ends; the zero time: never
		ending     *session       // in a succeed: the owner of the login
		admitted   bool           // the link has let in the login, which brings a secret; see registry.count
		owned      bool           // the cluster has granted the id of a PeerJS client
		era        uint64         // registry.grants then
		ask        *ask           // for the id, if another node has it
		moved      *Moved         // the state of the session on another node, or nil
		proven     bool           // the secret was that of the owner; of a PeerJS client: the service has checked its token
	}
	// takeOver asks the session that owns a login whether a claim may have it.
	takeOver claim
	// succeed asks the registry for a login whose owner is ending.
	succeed claim
	// welcome is the first message to a session. The session tells its client that the login is accepted.
	welcome struct{ moved *Moved } // the state of a session that has come from another node, or nil

	// logout asks a session to end because its client gave up the login. The connection is told when the login is free
	// again. If the logout names another login, it is told at once.
	logout struct {
		relay      *messages.Relay
		connection *Connection
	}

	// caughtUp reaches a session after all messages that its client has sent. The session then tells the connection. The registry does so
	// for a PeerJS client, see maxRouted.
	caughtUp struct{ connection *Connection }

	// ponged tells a kept session that its client has answered a WebSocket ping, and what the ping said was queued before it.
	ponged struct {
		connection *Connection
		queued     uint64
	}

	// disconnected tells a session that its connection has ended. A kept session goes on, unless the connection ended with
	// something that the client would do again.
	disconnected struct {
		connection *Connection
		final      bool
	}

	// dismissal tells a session to end, because the operator wants that.
	dismissal struct{}
)

// registry is the actor that enforces unique logins. It is the parent of every session and the only writer of the
// directory. It lives as long as its System.
type registry struct {
	mailbox mailbox

	system *System

	// spawning is the session that is being spawned. All sessions share props, which saves memory. So props take the
	// session from here.
	spawning *session
	props    *actor.Props

	// successors are claims on the logins of sessions that are ending or moving. They are decided when the session has ended, in this
	// order.
	successors map[*session][]*claim

	// claiming has the logins for which the cluster is asked, by their keys.
	claiming map[string]*claiming
	era      uint64   // counts evictions
	evicted  []func() // told when all sessions have ended
	left     int      // sessions that have not, while evicted waits
	stopped  bool

	peers peerSpawner
}

func newRegistry(system *System) *registry {
	r := &registry{system: system, mailbox: mailbox{terms: &system.terms}, successors: map[*session][]*claim{}, claiming: map[string]*claiming{}}
	r.peers.init()
	r.props = actor.PropsFromProducer(
		func() actor.Actor { return r.spawning },
		actor.WithMailbox(func() actor.Mailbox { return &r.spawning.mailbox }),
	)
	return r
}

// Receive implements actor.Actor.
func (r *registry) Receive(ctx actor.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			r.system.counts.registryFailures.Add(1)
			r.system.logger.Error("the registry failed and goes on",
				slog.Any("cause", cause), "stack", string(debug.Stack()))
			r.system.abandon(ctx.Message())
			panic(cause) // for the guardian, which resumes it
		}
	}()
	switch m := ctx.Message().(type) {
	case *claim:
		r.claim(ctx, m)
	case *succeed:
		r.succeed(ctx, (*claim)(m))
	case *claimed:
		r.claimed(ctx, m)
	case stayed:
		r.stayed(ctx, m)
	case *evict:
		r.evict(ctx, m)
	case *absentee:
		r.await(ctx, m)
	case *messages.Return:
		r.denied(m)
	case caughtUp:
		m.connection.caughtUp()
	case *restored:
		r.restore(ctx, m)
	case peerEvicted:
		if m.era == r.era {
			r.left--
			r.sayEvicted()
		}
	case *actor.Terminated:
		r.release(ctx, m.Who)
	case *actor.Stopping:
		r.stop()
	case *actor.Stopped:
		close(r.system.ended)
	}
}

func (r *registry) claim(ctx actor.Context, c *claim) {
	if messages.IsPeerKey(c.login.Key) {
		r.claimPeer(ctx, c)
		return
	}
	owner := r.system.directory.owner([]byte(c.login.Key))
	if owner == nil && c.secret != nil && !c.proven && !c.admitted {
		if c.admitted = r.admits(c.connection.link); !c.admitted {
			c.connection.refused(messages.CodeTooMany)
			return
		}
	}
	asked := r.claiming[c.login.Key]
	switch {
	case asked != nil:
		asked.claims = append(asked.claims, c)
	case owner == nil:
		r.obtain(ctx, c)
	case c.keep && c.secret != nil:
		ctx.Send(owner.pid(), (*takeOver)(c)) // only the session knows its secrets
	default:
		c.connection.refused(messages.CodeLoginTaken)
	}
}

// succeed decides a claim when the session that owns the login has ended. That session is ending.
func (r *registry) succeed(ctx actor.Context, c *claim) {
	if owner := r.system.directory.owner([]byte(c.login.Key)); owner != nil && owner == c.ending {
		r.successors[owner] = append(r.successors[owner], c)
		return
	}
	r.claim(ctx, c)
}

// spawn makes the session that owns the login of a claim. Ended is the owner that has ended, if the directory still has it.
func (r *registry) spawn(ctx actor.Context, c *claim, ended *session) {
	c.connection.link.LoggedIn()
	s := &session{connection: c.connection}
	login := c.login
	switch {
	case c.moved != nil:
		login.Shown = c.moved.Shown
		c.connection.kept.Store(c.moved.restore(c.secret))
	case c.keep:
		c.connection.kept.Store(newKept(c.secret))
	}
	s.mailbox.terms = &r.system.terms
	// The client must learn of its login before it hears from others, and not before others can send to it. So the
	// session starts suspended. It runs when the welcome is the first message in its mailbox.
	s.mailbox.suspended = true
	r.spawning = s
	pid, err := ctx.SpawnNamed(r.props, sessionName(ctx.ActorSystem().ProcessRegistry.NextId(), login))
	r.spawning = nil
	if err != nil {
		panic(err)
	}
	ctx.Send(pid, welcome{c.moved})
	r.system.tokens.set(s, c.ends)
	if ended != nil {
		r.system.directory.replace([]byte(s.key()), s)
	} else {
		r.system.sessions.Add(1)
		r.land(s)
		r.system.presence.note(s.key())
	}
	r.system.counts.loginsAccepted.Add(1)
	if c.keep && c.secret != nil && c.moved == nil {
		r.system.counts.began.Add(1)
	}
	s.mailbox.PostSystemMessage(&actor.ResumeMailbox{})
	c.connection.granted(pid)
}

// land makes a session the owner of its login, which has none here.
func (r *registry) land(s *session) {
	key := s.key()
	if r.system.cluster != nil {
		r.system.cluster.Landing(key)
		defer r.system.cluster.Landed(key)
	}
	r.system.directory.put([]byte(key), s)
}

// release frees the login of a session that has ended, or gives it to the first claim that waited for that.
func (r *registry) release(ctx actor.Context, pid *actor.PID) {
	key := sessionKey(pid)
	s := r.system.directory.owner([]byte(key))
	if s == nil {
		panic("a session that is not known has ended")
	}
	if messages.IsPeerKey(key) {
		r.releasePeer(ctx, s)
		return
	}
	r.system.presence.forget(s)
	r.system.tokens.forget(s)
	loggingOut := s.connection
	if !s.loggingOut {
		loggingOut = nil
	}
	moves := s.moves()
	s.serve(nil) // protoactor's set of children may keep an ended actor alive until another takes its place
	successors := r.successors[s]
	delete(r.successors, s)
	if len(successors) > 0 && r.owns() && !moves {
		r.spawn(ctx, successors[0], s)
		successors = successors[1:]
		if loggingOut != nil {
			loggingOut.loggedOut()
		}
	} else {
		r.system.directory.remove([]byte(key))
		r.system.sessions.Add(-1)
		r.system.presence.note(key)
		r.free(key, loggingOut)
	}
	for _, c := range successors {
		r.claim(ctx, c)
	}
	if len(r.evicted) > 0 {
		r.left--
		r.sayEvicted()
	}
}

// stop ends the registry.
func (r *registry) stop() {
	r.stopped = true
	r.mailbox.close()
	for _, asked := range r.claiming {
		for _, c := range asked.claims {
			c.connection.stopped()
		}
	}
	clear(r.claiming)
	for _, claims := range r.successors {
		for _, c := range claims {
			c.connection.stopped()
		}
	}
	clear(r.successors)
	r.system.away.stop()
	r.system.presence.stop()
	r.system.tokens.stop()
	r.system.peers.stop()
}
