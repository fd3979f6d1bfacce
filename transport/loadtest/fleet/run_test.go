package fleet

import (
	"context"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

// brisk is the time between two reports of a run in a test. Nobody reads them, so it is shorter than a second.
const brisk = 50 * time.Millisecond

// briefly returns options for a run of the shortest duration that is allowed.
func briefly(url string, scenarios ...options.Scenario) options.Options {
	return options.Options{Scenarios: scenarios, URL: url, Verify: true, Duration: 100 * time.Millisecond}
}

func mustRun(t testing.TB, o options.Options) *figures.Result {
	t.Helper()
	return mustRunWithGrace(t, o, grace)
}

func mustRunWithGrace(t testing.TB, o options.Options, grace time.Duration) *figures.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), services.Patience)
	defer cancel()
	r, err := run(ctx, o, nil, load.Plan{Every: brisk, Grace: grace, Loops: 2})
	if err != nil {
		t.Fatalf("the run failed: %v", err)
	}
	if r.Failed != "" {
		t.Fatalf("the run ended early: %s", r.Failed)
	}
	return r
}

func wantNoErrors(t testing.TB, r *figures.Result) {
	t.Helper()
	if n := r.Snapshot.ErrorCount(); n != 0 {
		t.Errorf("%d errors: %v", n, r.Snapshot.Errors())
	}
}

func TestRelayDeliversEveryFrameThatItCounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*options.Options)
	}{
		{"closed loop", func(*options.Options) {}},
		{"closed loop, window 16", func(o *options.Options) { o.Window = 16 }},
		{"open loop, Poisson", func(o *options.Options) { o.RelaysPerSecond = 1000 }},
		{"open loop, constant", func(o *options.Options) { o.RelaysPerSecond, o.Arrivals = 1000, options.ArrivalsConstant }},
		{"given size", func(o *options.Options) { o.Size = 3000 }},
		{"not verified", func(o *options.Options) { o.Verify = false }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := briefly(services.Serve(t), options.ScenarioRelay)
			o.Pairs = 10
			tc.change(&o)
			r := mustRun(t, o)
			wantNoErrors(t, r)
			sent, delivered := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysDelivered)
			if sent == 0 || sent != delivered {
				t.Errorf("%d frames sent and %d delivered, want the same number, and some", sent, delivered)
			}
			if n := r.Snapshot.Distribution(figures.MetricRelay).Count(); n != delivered {
				t.Errorf("%d latencies for %d frames", n, delivered)
			}
			if n := r.Snapshot.Distribution(figures.MetricSendLag).Count(); n != sent {
				t.Errorf("%d send lags for %d frames", n, sent)
			}
			if n := r.Verification.Count(); n != 0 || r.Verification.Done != o.Verify || o.Verify && r.Verification.Checked != delivered {
				t.Errorf("verification is %+v, want %d checked and no finding", r.Verification, delivered)
			}
			if r.PeakSessions != 20 {
				t.Errorf("%d sessions at most, want 20", r.PeakSessions)
			}
		})
	}
}

// The service does half of what it is offered, and the rest when nothing new comes any more.
func TestWhatArrivesAfterTheMeasuredPhaseIsInNoRate(t *testing.T) {
	in := func(phase figures.Phase, relays, fromWarmup int64) account {
		s := new(figures.Snapshot)
		s.Add(figures.CounterRelaysDelivered, relays)
		s.Add(figures.CounterRelaysFromWarmup, fromWarmup)
		s.Add(figures.CounterCycles, relays)
		s.Observe(figures.MetricRelay, time.Second)
		s.Observe(figures.MetricLoopLag, time.Millisecond)
		return account{Report: load.Report{Phase: phase, Span: 2 * time.Second, Last: true, Snapshot: s}}
	}
	o, err := options.Options{URL: "ws://localhost/ws", Verify: true, Duration: time.Second}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	c := &coordinator{observe: func(figures.Progress) {}, result: &figures.Result{Options: o}, measured: make([]time.Duration, 1)}
	for _, a := range []account{in(figures.PhaseWarmUp, 700, 0), in(figures.PhaseMeasuring, 750, 250), in(figures.PhaseDraining, 1000, 0)} {
		c.last = []account{a}
		c.point(a.Phase, c.last)
	}
	r := c.result
	r.Service = &figures.ServiceFigures{CPU: time.Second}
	c.finish()
	if n := r.Snapshot.Count(figures.CounterRelaysDelivered); n != 1750 {
		t.Errorf("%d frames; wanted also those that came later", n)
	}
	for m, want := range map[figures.Metric]int64{figures.MetricRelay: 2, figures.MetricLoopLag: 1} {
		if got := r.Snapshot.Distribution(m).Count(); got != want {
			t.Errorf("%d durations of %v; wanted %d", got, m, want)
		}
	}
	for counter, want := range map[figures.Counter]float64{figures.CounterRelaysDelivered: 500, figures.CounterCycles: 375} {
		if got := r.Rate(counter); got != want {
			t.Errorf("%v: %v a second; wanted %v", counter, got, want)
		}
	}
	if got := r.Timeline[1].Rates[figures.CounterRelaysDelivered]; got != 500 {
		t.Errorf("the chart has %v relays a second; wanted 500", got)
	}
	if got := r.Service.PeakCPU; got != 0.5 {
		t.Errorf("%v cores at most; wanted no less than the mean", got)
	}
	if got := r.Service.CPUPerRelay; got != time.Millisecond {
		t.Errorf("a relay takes %v of CPU; wanted 1 ms", got)
	}
}

// The processes begin and end one after the other. The time that they take to start, and to wait for a login that is not answered,
// is no part of the set-up.
func TestTheSetUpIsFromTheFirstConnectionToTheLastLogin(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	c := &coordinator{observe: func(figures.Progress) {}, result: &figures.Result{}, began: time.Now().Add(-time.Minute)}
	for _, times := range [][2][2]int64{{{0, 0}, {0, 0}}, {{107 * second, 0}, {0, 0}}, {{107 * second, 109 * second}, {105 * second, 106 * second}}} {
		c.last = nil
		for _, p := range times {
			c.last = append(c.last, account{Report: load.Report{Phase: figures.PhaseSetUp, Span: 20 * time.Second, Snapshot: new(figures.Snapshot), FirstDial: p[0], LastLogin: p[1]}})
		}
		c.point(figures.PhaseSetUp, c.last)
	}
	if c.result.SetUp != 4*time.Second {
		t.Errorf("the set-up took %v; wanted 4 s", c.result.SetUp)
	}

	o := briefly(services.Serve(t), options.ScenarioIdle)
	o.Sessions, o.Rate, o.Duration = 10_000, 200, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
	defer cancel()
	interrupted, err := run(ctx, o, func(p figures.Progress) {
		if p.Totals.Count(figures.CounterLoggedIn) > 1 {
			cancel()
		}
	}, load.Plan{Every: brisk, Grace: grace, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	o = briefly(o.URL, options.ScenarioCall)
	o.Pairs, o.Messages = 1, 1
	for name, r := range map[string]*figures.Result{"interrupted while it opens sessions": interrupted, "call": mustRun(t, o)} {
		if r.SetUp <= 0 || r.SetUp >= r.Elapsed || r.Rate(figures.CounterLoggedIn) == 0 {
			t.Errorf("%s: a set-up of %v, %v logins/s; wanted both", name, r.SetUp, r.Rate(figures.CounterLoggedIn))
		}
	}
}

func TestTheProcessesOfARunAreMeasuredTogether(t *testing.T) {
	report := func(phase figures.Phase, span time.Duration, last bool) account {
		return account{Report: load.Report{Phase: phase, Span: span, Last: last, Sessions: 1000, Snapshot: new(figures.Snapshot)}}
	}
	quick, slow := report(figures.PhaseSetUp, time.Second, true), report(figures.PhaseSetUp, time.Second, true)
	quick.Grown, slow.Grown = 1_000_000, 3_000_000
	queues := [][]account{{quick, report(figures.PhaseSetUp, time.Second, false)}, {report(figures.PhaseSetUp, time.Second, false), slow}}
	for i := range 10 {
		if i != 4 { // the machine has not run this process for a second
			queues[0] = append(queues[0], report(figures.PhaseMeasuring, time.Second, i == 9))
		}
		queues[1] = append(queues[1], report(figures.PhaseMeasuring, time.Second, i == 9))
	}
	queues[0][6].Span = 2 * time.Second
	for worker, q := range queues {
		for i := range q {
			q[i].worker = worker
		}
	}
	c := &coordinator{
		observe: func(figures.Progress) {}, result: &figures.Result{}, queues: queues,
		last: make([]account, 2), measured: make([]time.Duration, 2), done: []bool{true, true},
	}
	c.drain()
	if got := c.result.Measured; got != 10*time.Second {
		t.Errorf("%v were measured; wanted 10 s", got)
	}
	if got := c.result.Generator.BytesPerSession; got != 2000 {
		t.Errorf("a session takes %v bytes; wanted those of both processes, 2000", got)
	}
	if c.all != 2000 {
		t.Errorf("all were logged in with %d sessions; wanted 2000", c.all)
	}
}

func TestIdleLogsInAllSessionsAndHoldsThem(t *testing.T) {
	t.Parallel()
	o := briefly(services.Serve(t), options.ScenarioIdle)
	o.Sessions = 300
	r := mustRun(t, o)
	wantNoErrors(t, r)
	if n := r.Snapshot.Count(figures.CounterLoggedIn); n != 300 || r.PeakSessions != 300 {
		t.Errorf("%d logins and %d sessions at most, want 300 each", n, r.PeakSessions)
	}
	for _, m := range []figures.Metric{figures.MetricConnect, figures.MetricLogin} {
		if n := r.Snapshot.Distribution(m).Count(); n != 300 {
			t.Errorf("%d durations of %v, want 300", n, m)
		}
	}
}
