package load

import (
	"context"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
)

// scenario is the part of one scenario that runs on one loop. All methods are called on the loop.
type scenario interface {
	// open queues the sessions that the scenario begins with at the opener.
	open()
	// enter begins a phase. PhaseWarmUp starts the load and PhaseDraining ends it.
	enter(p figures.Phase, now time.Duration)
	// tick does what is due. It returns the time at which it must be called again.
	tick(now time.Duration) time.Duration
	// underWay reports whether something that matters may still arrive.
	underWay() bool
	// lasting returns how many sessions should last through the run, and how many of them have ended.
	lasting() (opened, ended int)
	// finish counts what is missing, when nothing more can arrive.
	finish()
}

// newScenario makes the part of scenario x that runs on this shard. It returns nil for a scenario whose connections are
// not the swarm's.
func (s *shard) newScenario(x options.Scenario, part, parts int) scenario {
	o := s.engine.plan.Options
	indices := func(n int) []uint32 {
		first, end := portion(n, part, parts)
		all := make([]uint32, 0, end-first)
		for i := first; i < end; i++ {
			all = append(all, uint32(i))
		}
		return all
	}
	switch x {
	case options.ScenarioIdle:
		return newIdle(s, indices(o.Sessions))
	case options.ScenarioRelay:
		p := newPairs(s, kindRelay, figures.MetricRelay, o.Window, o.Verify, indices(o.PairsOf(x)))
		if o.OpenLoop() {
			p.rate = o.RelaysPerSecond * float64(len(p.all)) / float64(o.PairsOf(x))
			p.poisson = o.Arrivals == options.ArrivalsPoisson
		}
		return p
	case options.ScenarioChurn:
		return newChurn(s, indices(o.Sessions), o.Rate*float64(len(indices(o.Sessions)))/float64(o.Sessions))
	case options.ScenarioStorm:
		around := newPairs(s, kindAround, figures.MetricStormBefore, 1, o.Verify, indices(o.PairsOf(x)))
		return newStorm(s, indices(o.Sessions), around)
	case options.ScenarioSlow:
		// Spread the slow readers over all parts.
		var slow, others []uint32
		readers, pairs := o.SlowReaderCount(), o.PairsOf(x)
		for _, i := range indices(pairs) {
			if before, after := portion(readers, int(i), pairs); before != after {
				slow = append(slow, i)
			} else {
				others = append(others, i)
			}
		}
		return newSlow(s, slow, newPairs(s, kindSlow, figures.MetricSlowBefore, 1, o.Verify, others), o.Size)
	}
	return nil
}

// outsider is a scenario whose connections are not the swarm's.
type outsider interface {
	// open opens the sessions, until ctx ends. Nothing is measured yet.
	open(ctx context.Context)
	// run produces the load. It returns when ctx has ended and nothing is under way any more.
	run(ctx context.Context)
	// take returns what was counted since the last call.
	take() *figures.Snapshot
	// opening returns when it began to open sessions and when the last one was logged in. Now is the time on the swarm's clock.
	opening(now time.Duration) span
	// sessions returns how many sessions are logged in.
	sessions() int64
	// lasting returns how many sessions should last through the run, how many of them have ended, and the error that
	// ended the last one.
	lasting() (opened, ended int, last error)
	// close ends all sessions. It is always called at the end.
	close()
}
