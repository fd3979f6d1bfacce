package actors

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// peerSession is the actor of a PeerJS id. It is there while a client has the id, while the id is reserved, and while messages wait for the id:
//
//	state     connection           next
//	here      its client's         here: a connection takes over with the same token, and the one before is closed
//	                               reserved: the connection ends, and [PeerJS.Reserve] is not 0
//	                               vacant: the connection ends; the client leaves; the operator or a token ends the session
//	reserved  stands for none      here: a connection comes with the same token
//	                               vacant: the time passes
//	vacant    stands for none      here: any connection comes
//	                               the actor ends: nothing waits for the id
//
// In the last two states, messages for the id wait. The connection that comes gets them first. If none comes in time, those who have sent
// them are told. As one actor is behind all states, a message is delivered once and in order, whoever comes and goes at the same time.
//
// The actor ends only when its mailbox is empty. What is sent to it later is passed on by the registry, behind the end.
type peerSession struct {
	session

	token [peerTokenSize]byte // of who has the id
	// routed is how many messages of the client the registry has not passed on yet. Until it has, all others take the same way, so that
	// none overtakes them.
	routed atomic.Int32
	// Guarded says that somebody has the id, here or reserved. It is written with the mailbox's lock held.
	guarded bool
	owns    bool // the node owns the id in its cluster
	seeking bool // a timer for seek runs
	// recess is nil for most, so that they take only one word for it.
	recess *recess
}

// recess is what a session has while its id is reserved or messages wait for the id.
type recess struct {
	reservation *absence     // nil if the id is not reserved
	room        *waitingRoom // nil if no message waits
	nodes       []string     // other nodes that have sent what waits; guarded by the mailbox's lock
}

func (p *peerSession) reservation() *absence {
	if p.recess == nil {
		return nil
	}
	return p.recess.reservation
}

func (p *peerSession) room() *waitingRoom {
	if p.recess == nil {
		return nil
	}
	return p.recess.room
}

func (p *peerSession) setReservation(a *absence) { p.rest(a, p.room()) }
func (p *peerSession) setRoom(r *waitingRoom)    { p.rest(p.reservation(), r) }

func (p *peerSession) rest(reservation *absence, room *waitingRoom) {
	p.mailbox.mu.Lock()
	defer p.mailbox.mu.Unlock()
	var nodes []string
	if p.recess != nil {
		nodes = p.recess.nodes
	}
	p.recess = nil
	if reservation != nil || room != nil {
		p.recess = &recess{reservation, room, nodes}
	}
	if !p.guarded && p.mailbox.backlog != nil {
		p.noteNodes(p.mailbox.backlog.user) // they are about to wait
	}
}

// reasonTakenOver is the reason in the close frame of a connection whose client has come back on another one.
const reasonTakenOver = "another connection has taken this id over"

// peerTokenSize is how many bytes of a token's SHA-256 are kept.
const peerTokenSize = 16

// waitingRoom is what waits for an id.
type waitingRoom struct {
	absence  *absence        // in peers.waiting
	messages queue           // by their Counts, which are their places in the order in which they have come
	last     uint32          // the place of the last one
	out      int             // how many were passed on to the cluster, and neither arrived elsewhere nor came back
	bytes    int             // that the messages occupy
	told     map[string]bool // the ids of senders that were told of a message that was dropped
	toldSize int             // the bytes that told occupies
}

const (
	// actorBytes is about what the actor of an id occupies for which messages wait, besides its name.
	actorBytes = 700
	// toldBytes is about what an id occupies in waitingRoom.told besides its text.
	toldBytes = 48
	// maxToldBytes bounds what waitingRoom.told occupies.
	maxToldBytes = 64 << 10
)

// peerID returns the id of the session with this name.
func peerID(name string) string { return sessionLogin(name)[1:] }

func (p *peerSession) id() string { return peerID(p.pid().Id) }

// isHere reports whether the client is connected.
func (p *peerSession) isHere() bool { return p.connection != p.system().peers.nobody }

// Receive implements actor.Actor.
func (p *peerSession) Receive(ctx actor.Context) {
	defer p.fail(ctx)
	switch m := ctx.Message().(type) {
	case *messages.Send:
		p.send(ctx, m)
	case *messages.Deliver:
		p.deliver(m)
	case *messages.Return:
		p.returned(m)
	case *takeOver:
		p.takeOver((*claim)(m))
	case seek:
		p.seek()
	case passedOn:
		if a := p.room(); a != nil {
			p.passedOn(a, true)
		}
	case evicted:
		p.evicted(m)
	case caughtUp:
		m.connection.caughtUp()
	case disconnected:
		if m.connection == p.connection {
			p.disconnect(m.final)
		}
	case expired:
		p.expired(m)
	case tokenEnded:
		p.tokenEnded()
	case dismissal:
		p.dismiss()
	case *restored:
		p.restore(m)
	case *actor.Stopping:
		p.stopping()
		return
	default:
		return
	}
	if !p.departing && !p.guarded && p.room() == nil && p.mailbox.closeIfEmpty() {
		p.depart(ctx)
	}
}

// send passes on a message of the client.
func (p *peerSession) send(ctx actor.Context, m *messages.Send) {
	if m.Origin != any(p.connection) { // another connection has taken over
		(*messages.Relay)(m).Release()
		return
	}
	if p.isFenced() {
		(*messages.Relay)(m).Release()
		p.lost()
		return
	}
	m.Sender = ctx.Self()
	d := (*messages.Deliver)(m)
	if p.routed.Load() == 0 {
		switch owner, cluster := p.system().directory.owner(m.To), p.system().cluster; {
		case owner == nil && cluster != nil: // what nobody takes comes back, see handBackPeer
			cluster.Deliver(m.To, d)
			return
		case owner == nil && !peerjs.Waits(m.Type):
			(*messages.Relay)(m).Release()
			return
		case cluster != nil && cluster.Behind(owner.key()): // what was sent before there was a session comes first
			cluster.Deliver(m.To, d)
			return
		case owner != nil:
			switch owner.mailbox.post(d) {
			case "":
				return
			case messages.CodePeerOverloaded:
				p.system().refusePeer(d)
				return
			}
		}
	}
	a := &absentee{message: d, from: p}
	p.routed.Add(1)
	p.system().peers.routed.Add(a.size())
	ctx.Send(p.system().registry, a)
}

// deliver passes another client's message to the client, or lets it wait.
func (p *peerSession) deliver(m *messages.Deliver) {
	if p.isFenced() {
		p.lost()
	}
	if m.Type == messages.TypeToken {
		p.yield(m)
		return
	}
	if a := p.room(); m.Retained && a != nil || p.holds(a) && peerjs.Waits(m.Type) {
		p.await(m)
		return
	}
	if p.isHere() {
		if waiting := p.waiting(); waiting > 0 && waiting+len(m.Text) > p.mailbox.terms.limit {
			p.system().refusePeer(m)
			return
		}
		if p.link().Deliver(m) {
			p.system().settled(m)
			return
		}
	}
	if !peerjs.Waits(m.Type) {
		p.system().settled(m)
		return
	}
	p.await(m)
}

// await lets a message wait.
func (p *peerSession) await(m *messages.Deliver) {
	a := p.room()
	if a == nil {
		a = &waitingRoom{absence: p.system().peers.waiting.begin(p.pid(), 0)}
		p.setRoom(a)
		a.grow(2*len(p.pid().Id) + actorBytes)
		p.seekLater()
	}
	if node := nodeOf(m); node != "" {
		p.mailbox.mu.Lock()
		p.noteNode(node)
		p.mailbox.mu.Unlock()
	}
	p.adopt(m)
	place, back := m.Count, m.Retained
	m = (*messages.Deliver)((*messages.Relay)(m).Compact())
	a.grow(heldSize(m))
	if back {
		m.Count = place
		a.putBack(m)
		p.passedOn(a, false)
	} else {
		a.last++
		m.Count = a.last
		a.messages.put(m)
	}
	for a.messages.len() > 1 && (a.messages.len() > maxAwaited || a.bytes > maxAwaitedBytes) {
		p.drop(a)
	}
}

func (a *waitingRoom) grow(bytes int) {
	a.bytes += bytes
	a.absence.grow(bytes)
}

// take takes out the message that has waited longest.
func (a *waitingRoom) take() *messages.Deliver {
	m := a.messages.take().(*messages.Deliver)
	a.grow(-heldSize(m))
	return m
}

// drop drops the message that has waited longest, and tells its sender, once while messages wait.
func (p *peerSession) drop(a *waitingRoom) {
	m := a.take()
	if id := peerID(m.Sender.GetId()); !a.told[id] {
		a.note(id)
		p.system().tellExpired(p.key(), m.Sender)
	}
	(*messages.Relay)(m).Release()
}

// note notes that a sender was told. So that those who were told never take the place of messages, the others are forgotten now and then. They
// may be told again.
func (a *waitingRoom) note(id string) {
	size := len(id) + toldBytes
	if a.told == nil || a.toldSize+size > maxToldBytes {
		a.grow(-a.toldSize)
		a.told, a.toldSize = map[string]bool{}, 0
	}
	a.told[id] = true
	a.toldSize += size
	a.grow(size)
}

// expired drops what has waited for too long, or ends a reservation.
func (p *peerSession) expired(m expired) {
	switch a := p.room(); {
	case a != nil && m.absence == a.absence:
		p.dropAll(a)
	case p.reservation() != nil && m.absence == p.reservation():
		p.unreserve()
		p.vacate()
	}
}

// dropAll drops what waits.
func (p *peerSession) dropAll(a *waitingRoom) {
	p.setRoom(nil)
	for a.messages.len() > 0 {
		p.drop(a)
	}
}

// unreserve ends the reservation of an id that becomes vacant. If another id has taken this one's room, the caller is about to subtract it a
// second time. So it is added here once.
func (p *peerSession) unreserve() {
	if p.reservation().end() {
		p.system().peers.taken.Add(1)
	}
	p.setReservation(nil)
}

// takeOver decides a claim on the id.
func (p *peerSession) takeOver(c *claim) {
	all := &p.system().peers
	if c.owned {
		p.own(true)
	}
	switch {
	case p.guarded && !p.mayHave(c.secret, c.proven):
		c.connection.endWith(messages.CodeLoginTaken, []byte(peerjs.IDTaken))
		c.connection.decide()
		return
	case !p.owns && p.system().cluster != nil: // the node has given up the id in the meantime
		c.owned = false
		p.system().root.Send(p.system().registry, c)
		return
	}
	if r := p.reservation(); r != nil {
		if r.end() { // another id has got the room of this one
			p.guard(false)
		}
		p.setReservation(nil)
	}
	if !p.guarded && !all.take() {
		p.disown()
		c.connection.turnAway(messages.CodeCapacity, peerjs.ErrorLimit)
		c.connection.decide()
		return
	}
	s := p.system()
	if p.isHere() {
		p.link().Close(messages.CloseTakenOver, reasonTakenOver)
		s.counts.resumed.Add(1)
	} else {
		s.sessions.Add(1)
		s.counts.loginsAccepted.Add(1)
		all.list(p)
	}
	copy(p.token[:], c.secret)
	p.guard(true)
	p.serve(c.connection)
	s.tokens.set(&p.session, c.ends)
	p.link().LoggedIn()
	if p.link().Send([]byte(peerjs.Open)) {
		p.handOut()
	}
	c.connection.granted(p.pid())
}

// handOut gives the client what has waited for it.
func (p *peerSession) handOut() {
	a := p.room()
	if a == nil || a.out > 0 {
		return
	}
	for a.messages.len() > 0 && p.link().Deliver(a.messages.messages[a.messages.head].(*messages.Deliver)) {
		(*messages.Relay)(a.take()).Release()
	}
	if a.messages.len() == 0 { // otherwise the connection has ended already
		a.absence.end()
		p.setRoom(nil)
	}
}

func (p *peerSession) guard(guarded bool) {
	p.mailbox.mu.Lock()
	defer p.mailbox.mu.Unlock()
	switch p.guarded = guarded; {
	case guarded && p.reservation() == nil && p.room() == nil:
		p.recess = nil
	case !guarded && p.mailbox.backlog != nil:
		p.noteNodes(p.mailbox.backlog.user)
	}
}

// own notes whether the node owns the id in the cluster. The registry asks for that (isTaken).
func (p *peerSession) own(owns bool) {
	p.mailbox.mu.Lock()
	defer p.mailbox.mu.Unlock()
	p.owns = owns
}

// disconnect goes on without a connection. Final says that the client does not come back.
func (p *peerSession) disconnect(final bool) {
	p.goAway()
	if all := &p.system().peers; !final && all.options.Reserve > 0 {
		p.setReservation(all.reserved.begin(p.pid(), 0))
		return
	}
	p.vacate()
}

// goAway makes the session one without a connection.
func (p *peerSession) goAway() {
	s := p.system()
	s.peers.unlist(p)
	s.sessions.Add(-1)
	s.tokens.forget(&p.session)
	p.serve(s.peers.nobody)
}

// vacate makes the id one that nobody has.
func (p *peerSession) vacate() {
	p.disown()
	p.guard(false)
	p.system().peers.taken.Add(-1)
}

// tokenEnded ends the client's connection, because its token has ended.
func (p *peerSession) tokenEnded() {
	if !p.system().tokens.take(&p.session) || !p.isHere() {
		return
	}
	p.giveUp(messages.CloseTokenEnded, "your token has ended: come back with a fresh one")
}

// dismiss frees the id, because the operator wants that.
func (p *peerSession) dismiss() {
	if !p.guarded {
		return
	}
	p.system().counts.ended.Add(1)
	p.giveUp(messages.CloseEnded, "the operator has ended this session")
}

// giveUp makes the id one that nobody has. If there is a connection, it is closed.
func (p *peerSession) giveUp(code messages.CloseCode, reason string) {
	switch {
	case p.isHere():
		p.link().Close(code, reason)
		p.disconnect(true)
	case p.guarded:
		p.unreserve()
		p.vacate()
	}
}

// stopping is the last thing that the session does.
func (p *peerSession) stopping() {
	defer p.connection.survive()
	defer p.mailbox.close()
	if p.departing {
		return
	}
	if !p.failed {
		p.system().peers.leave(p)
		p.own(false) // what a stopping node still has ends with its lease
	}
	link := p.link()
	if p.isHere() {
		p.goAway()
	}
	if p.reservation() != nil {
		p.unreserve()
	}
	if p.guarded {
		p.vacate()
	}
	room := p.room()
	if room != nil {
		room.absence.end()
	}
	if p.failed {
		p.disown() // it may own an id that it does not guard yet
		if room != nil {
			p.dropAll(room)
		}
		link.Close(messages.CloseInternalError, "this session failed: please come back")
	} else {
		link.Close(messages.CloseGoingAway, "the service is going down")
	}
}
