package load

import (
	"testing"

	"p2p-messaging/transport/loadtest/figures"
)

// A session that waits to come back when the measured phase ends does not come back any more. If all do, the service went away.
func TestWhoWaitsToComeBackFromAStormAtTheEndHasEnded(t *testing.T) {
	for _, back := range []bool{false, true} {
		s := &shard{engine: &Engine{}}
		s.engine.away.Store(4)
		x := newStorm(s, []uint32{0, 1, 2}, newPairs(s, kindStorm, figures.MetricStormBefore, 1, false, nil))
		x.enter(figures.PhaseWarmUp, 0)
		x.opening, x.dropped = false, true
		want := 3
		if back {
			x.all[0].away = true
			x.all[0].loggedIn(0)
			want = 2
		}
		x.waiting = returns{&x.all[1], &x.all[2]}
		x.enter(figures.PhaseDraining, 0)
		if !back {
			x.all[0].ended(false, "") // it was just coming back
		}
		if opened, ended := x.lasting(); opened != 3 || ended != want {
			t.Errorf("one is back: %v; %d of %d sessions have ended, want %d of 3", back, ended, opened, want)
		}
	}
}
