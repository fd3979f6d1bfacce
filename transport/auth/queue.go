package auth

import (
	"log/slog"
	"sync"
)

// queue runs checks on a bounded number of goroutines. A goroutine lives only while checks wait. Those from one address have half of
// the goroutines at most, of two addresses three quarters, and so on: one is left for another address. Those whose address is not
// known are many clients, behind a proxy. They have all goroutines but one.
type queue struct {
	workers int
	run     func(*check)
	logger  *slog.Logger
	over    outage // checks are refused because too many wait

	mu      sync.Mutex
	waiting line
	working int
	running map[uint64]int // of the goroutines, by address
}

// put queues a check. The one that has no place any more is refused.
func (q *queue) put(c *check) {
	q.mu.Lock()
	out := q.waiting.put(c)
	if next := q.next(); next != nil {
		go q.work(next)
	}
	q.mu.Unlock()
	if out != nil {
		q.refuse(out)
	}
}

// refuse refuses a check that has no place, or has waited for too long.
func (q *queue) refuse(c *check) {
	if q.over.begins() {
		q.logger.Warn("tokens come faster than they are checked, and some are refused unchecked: see that --auth-url answers quickly, and whether somebody tries many logins")
	}
	c.refuse(refusalBusy)
}

// work runs a check, and then others until none may run.
func (q *queue) work(c *check) {
	for c != nil {
		from := c.From
		q.run(c)
		q.mu.Lock()
		q.working--
		if q.running[from]--; q.running[from] == 0 {
			delete(q.running, from)
		}
		c = q.next()
		q.mu.Unlock()
	}
}

// next takes out the check that is to run next, and counts it. It returns nil if none may run. The caller holds mu.
func (q *queue) next() *check {
	idle := q.workers - q.working
	c := q.waiting.next(func(from uint64) bool { return q.running[from] < idle || from == 0 && idle > 1 })
	if c != nil {
		if q.running == nil {
			q.running = map[uint64]int{}
		}
		q.working++
		q.running[c.From]++
	}
	return c
}
