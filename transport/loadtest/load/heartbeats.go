package load

import (
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

// heartbeats sends what the sessions of a loop send at regular times. The time between two messages is the same for all sessions, so
// the queue is in order.
type heartbeats struct {
	text  []byte
	queue []beating
}

// beating is a connection whose next message is due.
type beating struct {
	session *session
	conn    *swarm.Conn
	due     time.Duration
}

// add begins with a session whose connection is open.
func (h *heartbeats) add(c *session, now time.Duration) {
	h.queue = append(h.queue, beating{c, c.conn, now + aliveEvery})
}

// tick calls send for the sessions whose next message is due. It skips sessions that have a new connection since.
// The result is when the next message is due.
func (h *heartbeats) tick(now time.Duration, send func(*session)) time.Duration {
	for n := 0; len(h.queue) > 0; n++ {
		b := h.queue[0]
		switch {
		case b.due > now:
			return b.due
		case n == perTick:
			return now
		}
		h.queue = h.queue[1:]
		if b.session.conn == b.conn {
			send(b.session)
			h.add(b.session, now)
		}
	}
	return swarm.Never
}
