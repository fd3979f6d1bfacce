package transport

import (
	"log/slog"
	"math"
	"runtime/debug"
	"sync/atomic"

	"p2p-messaging/messages"
)

const (
	// maxRate bounds Options.Rate and Options.Burst: the time between two frames is kept in whole nanoseconds.
	maxRate = 1_000_000_000
	// never is later than any time.
	never = math.MaxInt64
)

// session is what a connection hands its messages to: *[actors.Connection].
type session interface {
	Receive(*messages.Relay) (next bool)
	Closed()
	Undelivered(text []byte, sender messages.Address)
}

// conn is one WebSocket connection, whatever carries its bytes. It is part of a [looped] or a [blocking], which are its
// carrier and make it once the handshake is done. With its carrier it implements [actors.Link].
//
// Its life is that of two halves, each with a state of its own: see readState for the reading and [outbox] for the
// writing. The methods in reading.go are the reader's, which is one goroutine or the connection's loop; those in
// writing.go may be called by anybody, except where they say that they are the flusher's.
//
// Locks are taken in this order: the mutex of a shard of the server's connections, then the outbox's, then that of a loop
// in package epoll. No lock is held while a session is called.
type conn struct {
	server  *Server
	carrier carrier
	session session // the reader's, but for Undelivered

	inbox  inbox
	outbox outbox

	lastRead atomic.Int64 // when bytes last came, in the server's nanoseconds
	// dueAt is when the frames paid for so far would have come at exactly the allowed rate, in the server's nanoseconds
	// (the theoretical arrival time of the generic cell rate algorithm). The reader's.
	dueAt int64
	// extra is how many frames more are to be charged for with the next one; anybody's.
	extra atomic.Int32

	// Where the connection stands among the server's, and when it is pinged next; guarded by that shard's mutex.
	shard    uint8
	index    int32
	nextPing int64
}

// carrier carries the bytes of one connection. Its methods may be called by anybody.
type carrier interface {
	// start starts a flusher; its caller has gone to the state scheduled. Via is what [messages.Relay] has.
	start(via any)
	// press tells that so much waits to be written that it should be now.
	press()
	// wake has the reader look at the states, which may have changed.
	wake()
	// abort ends both directions of the socket, of which the reader and the flusher hear. The caller holds the outbox's
	// mutex, so that the socket is not closed yet.
	abort()
}

// check is the sweep's visit: it pings where that is due, closes a connection that is dead, has the carrier see to what
// has taken too long, and returns when to come next.
//
// The caller holds the mutex of the connection's shard. So nothing here may write, hand back, or remove the connection:
// a session would be called with a lock held, or the shard's mutex be locked twice.
func (c *conn) check(now int64) int64 {
	alive := c.lastRead.Load()
	if c.inbox.state().waits() {
		alive = now
	}
	deadline := alive + int64(c.server.options.IdleTimeout)
	if now >= deadline {
		c.Close(messages.CloseNoSignOfLife, "no sign of life for "+c.server.options.IdleTimeout.String())
		deadline = now + int64(c.server.options.IdleTimeout)
	} else if now >= c.nextPing {
		c.ping()
		interval := int64(c.server.options.PingInterval)
		c.nextPing += (now-c.nextPing)/interval*interval + interval
	}
	due := c.outbox.due()
	if now >= due {
		c.carrier.wake()
	}
	return min(c.nextPing, deadline, due)
}

// endSession contains a panic of the session's: the connection must still come to its end.
func (c *conn) endSession() {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
		}
	}()
	c.session.Closed()
}

// logPanic is called in the deferred function that recovered cause.
func (c *conn) logPanic(cause any) {
	c.server.options.Logger.Error("a connection failed and is being closed",
		slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
}
