package transport

import (
	"log/slog"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"p2p-messaging/messages"
)

// never is later than any time.
const never = math.MaxInt64

// session is what a connection hands its messages to: an *[actors.Connection], or an *[actors.Peer] for a PeerJS client.
type session interface {
	Receive(*messages.Relay) (next bool)
	LoggedIn() bool
	Refuse(*messages.DecodeError) (next bool)
	Closed(final bool)
	Undelivered(text []byte, sender messages.Address, retained bool)
	Queued() (count uint64, ok bool)
	Pong(queued uint64)
}

// conn is one WebSocket connection, whatever carries its bytes. It is part of its carrier, a [looped] or a [blocking],
// which is made when the handshake is done. With its carrier it implements [actors.Link].
//
// Reading and writing each have a state of their own: see readState and [outbox]. The reader calls the methods in
// reading.go; it is the connection's loop, or one goroutine. Anybody may call the methods in writing.go, except for those
// that say that the flusher calls them.
//
// Locks are taken in this order: the mutex of the server's connections, then that of one of their shards or of the places, then the
// outbox's, then that of a [secured], then that of a loop in package epoll. No lock is held while a session is called, but for Queued,
// which takes none.
type conn struct {
	server  *Server
	carrier carrier
	session session // belongs to the reader, except for Undelivered and Queued

	inbox  inbox
	outbox outbox
	clock  messageClock

	lastRead atomic.Int64 // when the last bytes came, in the server's nanoseconds
	// allowedAt is the time from which the rate allows the frame that was charged for last, in the server's nanoseconds. It is
	// the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371, annex A), less the burst. It belongs to the reader.
	allowedAt int64

	from     address // where the client comes from; never changes
	place    *place  // while the client has no login; belongs to the reader
	loggedIn bool    // belongs to the reader
	atFault  bool    // the client broke the protocol, or the service failed on what it sent; belongs to the reader
	hungUp   bool    // the client has ended its direction, and bytes of it may wait; belongs to the reader

	// The place of the connection in the server's connections, and the time of its next ping. Guarded by the shard's mutex.
	shard    uint8
	index    int32
	nextPing int64
}

// carrier carries the bytes of one connection. Its methods may be called by anybody.
type carrier interface {
	// start starts a flusher. The outbox is in the state scheduled. Via is the Via of the queued message, or nil.
	start(via any)
	// press asks the carrier to write now, because many bytes are queued.
	press()
	// wake makes the reader look at the states, because one of them may have changed.
	wake()
	// abort ends both directions of the socket. The reader and the flusher get errors from it then. The caller holds the
	// outbox's mutex and knows that the socket is not closed yet.
	abort()
}

// check is the sweep's visit. It sends a ping if one is due, closes a connection that is dead or whose client does not finish
// a message, and wakes the reader if a deadline of the outbox has passed. It returns the time of the next visit.
//
// The caller holds the mutex of the connection's shard. So nothing that check calls may write, hand back messages, or add,
// hasten or remove a connection. Otherwise a session would be called with a lock held, or the shard's mutex would be locked
// twice.
func (c *conn) check(now int64) int64 {
	alive := c.lastRead.Load()
	if c.inbox.state().waits() {
		alive = now
	}
	interval, idle, code := c.rhythm()
	deadline := alive + idle
	if now >= deadline {
		c.Close(code, "no sign of life for "+time.Duration(idle).String())
		deadline = now + idle
	} else if now >= c.nextPing {
		c.Ping()
		c.nextPing += (now-c.nextPing)/interval*interval + interval
	}
	unfinished := c.clock.due()
	if now >= unfinished {
		c.Close(messages.ClosePolicyViolation, messages.ReasonUnfinished)
		unfinished = never
	}
	due := c.outbox.due()
	if now >= due {
		c.carrier.wake()
	}
	return min(c.nextPing, deadline, due, unfinished)
}

// endSession tells the session that its connection has ended. A kept session goes on, unless the client is at fault: it would do
// the same again. It recovers from a panic of the session, because the
// connection must still be removed.
func (c *conn) endSession() {
	defer func() {
		if cause := recover(); cause != nil {
			c.logPanic(cause)
		}
	}()
	c.session.Closed(c.atFault)
}

// logPanic logs a panic. The deferred function that has recovered cause calls it, so that the stack is that of the panic.
func (c *conn) logPanic(cause any) {
	c.server.counts.failures.Add(1)
	c.server.options.Logger.Error("a connection failed and is being closed",
		slog.Any("cause", cause), slog.String("stack", string(debug.Stack())), slog.Any("connection", c))
}
