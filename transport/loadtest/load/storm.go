package load

import (
	"container/heap"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

// Clients come back with exponential back-off and full jitter: attempt n, from 0, waits a random time up to the smaller
// of returnBase · 2ⁿ and returnLimit.
const (
	returnBase  = time.Second
	returnLimit = 30 * time.Second
)

// storm holds the sessions of one loop that drop at once and come back, and bystanders that go on relaying. Kept sessions come back with a resume.
type storm struct {
	shard   *shard
	all     []stormSession
	around  *pairs
	waiting returns // sessions that come back, by time
	drop    time.Duration
	dropped bool
	opening bool // the set-up is not over
	running bool
	ends    int
}

type stormSession struct {
	session
	of       *storm
	away     bool // it dropped with all others, and is not back yet
	attempts int
	at       time.Duration
}

// returns is a heap of sessions, ordered by the time at which they come back.
type returns []*stormSession

func (r returns) Len() int           { return len(r) }
func (r returns) Less(i, j int) bool { return r[i].at < r[j].at }
func (r returns) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *returns) Push(x any)        { *r = append(*r, x.(*stormSession)) }
func (r *returns) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

func newStorm(s *shard, indices []uint32, around *pairs) *storm {
	x := &storm{shard: s, all: make([]stormSession, len(indices)), around: around, drop: swarm.Never, opening: true}
	for n, i := range indices {
		c := &x.all[n]
		c.of = x
		c.session = session{shard: s, user: c, kind: kindStorm, index: i, kept: s.keep()}
	}
	return x
}

func (x *storm) open() {
	for n := range x.all {
		x.shard.opener.add(&x.all[n].session)
	}
	x.around.open()
}

func (x *storm) enter(p figures.Phase, now time.Duration) {
	x.around.enter(p, now)
	switch p {
	case figures.PhaseWarmUp:
		x.opening = false
		x.running = true
	case figures.PhaseMeasuring:
		x.drop = now + x.shard.engine.plan.Before
	case figures.PhaseDraining:
		x.running = false
		x.ends += len(x.waiting) // they do not come back any more
		x.waiting = nil
	}
}

func (x *storm) tick(now time.Duration) time.Duration {
	next := x.around.tick(now)
	if !x.running {
		return next
	}
	if now >= x.drop {
		x.begin(now)
	}
	for len(x.waiting) > 0 && x.waiting[0].at <= now {
		c := heap.Pop(&x.waiting).(*stormSession)
		c.dial(c.at)
	}
	if len(x.waiting) > 0 {
		next = min(next, x.waiting[0].at)
	}
	return min(next, x.drop)
}

// begin drops all sessions.
func (x *storm) begin(now time.Duration) {
	x.drop = swarm.Never
	x.dropped = true
	x.around.metric = figures.MetricStormDuring
	for n := range x.all {
		c := &x.all[n]
		if c.step != stepLoggedIn {
			continue
		}
		c.since = now
		c.away = true
		c.attempts = 0
		c.at = now
		x.shard.count(figures.CounterDropped, 1)
		x.shard.engine.away.Add(1)
		c.conn.Abort()
	}
	x.shard.engine.dropAt.CompareAndSwap(0, int64(now))
}

func (x *storm) underWay() bool { return x.around.underWay() }

func (x *storm) lasting() (opened, ended int) {
	opened, ended = x.around.lasting()
	return opened + len(x.all), ended + x.ends
}

func (x *storm) finish() {
	x.around.finish()
	for n := range x.all {
		x.all[n].leave()
	}
}

func (c *stormSession) loggedIn(now time.Duration) {
	x := c.of
	if x.opening {
		x.shard.opener.done()
		return
	}
	if !c.away {
		return // it was back before, and the service ended its connection again
	}
	c.away = false
	x.shard.count(figures.CounterReturned, 1)
	if c.kept != nil && c.kept.resumed {
		x.shard.count(figures.CounterResumed, 1)
	}
	x.shard.observe(figures.MetricReturn, now-time.Duration(x.shard.engine.dropAt.Load()))
	if x.shard.engine.away.Add(-1) == 0 {
		x.shard.engine.calm()
	}
}

func (c *stormSession) text(text []byte, _ time.Duration) { c.shard.unexpected(text) }

func (c *stormSession) ended(wasLoggedIn bool, _ string) {
	x := c.of
	if x.opening {
		if !wasLoggedIn {
			x.shard.opener.done()
		}
		x.ends++
		return
	}
	if !x.dropped || !x.running {
		x.ends++
		return
	}
	limit := min(returnLimit, returnBase<<min(c.attempts, 10))
	c.attempts++
	c.at = x.shard.loop.Now() + time.Duration(x.shard.random.Int64N(int64(limit)))
	heap.Push(&x.waiting, c)
}
