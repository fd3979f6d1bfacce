package cluster

import (
	"context"
	"sync"

	"p2p-messaging/actors"
)

// following tells the system of the logins that come and go at any node, while somebody watches.
type following struct {
	mu     sync.Mutex
	cancel context.CancelFunc // nil while nobody watches
}

// Follow implements [actors.Cluster].
func (c *Cluster) Follow(on bool) {
	f := &c.following
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case on && f.cancel == nil:
		ctx, cancel := context.WithCancel(c.ownership.stopped)
		f.cancel = cancel
		go c.follow(ctx)
	case !on && f.cancel != nil:
		f.cancel()
		f.cancel = nil
	}
}

// follow follows until ctx is done.
func (c *Cluster) follow(ctx context.Context) {
	changed := func(login string, owned bool) {
		if ctx.Err() == nil {
			c.relay.system.Changed(login, owned)
		}
	}
	for ctx.Err() == nil {
		_ = c.ownership.store.Follow(ctx, c.relay.system.Follows, changed) // what was missed is asked for again
		pause(ctx)
	}
}

// Online implements [actors.Cluster]. A login that the store cannot tell of in time is not known.
func (c *Cluster) Online(keys []string, told func(online, known []bool)) {
	if len(keys) == 0 {
		told(nil, nil)
		return
	}
	var mu sync.Mutex
	online, known, left := make([]bool, len(keys)), make([]bool, len(keys)), len(keys)
	for i, key := range keys {
		c.ownership.find(key, func(owner string, err error) {
			mu.Lock()
			online[i], known[i] = owner != "", err == nil
			left--
			last := left == 0
			mu.Unlock()
			if last {
				told(online, known)
			}
		})
	}
}

var _ actors.Cluster = (*Cluster)(nil)
