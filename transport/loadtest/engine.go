package loadtest

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

// plan is what one process has to do.
type plan struct {
	Options   Options       `json:"options"` // resolved
	Run       uint32        `json:"run"`     // in all logins, so that runs do not meet
	Process   int           `json:"process"`
	Processes int           `json:"processes"`
	Sources   []netip.Addr  `json:"sources,omitempty"`
	Grace     time.Duration `json:"grace"`  // how long frames under way may take to arrive in the end
	Loops     int           `json:"loops"`  // 0: one for each processor
	Before    time.Duration `json:"before"` // from the start of the measured phase to the storm, and to when readers stop
}

// portion returns the numbers of those of n things that are one part's of so many.
func portion(n, part, parts int) (first, end int) {
	return int(int64(n) * int64(part) / int64(parts)), int(int64(n) * int64(part+1) / int64(parts))
}

// report is what one process tells about a span of its time.
type report struct {
	Phase    Phase         `json:"phase"`
	Number   int           `json:"number"` // in the phase, from 0
	Span     time.Duration `json:"span"`
	Last     bool          `json:"last"` // of the phase
	Snapshot *Snapshot     `json:"snapshot"`
	Sessions int64         `json:"sessions"`        // logged in at its end
	Most     int64         `json:"most"`            // logged in at once: the most of each loop, added up
	Grown    int64         `json:"grown,omitempty"` // at the end of the set-up: by how many bytes this process has grown
	CPU      time.Duration `json:"cpu"`             // used in the span
	RSS      int64         `json:"rss"`

	// At the end of the run:
	Done         bool          `json:"done,omitempty"`
	Failed       string        `json:"failed,omitempty"`
	Verification *Verification `json:"verification,omitempty"`
	RateLimit    float64       `json:"rate_limit,omitempty"` // frames a second that connections seem to be held to
}

// longestGrace is how many times the grace the end takes at most.
const longestGrace = 12

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

// engine runs one process's part of a run.
type engine struct {
	plan      plan
	report    func(report)
	proceed   <-chan struct{} // closed when all processes are ready
	swarm     *swarm.Swarm
	shards    []*shard
	outsiders []outsider
	phase     Phase
	number    int
	since     time.Duration // when the span of the next report began
	cpu       time.Duration // used when it began
	size      int64         // of this process, before the first session
	limits    rateLimit

	away   atomic.Int64 // storm: sessions that are not back yet
	dropAt atomic.Int64 // storm: when all dropped, on the swarm's clock; 0: not yet
}

// reportEvery is the length of a span.
const reportEvery = time.Second

// run runs the plan. When ctx ends, it comes to its end early, with the figures so far.
func (e *engine) run(ctx context.Context) error {
	var err error
	e.swarm, err = swarm.New(ctx, swarm.Options{
		URL:     e.plan.Options.URL,
		Sources: e.plan.Sources,
		Loops:   e.plan.Loops,
		Tick:    func(l *swarm.Loop) time.Duration { return e.shards[l.Index()].tick(l) },
		Flushed: func(l *swarm.Loop) { e.shards[l.Index()].flushed(l) },
		Prepare: e.prepare,
	})
	if err != nil {
		return err
	}
	defer e.swarm.Stop()
	if e.plan.Options.Has(ScenarioCall) {
		e.outsiders = append(e.outsiders, newCalls(e.plan))
	}
	e.cpu, e.size = cpuTime(), tidySize()
	failed := e.phases(ctx)
	for _, x := range e.outsiders {
		x.close()
	}
	e.hangUp(ctx.Err() == nil)
	e.finish(failed)
	return nil
}

// prepare makes the shards, before any loop runs.
func (e *engine) prepare(loops []*swarm.Loop) {
	o := e.plan.Options
	parts := e.plan.Processes * len(loops)
	for _, l := range loops {
		part := e.plan.Process*len(loops) + l.Index()
		s := &shard{
			engine: e, loop: l,
			frames: newFrames(e.plan.Run, o.Size),
			random: rand.New(rand.NewPCG(o.Seed, uint64(part))),
		}
		s.opener = opener{shard: s, rate: (o.Rate - o.callRate()) / float64(parts), limit: max(1, opening/len(loops))}
		s.verified.Done = o.Verify && o.Has(ScenarioRelay)
		for _, x := range o.Scenarios {
			if x := s.newScenario(x, part, parts); x != nil {
				s.scenarios = append(s.scenarios, x)
			}
		}
		e.shards = append(e.shards, s)
	}
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

// phases goes through the phases and returns why the run could not go on.
func (e *engine) phases(ctx context.Context) (failed string) {
	e.phase = PhaseSetUp
	e.each(func(s *shard) {
		for _, x := range s.scenarios {
			x.open()
		}
	})
	if len(e.outsiders) > 0 {
		for _, x := range e.outsiders {
			if err := x.open(ctx); err != nil && ctx.Err() == nil {
				return err.Error()
			}
		}
	}
	if failed = e.wait(ctx, swarm.Never, e.opened); failed != "" || ctx.Err() != nil {
		e.finishPhase()
		return failed
	}
	e.finishPhase()
	if failed = e.wait(ctx, swarm.Never, func() bool { return isClosed(e.proceed) }); failed != "" || ctx.Err() != nil {
		return failed
	}

	running, stop := context.WithCancel(ctx)
	var outside sync.WaitGroup
	for _, x := range e.outsiders {
		outside.Go(func() { x.run(running) })
	}
	defer outside.Wait()
	defer stop()
	for _, p := range []struct {
		phase  Phase
		length time.Duration
	}{{PhaseWarmUp, e.plan.Options.Warmup}, {PhaseMeasuring, e.plan.Options.Duration}} {
		e.enter(p.phase)
		if p.length > 0 {
			failed = e.wait(ctx, e.swarm.Now()+p.length, nil)
			e.finishPhase()
		}
		if failed != "" || ctx.Err() != nil {
			break
		}
	}
	stop()
	e.enter(PhaseDraining)
	ended := make(chan struct{})
	go func() { outside.Wait(); close(ended) }()
	// A service that is behind, and delivers what it has, is waited for: what it still delivers is late, not lost.
	since := e.swarm.Now()
	e.wait(context.WithoutCancel(ctx), since+longestGrace*e.plan.Grace, func() bool {
		return isClosed(ended) && (e.settled() || e.swarm.Now()-max(since, e.heard()) >= e.plan.Grace)
	})
	<-ended
	e.finishPhase()
	return failed
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wait reports every second until a time, a condition or a failure comes. What it returns is the failure.
func (e *engine) wait(ctx context.Context, until time.Duration, condition func() bool) (failed string) {
	const look = 20 * time.Millisecond
	for {
		now := e.swarm.Now()
		if condition != nil && condition() {
			return ""
		}
		if now >= until || ctx.Err() != nil {
			return ""
		}
		if now >= e.since+reportEvery {
			e.tell(false)
			if failed := e.failure(); failed != "" {
				return failed
			}
		}
		next := min(until, e.since+reportEvery)
		if condition != nil {
			next = min(next, now+look)
		}
		select {
		case <-time.After(next - now):
		case <-ctx.Done():
		}
	}
}

// enter begins a phase on all shards at once.
func (e *engine) enter(p Phase) {
	e.phase, e.number = p, 0
	e.each(func(s *shard) {
		now := s.loop.Now()
		if p == PhaseMeasuring && e.plan.Options.Warmup > 0 {
			s.from = now
		}
		for _, x := range s.scenarios {
			x.enter(p, now)
		}
	})
}

// finishPhase reports what is left of a phase.
func (e *engine) finishPhase() {
	e.tell(true)
	e.number = 0
}

// each has f called for each shard, on its loop, and waits for it.
func (e *engine) each(f func(s *shard)) {
	var called sync.WaitGroup
	for _, s := range e.shards {
		called.Add(1)
		s.loop.Do(func() {
			f(s)
			called.Done()
		})
	}
	called.Wait()
}

// tell reports the time since the last report.
func (e *engine) tell(last bool) {
	r := report{Phase: e.phase, Number: e.number, Last: last, Snapshot: &Snapshot{}, RSS: residentSize()}
	var mu sync.Mutex
	var seen pace
	e.each(func(s *shard) {
		taken, sessions, most := s.take(), s.sessions, s.most
		s.most = s.sessions
		mu.Lock()
		defer mu.Unlock()
		for _, x := range s.scenarios {
			if p, ok := x.(*pairs); ok {
				seen.merge(p.pace())
			}
		}
		r.Snapshot.Merge(&taken)
		r.Sessions += sessions
		r.Most += most
	})
	for _, x := range e.outsiders {
		r.Snapshot.Merge(x.take())
		n := x.sessions()
		r.Sessions += n
		r.Most += n
	}
	now, used := e.swarm.Now(), cpuTime()
	r.Span, r.CPU = now-e.since, used-e.cpu
	e.since, e.cpu = now, used
	if e.phase == PhaseMeasuring && !last {
		e.limits.see(seen, r.Span.Seconds())
	}
	e.number++
	if last && e.phase == PhaseSetUp {
		r.RSS = tidySize()
		r.Grown = r.RSS - e.size
	}
	e.report(r)
}

// opened reports whether the set-up is over.
func (e *engine) opened() bool {
	var busy atomic.Bool
	e.each(func(s *shard) {
		if !s.opener.idle() {
			busy.Store(true)
		}
	})
	return !busy.Load()
}

// settled reports whether nothing is under way any more.
func (e *engine) settled() bool {
	var busy atomic.Bool
	e.each(func(s *shard) {
		for _, x := range s.scenarios {
			if x.underWay() {
				busy.Store(true)
			}
		}
	})
	return !busy.Load()
}

// heard returns when anything came from the service last.
func (e *engine) heard() (last time.Duration) {
	var mu sync.Mutex
	e.each(func(s *shard) {
		mu.Lock()
		defer mu.Unlock()
		last = max(last, s.loop.ReadAt())
	})
	return last
}

// manyRefused is how many refused connections in a row, on each of the loops that opens any, are a service that is gone.
const manyRefused = 20

// failure returns why going on makes no sense: all sessions that should last are gone, or the service takes no
// connection any more.
func (e *engine) failure() string {
	var mu sync.Mutex
	var opened, ended, refused int
	var last error
	e.each(func(s *shard) {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range s.scenarios {
			o, n := x.lasting()
			opened, ended = opened+o, ended+n
		}
		refused = max(refused, s.refused)
		if s.lastError != nil {
			last = s.lastError
		}
	})
	for _, x := range e.outsiders {
		o, n, err := x.lasting()
		opened, ended = opened+o, ended+n
		if err != nil {
			last = err
		}
	}
	switch {
	case opened > 0 && ended == opened && last != nil:
		return "the service went away: no session is left (" + last.Error() + ")"
	case opened > 0 && ended == opened:
		return "no session could be logged in"
	case refused >= manyRefused:
		return "the service went away: it takes no connections any more (" + last.Error() + ")"
	}
	return ""
}

// calm tells the bystanders that the storm is over.
func (e *engine) calm() {
	for _, s := range e.shards {
		s.loop.Do(func() {
			for _, x := range s.scenarios {
				if x, ok := x.(*storm); ok {
					x.around.silent = true
				}
			}
		})
	}
}

// hangUp ends all connections; with the handshake that belongs to it where there is time.
func (e *engine) hangUp(orderly bool) {
	e.each(func(s *shard) {
		s.over = true
		for _, x := range s.scenarios {
			x.finish()
		}
	})
	if !orderly {
		return
	}
	e.each(func(s *shard) { s.loop.CloseAll() })
	limit := e.swarm.Now() + 10*time.Second
	for e.swarm.Now() < limit {
		var open atomic.Int64
		e.each(func(s *shard) { open.Add(int64(s.loop.Open())) })
		if open.Load() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// finish makes the last report.
func (e *engine) finish(failed string) {
	var verification Verification
	var mu sync.Mutex
	e.each(func(s *shard) {
		mu.Lock()
		defer mu.Unlock()
		verification.Merge(s.verified)
	})
	e.phase = PhaseDraining
	e.report(report{
		Phase: PhaseDraining, Number: e.number, Last: true, Done: true, Snapshot: &Snapshot{},
		RSS: residentSize(), Failed: failed, Verification: &verification, RateLimit: e.limits.found,
	})
}
