package load

import (
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
)

// Five stalls of 200 ms in 10 s are a tenth of the time, and not 5 of some hundred heartbeats.
func TestALoopThatStallsIsLateAllThatTime(t *testing.T) {
	var s shard
	now := time.Duration(1)
	for range 5 {
		for range 180 {
			s.measureLag(now)
			now += heartbeat
		}
		now += 200 * time.Millisecond
	}
	s.measureLag(now)
	lag := s.figures.Distribution(figures.MetricLoopLag)
	if p := lag.Percentile(92); p < 10*time.Millisecond || lag.Count() < 990 || lag.Count() > 1010 {
		t.Errorf("%d samples, p92 %v; wanted one for every 10 ms, and a tenth of them late", lag.Count(), p)
	}
}
