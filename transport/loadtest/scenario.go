package loadtest

import (
	"context"
	"time"
)

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

// newScenario makes the part of a scenario that is on this shard; nil where it is not the swarm's.
func (s *shard) newScenario(x Scenario, part, parts int) scenario {
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
	case ScenarioIdle:
		return newIdle(s, indices(o.Sessions))
	case ScenarioRelay:
		p := newPairs(s, kindRelay, MetricRelay, o.Window, o.Verify, indices(o.PairsOf(x)))
		if o.OpenLoop() {
			p.rate = o.RelaysPerSecond * float64(len(p.all)) / float64(o.PairsOf(x))
			p.poisson = o.Arrivals == ArrivalsPoisson
		}
		return p
	case ScenarioChurn:
		return newChurn(s, indices(o.Sessions), o.Rate*float64(len(indices(o.Sessions)))/float64(o.Sessions))
	case ScenarioStorm:
		around := newPairs(s, kindAround, MetricStormBefore, 1, o.Verify, indices(o.PairsOf(x)))
		return newStorm(s, indices(o.Sessions), around)
	case ScenarioSlow:
		// The slow ones are spread over all parts.
		var slow, others []uint32
		readers, pairs := o.SlowReaderCount(), o.PairsOf(x)
		for _, i := range indices(pairs) {
			if before, after := portion(readers, int(i), pairs); before != after {
				slow = append(slow, i)
			} else {
				others = append(others, i)
			}
		}
		return newSlow(s, slow, newPairs(s, kindSlow, MetricSlowBefore, 1, o.Verify, others), o.Size)
	}
	return nil
}

// outsider is a scenario whose connections are not the swarm's.
type outsider interface {
	// open gets ready; nothing is measured yet.
	open(ctx context.Context) error
	// run is the load. It returns when ctx has ended and what was under way is over.
	run(ctx context.Context)
	// take returns what was counted since the last time.
	take() *Snapshot
	// sessions returns how many sessions are logged in.
	sessions() int64
	// lasting returns how many sessions there should be that last through the run, how many of them have ended, and what
	// ended the last one.
	lasting() (opened, ended int, last error)
	// close ends all sessions. It is called in the end in any case.
	close()
}
