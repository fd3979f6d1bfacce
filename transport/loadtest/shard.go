package loadtest

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

const (
	// heartbeat is how often a loop is planned to look up, to see how much later it does.
	heartbeat = 10 * time.Millisecond
	// opening bounds the sessions of one process that are being opened at a time where --rate sets no pace: more would
	// only wait in the service's accept queue, or be dropped from it.
	opening = 128
	// perTick bounds how much new work begins before what came in gets its turn again.
	perTick = 256
)

// A shard is everything that happens on one loop of the swarm; nothing in it is shared with other loops.
type shard struct {
	engine    *engine
	loop      *swarm.Loop
	figures   Snapshot
	frames    *frames
	random    *rand.Rand
	scenarios []scenario
	opener    opener
	lags      []time.Duration // when what was sent since the last flush was due
	beat      time.Duration   // when the next heartbeat is due
	sessions  int64           // logged in
	most      int64           // … at once, since the last report
	from      time.Duration   // frames that were due before that are not counted: they belong to the warm-up
	over      bool            // connections end because the run does
	refused   int             // connections refused since the last one that was not
	lastError error
	verified  Verification
	scratch   []byte
}

// scenario is the part of one scenario that is on one loop. All methods are called on the loop.
type scenario interface {
	// open has the opener open the sessions that the scenario begins with.
	open()
	// enter tells that a phase begins: PhaseWarmUp starts the load, PhaseDraining ends it.
	enter(p Phase, now time.Duration)
	// tick does what is due and returns when it wants to be called again.
	tick(now time.Duration) time.Duration
	// underWay reports whether something may still arrive that matters.
	underWay() bool
	// lasting returns how many sessions there should be that last through the run, and how many of them have ended.
	lasting() (opened, ended int)
	// finish settles the accounts, when nothing more can arrive.
	finish()
}

func (s *shard) count(c Counter, n int64) { s.figures.counts[c] += n }

func (s *shard) observe(m Metric, d time.Duration) { s.figures.distribution(m).Observe(d) }

func (s *shard) error(code string) { s.figures.addError(code, 1) }

// tick is called by the loop after anything happened on it.
func (s *shard) tick(*swarm.Loop) time.Duration {
	now := s.loop.Now()
	if now >= s.beat {
		if s.beat > 0 {
			s.observe(MetricLoopLag, now-s.beat)
		}
		s.beat = now + heartbeat
	}
	next := min(s.beat, s.opener.tick(now))
	for _, x := range s.scenarios {
		next = min(next, x.tick(now))
	}
	return next
}

// flushed is called by the loop when what was sent is on its way.
func (s *shard) flushed(*swarm.Loop) {
	if len(s.lags) == 0 {
		return
	}
	now := s.loop.Now()
	d := s.figures.distribution(MetricSendLag)
	for _, due := range s.lags {
		d.Observe(now - due)
	}
	s.lags = s.lags[:0]
}

// take returns what was counted since the last time.
func (s *shard) take() Snapshot {
	taken := s.figures
	s.figures = Snapshot{}
	return taken
}

// violation notes something that a service must not do.
func (s *shard) violation(kind Violation, count int64, example string) {
	s.verified.Merge(Verification{Findings: map[Violation]Finding{kind: {count, example}}})
}

// user is what a session is for.
type user interface {
	loggedIn(now time.Duration)          // the login was accepted
	text(text []byte, now time.Duration) // anything but the answer to a login
	ended(wasLoggedIn bool, code string) // the connection has ended, or never came about; code "" where we ended it
}

// A session is one connection with one login.
type session struct {
	shard *shard
	user  user
	conn  *swarm.Conn
	since time.Duration // when the step under way was due
	index uint32
	kind  byte
	side  byte
	step  step
}

// step is how far a session is.
type step uint8

const (
	stepClosed step = iota
	stepConnecting
	stepLoggingIn
	stepLoggedIn
)

// dial begins a session's connection, which was due then.
func (c *session) dial(due time.Duration) {
	c.step = stepConnecting
	c.since = due
	c.shard.count(CounterDials, 1)
	c.conn = c.shard.loop.Dial(c)
}

// send sends a text message.
func (c *session) send(text []byte) error {
	err := c.conn.Send(text)
	if err == nil {
		c.shard.count(CounterBytesSent, int64(len(text)))
	}
	return err
}

// logout gives the login up. Nothing answers that: until the connection ends, the session counts as logged in.
func (c *session) logout() {
	var buffer [64]byte
	text := appendLogin(append(buffer[:0], `{"type":"logout","login":"`...), c.shard.frames.run, c.kind, c.index, int(c.side))
	_ = c.send(append(text, `"}`...))
}

// left counts the end of being logged in.
func (c *session) left() {
	if c.step == stepLoggedIn {
		c.shard.sessions--
		c.shard.count(CounterLoggedOut, 1)
	}
}

// Opened implements swarm.Handler.
func (c *session) Opened(*swarm.Conn) {
	now := c.shard.loop.ReadAt()
	c.shard.refused = 0
	c.shard.count(CounterOpened, 1)
	c.shard.observe(MetricConnect, now-c.since)
	c.step = stepLoggingIn
	c.since = now
	var buffer [64]byte
	text := appendLogin(append(buffer[:0], `{"type":"login","login":"`...), c.shard.frames.run, c.kind, c.index, int(c.side))
	_ = c.send(append(text, `"}`...))
	c.shard.count(CounterLoginsSent, 1)
}

// Text implements swarm.Handler.
func (c *session) Text(_ *swarm.Conn, text []byte) {
	s := c.shard
	now := s.loop.ReadAt()
	s.figures.counts[CounterBytesReceived] += int64(len(text))
	if c.step != stepLoggingIn {
		c.user.text(text, now)
		return
	}
	r, ok := parseReply(text)
	switch {
	case ok && r.Type == "login" && *r.Success:
		c.step = stepLoggedIn
		s.sessions++
		s.most = max(s.most, s.sessions)
		s.count(CounterLoggedIn, 1)
		s.observe(MetricLogin, now-c.since)
		c.user.loggedIn(now)
	case ok:
		s.error(r.code())
		c.conn.Close()
	default:
		s.error("foreign-protocol")
		c.conn.Close()
	}
}

// Closed implements swarm.Handler.
func (c *session) Closed(_ *swarm.Conn, err error) {
	s := c.shard
	was := c.step
	c.left()
	c.step = stepClosed
	c.conn = nil
	code := ""
	if was != stepConnecting || err == nil {
		s.count(CounterClosed, 1)
	}
	if closed, ok := errors.AsType[*swarm.CloseError](err); ok {
		s.figures.addClose(int(closed.Code), 1)
	}
	if err != nil && !s.over {
		code = errorCode(err)
		s.error(code)
		s.lastError = err
		if code == codeConnectionRefused {
			s.refused++
		}
	}
	c.user.ended(was == stepLoggedIn, code)
}

// Codes of what befalls a connection, in the figures.
const (
	codeConnectionRefused = "connection-refused"
	codeNoFiles           = "file-limit"
	codeNoPorts           = "no-ports"
)

// errorCode returns the code that an error of a connection is counted under.
func errorCode(err error) string {
	if _, ok := errors.AsType[*swarm.CloseError](err); ok {
		return "closed-by-service"
	}
	if _, ok := errors.AsType[*swarm.HandshakeError](err); ok {
		return "handshake-failed"
	}
	if _, ok := errors.AsType[*swarm.ProtocolError](err); ok {
		return "websocket-protocol"
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{swarm.ErrTimeout, "timeout"},
		{io.ErrUnexpectedEOF, "connection-ended"},
		{syscall.ECONNREFUSED, codeConnectionRefused},
		{syscall.ECONNRESET, "connection-reset"},
		{syscall.EPIPE, "connection-reset"},
		{syscall.EMFILE, codeNoFiles},
		{syscall.ENFILE, codeNoFiles},
		{syscall.EADDRNOTAVAIL, codeNoPorts},
		{os.ErrDeadlineExceeded, "timeout"},
		{net.ErrClosed, "connection-ended"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return "network"
}

// An opener opens sessions at the pace that was asked for, or, where none was, as fast as the service answers.
type opener struct {
	shard   *shard
	queue   []*session
	first   int
	rate    float64 // sessions a second on this shard; 0: as fast as the service answers
	next    time.Duration
	pending int // being opened
	limit   int
}

// add puts a session into the queue. Who adds it calls done once for it, when it is logged in or has failed.
func (o *opener) add(c *session) { o.queue = append(o.queue, c) }

// done tells that a session is open or has failed.
func (o *opener) done() { o.pending-- }

// idle reports whether everything was opened.
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
