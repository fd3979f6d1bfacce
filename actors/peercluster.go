package actors

import (
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// In a cluster, a node owns an id while a client has it there, or while it is reserved there. A message for an id that no session of the
// node has goes to the cluster. If nobody has the id, the message comes back, and waits on the node of its sender. As the client may arrive at
// any node, what waits seeks it there now and then.

const (
	// seekInterval is the time between two attempts to pass on what waits.
	seekInterval = 370 * time.Millisecond
	// seekBytes is how much is passed on in one attempt.
	seekBytes = 64 << 10
	// maxAsks is how often a claim on an id that another node has is made again, if that node says nothing. The first time is after askPause,
	// and each pause is twice as long as the one before.
	maxAsks  = 5
	askPause = 20 * time.Millisecond
)

// seek tells the session of an id to try to pass on what waits.
type seek struct{}

// evicted tells the session of an id that the node has lost it.
type evicted struct{ era uint64 }

// peerEvicted tells the registry that a session has given up its id.
type peerEvicted evicted

// isTaken reports whether a client has the id of a session, or has reserved it, and the node owns the id. The node does not own one that was
// reserved in the service before this one. The session may be nil.
func (s *session) isTaken() bool {
	if s == nil {
		return false
	}
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	p, ok := s.mailbox.invoker.Actor().(*peerSession)
	return ok && p.guarded && p.owns
}

// ask is the question for an id that another node has.
type ask struct {
	number  string // by which the registry finds the claim
	times   uint8  // how often the claim was made again
	pausing bool   // until it is made again
	denied  bool   // by the node that has the id
	over    bool   // the claim is decided
}

// goOn ends a pause. It returns false if the claim was decided meanwhile.
func (a *ask) goOn() bool {
	a.pausing = false
	return !a.over
}

// claimedPeer decides all claims on an id for which the cluster was asked.
func (r *registry) claimedPeer(m *claimed, outcome Claimed) {
	for ; len(m.claims) > 0; m.claims = m.claims[1:] {
		switch c := m.claims[0]; outcome {
		case Granted: // the session of the id decides who gets it
			c.owned, c.era = true, r.grants()
			r.system.root.Send(r.system.registry, c)
		case Taken:
			r.askFor(c)
		default:
			r.asked(c)
			c.connection.turnAway(messages.CodeCapacity, peerjs.ErrorUndecided)
			c.connection.decide()
		}
	}
}

// grants counts the times at which ids were given up that the cluster had granted to claims. Such a claim asks again.
func (r *registry) grants() uint64 { return r.era + r.peers.failed }

// asked forgets the question for the id of a claim.
func (r *registry) asked(c *claim) {
	if c.ask != nil {
		delete(r.peers.asks, c.ask.number)
		c.ask = nil
	}
}

// askFor asks the node that has the id to give it up, and makes the claim again after a while. That node gives the id up if the client may
// have it. Otherwise it says no. If it is silent, the claim is refused in the end.
func (r *registry) askFor(c *claim) {
	if c.ask == nil {
		r.peers.number++
		c.ask = &ask{number: strconv.FormatUint(r.peers.number, 36)}
		r.peers.asks[c.ask.number] = c
	}
	if c.ask.times == maxAsks || c.ask.denied || c.connection.gone() {
		r.refuseTaken(c)
		return
	}
	// The question is not kept for a node that does not have the id yet or any more, so it is asked each time: late, it would end the session that
	// the client has by then.
	m := peerjs.NewYield(c.login.Key, c.secret, c.proven)
	m.Sender, m.RawTo = r.system.registry, []byte(c.ask.number)
	root, registry := r.system.root, r.system.registry
	c.ask.pausing = true
	time.AfterFunc(askPause<<c.ask.times, func() { root.Send(registry, c) })
	c.ask.times++
	r.system.cluster.Deliver([]byte(c.login.Key), m)
}

// refuseTaken refuses a claim on an id that another node keeps.
func (r *registry) refuseTaken(c *claim) {
	delete(r.peers.asks, c.ask.number)
	c.ask.over = true
	c.connection.endWith(messages.CodeLoginTaken, []byte(peerjs.IDTaken))
	c.connection.decide()
}

// denied refuses a claim, because the node that has the id does not give it up.
func (r *registry) denied(m *messages.Return) {
	if c := r.peers.asks[string(m.RawTo)]; c != nil && m.Refusal == messages.CodeLoginTaken {
		c.ask.denied = true
		if c.ask.pausing { // otherwise the cluster is being asked, and its answer comes
			r.refuseTaken(c)
		}
	}
	(*messages.Relay)(m).Release()
}

// yield gives up the id, if its client has come to another node. Otherwise it denies the id to who has come there.
func (p *peerSession) yield(m *messages.Deliver) {
	secret, proven := peerjs.Yielded(m)
	switch {
	case !p.guarded:
	case p.mayHave(secret, proven):
		p.giveUp(messages.CloseTakenOver, reasonTakenOver)
	default:
		m.Refusal = messages.CodeLoginTaken
		p.system().giveBack((*messages.Return)(m))
		return
	}
	p.system().settled(m)
}

// mayHave reports whether a client may have the id that somebody has or has reserved. It may if it has brought the same token. If the
// service checks tokens, the client has proven that the id is its own, so it may have one that is reserved with any token: a token that was
// renewed is another one.
func (p *peerSession) mayHave(secret []byte, proven bool) bool {
	return proven && !p.isHere() || subtle.ConstantTimeCompare(secret, p.token[:]) == 1
}

// isFenced reports whether the node may not act as the owner of the id any more.
func (p *peerSession) isFenced() bool {
	cluster := p.system().cluster
	return cluster != nil && p.owns && !cluster.Owns()
}

// disown gives up the id in the cluster, if the node owns it.
func (p *peerSession) disown() {
	if p.owns {
		p.system().cluster.Release(p.key(), func() {}) // first: a claim that the registry makes when it sees the id free comes behind it
		p.own(false)
	}
}

// lost makes the id one that nobody has here, because the node has lost it.
func (p *peerSession) lost() {
	p.own(false)
	p.giveUp(messages.CloseServiceRestart, p.system().retryReason())
}

// evicted does the same, and says so. If it fails, handBack says so.
func (p *peerSession) evicted(m evicted) {
	p.lost()
	p.system().root.Send(p.system().registry, peerEvicted(m))
}

// returned tells the client that a message was not delivered, although another node had taken it.
func (p *peerSession) returned(m *messages.Return) {
	if p.isHere() {
		p.system().peers.expired.Add(1)
		p.link().Send(peerjs.AppendReturned(nil, m.RawTo, p.id()))
	}
	(*messages.Relay)(m).Release()
}

// adopt makes a message of another node one that this node answers for.
func (p *peerSession) adopt(m *messages.Deliver) {
	if from, ok := m.Sender.(origin); ok {
		p.system().cluster.Settled(string(from))
		m.Sender = peerAddress(peerID(string(from)))
	}
}

// seekLater tries to pass on what waits after a while. One timer runs at a time.
func (p *peerSession) seekLater() {
	if p.system().cluster != nil && !p.seeking {
		p.seeking = true
		root, pid := p.system().root, p.pid()
		time.AfterFunc(seekInterval, func() { root.Send(pid, seek{}) })
	}
}

// seek passes on what waits, in its order. What nobody takes comes back, unless the time is nearly over.
func (p *peerSession) seek() {
	p.seeking = false
	a := p.room()
	if a == nil {
		return
	}
	if !p.guarded && time.Until(a.absence.until) > seekInterval/2 {
		p.passOn(a)
	}
	p.seekLater()
}

// passOn gives to the cluster what waits. A message that comes back says that it was retained.
func (p *peerSession) passOn(a *waitingRoom) {
	if a.out > 0 || p.system().cluster.Behind(p.key()) { // what is there may come back, or came before the session
		return
	}
	for bytes := 0; a.messages.len() > 0 && bytes < seekBytes; {
		m := a.take()
		bytes += len(m.Text)
		a.out++
		m.To, m.Retained = []byte(p.key()), true
		p.system().cluster.Deliver(m.To, m)
	}
}

// passedOn tells the session of an id that a message which it has passed on will not come back.
type passedOn struct{}

// notePassedOn tells that the session which has passed a message on, if one has.
func (s *System) notePassedOn(m *messages.Deliver) {
	if !m.Retained || !messages.IsPeerKey(m.To) {
		return
	}
	if owner := s.directory.owner(m.To); owner != nil {
		owner.mailbox.post(passedOn{})
	}
}

// passedOn notes that a message which was passed on has arrived elsewhere or come back. When all have, what came behind them goes to the client if it
// is here, and to the other node if they have arrived there.
func (p *peerSession) passedOn(a *waitingRoom, arrived bool) {
	if a.out == 0 { // it was passed on from another room
		return
	}
	a.out--
	switch {
	case a.out > 0:
	case p.isHere():
		p.handOut()
	case !arrived:
	case a.messages.len() == 0:
		a.absence.end()
		p.setRoom(nil)
	case !p.guarded:
		p.passOn(a)
	}
}

// holds reports whether what comes for the client must wait, because a message that came before is on its way to another node.
func (p *peerSession) holds(a *waitingRoom) bool { return a != nil && a.out > 0 && p.isHere() }

// putBack puts a message back that was passed on and that nobody has taken.
func (a *waitingRoom) putBack(m *messages.Deliver) {
	a.last = max(a.last, m.Count)
	i := len(a.messages.messages)
	for i > a.messages.head && a.messages.messages[i-1].(*messages.Deliver).Count > m.Count {
		i--
	}
	a.messages.messages = slices.Insert(a.messages.messages, i, any(m))
}

// arrivePeer gives a message of another node to the session of an id, if the node has the id, or messages of that node wait for it here: later ones
// stay behind those. Otherwise arrivePeer returns false, and the message waits at its own node.
func (s *System) arrivePeer(owner *session, m *messages.Deliver) bool {
	owner.mailbox.mu.Lock()
	p, ok := owner.mailbox.invoker.Actor().(*peerSession)
	ok = ok && (p.guarded && p.owns || p.recess != nil && slices.Contains(p.recess.nodes, nodeOf(m)))
	owner.mailbox.mu.Unlock()
	if !ok {
		return false
	}
	switch refusal := owner.mailbox.post(m); refusal {
	case "":
	case messages.CodePeerUnavailable: // it is ending
		return false
	default:
		s.handBackPeer(m, refusal)
	}
	return true
}

// nodeOf returns the node that a message comes from, or "" for this one.
func nodeOf(m *messages.Deliver) string {
	from, ok := m.Sender.(origin)
	if !ok {
		return ""
	}
	node, _, _ := strings.Cut(string(from), " ")
	return node
}

// noteNode notes that messages of another node wait. The caller holds the mailbox's lock.
func (p *peerSession) noteNode(node string) {
	if p.recess == nil {
		p.recess = new(recess)
	}
	if !slices.Contains(p.recess.nodes, node) {
		p.recess.nodes = append(p.recess.nodes, strings.Clone(node))
	}
}

// noteNodes notes that the messages in the mailbox are about to wait. The caller holds the mailbox's lock.
func (p *peerSession) noteNodes(mailbox queue) {
	for _, m := range mailbox.messages[mailbox.head:] {
		if m, ok := m.(*messages.Deliver); ok {
			if node := nodeOf(m); node != "" {
				p.noteNode(node)
			}
		}
	}
}
