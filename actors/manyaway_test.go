//go:build !race

package actors

import (
	"testing"
	"testing/synctest"
	"time"
)

// Clients may ask to be kept and never come back. What they cost is bounded, and freed after the window. This test does not run under
// the race detector, which adds to each allocation.
func TestFiftyThousandThatNeverComeBackAreFreed(t *testing.T) {
	const clients = 50_000
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		before, _ := live()
		for _, c := range loginMany(t, s, clients, `,"keep":true`) {
			c.Closed(false)
		}
		synctest.Wait()
		away, _ := live()
		if n := s.Sessions(); n != clients {
			t.Fatalf("there are %d sessions, want %d", n, clients)
		}
		const bound = 1000
		if each := (int64(away) - int64(before)) / clients; each > bound {
			t.Errorf("a session that is away takes %d bytes, want %d at most", each, bound)
		}
		time.Sleep(window + time.Second)
		synctest.Wait()
		after, _ := live()
		if n := s.Sessions(); n != 0 || s.away.count != 0 || s.away.bytes != 0 {
			t.Errorf("after the window there are %d sessions, %d of them away, with %d bytes", n, s.away.count, s.away.bytes)
		}
		// The maps keep their room for the next sessions.
		if left := (int64(after) - int64(before)) / clients; left > bound/2 {
			t.Errorf("after the window %d bytes are left of each", left)
		}
	})
}
