package cluster

import "p2p-messaging/messages"

// A login comes to this node while messages for it are on their way to the node that had it, or wait to go there. Those come first. Until
// they have an outcome, what is sent to the login here waits behind them.

// Landing implements [actors.Cluster].
func (r *relay) Landing(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.target(key)
	t.landing, t.owner, t.proven = true, "", false
	if t.pending() {
		r.fallBehind(t)
	}
}

// Landed implements [actors.Cluster].
func (r *relay) Landed(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.landed++
	t := r.target(key)
	t.landing = false
	r.tidy(t)
}

// Behind implements [actors.Cluster].
func (r *relay) Behind(key string) bool {
	if r.behind.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.targets[key]
	return t != nil && t.behind
}

// fallBehind makes what is sent to a login of this node wait until what is on its way to another node has an outcome. The caller holds
// mu.
func (r *relay) fallBehind(t *target) {
	if !t.behind {
		t.behind = true
		r.behind.Add(1)
	}
}

// stay refuses what waits for a session that was to move and stayed. The session has got later messages meanwhile, so these would come out of
// order.
func (r *relay) stay(key string) {
	r.mu.Lock()
	t := r.targets[key]
	if t == nil {
		r.mu.Unlock()
		return
	}
	t.stale = r.sent.number
	r.drop(t, messages.CodePeerUnavailable)
}
