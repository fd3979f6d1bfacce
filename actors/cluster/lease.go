package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// MinLeaseTTL is the shortest time that a lease may have. Etcd needs about as long to choose a new leader.
const MinLeaseTTL = 3 * time.Second

// DefaultLeaseTTL is how long the logins of a node that has died stay taken, at most.
const DefaultLeaseTTL = 5 * time.Second

// renewals is how often a lease is renewed while it lasts.
const renewals = 6

// margin is the part of a lease that a node does not use. Clocks may run at different rates, and what a session has begun takes a
// moment.
const margin = 10

// retryPause is how long a node waits before it tries again what the store did not answer.
const retryPause = 100 * time.Millisecond

// lease keeps the lease under which the node owns its logins. There is one after another: if a lease cannot be renewed in time, the
// node gives up all its logins and then gets a fresh one.
//
// The deadline counts from before the renewal was sent. The store counts from when it got the renewal. So the node stops before the
// store gives its logins to others, however long the answer took.
type lease struct {
	store  Store
	ttl    time.Duration
	node   Node
	now    func() time.Duration
	logger *slog.Logger

	// owned is called when the node has a fresh lease. The node owns no login then.
	owned func(id int64)
	// lost is called when the node has lost its lease. It returns when no session acts under it any more.
	lost func(id int64)

	deadline atomic.Int64  // on the clock of now; 0 while there is no lease
	ended    chan struct{} // gets a value when somebody has found out that the lease has ended
	renewed  atomic.Uint64
	losses   atomic.Uint64
}

// Owns reports whether the lease holds. It costs an atomic load and a look at the clock.
func (l *lease) Owns() bool { return l.left() > 0 }

// left returns for how long the lease still holds.
func (l *lease) left() time.Duration {
	deadline := time.Duration(l.deadline.Load())
	if deadline == 0 {
		return 0
	}
	return max(0, deadline-l.now())
}

// end says that the store has no such lease.
func (l *lease) end() {
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

// run has one lease after another until ctx is done. Then it revokes the last one.
func (l *lease) run(ctx context.Context) {
	for ctx.Err() == nil {
		id, deadline, ok := l.grant(ctx)
		if !ok {
			return
		}
		l.deadline.Store(int64(deadline))
		l.owned(id)
		l.hold(ctx, id)
		l.deadline.Store(0)
		if ctx.Err() == nil {
			l.losses.Add(1)
			l.logger.Warn("this node could not renew its lease: it gives up its logins and closes their connections")
		}
		l.lost(id)
		l.revoke(ctx, id)
	}
}

// grant gets a lease, as soon as the store gives one.
func (l *lease) grant(ctx context.Context) (id int64, deadline time.Duration, ok bool) {
	for told := false; ctx.Err() == nil; pause(ctx) {
		sent := l.now()
		id, err := l.try(ctx, func(ctx context.Context) (int64, error) {
			if err := l.store.Check(ctx); err != nil {
				return 0, err
			}
			return l.store.Grant(ctx, l.ttl, l.node)
		})
		if err == nil {
			return id, sent + l.ttl - l.ttl/margin, true
		}
		if !told {
			told = true
			l.logger.Warn("this node gets no lease, and refuses logins until it does", slog.Any("error", err))
		}
	}
	return 0, 0, false
}

// try calls f with the time that one attempt may take.
func (l *lease) try(ctx context.Context, f func(context.Context) (int64, error)) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/(renewals-2))
	defer cancel()
	return f(ctx)
}

// renewal is what became of one attempt to renew.
type renewal struct {
	deadline time.Duration
	err      error
}

// hold renews a lease until that fails or ctx is done.
func (l *lease) hold(ctx context.Context, id int64) {
	select {
	case <-l.ended: // it was about the lease before
	default:
	}
	results := make(chan renewal, 1)
	attempt := func() {
		sent := l.now()
		ttl, err := l.try(ctx, func(ctx context.Context) (int64, error) {
			ttl, err := l.store.Renew(ctx, id)
			return int64(ttl), err
		})
		results <- renewal{sent + time.Duration(ttl) - l.ttl/margin, err}
	}
	renewing := false
	next := l.now() + l.ttl/renewals
	for {
		wait := l.left()
		if wait == 0 {
			return
		}
		if !renewing {
			if wait = min(wait, next-l.now()); wait <= 0 {
				renewing = true
				go attempt()
				continue
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.ended:
			timer.Stop()
			return
		case <-timer.C:
		case r := <-results:
			timer.Stop()
			renewing = false
			next = l.now() + l.ttl/renewals
			switch {
			case errors.Is(r.err, errLeaseEnded), !l.Owns():
				return
			case r.err != nil:
				next = l.now() + retryPause
			default:
				l.renewed.Add(1)
				l.deadline.Store(int64(max(r.deadline, time.Duration(l.deadline.Load()))))
			}
		}
	}
}

// revoke ends a lease in the store, so that its logins are free. Without the store's answer the lease ends by itself.
func (l *lease) revoke(ctx context.Context, id int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.ttl)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := l.try(ctx, func(ctx context.Context) (int64, error) { return 0, l.store.Revoke(ctx, id) }); err == nil {
			return
		}
		pause(ctx)
	}
}

// pause waits for retryPause, or until ctx is done.
func pause(ctx context.Context) {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
