package load

import (
	"math"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

// churn holds the clients of one loop. They connect, log in, log out and close, over and over. Without a rate, each client starts its next
// cycle at once. With a rate, any free client starts when the next cycle is due.
type churn struct {
	shard   *shard
	all     []churner
	free    []*churner
	rate    float64 // cycles a second on this shard; 0: as fast as possible
	next    time.Duration
	retries []retry // ordered by time
	running bool
	busy    int
}

type churner struct {
	session
	of      *churn
	due     time.Duration // when the cycle was due
	closing time.Duration // when the close frame was sent; 0: it was not sent
}

// retry is a client whose last cycle failed, with the time of its next cycle.
type retry struct {
	at     time.Duration
	client *churner
}

// pause is how long a client waits after a failed cycle. Without it, a service that fails at once would be called as
// fast as the machine can.
const pause = 100 * time.Millisecond

func newChurn(s *shard, indices []uint32, rate float64) *churn {
	x := &churn{shard: s, all: make([]churner, len(indices)), rate: rate}
	for n, i := range indices {
		c := &x.all[n]
		c.of = x
		c.session = session{shard: s, user: c, kind: kindChurn, index: i, kept: s.keep()}
		x.free = append(x.free, c)
	}
	return x
}

func (x *churn) open() {}

func (x *churn) enter(p figures.Phase, now time.Duration) {
	switch p {
	case figures.PhaseWarmUp:
		x.running = true
		x.next = now
	case figures.PhaseDraining:
		x.running = false
	}
}

func (x *churn) tick(now time.Duration) time.Duration {
	if !x.running {
		return swarm.Never
	}
	next := swarm.Never
	n := 0
	for ; n < len(x.retries) && x.retries[n].at <= now; n++ {
		x.free = append(x.free, x.retries[n].client)
	}
	if x.retries = x.retries[n:]; len(x.retries) > 0 {
		next = x.retries[0].at
	} else {
		x.retries = nil
	}
	for n := 0; len(x.free) > 0; n++ {
		due := now
		if x.rate > 0 {
			if x.next > now {
				return min(next, x.next)
			}
			due = x.next
			x.next += time.Duration(math.Round(float64(time.Second) / x.rate))
		}
		if n == perTick {
			return now
		}
		c := x.free[len(x.free)-1]
		x.free = x.free[:len(x.free)-1]
		x.busy++
		c.due = due
		if x.shard.dialect.renames() {
			c.index += uint32(x.shard.engine.plan.Options.Sessions)
		}
		c.dial(due)
	}
	return next
}

func (x *churn) underWay() bool               { return x.busy > 0 }
func (x *churn) lasting() (opened, ended int) { return 0, 0 }
func (x *churn) finish()                      {}

func (c *churner) loggedIn(time.Duration) {
	c.logout()
	c.closing = c.shard.loop.Now()
	c.conn.Close()
}

func (c *churner) text(text []byte, _ time.Duration) { c.shard.unexpected(text) }

func (c *churner) ended(_ bool, code string) {
	x := c.of
	x.busy--
	now := x.shard.loop.Now()
	if code != "" || c.closing == 0 {
		x.retries = append(x.retries, retry{now + pause, c})
		c.closing = 0
		return
	}
	x.shard.count(figures.CounterCycles, 1)
	if c.due >= x.shard.from {
		x.shard.observe(figures.MetricClose, now-c.closing)
		x.shard.observe(figures.MetricCycle, now-c.due)
	}
	c.closing = 0
	x.free = append(x.free, c)
}
