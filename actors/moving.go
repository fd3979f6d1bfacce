package actors

import (
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// Resumption is what a login brings to resume a kept session.
type Resumption struct {
	Secret   []byte
	Received messages.Count // by the client
}

// Moved is the state of a kept session that moves to another node.
type Moved struct {
	Shown string // the login, as the session spells it
	Again bool   // the session began with the secret that was brought, and is answered so again

	// These are the counts of the session. The replay begins behind the first From messages.
	Received, Sent, Confirmed, From uint64

	Messages  []MovedMessage // those behind Confirmed
	Watched   []string       // the logins that the client watches
	Ancestors []string       // the ids that the session has had, the latest last
}

// MovedMessage is a message that the client has not confirmed.
type MovedMessage struct {
	Text   []byte
	RawTo  []byte
	Sender string // the id of a session of the node that hands over, or ""
	Origin string // that of [System.Arrive], if the message came from another node, or ""
}

// HandedOver says what has become of a request to hand a session over.
type HandedOver uint8

const (
	// Hands means that the session has stopped and is handed over.
	Hands HandedOver = iota
	// Refuses means that the secret does not hold.
	Refuses
	// Ends means that there is no such session any more. Its login is free, or will be soon.
	Ends
)

const (
	// moveTimeout is how long a session that was handed over waits to hear that it has moved.
	moveTimeout = 5 * time.Second
	// If another node owns the login, it says at once whether it has the session, too. It may have claimed the login too late for that.
	// So the session asks for its login again after movedAfter, and ends after movedTries.
	movedAfter = 100 * time.Millisecond
	movedTries = 20
)

type (
	// handingOver asks a session to go on at another node.
	handingOver struct {
		resumption Resumption
		answer     func(HandedOver, *Moved)
	}
	// moved tells a session that it goes on at another node.
	moved struct{}
	// stays tells a session what has become of its login. No node has said that it fetched the session.
	stays struct {
		login Claimed
		tries int
	}
	// unmoved asks a session whether it was fetched.
	unmoved struct{ tries int }
	// stayed tells the registry that a session goes on here.
	stayed struct{ session *session }
)

// HandOver asks the session that has a login to stop and go on at another node. Answer is called once, and must not block. The same
// request again is answered alike, until [System.Moved].
func (s *System) HandOver(key string, r Resumption, answer func(HandedOver, *Moved)) {
	if !s.sendTo(key, &handingOver{r, answer}) {
		answer(Ends, nil)
	}
}

// Moved says that the session with a login goes on at another node, which owns the login now.
func (s *System) Moved(key string) { s.sendTo(key, moved{}) }

// sendTo sends a message to the session that has a login. It returns false if there is none.
func (s *System) sendTo(key string, message any) bool {
	owner := s.directory.owner([]byte(key))
	if owner == nil {
		return false
	}
	s.root.Send(owner.pid(), message)
	return true
}

// drainPause is how long Drain waits before it looks again.
const drainPause = 20 * time.Millisecond

// Drain waits until the sessions that are left have moved to other nodes, for [Options.DrainTimeout] at most. A service that is alone
// does not wait.
func (s *System) Drain() {
	if s.cluster == nil {
		return
	}
	for end := time.Now().Add(s.drainTimeout); s.Sessions() > 0 && time.Now().Before(end); {
		time.Sleep(drainPause)
	}
}

// handOver stops the session, if a secret holds, and hands it over. It is that of takeOver, for a connection of another node.
func (s *session) handOver(ctx actor.Context, m *handingOver) {
	if !s.owned(ctx) {
		m.answer(Ends, nil)
		return
	}
	k := s.kept()
	from, held := s.show(k, m.resumption)
	switch held {
	case noProof:
		s.system().counts.resumesRefused.Add(1)
		m.answer(Refuses, nil)
		return
	case wrongCount:
		s.link().Abandon()
		s.depart(ctx)
		m.answer(Ends, nil)
		return
	}
	if s.postpone(k, m) {
		return
	}
	if k.absence == nil {
		s.goAway(k)
	}
	if !k.moving.Swap(true) {
		root, self := s.system().root, s.pid()
		time.AfterFunc(moveTimeout, func() { root.Send(self, unmoved{}) })
	}
	m.answer(Hands, s.snapshot(k, from))
}

// snapshot returns the state of the session for another node.
func (s *session) snapshot(k *kept, from uint64) *Moved {
	m := &Moved{
		Shown: sessionLogin(s.pid().Id), Again: k.brought.began,
		Received: k.received, Sent: k.sent, Confirmed: k.confirmed, From: from,
	}
	if u := k.underway.Load(); u != nil {
		m.Ancestors = u.ancestors[max(0, len(u.ancestors)-maxAncestors+1):]
	}
	m.Ancestors = append(slices.Clone(m.Ancestors), s.pid().Id)
	for _, held := range k.behind(k.confirmed) {
		d := held.(*messages.Deliver)
		copied := MovedMessage{Text: append([]byte(nil), d.Text...), RawTo: append([]byte(nil), d.RawTo...)}
		if d.Sender != nil {
			if d.Sender.GetAddress() == originAddress {
				copied.Origin = d.Sender.GetId()
			} else {
				copied.Sender = d.Sender.GetId()
			}
		}
		m.Messages = append(m.Messages, copied)
	}
	if w := s.system().presence.of(s); w != nil {
		for _, login := range w.logins {
			m.Watched = append(m.Watched, login.shown)
		}
	}
	return m
}

// moved ends the session, because it goes on at another node. What its client has not confirmed is with that node.
func (s *session) moved(ctx actor.Context) {
	k := s.kept()
	if k == nil || !k.moving.Load() {
		return
	}
	k.letGo(func(m *messages.Deliver) { (*messages.Relay)(m).Release() })
	s.depart(ctx)
}

// unmoved takes the session back if it was not fetched.
func (s *session) unmoved(m unmoved) {
	if k := s.kept(); k == nil || !k.moving.Load() {
		return
	}
	root, self := s.system().root, s.pid()
	s.system().cluster.Reclaim(s.key(), func(login Claimed) { root.Send(self, stays{login, m.tries}) })
}

// stays goes on at this node if the login is still the node's. Otherwise the session ends, unless it may still hear that it has moved.
// Only the node that has the session knows that: so the senders of what the client has not confirmed are told.
func (s *session) stays(ctx actor.Context, m stays) {
	k := s.kept()
	switch {
	case k == nil || !k.moving.Load():
	case m.login == Taken && m.tries < movedTries:
		root, self := s.system().root, s.pid()
		time.AfterFunc(movedAfter, func() { root.Send(self, unmoved{m.tries + 1}) })
	case m.login != Granted:
		s.depart(ctx)
	default:
		k.moving.Store(false)
		k.absence.end()
		k.absence = s.system().away.begin(s.pid(), k.memory())
		ctx.Send(s.system().registry, stayed{s})
	}
}

// stayed decides the claims that have waited for a session which goes on here.
func (r *registry) stayed(ctx actor.Context, m stayed) {
	claims := r.successors[m.session]
	delete(r.successors, m.session)
	for _, c := range claims {
		r.claim(ctx, c)
	}
}

// forward passes a message on that has come while the session moves. The message reaches the session at the other node.
func (s *session) forward(m *messages.Deliver) {
	if m.Sender.GetAddress() == originAddress {
		s.system().handBack(m, messages.CodePeerUnavailable) // only the node of its sender may send it again
		return
	}
	// The sender's session has counted it as one that stays here.
	if c, ok := m.Origin.(*Connection); ok {
		if k := c.kept.Load(); k != nil {
			k.sendsAway((*messages.Relay)(m))
		}
	}
	s.system().cluster.Deliver([]byte(s.key()), m)
}

// moves reports whether the session was handed over. It may be called from any goroutine.
func (s *session) moves() bool {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	if s.connection == nil {
		return true
	}
	k := s.kept()
	return k != nil && k.moving.Load()
}

// restore returns the state of a session that has come from another node.
func (m *Moved) restore(secret []byte) *kept {
	k := &kept{mark: rand.Uint32(), received: m.Received, sent: m.Confirmed, confirmed: m.Confirmed}
	k.underway.Store(&underway{ancestors: m.Ancestors})
	k.brought = &brought{hash: sha256.Sum256(secret), began: m.Again, received: m.From}
	for _, copied := range m.Messages {
		relay, err := messages.NewRelay(copied.Text)
		if err != nil || copied.Origin == "" {
			if err == nil {
				relay.Release()
			}
			relay = messages.NewAnswer(copied.Text)
		} else {
			relay.Sender = origin(copied.Origin)
		}
		relay.Retained = true
		k.retain((*messages.Deliver)(relay))
	}
	return k
}

// resumed tells the client of a session that has come from another node that it goes on, and what it has missed.
func (s *session) resumed(m *Moved) {
	k := s.kept()
	s.link().Send(s.accepted())
	for _, held := range k.behind(m.From) {
		s.link().Deliver(held.(*messages.Deliver))
	}
	k.queued.Store(k.sent)
	if len(m.Watched) > 0 {
		logins := make([][]byte, len(m.Watched))
		for i, login := range m.Watched {
			logins[i] = []byte(login)
		}
		s.begin(newWatch(s.pid(), logins))
	}
	s.system().counts.resumed.Add(1)
}
