package transport

import (
	"log/slog"
	"net"
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
)

// session is what a connection hands its messages to: *[actors.Connection].
type session interface {
	Receive(*messages.Relay) (next bool)
	Closed()
	Undelivered(text []byte, sender messages.Address)
}

// conn is one WebSocket connection, whatever reads it: what it does with a message, its outbox, its signs of life, its
// end. The server makes it once the handshake is done. Its reader, one goroutine, owns it and calls end when nothing
// more can be read; everything else may be called by anybody. It implements [actors.Link].
type conn struct {
	server  *Server
	socket  net.Conn
	session session // the reader's, but for Undelivered

	// due is when the frames admitted so far would have come at exactly the allowed rate, in the server's nanoseconds
	// (the theoretical arrival time of the generic cell rate algorithm). The reader's.
	due int64

	lastRead atomic.Int64 // when bytes last came, in the server's nanoseconds
	paused   atomic.Bool  // the reader waits on purpose: silence is no sign of death

	// Where the connection stands among the server's; guarded by that shard's mutex.
	shard    uint8
	index    int32
	nextPing int64

	// The outbox, see outbox.go.
	waiting atomic.Int64 // bytes queued and bytes in the write under way
	closing atomic.Bool  // nothing more is taken; set under mu, once
	mu      sync.Mutex
	queued  *buffer       // complete frames
	writing bool          // a goroutine is in flush
	halfway bool          // everything is out and the sending direction closed
	drained bool          // the reader has begun to drop what comes
	resumed bool          // the decision that the reader awaits has come
	closeBy time.Time     // when a closing connection gives up writing
	wake    chan struct{} // closed when a waiting reader should look again; nil while none waits
}

// sawBytes notes a sign of life.
func (c *conn) sawBytes() { c.lastRead.Store(c.server.now()) }

// receive acts on one text message. The reader calls it for each, in order; text is the caller's again afterwards.
func (c *conn) receive(text []byte) {
	if c.closing.Load() {
		return
	}
	relay, err := messages.NewRelay(text)
	if err != nil {
		code, reason := messages.CodeMalformed, ""
		if refusal, ok := err.(*messages.DecodeError); ok {
			code, reason = refusal.Code, refusal.Reason
		}
		c.Send(messages.AppendError(nil, code, reason, nil))
		return
	}
	if !c.session.Receive(relay) {
		c.await()
	}
}

// Resume implements [actors.Link].
func (c *conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumed = true
	c.wakeReader()
}

// await blocks the reader until Resume.
func (c *conn) await() {
	c.pause(func() bool {
		resumed := c.resumed
		c.resumed = false
		return resumed
	}, func(wake <-chan struct{}) { <-wake })
}

// charge counts one frame against the connection's rate and returns how long to wait before acting on it.
func (c *conn) charge() time.Duration {
	interval := c.server.frameInterval
	if interval == 0 {
		return 0
	}
	now := c.server.now()
	c.due = max(c.due, now) + interval
	return time.Duration(c.due - now - c.server.burstInterval)
}

// admit blocks the reader until it may act on one more frame.
func (c *conn) admit() {
	wait := c.charge()
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	elapsed := false
	c.pause(func() bool { return elapsed }, func(wake <-chan struct{}) {
		select {
		case <-timer.C:
			elapsed = true
		case <-wake:
		}
	})
}

// settle blocks the reader while too much of what answers its own frames waits to be written: who does not read is not
// read either, so that nothing is lost and memory is bounded.
func (c *conn) settle() {
	if c.waiting.Load() <= c.server.queueLimit {
		return
	}
	c.pause(
		func() bool { return c.waiting.Load() <= c.server.queueLimit },
		func(wake <-chan struct{}) { <-wake },
	)
}

// pause blocks the reader with wait until done or until the connection is closing.
func (c *conn) pause(done func() bool, wait func(wake <-chan struct{})) {
	c.paused.Store(true)
	for {
		c.mu.Lock()
		if c.closing.Load() || done() {
			c.mu.Unlock()
			break
		}
		wake := c.wakeup()
		c.mu.Unlock()
		wait(wake)
	}
	c.sawBytes()
	c.paused.Store(false)
}

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
		return now + int64(c.server.options.IdleTimeout)
	}
	if now >= c.nextPing {
		c.queue(nil, func(b []byte) []byte { return appendFrame(b, opPing, nil) })
		interval := int64(c.server.options.PingInterval)
		c.nextPing += (now-c.nextPing)/interval*interval + interval
	}
	return min(c.nextPing, deadline)
}

// end is the reader's last call: the session ends, then what is queued goes out, then the socket is closed. Where the
// connection is not closing yet, payload is what its close frame says; nil sends none.
func (c *conn) end(payload []byte) {
	c.seal(payload)
	c.endSession()
	c.release()
	c.drain()
	_ = c.socket.Close()
	c.server.connections.remove(c)
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
