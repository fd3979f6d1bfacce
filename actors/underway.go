package actors

import (
	"slices"
	"sync"

	"p2p-messaging/messages"
)

// underway holds which messages of a kept session's client are on their way to other nodes: they are counted, and are neither with
// their target nor refused. The client must hear of none of these that the service has it, because the node may lose the session
// before it can tell the client what became of the message.
//
// The methods may be called from any goroutine.
type underway struct {
	mu     sync.Mutex
	counts []uint32 // of messages without an outcome, in their order; the lower half of a count of 64 bits
	waits  []func() // called when there are none

	// ancestors are the ids that the session has had at other nodes, the latest last. They never change.
	ancestors []string
}

// begin notes that a message is on its way. Count is its number among those of the client.
func (u *underway) begin(count uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := len(u.counts)
	for i > 0 && int32(count-u.counts[i-1]) < 0 { // rarely: one that was to stay here goes to another node after all
		i--
	}
	u.counts = slices.Insert(u.counts, i, count)
}

// end notes that a message has an outcome.
func (u *underway) end(count uint32) {
	if u == nil {
		return
	}
	u.mu.Lock()
	if i := slices.Index(u.counts, count); i >= 0 { // nearly always the first
		u.counts = slices.Delete(u.counts, i, i+1)
	}
	var waits []func()
	if len(u.counts) == 0 {
		waits, u.waits = u.waits, nil
	}
	u.mu.Unlock()
	for _, f := range waits {
		f()
	}
}

// before returns how many messages of the client come before the first that is on its way, of those received.
func (u *underway) before(received uint64) uint64 {
	if u == nil {
		return received
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.counts) == 0 {
		return received
	}
	return received - uint64(uint32(received)-u.counts[0]) - 1
}

// wait has f called when nothing is on its way any more. If nothing is now, it returns false and does not call f.
func (u *underway) wait(f func()) bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.counts) == 0 {
		return false
	}
	u.waits = append(u.waits, f)
	return true
}

// stop waits no longer. The session ends.
func (u *underway) stop() {
	if u == nil {
		return
	}
	u.mu.Lock()
	waits := u.waits
	u.waits, u.counts = nil, nil
	u.mu.Unlock()
	for _, f := range waits {
		f()
	}
}

// sendsAway notes that a message of the session's client goes to another node. It may be called from any goroutine.
func (k *kept) sendsAway(m *messages.Relay) {
	u := k.underway.Load()
	if u == nil {
		k.underway.CompareAndSwap(nil, new(underway))
		u = k.underway.Load()
	}
	m.Origin = u
	u.begin(m.Count)
}

// concluded notes that a message which was on its way to another node has an outcome.
func concluded(m *messages.Relay) { underwayOf(m).end(m.Count) }

// underwayOf takes a message from those that are on their way, and returns those, or nil. The caller calls end.
func underwayOf(m *messages.Relay) *underway {
	u, _ := m.Origin.(*underway)
	if u != nil {
		m.Origin = nil
	}
	return u
}

// postpone makes the session go without a connection until no message of its client is on its way to another node, and then sends the
// session m again. It returns false if none is on its way.
func (s *session) postpone(k *kept, m any) bool {
	root, self := s.system().root, s.pid()
	if !k.underway.Load().wait(func() { root.Send(self, m) }) {
		return false
	}
	if k.absence == nil {
		s.goAway(k)
	}
	return true
}
