package load

import (
	"math/rand/v2"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

const (
	// heartbeat is the time between two wake-ups of a loop that only serve to measure how late the loop is.
	heartbeat = 10 * time.Millisecond
	// opening bounds the sessions of one process that are being opened at a time if --rate sets no pace. More would
	// only wait in the service's accept queue, or overflow it.
	opening = 128
	// perTick bounds the new work that begins before incoming messages are handled again.
	perTick = 256
)

// A shard is everything that happens on one loop of the swarm. It shares nothing with other loops, except for the
// atomic fields of the engine.
type shard struct {
	engine    *Engine
	loop      *swarm.Loop
	figures   figures.Snapshot
	dialect   dialect
	frames    *frames
	random    *rand.Rand
	scenarios []scenario
	opener    opener
	alive     heartbeats
	lags      []time.Duration // due times of the frames sent since the last flush
	beat      time.Duration   // when the next heartbeat is due
	sessions  int64           // logged in now
	span      span            // of the set-up
	most      int64           // the most logged in at once since the last report
	from      time.Duration   // start of the measured phase: frames that were due earlier belong to the warm-up and are not counted
	over      bool            // the run is over, so connections end
	refused   int             // connections refused in a row
	lastError error
	verified  figures.Verification
	scratch   []byte
}

// span is the time from the first connection to the last login, on the swarm's clock.
type span struct{ dialed, loggedIn time.Duration }

// merge makes s the span of both.
func (s *span) merge(o span) {
	if s.dialed == 0 || o.dialed > 0 && o.dialed < s.dialed {
		s.dialed = o.dialed
	}
	s.loggedIn = max(s.loggedIn, o.loggedIn)
}

// times returns both ends as Unix times in ns. Now is the time on the swarm's clock.
func (s span) times(now time.Duration) (dialed, loggedIn int64) {
	clock := time.Now().UnixNano()
	if s.dialed > 0 {
		dialed = clock - int64(now-s.dialed)
	}
	if s.loggedIn > 0 {
		loggedIn = clock - int64(now-s.loggedIn)
	}
	return dialed, loggedIn
}

func (s *shard) count(c figures.Counter, n int64) { s.figures.Add(c, n) }

func (s *shard) observe(m figures.Metric, d time.Duration) { s.figures.Observe(m, d) }

func (s *shard) error(code string) { s.figures.AddErrors(code, 1) }

// keep returns the state of a new kept session. It is nil if the service is not asked to keep sessions.
func (s *shard) keep() *kept {
	if !s.engine.plan.Options.Keep {
		return nil
	}
	return &kept{}
}

// tick does what is due. The loop calls it after every event.
func (s *shard) tick(*swarm.Loop) time.Duration {
	now := s.loop.Now()
	s.measureLag(now)
	next := min(s.beat, s.opener.tick(now), s.alive.tick(now, (*session).beat))
	for _, x := range s.scenarios {
		next = min(next, x.tick(now))
	}
	return next
}

// measureLag measures how late the loop is. A loop that stalls misses heartbeats. Each of them counts: one long stall would
// otherwise be a single late heartbeat among many in time.
func (s *shard) measureLag(now time.Duration) {
	if s.beat == 0 {
		s.beat = now + heartbeat
	}
	for ; s.beat <= now; s.beat += heartbeat {
		s.observe(figures.MetricLoopLag, now-s.beat)
	}
}

// flushed measures the send lag. The loop calls it when sent frames have gone to the operating system.
func (s *shard) flushed(*swarm.Loop) {
	if len(s.lags) == 0 {
		return
	}
	now := s.loop.Now()
	for _, due := range s.lags {
		if due >= s.from { // else it was sent before the measured phase began, just now
			s.observe(figures.MetricSendLag, now-due)
		}
	}
	s.lags = s.lags[:0]
}

// take returns what was counted since the last call.
func (s *shard) take() figures.Snapshot {
	taken := s.figures
	s.figures = figures.Snapshot{}
	return taken
}

// violation counts violations of a kind, with an example.
func (s *shard) violation(kind figures.Violation, count int64, example string) {
	s.verified.Merge(figures.Verification{Findings: map[figures.Violation]figures.Finding{kind: {Count: count, Example: example}}})
}
