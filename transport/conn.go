package transport

import (
	"log/slog"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"p2p-messaging/messages"
)

const (
	// lingerTimeout is how long a client may still send into a connection that the service has closed before the
	// socket is closed too.
	lingerTimeout = 3 * time.Second
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

// conn is one WebSocket connection, whatever carries its bytes: what it does with a message, what waits for its client,
// its signs of life, its end. It is part of a [looped] or a [blocking], which are its carrier and make it once the
// handshake is done. One reader, a goroutine or a loop, owns what is said to be the reader's; everything else may be
// called by anybody. With its carrier it implements [actors.Link].
type conn struct {
	server  *Server
	carrier carrier
	session session // the reader's, but for Undelivered

	// due is when the frames admitted so far would have come at exactly the allowed rate, in the server's nanoseconds
	// (the theoretical arrival time of the generic cell rate algorithm). The reader's.
	due int64
	// extra is how many frames more are to be charged for with the next one; anybody's.
	extra atomic.Int32

	lastRead atomic.Int64 // when bytes last came, in the server's nanoseconds
	paused   atomic.Bool  // the reader waits on purpose: silence is no sign of death
	closing  atomic.Bool  // nothing more is taken to be sent; set under mu, once

	// Where the connection stands among the server's; guarded by that shard's mutex.
	shard    uint8
	index    int32
	nextPing int64

	// The outbox, see outbox.go.
	waiting atomic.Int64 // bytes queued and bytes in the write under way
	mu      sync.Mutex
	writing bool    // the carrier writes, or is about to
	halfway bool    // everything is out and the sending direction closed
	queued  *buffer // complete frames
	closeBy int64   // when a closing connection gives up writing, in the server's nanoseconds
}

// carrier carries the bytes of one connection.
type carrier interface {
	// start has what is queued written until nothing is; its caller has set writing. Via is what [messages.Relay] has.
	start(via any)
	// press tells that so much waits to be written that it should be now.
	press()
	// stopReader ends the reader's wait, be it for bytes or on purpose. The caller holds mu.
	stopReader()
	// cut ends the connection at once. What waits is lost, which whoever writes finds out.
	cut()
	// check looks after what is due and returns when to come next. The caller holds the mutex of the connection's shard.
	check(now int64) int64
}

// receive acts on one text message, brought by via. The reader calls it for each, in order; text is the caller's again
// afterwards. It reports whether the next message may follow at once; where not, Resume says when.
func (c *conn) receive(text []byte, via any) (next bool) {
	if c.closing.Load() {
		return true
	}
	relay, err := messages.NewRelay(text)
	if err != nil {
		c.refuse(err)
		return true
	}
	relay.Via = via
	return c.session.Receive(relay)
}

// refuse answers a message that is none.
func (c *conn) refuse(err error) {
	refusal, ok := err.(*messages.DecodeError)
	if !ok {
		refusal = &messages.DecodeError{Code: messages.CodeMalformed}
	}
	if refusal.NotUTF8 {
		c.Close(messages.CloseInvalidPayload, reasonEncoding)
		return
	}
	c.Send(messages.AppendError(nil, refusal.Code, refusal.Reason, nil))
}

// charge counts frames against the connection's rate and returns how long to wait before acting on them.
func (c *conn) charge(now int64, frames uint32) time.Duration {
	interval := c.server.frameInterval
	if interval == 0 {
		return 0
	}
	if c.extra.Load() > 0 {
		frames += uint32(c.extra.Swap(0))
	}
	c.due = max(c.due, now) + interval*int64(frames)
	return time.Duration(c.due - now - c.server.burstInterval)
}

// Charge implements [actors.Link].
func (c *conn) Charge(frames int) {
	if c.server.frameInterval > 0 {
		c.extra.Add(int32(frames))
	}
}

// crowded reports whether too much of what answers the client's own frames waits to be written: who does not read is
// not read either, so that nothing is lost and memory is bounded.
func (c *conn) crowded() bool { return c.waiting.Load() > c.server.queueLimit }

// check is the sweep's visit: it pings where that is due, closes a connection that is dead, and returns when to come
// next. The caller holds the mutex of the connection's shard.
func (c *conn) check(now int64) int64 {
	alive := c.lastRead.Load()
	if c.paused.Load() {
		alive = now
	}
	deadline := alive + int64(c.server.options.IdleTimeout)
	if now >= deadline {
		c.Close(messages.CloseNoSignOfLife, "no sign of life for "+c.server.options.IdleTimeout.String())
		deadline = now + int64(c.server.options.IdleTimeout)
	} else if now >= c.nextPing {
		c.queue(opPing, nil, nil, nil)
		interval := int64(c.server.options.PingInterval)
		c.nextPing += (now-c.nextPing)/interval*interval + interval
	}
	return min(c.nextPing, deadline, c.carrier.check(now))
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
