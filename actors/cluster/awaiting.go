package cluster

import "p2p-messaging/messages"

// What is sent to a PeerJS id that no node has is not refused. It waits at the node of its sender, with a session of the id that has no client,
// which passes it on when a node has the id. The order of what one client sends to the id is kept all the while.

// elsewhere reports whether only another node may get a message. That is so if it asks for a PeerJS id, or if this node's session of the id has
// passed it on.
func elsewhere(key string, m *messages.Deliver) bool {
	return messages.IsPeerKey(key) && (m.Retained || m.Type == messages.TypeToken)
}

// streams reports whether a message may follow others that have no outcome yet. While a PeerJS client arrives at its node, an earlier message may
// miss it and a later one find it. So the first goes alone. The caller holds mu.
func (t *target) streams() bool { return t.proven || t.flying == 0 || !messages.IsPeerKey(t.key) }

// letWait lets messages for a PeerJS id wait at this node. Until they do, what comes behind them takes the same way. The caller holds mu, and
// letWait gives it up.
func (r *relay) letWait(t *target, all []*sending) {
	t.returning += len(all)
	t.back = append(t.back, all...)
	if t.givesBack || len(t.back) == 0 {
		r.tidy(t)
		r.mu.Unlock()
		return
	}
	t.givesBack = true
	for len(t.back) > 0 {
		s := t.back[0]
		t.back = t.back[1:]
		r.mu.Unlock()
		r.system.LetWait(s.message, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if t.returning--; len(t.waiting) > 0 {
				r.find(t)
			} else {
				r.tidy(t)
			}
		})
		r.mu.Lock()
	}
	t.givesBack, t.back = false, nil
	r.mu.Unlock()
}
