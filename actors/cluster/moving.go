package cluster

import (
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

const (
	// moveAnswer is how long the owner of a session may take to answer before it counts as silent.
	moveAnswer = 2 * time.Second
	// claimAgain is how long a login waits before it is claimed again, while the session's owner is silent or ending.
	claimAgain = 100 * time.Millisecond
)

// moving moves sessions between nodes. A node that wants one asks its owner, which stops it and sends its state. Then the node puts
// its own value in the place of the owner's, in one step, and tells the owner. So at each time one node acts for the session at
// most. If the owner is silent, the login is free when its lease ends.
type moving struct {
	mu      sync.Mutex
	number  uint64                                      // of the last request
	asked   map[uint64]func(actors.HandedOver, *reader) // requests without an answer
	handing map[string]*handing                         // sessions that this node hands over, by the keys of their logins
}

// handing is what a node remembers of a session that it hands over.
type handing struct {
	to      routes.Address
	numbers []uint64 // in relay.sent: messages of sessions of this node
	origins []string // of messages of other nodes
}

// acquisition is a claim on a login whose session may be at another node.
type acquisition struct {
	cluster    *Cluster
	key        string
	resumption *actors.Resumption
	decided    func(actors.Claimed, *actors.Moved)
	until      time.Time // when the client has waited long enough
}

// Claim implements [actors.Cluster].
func (c *Cluster) Claim(key string, r *actors.Resumption, decided func(actors.Claimed, *actors.Moved)) {
	a := &acquisition{cluster: c, key: key, resumption: r, decided: decided}
	if r != nil {
		a.until = time.Now().Add(2*c.lease.ttl + patience)
	}
	a.claim()
}

func (a *acquisition) claim() {
	a.cluster.ownership.claim(a.key, "", func(outcome actors.Claimed, owner string) {
		if outcome == actors.Taken && a.resumption != nil {
			a.fetch(owner)
			return
		}
		a.decided(outcome, nil)
	})
}

// again claims the login once more, in a moment.
func (a *acquisition) again() {
	if time.Now().After(a.until) {
		a.decided(actors.Undecided, nil)
		return
	}
	time.AfterFunc(claimAgain, a.claim)
}

// fetch asks the owner of the login to hand the session over. Owner is the value of the login's key.
func (a *acquisition) fetch(owner string) {
	from := routes.Address(addressIn(owner))
	a.cluster.relay.request(from, a.key, a.resumption, func(outcome actors.HandedOver, state *reader) {
		switch outcome {
		case actors.Refuses:
			a.decided(actors.Taken, nil)
		case actors.Hands:
			moved, ok := readMoved(state)
			if !ok {
				a.again()
				return
			}
			a.swap(owner, from, moved)
		default:
			a.again()
		}
	})
}

// swap takes the place of an owner that has handed the session over.
func (a *acquisition) swap(owner string, from routes.Address, moved *actors.Moved) {
	a.cluster.ownership.claim(a.key, owner, func(outcome actors.Claimed, _ string) {
		switch outcome {
		case actors.Granted:
			body := appendPart([]byte{kindMoved}, a.key)
			a.cluster.relay.carrier.Send(from, body, &again{relay: a.cluster.relay, to: from, body: body})
			a.decided(actors.Granted, moved)
		case actors.Taken:
			a.again()
		default:
			a.decided(actors.Undecided, nil)
		}
	})
}

// Reclaim implements [actors.Cluster].
func (c *Cluster) Reclaim(key string, decided func(actors.Claimed)) {
	c.ownership.reclaim(key, func(outcome actors.Claimed) {
		if outcome == actors.Granted {
			c.relay.handed(key, false)
			c.relay.stay(key)
		}
		decided(outcome)
	})
}

// request asks a node to hand a session over. Answered is called once. If the node is silent, the outcome is Ends.
func (r *relay) request(to routes.Address, key string, resumption *actors.Resumption, answered func(actors.HandedOver, *reader)) {
	m := &r.moving
	m.mu.Lock()
	m.number++
	number := m.number
	m.asked[number] = answered
	m.mu.Unlock()
	silent := func() { r.answered(number, actors.Ends, nil) }
	time.AfterFunc(moveAnswer, silent)
	body := binary.AppendUvarint([]byte{kindMove}, number)
	body = appendPart(body, key)
	body = appendPart(body, resumption.Secret)
	count := uint64(0)
	if resumption.Received.OK {
		count = resumption.Received.N + 1
	}
	body = binary.AppendUvarint(body, count)
	r.carrier.Send(to, body, routes.ReceiptFunc(func(outcome routes.Outcome) {
		if outcome != routes.Accepted {
			silent()
		}
	}))
}

// answered passes on what a node has answered to a request, once.
func (r *relay) answered(number uint64, outcome actors.HandedOver, state *reader) {
	r.moving.mu.Lock()
	answered := r.moving.asked[number]
	delete(r.moving.asked, number)
	r.moving.mu.Unlock()
	if answered != nil {
		answered(outcome, state)
	}
}

// handOver answers the request of another node for a session.
func (r *relay) handOver(from routes.Address, in *reader) {
	number, key, secret, count := in.number(), string(in.part()), in.part(), in.number()
	if in.fault {
		return
	}
	resumption := actors.Resumption{Secret: append([]byte(nil), secret...)}
	if count > 0 {
		resumption.Received = messages.Count{N: count - 1, OK: true}
	}
	r.system.HandOver(key, resumption, func(outcome actors.HandedOver, moved *actors.Moved) {
		body := binary.AppendUvarint([]byte{kindMoveAnswer, byte(outcome)}, number)
		if outcome == actors.Hands {
			r.hand(key, from, moved)
			body = appendMoved(body, moved)
		}
		r.carrier.Send(from, body, nil)
	})
}

// hand gives the messages of a session that moves the origins by which their senders are told from its new node. Until that node says
// that it has the session, this one has the messages: if the session does not move, it tells their senders itself, or goes on.
func (r *relay) hand(key string, to routes.Address, moved *actors.Moved) {
	r.handed(key, false) // an earlier request counts no more
	h := &handing{to: to}
	r.mu.Lock()
	for i := range moved.Messages {
		m := &moved.Messages[i]
		switch {
		case m.Origin != "":
			h.origins = append(h.origins, m.Origin)
		case m.Sender != "":
			s := r.sent.next()
			s.relay, s.owner, s.sender, s.rawTo = r, r.carrier.Address(), m.Sender, string(m.RawTo)
			r.sent.remember(s)
			h.numbers = append(h.numbers, s.number)
			m.Origin = string(r.carrier.Address()) + " " + strconv.FormatUint(s.number, 36) + " " + m.Sender
		}
	}
	r.mu.Unlock()
	r.moving.mu.Lock()
	r.moving.handing[key] = h
	r.moving.mu.Unlock()
}

// handed notes that a session has moved, or that it has not. If it has, its new node has the messages, and if that dies, this node tells
// the senders that are here. The other senders' nodes learn where the messages are.
func (r *relay) handed(key string, moved bool) {
	r.moving.mu.Lock()
	h := r.moving.handing[key]
	delete(r.moving.handing, key)
	r.moving.mu.Unlock()
	if h == nil {
		return
	}
	if !moved {
		r.mu.Lock()
		for _, number := range h.numbers {
			r.settled(number)
		}
		r.mu.Unlock()
		return
	}
	r.mu.Lock()
	for _, number := range h.numbers {
		if s := r.sent.get(number); s != nil && s.owner == r.carrier.Address() { // it may have moved on since
			r.sent.move(s, h.to)
		}
	}
	if len(h.numbers) > 0 {
		r.watch()
	}
	r.mu.Unlock()
	for _, origin := range h.origins {
		node, number, _ := parseOrigin(origin)
		body := appendPart(binary.AppendUvarint([]byte{kindRehome}, number), string(h.to))
		r.carrier.Send(node, body, &again{relay: r, to: node, body: body})
	}
}

// rehome notes that another node has a message now.
func (r *relay) rehome(in *reader) {
	number, owner := in.number(), in.part()
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sent.get(number); s != nil && !in.fault {
		r.sent.move(s, routes.Address(owner))
		r.watch() // if this node had the message itself, it has asked nobody
	}
}

// appendMoved appends the state of a session to dst.
func appendMoved(dst []byte, m *actors.Moved) []byte {
	dst = appendPart(dst, m.Shown)
	flag := uint64(0)
	if m.Again {
		flag = 1
	}
	for _, n := range []uint64{flag, m.Received, m.Sent, m.Confirmed, m.From, uint64(len(m.Messages)), uint64(len(m.Watched)), uint64(len(m.Ancestors))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, message := range m.Messages {
		dst = appendPart(appendPart(dst, message.Text), message.Origin)
	}
	for _, login := range m.Watched {
		dst = appendPart(dst, login)
	}
	for _, id := range m.Ancestors {
		dst = appendPart(dst, id)
	}
	return dst
}

// readMoved reads the state of a session. It returns false if that is none.
func readMoved(in *reader) (*actors.Moved, bool) {
	m := &actors.Moved{Shown: string(in.part()), Again: in.number() == 1}
	m.Received, m.Sent, m.Confirmed, m.From = in.number(), in.number(), in.number(), in.number()
	count, watched, ancestors := in.number(), in.number(), in.number()
	for ; count > 0 && !in.fault; count-- {
		m.Messages = append(m.Messages, actors.MovedMessage{Text: append([]byte(nil), in.part()...), Origin: string(in.part())})
	}
	for ; watched > 0 && !in.fault; watched-- {
		m.Watched = append(m.Watched, string(in.part()))
	}
	for ; ancestors > 0 && !in.fault; ancestors-- {
		m.Ancestors = append(m.Ancestors, string(in.part()))
	}
	counts := m.Confirmed <= m.From && m.From <= m.Sent && m.Sent-m.Confirmed == uint64(len(m.Messages))
	return m, !in.fault && (counts || m.Again)
}
