package load

import (
	"math"
	"slices"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

// An opener opens sessions at a given rate, or as fast as the service answers.
type opener struct {
	shard   *shard
	queue   []*session
	first   int
	rate    float64 // sessions a second on this shard; 0: as fast as the service answers
	next    time.Duration
	pending int // sessions that are being opened
	limit   int
	dialed  []*session    // those that are being opened, and some that were
	moved   time.Duration // when a session last began or ended to be opened
}

// add queues a session. The caller calls done once the session is logged in or has failed.
func (o *opener) add(c *session) { o.queue = append(o.queue, c) }

// done tells the opener that a session is logged in or has failed.
func (o *opener) done() {
	o.pending--
	o.moved = o.shard.loop.Now()
}

// idle reports whether no session is queued or being opened.
func (o *opener) idle() bool { return o.pending == 0 && o.first == len(o.queue) }

func (o *opener) tick(now time.Duration) time.Duration {
	for n := 0; o.first < len(o.queue) && !o.shard.over; n++ {
		due := now
		switch {
		case n == perTick:
			return now
		case o.rate == 0:
			if o.pending >= o.limit {
				return swarm.Never
			}
		default:
			if o.next == 0 {
				o.next = now
			}
			if o.next > now {
				return o.next
			}
			due = o.next
			o.next += time.Duration(math.Round(float64(time.Second) / o.rate))
		}
		c := o.queue[o.first]
		o.queue[o.first] = nil
		if o.first++; o.first == len(o.queue) {
			o.queue, o.first = nil, 0
		}
		o.pending++
		o.moved = now
		o.remember(c)
		c.dial(due)
	}
	return swarm.Never
}

// remember adds a session to those that are being opened. It drops those that were, when they are half of all.
func (o *opener) remember(c *session) {
	if len(o.dialed) > 2*(o.pending+perTick) {
		o.dialed = slices.DeleteFunc(o.dialed, func(c *session) bool { return !c.isOpening() })
	}
	o.dialed = append(o.dialed, c)
}

// check gives up on a service that has stopped opening sessions: one that is out of files, for example, does not even refuse
// them. Without a rate, those that wait behind them are not tried any more.
func (o *opener) check(patience time.Duration) {
	if patience <= 0 || o.pending == 0 || o.shard.loop.Now()-o.moved < patience {
		return
	}
	stuck := o.dialed
	o.dialed = nil
	for _, c := range stuck {
		if c.isOpening() {
			o.shard.error(codeTimeout)
			c.conn.Abort()
		}
	}
	if o.rate > 0 {
		return
	}
	queue := o.queue[o.first:]
	o.queue, o.first = nil, 0
	for _, c := range queue {
		o.pending++ // until its scenario calls done
		o.shard.error(codeNotTried)
		c.user.ended(false, codeNotTried)
	}
}
