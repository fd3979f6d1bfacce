package cluster

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// settling collects the messages of other nodes that need no answer any more. Their nodes are told in rounds.
type settling struct {
	mu     sync.Mutex
	before map[routes.Address][]byte // collected before the last round: they are told in the next
	now    map[routes.Address][]byte
	timer  *time.Timer // nil while nothing is collected
}

// Settled implements [actors.Cluster].
func (r *relay) Settled(origin string) {
	from, number, _ := parseOrigin(origin)
	c := &r.settling
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now = map[routes.Address][]byte{}
	}
	body := c.now[from]
	if body == nil {
		body = []byte{kindSettled}
	}
	c.now[from] = binary.AppendUvarint(body, number)
	if c.timer == nil {
		c.timer = time.AfterFunc(settleAfter, r.settle)
	}
}

// settle tells the other nodes what was collected before the last round.
func (r *relay) settle() {
	c := &r.settling
	c.mu.Lock()
	told := c.before
	c.before, c.now = c.now, nil
	if c.timer = nil; c.before != nil {
		c.timer = time.AfterFunc(settleAfter, r.settle)
	}
	c.mu.Unlock()
	for to, body := range told {
		r.carrier.Send(to, body, &again{relay: r, to: to, body: body})
	}
}

// watch makes sure that the other nodes are asked whether they are there, while they have messages that are not settled. The caller holds
// mu.
func (r *relay) watch() {
	if r.asking {
		return
	}
	r.asking = true
	if r.alive == nil {
		r.alive = time.AfterFunc(settleAfter/2, r.ask)
	} else {
		r.alive.Reset(settleAfter / 2)
	}
}

// ask asks each other node that has messages which are not settled whether it is there.
func (r *relay) ask() {
	r.mu.Lock()
	r.asking = false
	nodes := slices.Collect(maps.Keys(r.sent.holders))
	nodes = slices.DeleteFunc(nodes, func(node routes.Address) bool { return node == r.carrier.Address() }) // see hand
	if len(nodes) > 0 {
		r.watch()
	}
	r.mu.Unlock()
	for _, node := range nodes {
		r.carrier.Send(node, []byte{kindAlive}, routes.ReceiptFunc(func(outcome routes.Outcome) {
			if outcome == routes.NoNode {
				r.peers.verdict(node, 0, func(code messages.Code) { r.died(node, code) })
			}
		}))
	}
}

// unsettled returns how many messages other nodes have that are not settled.
func (r *relay) unsettled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.count
}

// died tells the senders of what a node has taken and not settled that it was not delivered, if the node is not there any more. What
// a node has taken that only cannot be reached may still be delivered.
func (r *relay) died(node routes.Address, code messages.Code) {
	if code != messages.CodePeerUnavailable {
		return
	}
	r.mu.Lock()
	told := r.sent.takenBy(node)
	r.peers.tell(node, r.sent.number)
	r.mu.Unlock()
	for _, s := range told {
		r.system.Tell(s.sender, code, []byte(s.rawTo))
	}
}
