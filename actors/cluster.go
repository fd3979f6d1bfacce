package actors

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// Cluster shares logins among several services, its nodes. A login belongs to one session of one node. A [System] without a cluster
// decides alone who owns a login.
//
// The methods may be called from any goroutine, and do not block. The functions that they take may be called from any goroutine,
// and before the method returns.
type Cluster interface {
	// Claim asks for a login that no session of this node has. Decided is called once, with what has become of the claim. A
	// claim that cannot be decided in time ends with Undecided. The cluster gives up what it gets afterwards. If the login brings a
	// secret, Resumption is not nil. Then the claim takes over the session of another node, whose state comes with the decision.
	Claim(key string, resumption *Resumption, decided func(Claimed, *Moved))
	// Reclaim asks whether this node still owns a login whose session it has handed over. If it does, the hand-over is void: no node
	// can take the login with it any more. Taken means that another node owns the login, and Undecided that nobody does, or that the
	// cluster could not say.
	Reclaim(key string, decided func(Claimed))
	// Release gives up a login that was granted. Freed is called when other nodes may have the login, or when this node has lost
	// it in any case.
	Release(key string, freed func())
	// Owns reports whether this node may act as the owner of its logins now. A session asks each time it acts. If the node may
	// not, the session ends.
	Owns() bool
	// Deliver passes a message on to the session that has a login on another node, and owns the message from then on. It keeps the
	// order of the calls for one login. It does not keep the key, which may be a part of the message. When another node has taken the
	// message, [System.Taken] is called. If the message reaches nobody, its sender is told by [System.Refuse]. What is for a PeerJS id that
	// no node has waits at this node, by [System.LetWait].
	Deliver(key []byte, m *messages.Deliver)
	// Return tells a session of another node that a message of its client was not delivered. Origin is that of
	// [System.Arrive]. Return owns the message from then on.
	Return(origin string, m *messages.Return)
	// Online asks which logins any node has. Told is called once, and learns for which logins that is known.
	Online(keys []string, told func(online, known []bool))
	// Follow makes the cluster call [System.Changed] for each login that comes or goes at any node, and [System.Follows] when it
	// has begun to, or not any more.
	Follow(on bool)
	// Inform tells a session that has moved to another node that a message of its client was not delivered, by [System.Inform] there.
	Inform(key, sender string, code messages.Code, rawTo []byte)
	// Behind reports whether messages for a login are on their way to another node, or wait to go there, although the login is this
	// node's by now. Later ones go by Deliver then, so that they stay behind those.
	Behind(key string) bool
	// Landing says that a login comes to a session of this node, and Landed that the session has it from now on.
	Landing(key string)
	Landed(key string)
	// Settled says that a message of another node needs no Return any more: its client has it, this node answers for it now, or it was
	// dropped.
	Settled(origin string)
}

// Claimed says what has become of a claim.
type Claimed uint8

const (
	// Granted means that this node owns the login.
	Granted Claimed = iota
	// Taken means that another node owns it.
	Taken
	// Undecided means that the cluster could not say, because too little of it can be reached.
	Undecided
)

// claiming is the login that a cluster is asked for, and the claims that it will decide.
type claiming struct {
	era    uint64 // that of the registry when it asked
	claims []*claim
}

// claimed tells the registry what has become of a claim.
type claimed struct {
	key     string
	outcome Claimed
	moved   *Moved   // the state of the session, for the first of the claims
	claims  []*claim // those that are being decided
}

// evict asks the registry to end all sessions, because the node has lost its logins.
type evict struct{ ended func() }

// lost tells a session to end, because the node has lost its login.
type lost struct{}

// obtain asks for a login that no session of this node has.
func (r *registry) obtain(ctx actor.Context, c *claim) {
	cluster := r.system.cluster
	if cluster == nil {
		r.spawn(ctx, c, nil)
		return
	}
	key := c.login.Key
	r.claiming[key] = &claiming{era: r.era, claims: []*claim{c}}
	root, registry := r.system.root, r.system.registry
	var resumption *Resumption
	if c.keep && c.secret != nil {
		resumption = &Resumption{c.secret, c.received}
	}
	cluster.Claim(key, resumption, func(outcome Claimed, moved *Moved) {
		root.Send(registry, &claimed{key: key, outcome: outcome, moved: moved})
	})
}

// admits reports whether a login may be tried that brings a secret which no session here has. A session of another node may have it.
// So in a cluster the login is counted when it has resumed nothing: see count.
func (r *registry) admits(link Link) bool {
	return r.system.cluster != nil && !link.Exhausted() || link.Admit(true)
}

// count counts a login that the cluster has decided, if it has brought a secret and resumed nothing.
func (r *registry) count(c *claim) {
	if c.admitted && !c.proven && !c.connection.link.Admit(true) {
		c.connection.link.CountLogin() // many have come at once
	}
}

// claimed decides all claims on a login for which the cluster was asked.
func (r *registry) claimed(ctx actor.Context, m *claimed) {
	asked := r.claiming[m.key]
	delete(r.claiming, m.key)
	m.claims = asked.claims
	outcome := m.outcome
	if outcome == Granted && (asked.era != r.era || !r.owns()) {
		r.free(m.key, nil)
		r.system.giveBackMoved(m.moved)
		outcome = Undecided
	}
	if messages.IsPeerKey(m.key) {
		r.claimedPeer(m, outcome)
		return
	}
	if outcome == Granted {
		m.claims[0].moved = m.moved
		r.grant(ctx, m)
		return
	}
	code := messages.CodeLoginTaken
	if outcome == Undecided {
		code = messages.CodeCapacity
	}
	for first := true; len(m.claims) > 0; m.claims, first = m.claims[1:], false {
		switch c := m.claims[0]; {
		case first || outcome != Taken || c.secret == nil:
			r.count(c)
			c.connection.refused(code)
		case c.connection.gone(): // nobody is asked on behalf of a client that has gone
			r.count(c)
			c.connection.decide()
		default: // only the secret of the first was asked about
			r.claim(ctx, c)
		}
	}
}

// grant gives a login to the first claim that still has a connection. The others are decided afterwards.
func (r *registry) grant(ctx actor.Context, m *claimed) {
	granted := false
	for ; len(m.claims) > 0; m.claims = m.claims[1:] {
		switch c := m.claims[0]; {
		case granted:
			r.claim(ctx, c)
		case !c.keep && c.connection.gone():
			c.connection.decide()
		default:
			if c.moved == nil {
				r.count(c)
			}
			r.spawn(ctx, c, nil)
			granted = true
		}
	}
	if !granted {
		r.free(m.key, nil)
	}
}

// free gives up a login that this node owns. The connection that has logged out, if there is one, learns when the login is free.
func (r *registry) free(key string, loggedOut *Connection) {
	alone := r.system.cluster == nil || r.stopped // what a stopping node still has ends with its lease
	switch {
	case alone && loggedOut != nil:
		loggedOut.loggedOut()
	case alone:
	case loggedOut != nil:
		r.system.cluster.Release(key, loggedOut.loggedOut)
	default:
		r.system.cluster.Release(key, func() {})
	}
}

// owns reports whether the node may act as the owner of its logins.
func (r *registry) owns() bool {
	return r.system.cluster == nil || len(r.evicted) == 0 && r.system.cluster.Owns()
}

// evict ends all sessions. A PeerJS id becomes one that nobody has here, but messages go on waiting for it.
func (r *registry) evict(ctx actor.Context, m *evict) {
	r.era++
	r.evicted = append(r.evicted, m.ended)
	r.left = 0
	for i := range r.system.directory.parts {
		t := r.system.directory.parts[i].Load()
		for i := range t.owners {
			switch owner := t.owners[i].Load(); {
			case owner == nil:
			case !messages.IsPeerKey([]byte(owner.key())):
				r.left++
				ctx.Send(owner.pid(), lost{})
			case owner.mailbox.post(evicted{r.era}) == "": // otherwise nobody has the id
				r.left++
			}
		}
	}
	r.sayEvicted()
}

// sayEvicted says that all sessions have ended, if somebody waits for that.
func (r *registry) sayEvicted() {
	if r.left > 0 {
		return
	}
	for _, ended := range r.evicted {
		ended()
	}
	r.evicted = nil
}

// owned reports whether the session may act as the owner of its login. If the node has lost the login, the session ends.
func (s *session) owned(ctx actor.Context) bool {
	if s.system().cluster == nil || s.system().cluster.Owns() {
		return true
	}
	s.lost(ctx)
	return false
}

// lost ends the session, because the node has lost its login.
func (s *session) lost(ctx actor.Context) {
	s.link().Close(messages.CloseServiceRestart, s.system().retryReason())
	s.depart(ctx)
}

// retryReason returns the reason of a close frame that tells the client when to come back. Clients come back at random times, so
// that they do not all come at once.
func (s *System) retryReason() string {
	return fmt.Sprintf("retry=%d", rand.N(max(s.retrySpread, time.Millisecond)).Milliseconds())
}

// origin is the sender of a message of another node. It says where the message came from.
type origin string

// originAddress is the address of every origin.
const originAddress = "origin"

// GetAddress implements [messages.Address].
func (origin) GetAddress() string { return originAddress }

// GetId implements [messages.Address].
func (o origin) GetId() string { return string(o) }

// giveBack gives a message back to the session that has sent it, here or on another node.
func (s *System) giveBack(m *messages.Return) {
	if from, ok := m.Sender.(origin); ok {
		s.cluster.Return(string(from), m)
		return
	}
	s.root.Send(m.Sender.(*actor.PID), m)
}

// giveBackMoved gives the messages of a session back that has come from another node and cannot go on here. That node has let them go. Moved
// may be nil.
func (s *System) giveBackMoved(moved *Moved) {
	if moved == nil {
		return
	}
	for _, copied := range moved.Messages {
		if copied.Origin == "" { // one of the service itself
			continue
		}
		relay, err := messages.NewRelay(copied.Text)
		if err != nil { // another node may have said anything
			continue
		}
		relay.Sender, relay.Refusal = origin(copied.Origin), messages.CodePeerUnavailable
		s.giveBack((*messages.Return)(relay))
	}
}

// Arrive gives a message of another node to the session of this node that has a login. From is for [Cluster.Return] and
// [Cluster.Settled], of which exactly one is called later. Arrive returns false if no session has the login, or no client the PeerJS
// id: what is sent to such an id waits at the node of its sender. Then the caller still owns the message.
func (s *System) Arrive(key []byte, m *messages.Relay, from string) bool {
	owner := s.directory.owner(key)
	if owner == nil || owner.moves() {
		return false
	}
	m.Sender = origin(from)
	if messages.IsPeerKey(key) {
		return s.arrivePeer(owner, (*messages.Deliver)(m))
	}
	s.root.Send(owner.pid(), (*messages.Deliver)(m))
	return true
}

// Pass gives a message of a session of this node to the session of this node that has a login. It returns false if there is none. Then
// the caller still owns the message.
func (s *System) Pass(key string, m *messages.Deliver) bool {
	owner := s.directory.owner([]byte(key))
	if owner == nil || owner.moves() {
		return false
	}
	if m.Type == messages.TypeToken { // another node was asked for a PeerJS id that has come here meanwhile
		s.settled(m)
		return true
	}
	u, count := underwayOf((*messages.Relay)(m)), m.Count
	s.root.Send(owner.pid(), m)
	u.end(count) // not before: what the session does then must come behind it
	return true
}

// Taken says that a session of another node has a message of a session of this node, and releases it.
func (s *System) Taken(m *messages.Deliver) {
	s.notePassedOn(m)
	concluded((*messages.Relay)(m))
	(*messages.Relay)(m).Release()
}

// Refuse tells the sender of a message, a session of this node, that the message was not delivered.
func (s *System) Refuse(m *messages.Deliver, code messages.Code) { s.handBack(m, code) }

// LetWait lets a message for a PeerJS id wait at this node, because no node has the id. Passed is called when what is sent to the id later stays
// behind it.
func (s *System) LetWait(m *messages.Deliver, passed func()) {
	s.root.Send(s.registry, &absentee{message: m, passed: passed})
}

// Tell tells a session of this node that a message of its client was not delivered. Sender is the id of the message's sender, and
// rawTo the RawTo of the message.
func (s *System) Tell(sender string, code messages.Code, rawTo []byte) {
	m := messages.NewAnswer(rawTo)
	to := actor.NewPID(s.actors.Address(), sender)
	m.RawTo, m.Refusal, m.Sender = m.Text, code, to
	s.root.Send(to, (*messages.Return)(m))
}

// Evict ends all sessions, because the node has lost its logins, and refuses the claims that are in flight. The end of a session
// closes its link with 1012. Ended is called when all have ended.
func (s *System) Evict(ended func()) { s.root.Send(s.registry, &evict{ended}) }

// settled notes that a message needs no Return any more, and releases it.
func (s *System) settled(m *messages.Deliver) {
	if from, ok := m.Sender.(origin); ok {
		s.cluster.Settled(string(from))
	}
	(*messages.Relay)(m).Release()
}
