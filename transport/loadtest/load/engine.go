package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
	"p2p-messaging/transport/loadtest/swarm"
)

// longestGrace bounds the time that the end of a run takes, as a multiple of [Plan.Grace].
const longestGrace = 12

// Engine runs one process's part of a run.
type Engine struct {
	plan      Plan
	report    func(Report)
	proceed   <-chan struct{} // closed when all processes are ready
	swarm     *swarm.Swarm
	shards    []*shard
	outsiders []outsider
	phase     figures.Phase
	number    int
	since     time.Duration // start of the next report's span, on the swarm's clock
	slot      time.Duration // start of the present second of the phase; reports end with it, so that those of all processes keep step
	limits    rateLimit

	away   atomic.Int64 // storm: sessions that dropped and are not back yet
	dropAt atomic.Int64 // storm: when all sessions dropped, on the swarm's clock; 0: they did not yet
}

// New starts the loops of an Engine. It does not connect to the service, unless that takes place to choose among
// several addresses. [Engine.Run] must be called.
func New(ctx context.Context, p Plan) (*Engine, error) {
	e := &Engine{plan: p}
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
		return nil, err
	}
	if p.Options.Has(options.ScenarioCall) {
		e.outsiders = append(e.outsiders, newCalls(p))
	}
	return e, nil
}

// Run executes the plan and calls report for every span. The load starts when proceed is closed. When ctx ends, the run
// ends early and reports what it has.
func (e *Engine) Run(ctx context.Context, proceed <-chan struct{}, report func(Report)) {
	defer e.swarm.Stop()
	e.proceed, e.report = proceed, report
	failed := e.phases(ctx)
	for _, x := range e.outsiders {
		x.close()
	}
	e.hangUp(ctx.Err() == nil)
	e.finish(failed)
}

// prepare makes the shards. It is called before any loop runs.
func (e *Engine) prepare(loops []*swarm.Loop) {
	o := e.plan.Options
	speaks := dialectOf(o)
	parts := e.plan.Processes * len(loops)
	for _, l := range loops {
		part := e.plan.Process*len(loops) + l.Index()
		s := &shard{
			engine: e, loop: l, dialect: speaks,
			frames: newFrames(speaks, e.plan.Run, o.Size),
			random: rand.New(rand.NewPCG(o.Seed, uint64(part))),
		}
		s.alive.text = speaks.alive()
		s.opener = opener{shard: s, rate: (o.Rate - o.CallRate()) / float64(parts), limit: max(1, opening/len(loops))}
		s.verified.Done = o.Verifies()
		for _, x := range o.Scenarios {
			if x := s.newScenario(x, part, parts); x != nil {
				s.scenarios = append(s.scenarios, x)
			}
		}
		e.shards = append(e.shards, s)
	}
}

// phases goes through the phases of the run. It returns why the run could not go on, or an empty string.
func (e *Engine) phases(ctx context.Context) (failed string) {
	e.phase = figures.PhaseSetUp
	e.each(func(s *shard) {
		for _, x := range s.scenarios {
			x.open()
		}
	})
	for _, x := range e.outsiders {
		x.open(ctx)
	}
	if failed = e.wait(ctx, swarm.Never, e.opened); failed != "" || ctx.Err() != nil {
		e.finishPhase()
		return failed
	}
	e.finishPhase()
	if failed = e.wait(ctx, swarm.Never, func() bool { return isClosed(e.proceed) }); failed != "" || ctx.Err() != nil {
		return failed
	}
	e.tell(false) // so that the next span begins with the load
	e.slot = e.since

	running, stop := context.WithCancel(ctx)
	var outside sync.WaitGroup
	for _, x := range e.outsiders {
		outside.Go(func() { x.run(running) })
	}
	defer outside.Wait()
	defer stop()
	for _, p := range []struct {
		phase  figures.Phase
		length time.Duration
	}{{figures.PhaseWarmUp, e.plan.Options.Warmup}, {figures.PhaseMeasuring, e.plan.Options.Duration}} {
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
	e.enter(figures.PhaseDraining)
	ended := make(chan struct{})
	go func() { outside.Wait(); close(ended) }()
	// Wait for a slow service as long as it delivers something. What it delivers now is late, not lost.
	since := e.swarm.Now()
	e.wait(context.WithoutCancel(ctx), since+longestGrace*e.plan.Grace, func() bool {
		return isClosed(ended) && (e.settled() || e.swarm.Now()-max(since, e.heard()) >= e.plan.Grace)
	})
	<-ended
	e.finishPhase()
	if failed == "" && ctx.Err() == nil {
		failed = e.failure() // of the last second
	}
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

// wait reports every span until the time until comes, condition holds or ctx ends. If the run cannot go on, wait
// returns why.
func (e *Engine) wait(ctx context.Context, until time.Duration, condition func() bool) (failed string) {
	const look = 20 * time.Millisecond
	for {
		now := e.swarm.Now()
		if condition != nil && condition() {
			return ""
		}
		if now >= until || ctx.Err() != nil {
			return ""
		}
		if now >= e.slot+e.plan.Every {
			e.tell(false)
			for now >= e.slot+e.plan.Every {
				e.slot += e.plan.Every
			}
			if failed := e.failure(); failed != "" {
				return failed
			}
		}
		next := min(until, e.slot+e.plan.Every)
		if condition != nil {
			next = min(next, now+look)
		}
		select {
		case <-time.After(next - now):
		case <-ctx.Done():
		}
	}
}

// enter begins a phase on all shards.
func (e *Engine) enter(p figures.Phase) {
	e.phase, e.number = p, 0
	e.each(func(s *shard) {
		now := s.loop.Now()
		for _, x := range s.scenarios {
			x.enter(p, now)
		}
	})
}

// finishPhase reports the rest of a phase.
func (e *Engine) finishPhase() {
	e.tell(true)
	e.number, e.slot = 0, e.since
}

// each calls f for each shard, on the shard's loop, and waits until all calls have returned.
func (e *Engine) each(f func(s *shard)) {
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

// part is one loop's part of a report.
type part struct {
	taken          figures.Snapshot
	seen           pace
	sessions, most int64
	opening        span
}

// tell reports the time since the last report. Merging takes time, so the loops do not do it.
func (e *Engine) tell(last bool) {
	r := Report{Phase: e.phase, Number: e.number, Last: last, Snapshot: &figures.Snapshot{}}
	parts := make([]part, len(e.shards))
	e.each(func(s *shard) {
		p := &parts[s.loop.Index()]
		*p = part{taken: s.take(), sessions: s.sessions, most: s.most, opening: s.span}
		s.most = s.sessions
		if last && e.phase == figures.PhaseWarmUp {
			s.from = s.loop.Now()
		}
		for _, x := range s.scenarios {
			if x, ok := x.(*pairs); ok {
				p.seen.merge(x.pace())
			}
		}
	})
	var seen pace
	var opening span
	for i := range parts {
		p := &parts[i]
		r.Snapshot.Merge(&p.taken)
		r.Sessions += p.sessions
		r.Most += p.most
		seen.merge(p.seen)
		opening.merge(p.opening)
	}
	for _, x := range e.outsiders {
		r.Snapshot.Merge(x.take())
		opening.merge(x.opening(e.swarm.Now()))
		n := x.sessions()
		r.Sessions += n
		r.Most += n
	}
	now := e.swarm.Now()
	r.FirstDial, r.LastLogin = opening.times(now)
	r.Span = now - e.since
	e.since = now
	if e.phase == figures.PhaseMeasuring && !last {
		e.limits.see(seen, r.Span.Seconds())
	}
	e.number++
	e.report(r)
}

// opened reports whether all sessions of the set-up are open or have failed.
func (e *Engine) opened() bool {
	var busy atomic.Bool
	e.each(func(s *shard) {
		s.opener.check(e.plan.Patience)
		if !s.opener.idle() {
			busy.Store(true)
		}
	})
	return !busy.Load()
}

// settled reports whether nothing is under way any more.
func (e *Engine) settled() bool {
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

// heard returns when something last came from the service.
func (e *Engine) heard() (last time.Duration) {
	var mu sync.Mutex
	e.each(func(s *shard) {
		mu.Lock()
		defer mu.Unlock()
		last = max(last, s.loop.ReadAt())
	})
	return last
}

// manyRefused is the number of refused connections in a row, on a loop, after which the service counts as gone.
const manyRefused = 20

// failure returns why the run cannot go on, or an empty string. It cannot go on if all sessions that should last are
// gone, or if the service does not accept connections any more.
func (e *Engine) failure() string {
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
func (e *Engine) calm() {
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

// hangUp ends all connections. If orderly is true, it waits up to 10 s for the close handshakes.
func (e *Engine) hangUp(orderly bool) {
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
func (e *Engine) finish(failed string) {
	var verification figures.Verification
	var mu sync.Mutex
	e.each(func(s *shard) {
		mu.Lock()
		defer mu.Unlock()
		verification.Merge(s.verified)
	})
	e.phase = figures.PhaseDraining
	e.report(Report{
		Phase: figures.PhaseDraining, Number: e.number, Last: true, Done: true, Snapshot: &figures.Snapshot{},
		Failed: failed, Verification: &verification, RateLimit: e.limits.found,
	})
}
