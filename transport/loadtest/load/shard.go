package load

import (
	"math/rand/v2"
	"time"

	"p2p-messaging/transport/loadtest/figures"
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
	engine    *Engine
	loop      *swarm.Loop
	figures   figures.Snapshot
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
	verified  figures.Verification
	scratch   []byte
}

func (s *shard) count(c figures.Counter, n int64) { s.figures.Add(c, n) }

func (s *shard) observe(m figures.Metric, d time.Duration) { s.figures.Observe(m, d) }

func (s *shard) error(code string) { s.figures.AddErrors(code, 1) }

// tick is called by the loop after anything happened on it.
func (s *shard) tick(*swarm.Loop) time.Duration {
	now := s.loop.Now()
	if now >= s.beat {
		if s.beat > 0 {
			s.observe(figures.MetricLoopLag, now-s.beat)
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
	for _, due := range s.lags {
		s.observe(figures.MetricSendLag, now-due)
	}
	s.lags = s.lags[:0]
}

// take returns what was counted since the last time.
func (s *shard) take() figures.Snapshot {
	taken := s.figures
	s.figures = figures.Snapshot{}
	return taken
}

// violation notes something that a service must not do.
func (s *shard) violation(kind figures.Violation, count int64, example string) {
	s.verified.Merge(figures.Verification{Findings: map[figures.Violation]figures.Finding{kind: {Count: count, Example: example}}})
}
