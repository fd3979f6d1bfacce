package load

import (
	"math"
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
}

// add queues a session. The caller calls done once the session is logged in or has failed.
func (o *opener) add(c *session) { o.queue = append(o.queue, c) }

// done tells the opener that a session is logged in or has failed.
func (o *opener) done() { o.pending-- }

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
		c.dial(due)
	}
	return swarm.Never
}
