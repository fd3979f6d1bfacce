package fleet

import (
	"cmp"
	"context"
	"runtime"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/machine"
)

// enoughSessions is the least number of sessions from which the generator's growth tells the size of one.
const enoughSessions = 1000

// coordinator merges the reports of all processes of a run, and adds what it observes of the service's process.
type coordinator struct {
	observe func(figures.Progress)
	result  *figures.Result
	service *machine.Process
	notes   []string
	queues  [][]account // by process: reports for which a report of another process is still missing
	last    []account   // by process: the last report
	done    []bool
	totals  figures.Snapshot
	began   time.Time
	every   time.Duration // time between two reports
	phase   figures.Phase
	entered time.Time // when the phase began
	limit   float64   // frames a second that the service seems to hold each connection to; 0: none
	ready   int       // processes whose set-up is over and merged
	grown   int64     // by how many bytes these have grown since before the first session
	all     int64     // sessions when all were logged in; 0: not yet

	staysOpen bool // the service does not end a connection after a close frame

	setUpLag  figures.Distribution // lag of the event loops during the set-up
	setUpCPU  time.Duration        // processor time that the generator used during the set-up
	setUpTime time.Duration
	firstDial int64 // Unix time in ns; 0: there was none yet
	lastLogin int64

	measured []time.Duration // by process: the spans of the measured phase
}

// arrival is a report of a worker. A nil report means that the worker has ended.
type arrival struct {
	worker int
	report *account
}

func (c *coordinator) run(ctx context.Context, prototype load.Plan) (*figures.Result, error) {
	r := c.result
	c.began, c.phase, c.entered, c.every = time.Now(), figures.PhaseSetUp, time.Now(), prototype.Every
	r.Generator.Processes = prototype.Processes
	r.Generator.Cores = min(runtime.GOMAXPROCS(0)*prototype.Processes, runtime.NumCPU())
	if c.service != nil {
		if s, ok := c.service.Look(); ok {
			r.Service = c.service.Figures(s)
		}
	}
	workers, err := startWorkers(prototype)
	if err != nil {
		return nil, err
	}
	n := len(workers)
	c.queues, c.last, c.done = make([][]account, n), make([]account, n), make([]bool, n)
	c.measured = make([]time.Duration, n)
	arrivals := make(chan arrival)
	for i, w := range workers {
		go func() {
			for r := range w.reports() {
				arrivals <- arrival{i, &r}
			}
			arrivals <- arrival{i, nil}
		}()
	}
	stopAll := func() {
		for _, w := range workers {
			w.stop()
		}
	}
	arrived, running := 0, n // arrived: processes whose set-up is over, merged or not
	end := ctx.Done()
	for running > 0 {
		select {
		case <-end:
			end = nil
			r.Interrupted = true
			stopAll()
		case a := <-arrivals:
			if a.report == nil {
				running--
				c.done[a.worker] = true
				if err := workers[a.worker].err(); err != nil && r.Failed == "" {
					r.Failed = err.Error()
				}
			} else {
				a.report.worker = a.worker
				c.queues[a.worker] = append(c.queues[a.worker], *a.report)
				if a.report.Phase == figures.PhaseSetUp && a.report.Last {
					arrived++
				}
				if a.report.Failed != "" && r.Failed == "" {
					r.Failed = a.report.Failed
				}
			}
			c.drain()
			if arrived == n {
				arrived = 0
				for _, w := range workers {
					w.proceed()
				}
			}
			if r.Failed != "" && running > 0 {
				stopAll()
			}
		}
	}
	r.Elapsed = time.Since(c.began)
	c.finish()
	return r, nil
}

func startWorkers(prototype load.Plan) ([]worker, error) {
	if prototype.Processes == 1 {
		return []worker{startLocal(prototype)}, nil
	}
	var workers []worker
	for i := range prototype.Processes {
		p := prototype
		p.Process = i
		w, err := startChild(p)
		if err != nil {
			for _, w := range workers {
				w.stop()
				for range w.reports() { //nolint:revive // until it has ended
				}
			}
			return nil, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

// drain makes points of all spans that every process has reported.
func (c *coordinator) drain() {
	for {
		first := -1
		for i, q := range c.queues {
			if len(q) == 0 {
				if !c.done[i] {
					return
				}
				continue
			}
			if first < 0 || q[0].Phase.Order() < c.queues[first][0].Phase.Order() {
				first = i
			}
		}
		if first < 0 {
			return
		}
		phase := c.queues[first][0].Phase
		var parts []account
		for i, q := range c.queues {
			if len(q) > 0 && q[0].Phase == phase {
				parts = append(parts, q[0])
				c.last[i] = q[0]
				c.queues[i] = q[1:]
			}
		}
		c.point(phase, parts)
	}
}

// point adds the reports of all processes about one span.
func (c *coordinator) point(phase figures.Phase, parts []account) {
	r := c.result
	var delta figures.Snapshot
	var span, cpu time.Duration
	for _, p := range parts {
		delta.Merge(p.Snapshot)
		span = max(span, p.Span)
		cpu += p.CPU
		if p.Verification != nil {
			r.Verification.Merge(*p.Verification)
		}
		c.limit = max(c.limit, p.RateLimit)
	}
	if phase != c.phase {
		c.phase, c.entered = phase, time.Now()
	}
	var sessions, most, rss int64
	for _, l := range c.last {
		sessions += l.Sessions
		most += l.Most
		rss += l.RSS
	}
	c.totals.Merge(&delta)
	switch phase {
	case figures.PhaseMeasuring:
		r.Snapshot.Merge(&delta)
	case figures.PhaseDraining:
		r.Snapshot.MergeDrain(&delta)
	default:
		r.Snapshot.MergeWarmup(&delta)
	}
	now := time.Since(c.began)
	p := figures.NewPoint(now, span, &delta)
	p.Phase, p.Sessions, p.GeneratorRSS = phase, sessions, rss
	r.PeakSessions = max(r.PeakSessions, most)
	if span > 0 {
		p.GeneratorCPU = cpu.Seconds() / span.Seconds()
	}
	if phase == figures.PhaseSetUp {
		r.Opened = max(r.Opened, most)
		c.setUpLag.Merge(delta.Distribution(figures.MetricLoopLag))
		c.setUpCPU += cpu
		c.setUpTime += span
		for _, p := range parts {
			if c.firstDial == 0 || p.FirstDial > 0 && p.FirstDial < c.firstDial {
				c.firstDial = p.FirstDial
			}
			c.lastLogin = max(c.lastLogin, p.LastLogin)
		}
		r.SetUp = max(0, time.Duration(c.lastLogin-c.firstDial))
		c.setUp(parts, sessions)
	}
	g := &r.Generator
	g.PeakRSS = max(g.PeakRSS, rss)
	if phase == figures.PhaseMeasuring {
		for _, p := range parts {
			c.measured[p.worker] += p.Span
			r.Measured = max(r.Measured, c.measured[p.worker])
		}
		r.During.MergeCounters(&delta)
		g.CPU += cpu
		if span > c.every/2 {
			g.PeakCPU = max(g.PeakCPU, p.GeneratorCPU)
		}
	}
	c.look(&p, phase, span, sessions)
	if span == 0 {
		return
	}
	r.Timeline = append(r.Timeline, p)
	c.tell(p)
}

// setUp notes which processes have ended the set-up. When all have, it knows how many sessions there are, and what one takes.
func (c *coordinator) setUp(parts []account, sessions int64) {
	for _, p := range parts {
		if p.Last {
			c.ready++
			c.grown += p.Grown
		}
	}
	if c.ready < len(c.last) || c.all > 0 {
		return
	}
	c.all = sessions
	if c.grown > 0 && sessions >= enoughSessions {
		c.result.Generator.BytesPerSession = float64(c.grown) / float64(sessions)
	}
}

// look adds what the service's process did in the span.
func (c *coordinator) look(p *figures.Point, phase figures.Phase, span time.Duration, sessions int64) {
	f := c.result.Service
	if f == nil || span == 0 {
		return
	}
	s, ok := c.service.Look()
	if !ok {
		return
	}
	p.ServiceKnown, p.ServiceRSS, p.ServiceFiles = true, s.RSS, s.Files
	p.ServiceCPU = s.CPU.Seconds() / span.Seconds()
	f.PeakRSS = max(f.PeakRSS, s.RSS)
	f.PeakFiles = max(f.PeakFiles, s.Files)
	if phase == figures.PhaseMeasuring {
		f.CPU += s.CPU
		if span > c.every/2 {
			f.PeakCPU = max(f.PeakCPU, p.ServiceCPU)
		}
	}
	if c.all > 0 && sessions >= c.all {
		f.BytesPerSession = lessPerSession(f.BytesPerSession, f.IdleAnonymous, s.Anonymous, sessions)
	}
}

// lessPerSession returns what a session takes, in bytes, by what the memory was before all sessions and is now, or by what was
// found so far, if that is less. 0 means unknown everywhere.
func lessPerSession(found float64, before, now, sessions int64) float64 {
	if before <= 0 || now <= before || sessions <= 0 {
		return found
	}
	each := float64(now-before) / float64(sessions)
	return min(each, cmp.Or(found, each))
}

func (c *coordinator) tell(p figures.Point) {
	o := c.result.Options
	var left time.Duration
	switch c.phase {
	case figures.PhaseWarmUp:
		left = o.Warmup - time.Since(c.entered)
	case figures.PhaseMeasuring:
		left = o.Duration - time.Since(c.entered)
	}
	c.observe(figures.Progress{
		Phase: c.phase, Elapsed: p.At, Left: max(0, left), Wanted: int64(o.TotalSessions()),
		Point: p, Totals: &c.totals, Notes: c.notes,
	})
	c.notes = nil
}

// finish computes what is only known at the end.
func (c *coordinator) finish() {
	r := c.result
	if r.Measured > 0 {
		// The busiest second is at least the mean. A short run has no whole second.
		g := &r.Generator
		g.MeanCPU = g.CPU.Seconds() / r.Measured.Seconds()
		g.PeakCPU = max(g.PeakCPU, g.MeanCPU)
		if f := r.Service; f != nil {
			f.PeakCPU = max(f.PeakCPU, f.CPU.Seconds()/r.Measured.Seconds())
		}
	}
	if n := r.Rated(figures.CounterRelaysDelivered); r.Service != nil && n > 0 {
		r.Service.CPUPerRelay = r.Service.CPU / time.Duration(n)
	}
	r.Warnings = append(r.Warnings, c.warnings()...)
}
