package cluster

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

const (
	// keepTargets is how many logins of other nodes are remembered at most while nothing goes to them.
	keepTargets = 1 << 16
	// targetBytes is how much text waits for one login at most while its owner is looked for. For all logins together,
	// [routes.MaxWaiting] of memory is the most.
	targetBytes = 256 << 10
	// settleAfter is the shortest time between the moment at which the client's connection takes a message and the moment at which the
	// sender's node forgets it. If the client's node dies before that, the sender is told.
	settleAfter = 100 * time.Millisecond
	// A session that moves, or has just begun or ended, is for a moment not where its login's key says. So its owner is looked
	// for again.
	findAgain      = 50
	findAgainAfter = 20 * time.Millisecond
)

// carrier is what relay needs of [routes.Routes].
type carrier interface {
	Address() routes.Address
	Send(to routes.Address, body []byte, receipt routes.Receipt)
	Post(to routes.Address, m routes.Message)
}

// relay passes messages on to logins of other nodes, and takes theirs.
type relay struct {
	system  *actors.System
	carrier carrier
	owners  *ownership
	peers   *peers
	owns    func() bool
	logger  *slog.Logger
	started chan struct{} // closed by start

	mu      sync.Mutex
	targets map[string]*target
	landed  uint64      // counts the logins that have come to this node
	waits   int         // the memory of what waits for all targets
	sent    sent        // what may have to be told to its sender
	alive   *time.Timer // asks the nodes of sent whether they are there
	asking  bool

	settling settling
	moving   moving

	behind   atomic.Int64 // how many targets are behind
	outcomes [routes.Closed + 1]atomic.Uint64
	received atomic.Uint64
	// unreadable counts what other nodes have sent and this one cannot read.
	unreadable atomic.Uint64
}

// target is a login that another node may have. The relay's mutex guards it.
type target struct {
	key     string
	owner   routes.Address // "" while it is not known
	proven  bool           // the owner has taken a message
	failed  routes.Address // the owner that the last message has not reached
	outcome routes.Outcome // of that message
	finding bool
	flying  int        // messages without an outcome
	waiting []*sending // in their order, while the owner is looked for
	bytes   int        // of their texts
	memory  int        // of them
	newest  uint64     // the number of the newest message that its owner has taken
	flushes bool       // a goroutine sends what waits
	landing bool       // the login is coming to this node
	behind  bool       // the login is this node's, but not everything that was for the other node has an outcome
	stale   uint64     // waiting messages with a number up to this one are refused, and not delivered here
	rawTo   string     // of the last message
	again   int        // how often the owner was looked for again, because it has no such login
	// Messages for a PeerJS id that are to wait at this node, because no node has the id.
	returning int        // that do not wait yet
	back      []*sending // those of them that the system does not have yet, in their order
	givesBack bool       // a goroutine gives them to the system
}

func newRelay() *relay {
	r := &relay{targets: map[string]*target{}, sent: newSent(), started: make(chan struct{})}
	r.moving.asked, r.moving.handing = map[uint64]func(actors.HandedOver, *reader){}, map[string]*handing{}
	return r
}

// start begins to take messages of other nodes.
func (r *relay) start(system *actors.System, carrier carrier, owners *ownership, peers *peers, owns func() bool, logger *slog.Logger) {
	r.system, r.carrier, r.owners, r.peers, r.owns, r.logger = system, carrier, owners, peers, owns, logger
	close(r.started)
}

// stop ends the timers.
func (r *relay) stop() {
	r.mu.Lock()
	r.asking = true // so that it is not begun again
	if r.alive != nil {
		r.alive.Stop()
	}
	r.mu.Unlock()
	r.settling.mu.Lock()
	defer r.settling.mu.Unlock()
	if r.settling.timer != nil {
		r.settling.timer.Stop()
	}
}

// Deliver implements [actors.Cluster].
func (r *relay) Deliver(key []byte, m *messages.Deliver) {
	r.mu.Lock()
	t := r.targets[string(key)]
	if t == nil {
		t = r.target(string(key))
	}
	m = (*messages.Deliver)((*messages.Relay)(m).Slim()) // the key may be a part of what this releases
	for t.owner == "" && !t.landing && !t.pending() && !elsewhere(t.key, m) {
		// The login may have come to this node since the directory was asked.
		landed := r.landed
		r.tidy(t)
		r.mu.Unlock()
		if r.system.Pass(t.key, m) {
			return
		}
		r.mu.Lock()
		t = r.target(t.key)
		if r.landed == landed {
			break
		}
	}
	s := r.sending(t, m)
	switch {
	case t.returning > 0 && len(t.waiting) == 0: // behind those
		r.letWait(t, []*sending{s})
		return
	case t.owner != "" && t.streams() && len(t.waiting) == 0 && !t.finding && !t.flushes && !t.behind:
		r.fly(s)
		r.mu.Unlock()
		r.carrier.Post(s.owner, s)
		return
	case t.bytes+len(m.Text) > targetBytes || r.waits+s.Memory() > routes.MaxWaiting:
		s.message = nil
		r.mu.Unlock()
		r.refuse(m, messages.CodePeerOverloaded)
		return
	}
	t.waiting = append(t.waiting, s)
	r.counts(t, len(m.Text), s.Memory())
	if t.landing {
		r.fallBehind(t)
	}
	r.find(t)
	r.mu.Unlock()
}

// pending reports whether there are messages without an outcome. The caller holds mu.
func (t *target) pending() bool {
	return t.flying > 0 || len(t.waiting) > 0 || t.finding || t.flushes || t.returning > 0
}

// target returns the target for a login. The caller holds mu.
func (r *relay) target(key string) *target {
	t := r.targets[key]
	if t != nil {
		return t
	}
	if len(r.targets) >= keepTargets {
		looked := 0
		for k, old := range r.targets {
			if looked++; !old.pending() && !old.landing {
				delete(r.targets, k)
			}
			if looked == 16 {
				break
			}
		}
	}
	t = &target{key: key}
	r.targets[key] = t
	return t
}

// fly notes that a message is on its way. The caller holds mu.
func (r *relay) fly(s *sending) {
	s.owner = s.target.owner
	s.target.flying++
	r.sent.remember(s)
	r.watch()
}

// find looks for the owner of a login. The caller holds mu.
func (r *relay) find(t *target) {
	if t.finding || t.flushes || t.flying > 0 || t.returning > 0 { // what is on its way may have to go first
		return
	}
	t.finding = true
	go r.look(t)
}

// look asks the store for the owner of a login.
func (r *relay) look(t *target) {
	r.owners.find(t.key, func(value string, err error) { r.found(t, routes.Address(addressIn(value)), err) })
}

// found sends what waits to the owner of a login, or tells the senders why not.
func (r *relay) found(t *target, owner routes.Address, err error) {
	r.mu.Lock()
	t.finding = false
	failed := t.failed
	here := owner != "" && owner == r.carrier.Address()
	if here || owner != "" && owner == failed && t.outcome == routes.Gone {
		if here && r.pass(t) {
			return
		}
		if t.again++; t.again <= findAgain {
			t.failed = "" // the owner may have the session by then
			t.finding = true
			r.mu.Unlock()
			time.AfterFunc(findAgainAfter, func() { r.look(t) })
			return
		}
	}
	t.failed, t.again = "", 0
	switch {
	case err != nil:
		r.drop(t, messages.CodePeerUnreachable)
	case owner == "" || here || owner == failed && t.outcome == routes.Gone:
		r.drop(t, messages.CodePeerUnavailable)
	case owner == failed && messages.IsPeerKey(t.key):
		r.drop(t, messages.CodePeerUnreachable)
	case owner == failed:
		memory := t.memory
		waiting := r.takeWaiting(t)
		r.mu.Unlock()
		r.peers.verdict(owner, memory, func(code messages.Code) {
			for _, s := range waiting {
				r.refuse(s.message, code)
			}
			r.mu.Lock()
			r.tidy(t)
			r.mu.Unlock()
		})
	default:
		t.proven = t.proven && t.owner == owner
		t.owner = owner
		r.peers.know(owner)
		r.flush(t)
	}
}

// pass gives what waits for a login to the session of this node that has it by now. It returns false if there is none. The caller
// holds mu, and pass gives it up if it returns true.
func (r *relay) pass(t *target) bool {
	t.flushes = true
	for len(t.waiting) > 0 {
		s := t.waiting[0]
		text, memory := len(s.message.Text), s.Memory()
		r.mu.Unlock()
		ok := true
		if s.number <= t.stale {
			r.refuse(s.message, messages.CodePeerUnavailable)
		} else {
			ok = r.system.Pass(t.key, s.message)
		}
		r.mu.Lock()
		if !ok {
			t.flushes = false
			return false
		}
		s.message = nil
		t.waiting = t.waiting[1:]
		r.counts(t, -text, -memory)
		t.newest = max(t.newest, s.number)
	}
	t.flushes = false
	t.failed, t.again = "", 0
	r.tidy(t)
	r.mu.Unlock()
	return true
}

// flush sends what waits for a login, in its order. The caller holds mu, and flush gives it up.
func (r *relay) flush(t *target) {
	t.flushes = true
	for len(t.waiting) > 0 && t.owner != "" && t.streams() {
		s := t.waiting[0]
		t.waiting = t.waiting[1:]
		r.counts(t, -len(s.message.Text), -s.Memory())
		if s.number < t.newest { // it was put back, and what came behind it has arrived
			r.mu.Unlock()
			r.refuse(s.message, messages.CodePeerUnavailable)
			r.mu.Lock()
			continue
		}
		r.fly(s)
		r.mu.Unlock()
		r.carrier.Post(s.owner, s)
		r.mu.Lock()
	}
	t.flushes = false
	if len(t.waiting) > 0 {
		r.find(t)
	} else {
		t.waiting = nil
		r.tidy(t)
	}
	r.mu.Unlock()
}

// counts notes that more waits for a login, or less. The caller holds mu.
func (r *relay) counts(t *target, text, memory int) {
	t.bytes += text
	t.memory += memory
	r.waits += memory
}

// takeWaiting takes out what waits for a login. The caller holds mu.
func (r *relay) takeWaiting(t *target) []*sending {
	waiting := t.waiting
	t.waiting = nil
	r.counts(t, -t.bytes, -t.memory)
	return waiting
}

// drop tells the senders of what waits for a login that it was not delivered. What waits for a PeerJS id waits on, with a session of this
// node. The caller holds mu, and drop gives it up.
func (r *relay) drop(t *target, code messages.Code) {
	waiting := r.takeWaiting(t)
	if messages.IsPeerKey(t.key) {
		r.letWait(t, waiting)
		return
	}
	r.tidy(t)
	r.mu.Unlock()
	for _, s := range waiting {
		r.refuse(s.message, code)
	}
}

// tidy notes that everything for a login has an outcome, if so, and forgets a login that no other node has. The caller holds mu.
func (r *relay) tidy(t *target) {
	if t.pending() {
		return
	}
	if t.behind {
		t.behind = false
		r.behind.Add(-1)
	}
	if t.owner == "" && !t.landing && r.targets[t.key] == t {
		delete(r.targets, t.key)
	}
}

// refuse tells the sender of a message that it was not delivered.
func (r *relay) refuse(m *messages.Deliver, code messages.Code) {
	r.system.Refuse(m, code)
}

// Done implements [routes.Message].
func (s *sending) Done(outcome routes.Outcome) {
	r, t := s.relay, s.target
	r.outcomes[outcome].Add(1)
	r.mu.Lock()
	t.flying--
	m := s.message
	s.message = nil
	if outcome == routes.Accepted {
		t.newest = max(t.newest, s.number)
		t.owned(s.owner)
		if len(t.waiting) > 0 {
			r.find(t)
		} else if t.behind {
			r.tidy(t)
		}
		r.mu.Unlock()
		r.system.Taken(m)
		return
	}
	told := s.gone
	r.sent.forget(s)
	if outcome == routes.Gone || outcome == routes.NoNode {
		if t.owner == s.owner {
			t.owner, t.proven = "", false
		}
		t.failed, t.outcome = s.owner, outcome
		if s.tries++; s.tries <= findAgain && s.number > t.newest && !told && m.Type != messages.TypeToken {
			s.message, s.gone = m, false
			r.requeue(t, s)
			r.find(t)
			r.mu.Unlock()
			return
		}
	}
	peer := messages.IsPeerKey(t.key)
	if peer && !told && (outcome == routes.Gone || outcome == routes.NoNode) && m.Type != messages.TypeToken {
		s.message, s.gone = m, false
		if t.flying > 0 { // what is on its way may come back, and goes behind this one
			r.letWait(t, []*sending{s})
			return
		}
		r.requeue(t, s)
		r.drop(t, messages.CodePeerUnavailable) // all of them wait here, in their order
		return
	}
	if len(t.waiting) > 0 {
		r.find(t)
	}
	r.tidy(t)
	r.mu.Unlock()
	if told {
		r.system.Taken(m)
		return
	}
	if peer { // it may have arrived, and must not arrive twice
		r.refuse(m, messages.CodePeerOverloaded)
		return
	}
	switch outcome {
	case routes.Lost, routes.NoNode, routes.Silent:
		r.peers.verdict(s.owner, (*messages.Relay)(m).Memory(), func(code messages.Code) { r.refuse(m, code) })
	case routes.Gone:
		r.refuse(m, messages.CodePeerUnavailable)
	case routes.Overloaded, routes.Refused:
		r.refuse(m, messages.CodePeerOverloaded)
	default:
		r.refuse(m, messages.CodePeerUnreachable)
	}
}

// owned notes that an owner has taken a message.
func (t *target) owned(owner routes.Address) {
	if t.failed == owner {
		t.failed = ""
	}
	t.proven = t.proven || t.owner == owner
}

// requeue puts a message back that was not received, in front of those that came after it. The caller holds mu.
func (r *relay) requeue(t *target, s *sending) {
	i, _ := slices.BinarySearchFunc(t.waiting, s, func(a, b *sending) int {
		return cmp.Compare(a.number, b.number)
	})
	t.waiting = slices.Insert(t.waiting, i, s)
	r.counts(t, len(s.message.Text), s.Memory())
}
