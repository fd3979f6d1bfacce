//go:build !linux

package cluster

import "time"

// newClock returns a function that tells the time on a clock that runs on while the machine sleeps. Go's monotonic clock may stand still
// then, and the wall clock may be set back. So the one that is ahead counts.
func newClock() func() time.Duration {
	began := time.Now()
	return func() time.Duration {
		t := time.Now()
		return max(t.Sub(began), t.Round(0).Sub(began.Round(0)))
	}
}
