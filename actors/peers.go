package actors

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// DefaultPeerExpireTimeout is the default of [PeerJS.ExpireTimeout].
const DefaultPeerExpireTimeout = 5 * time.Second

// PeerJS says what PeerJS clients may do. The zero value is useful.
type PeerJS struct {
	// Limit is how many ids may be taken at once, those included that are reserved. Where room gets scarce, at most half of it stays reserved.
	// 0 means no limit.
	Limit int
	// ExpireTimeout is how long messages wait for an id that nobody has, counted from the first. 0 means DefaultPeerExpireTimeout.
	ExpireTimeout time.Duration
	// Reserve is how long an id is kept for a client whose connection has ended. Only a client with the same token may have the id then. 0
	// means that anybody may have it at once.
	Reserve time.Duration
	// Discovery lets [System.PeerIDs] list the ids.
	Discovery bool
	// MaxMessage is the size in bytes of the longest message of a client. 0 means [messages.MaxMessageBytes].
	MaxMessage int
}

// What waits for one id is bounded too. Beyond these bounds the oldest message is dropped.
const (
	maxAwaited      = 1024
	maxAwaitedBytes = 1 << 20
)

// maxRouted bounds the bytes of messages that the registry is to pass on. Beyond it, clients wait with their next message until it has.
const maxRouted = 4 << 20

// peers is what the sessions of PeerJS clients share.
type peers struct {
	options PeerJS
	terms   terms
	// nobody stands for the connection of a session that has none. It has no state.
	nobody   *Connection
	taken    atomic.Int64 // ids
	present  atomic.Int64 // sessions with a connection
	expired  atomic.Uint64
	routed   atomic.Int64 // bytes of the messages of sessions that the registry is to pass on
	waiting  away         // ids for which messages wait
	reserved away         // ids that their clients may come back for

	mu sync.Mutex
	// listed are the sessions with a connection, by the order in which their clients have come. Only with Discovery: without it, no session pays
	// for a place in a list.
	listed map[*peerSession]uint64
	come   uint64 // how many were listed
	left   []PeerState
}

func (p *peers) init(s *System, o *PeerJS) {
	if o != nil {
		p.options = *o
	}
	if p.options.ExpireTimeout == 0 {
		p.options.ExpireTimeout = DefaultPeerExpireTimeout
	}
	p.terms = s.terms
	// The longest message must fit, with what the relay adds to it.
	p.terms.limit = max(s.terms.limit, 2*p.options.MaxMessage)
	p.nobody = &Connection{system: s, link: absent{}}
	p.waiting.init(s.root, p.options.ExpireTimeout)
	p.reserved.init(s.root, p.options.Reserve)
}

func (p *peers) stop() {
	p.waiting.stop()
	p.reserved.stop()
}

// take counts one more id, and reports whether there is room. Reserved ids may fill half of the room. If they fill more, the longest reserved
// one gives way. So nobody is kept out by a client that connects and leaves again and again.
func (p *peers) take() bool {
	if limit := p.options.Limit; p.taken.Add(1) > int64(limit) && limit > 0 {
		p.taken.Add(-1)
		return p.reserved.cede(limit / 2)
	}
	return true
}

// list adds a session to those with a connection.
func (p *peers) list(one *peerSession) {
	p.present.Add(1)
	if !p.options.Discovery {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listed == nil {
		p.listed = map[*peerSession]uint64{}
	}
	p.come++
	p.listed[one] = p.come
}

// unlist removes a session from them.
func (p *peers) unlist(one *peerSession) {
	p.present.Add(-1)
	if !p.options.Discovery {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if delete(p.listed, one); len(p.listed) == 0 {
		p.listed = nil // a map that has been large stays large
	}
}

// PeerIDs returns the ids of the PeerJS clients that are connected, in the order in which they have come. It returns none without
// [PeerJS.Discovery].
func (s *System) PeerIDs() []string {
	type place struct {
		come uint64
		id   string
	}
	s.peers.mu.Lock()
	places := make([]place, 0, len(s.peers.listed))
	for one, come := range s.peers.listed {
		places = append(places, place{come, one.id()})
	}
	s.peers.mu.Unlock()
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.come, b.come) })
	ids := make([]string, len(places))
	for i, p := range places {
		ids[i] = p.id
	}
	return ids
}

// absentee is a message for an id that nobody has. The sender's session asks the registry to pass it on, because an actor must hold it.
type absentee struct {
	message *messages.Deliver
	from    *peerSession // nil if no session waits for it to be passed on
	passed  func()       // called when it is passed on; nil if the cluster does not wait for that
}

// size returns how many bytes the message occupies.
func (a *absentee) size() int64 { return int64(heldSize(a.message)) }

// tell tells the cluster, once, that the message is passed on.
func (a *absentee) tell() {
	if passed := a.passed; passed != nil {
		a.passed = nil
		passed()
	}
}

// peerSpawner is what the registry has for PeerJS clients.
type peerSpawner struct {
	spawning *peerSession // see registry.spawning
	props    *actor.Props
	// awaiting are messages for the ids of sessions that are ending. The next session gets them, in this order.
	awaiting map[*session][]any
	// asks are the claims on ids that other nodes were asked for, by their numbers.
	asks   map[string]*claim
	number uint64
	failed uint64 // how many sessions have failed, and have given up their ids with that
}

func (p *peerSpawner) init() {
	p.awaiting, p.asks = map[*session][]any{}, map[string]*claim{}
	p.props = actor.PropsFromProducer(
		func() actor.Actor { return p.spawning },
		actor.WithMailbox(func() actor.Mailbox { return &p.spawning.mailbox }),
	)
}

// spawnPeer makes the session of an id, with its first messages. Ended is the session that has ended, if the directory still has it.
func (r *registry) spawnPeer(ctx actor.Context, key string, ended *session, first ...any) {
	p := &peerSession{session: session{connection: r.system.peers.nobody}}
	p.mailbox.terms = &r.system.peers.terms
	p.mailbox.suspended = true // until the first messages are in its mailbox
	r.peers.spawning = p
	_, err := ctx.SpawnNamed(r.peers.props, sessionName(ctx.ActorSystem().ProcessRegistry.NextId(), messages.Login{Shown: key, Key: key}))
	r.peers.spawning = nil
	if err != nil {
		panic(err)
	}
	for _, m := range first {
		p.mailbox.PostUserMessage(m)
	}
	if ended != nil {
		r.system.directory.replace([]byte(key), &p.session)
	} else {
		r.land(&p.session)
	}
	p.mailbox.PostSystemMessage(&actor.ResumeMailbox{})
}

// claimPeer passes a claim on an id on to the session of the id, which decides. In a cluster, the node must own the id then.
func (r *registry) claimPeer(ctx actor.Context, c *claim) {
	if c.ask != nil && !c.ask.goOn() {
		return
	}
	owner := r.system.directory.owner([]byte(c.login.Key))
	asked := r.claiming[c.login.Key]
	c.owned = c.owned && c.era == r.grants()
	switch {
	case asked != nil:
		asked.claims = append(asked.claims, c)
		return
	case r.system.cluster != nil && !c.owned && !owner.isTaken():
		r.obtain(ctx, c)
		return
	}
	r.asked(c)
	switch {
	case owner == nil:
		r.spawnPeer(ctx, c.login.Key, nil, (*takeOver)(c))
	case owner.mailbox.post((*takeOver)(c)) != "":
		r.successors[owner] = append(r.successors[owner], c)
	}
}

// await passes a message on to the session of an id, which is made if there is none.
func (r *registry) await(ctx actor.Context, a *absentee) {
	m := a.message
	defer a.tell()
	if m.Type == messages.TypeToken { // the node that has the id was asked, and does not have it any more
		r.system.settled(m)
		return
	}
	if a.from != nil {
		held := a.size()
		defer func() {
			a.from.routed.Add(-1)
			r.system.peers.routed.Add(-held)
		}()
	}
	owner := r.system.directory.owner(m.To)
	if owner == nil {
		if peerjs.Waits(m.Type) {
			r.spawnPeer(ctx, string(m.To), nil, m)
		} else {
			r.system.settled(m)
		}
		return
	}
	switch owner.mailbox.post(m) {
	case messages.CodePeerUnavailable:
		r.peers.awaiting[owner] = append(r.peers.awaiting[owner], m)
	case messages.CodePeerOverloaded:
		r.system.refusePeer(m)
	}
}

// releasePeer frees an id whose session has ended, or goes on with what came for it in the meantime.
func (r *registry) releasePeer(ctx actor.Context, s *session) {
	key := s.key()
	s.serve(nil) // see release
	if s.failed {
		r.peers.failed++
	}
	first := r.peers.awaiting[s]
	for _, c := range r.successors[s] {
		c.owned = c.owned && c.era == r.grants()
		first = append(first, (*takeOver)(c))
	}
	delete(r.peers.awaiting, s)
	delete(r.successors, s)
	if len(first) == 0 {
		r.system.directory.remove([]byte(key))
		r.sayEvicted()
		return
	}
	r.spawnPeer(ctx, key, s, first...)
}

// handBackPeer settles a message for an id whose session will not receive it.
func (s *System) handBackPeer(m *messages.Deliver, reason messages.Code) {
	if reason == messages.CodePeerOverloaded {
		s.refusePeer(m)
		return
	}
	s.root.Send(s.registry, &absentee{message: m})
}

// refusePeer tells the sender of a message that it was not delivered, and drops the message.
func (s *System) refusePeer(m *messages.Deliver) {
	if peerjs.Waits(m.Type) {
		s.tellExpired(string(m.To), m.Sender)
	}
	s.notePassedOn(m)
	s.settled(m)
}

// tellExpired tells the client that has the id of a sender now that a message for the id at key was not delivered. If nobody has the
// sender's id, nobody is told.
func (s *System) tellExpired(key string, sender messages.Address) {
	s.peers.expired.Add(1)
	m := peerjs.NewExpire(key, peerID(sender.GetId()))
	owner := s.directory.owner(m.To)
	switch {
	case owner != nil && owner.mailbox.post(m) == "":
	case owner == nil && s.cluster != nil:
		m.Sender = peerAddress("")
		s.cluster.Deliver(m.To, m)
	default:
		(*messages.Relay)(m).Release()
	}
}

// peerAddress returns an address that says the id of a client, and leads nowhere.
func peerAddress(id string) *actor.PID {
	key := messages.PeerKey(id)
	return actor.NewPID("", sessionName("", messages.Login{Shown: key, Key: key}))
}
