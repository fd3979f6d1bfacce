package fleet

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/transport"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

func TestChurnGoesThroughWholeCycles(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 200} {
		o := briefly(services.Serve(t), options.ScenarioChurn)
		o.Sessions, o.Rate = 10, rate
		r := mustRun(t, o)
		wantNoErrors(t, r)
		cycles := r.Snapshot.Count(figures.CounterCycles)
		if most := 1 + rate*r.Elapsed.Seconds(); cycles == 0 || rate > 0 && float64(cycles) > most {
			t.Errorf("%d cycles at a rate of %v in %v (0: as fast as they go)", cycles, rate, r.Elapsed)
		}
		if r.PeakSessions < 1 || r.PeakSessions > 10 {
			t.Errorf("%d sessions were logged in at once, want 1 to 10", r.PeakSessions)
		}
		for _, c := range []figures.Counter{figures.CounterDials, figures.CounterOpened, figures.CounterLoginsSent, figures.CounterLoggedIn, figures.CounterLoggedOut, figures.CounterClosed} {
			if n := r.Snapshot.Count(c); n != cycles {
				t.Errorf("%d of %v, want one for each of %d cycles", n, c, cycles)
			}
		}
		for _, m := range []figures.Metric{figures.MetricConnect, figures.MetricLogin, figures.MetricClose, figures.MetricCycle} {
			if n := r.Snapshot.Distribution(m).Count(); n != cycles {
				t.Errorf("%d durations of %v, want %d", n, m, cycles)
			}
		}
	}
}

// The service answers no login until the measured phase.
func TestACycleOfTheWarmUpHasNoLatency(t *testing.T) {
	t.Parallel()
	const sessions = 3
	answering := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answering) })
	defer answer()
	probed := false
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.LoggingIn = func(*gws.Conn) {
			if probed {
				<-answering
			}
			probed = true
		}
	})
	o := briefly(s.URL, options.ScenarioChurn)
	o.Sessions, o.Warmup = sessions, 100*time.Millisecond
	r, err := run(t.Context(), o, func(p figures.Progress) {
		if p.Phase.Order() >= figures.PhaseMeasuring.Order() {
			answer()
		}
	}, load.Plan{Every: brisk, Grace: services.Patience, Loops: 2})
	if err != nil || r.Failed != "" {
		t.Fatalf("the run failed: %v, %s", err, r.Failed)
	}
	cycles := r.Snapshot.Count(figures.CounterCycles)
	for _, m := range []figures.Metric{figures.MetricClose, figures.MetricCycle} {
		if n := r.Snapshot.Distribution(m).Count(); n != cycles-sessions {
			t.Errorf("%d durations of %v in %d cycles; wanted none of the first %d", n, m, cycles, sessions)
		}
	}
}

// stormOf50 drops 50 sessions, and ends when all of them are back.
func stormOf50(t *testing.T, o options.Options) *figures.Result {
	t.Helper()
	o.Sessions, o.Pairs, o.Duration = 50, 2, time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), services.Patience)
	defer cancel()
	r, err := run(ctx, o, func(p figures.Progress) {
		if p.Totals.Count(figures.CounterReturned) == 50 {
			cancel()
		}
	}, load.Plan{Every: brisk, Grace: grace, Loops: 2, Before: 100 * time.Millisecond})
	if err != nil || r.Failed != "" {
		t.Fatalf("the run failed: %v, %s", err, r.Failed)
	}
	return r
}

func TestStormDropsAllAndSeesThemReturn(t *testing.T) {
	t.Parallel()
	r := stormOf50(t, briefly(services.Serve(t), options.ScenarioStorm))
	if d, b := r.Snapshot.Count(figures.CounterDropped), r.Snapshot.Count(figures.CounterReturned); d != 50 || b != 50 {
		t.Errorf("%d dropped and %d are back, want 50 each", d, b)
	}
	for _, m := range []figures.Metric{figures.MetricStormBefore, figures.MetricStormDuring} {
		if r.Snapshot.Distribution(m).Count() == 0 {
			t.Errorf("no latency of %v", m)
		}
	}
	if back := r.Snapshot.Distribution(figures.MetricReturn); back.Count() != 50 {
		t.Errorf("of %d it is said how long they took to be back; want 50", back.Count())
	}
}

// The service ends each session's connection again once it is back.
func TestASessionThatReturnsTwiceIsBackOnce(t *testing.T) {
	t.Parallel()
	const sessions, others = 5, 4
	var asking *gws.Conn
	logins := map[string]int{}
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.LoggingIn = func(c *gws.Conn) { asking = c }
		s.Rules.AnswerLogin = func(login string) string {
			if logins[login]++; logins[login] == 2 {
				back := asking
				s.Serving.Go(func() {
					s.Count() // returns when the answer is written
					_ = back.NetConn().Close()
				})
			}
			return `{"type":"login","success":true}`
		}
		s.Rules.Relay = func([]byte) bool {
			time.Sleep(time.Millisecond) // The others need not take all of a processor until then.
			return true
		}
	})
	o := briefly(s.URL, options.ScenarioStorm)
	o.Sessions, o.Pairs, o.Duration = sessions, others/2, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
	defer cancel()
	r, err := run(ctx, o, func(p figures.Progress) {
		if p.Totals.Count(figures.CounterLoggedIn) == 3*sessions+others {
			cancel()
		}
	}, load.Plan{Every: brisk, Grace: grace, Loops: 2, Before: 100 * time.Millisecond})
	if err != nil || r.Failed != "" {
		t.Fatalf("the run failed: %v, %s", err, r.Failed)
	}
	if n := r.Snapshot.Count(figures.CounterLoggedIn); n != 3*sessions+others {
		t.Fatalf("%d logins; wanted each of %d sessions to log in three times, and %d others", n, sessions, others)
	}
	if d, b := r.Snapshot.Count(figures.CounterDropped), r.Snapshot.Count(figures.CounterReturned); d != sessions || b != sessions {
		t.Errorf("%d dropped and %d are back; wanted %d each", d, b, sessions)
	}
	if n := r.Snapshot.Distribution(figures.MetricReturn).Count(); n != sessions {
		t.Errorf("of %d it is said how long they took to be back; wanted %d", n, sessions)
	}
}

func TestKeptSessionsComeBackFromAStormWithAResume(t *testing.T) {
	t.Parallel()
	o := briefly(services.Serve(t), options.ScenarioStorm)
	o.Keep = true
	r := stormOf50(t, o)
	wantNoErrors(t, r)
	if d, b := r.Snapshot.Count(figures.CounterDropped), r.Snapshot.Count(figures.CounterResumed); d != 50 || b != 50 {
		t.Errorf("%d dropped and %d resumed, want 50 each", d, b)
	}
}

func TestARunLeavesNoSessionBehind(t *testing.T) {
	t.Parallel()
	url, sessions := services.Counting(t)
	o := briefly(url, options.ScenarioIdle, options.ScenarioChurn)
	o.Sessions, o.Keep = 10, true
	r := mustRun(t, o)
	wantNoErrors(t, r)
	if r.PeakSessions < 10 || r.Snapshot.Count(figures.CounterCycles) == 0 {
		t.Errorf("%d sessions, %d cycles; wanted both", r.PeakSessions, r.Snapshot.Count(figures.CounterCycles))
	}
	for end := time.Now().Add(services.Patience); sessions() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d sessions are left; wanted the tool to log out", sessions())
		}
	}
}

func TestSlowReadersAreFloodedAndNeighboursGoOn(t *testing.T) {
	t.Parallel()
	url := services.Serve(t, func(o *transport.Options) { o.WriteTimeout = time.Second })
	o := briefly(url, options.ScenarioSlow)
	o.Pairs, o.SlowReaders, o.Duration, o.Size = 3, 2, time.Hour, 60_000
	ctx, cancel := context.WithTimeout(context.Background(), services.Patience)
	defer cancel()
	r, err := run(ctx, o, func(p figures.Progress) {
		if p.Totals.Closes()[4000] == 2 {
			cancel()
		}
	}, load.Plan{Every: brisk, Grace: grace, Loops: 2, Before: 100 * time.Millisecond})
	if err != nil || r.Failed != "" {
		t.Fatalf("the run failed: %v, %s", err, r.Failed)
	}
	if n := r.Snapshot.Closes()[4000]; n != 2 {
		t.Errorf("%d readers were closed with 4000, want 2; closes %v, errors %v", n, r.Snapshot.Closes(), r.Snapshot.Errors())
	}
	for _, code := range []string{"peer-overloaded", "peer-unavailable"} {
		if r.Snapshot.Errors()[code] == 0 {
			t.Errorf("the senders were not told %s: errors %v", code, r.Snapshot.Errors())
		}
	}
	for _, m := range []figures.Metric{figures.MetricSlowBefore, figures.MetricSlowDuring} {
		if r.Snapshot.Distribution(m).Count() == 0 {
			t.Errorf("no latency of %v", m)
		}
	}
}

func TestARunSaysWhetherItVerifies(t *testing.T) {
	t.Parallel()
	url := services.Serve(t)
	for _, c := range []struct {
		scenario options.Scenario
		change   func(o *options.Options)
		want     bool
	}{
		{options.ScenarioStorm, func(*options.Options) {}, true},
		{options.ScenarioStorm, func(o *options.Options) { o.Verify = false }, false},
		{options.ScenarioSlow, func(*options.Options) {}, true},
		{options.ScenarioSlow, func(o *options.Options) { o.SlowShare = 1 }, false}, // no neighbours
		{options.ScenarioIdle, func(*options.Options) {}, false},
	} {
		o := briefly(url, c.scenario)
		c.change(&o)
		if c.scenario == options.ScenarioIdle || c.scenario == options.ScenarioStorm {
			o.Sessions = 3
		}
		r := mustRun(t, o)
		if r.Verification.Done != c.want || (r.Verification.Checked > 0) != c.want {
			t.Errorf("%s, %+v: verification is %+v; wanted it done: %v", c.scenario, o, r.Verification, c.want)
		}
	}
}

// The service refuses every second session of idle. Those of churn do not take their place.
func TestChurnDoesNotHideMissingSessions(t *testing.T) {
	t.Parallel()
	refused := false
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.AnswerLogin = func(login string) string {
			if strings.Contains(login, "-i") {
				if refused = !refused; refused {
					return `{"type":"login","success":false,"code":"capacity"}`
				}
			}
			return `{"type":"login","success":true}`
		}
	})
	o := briefly(s.URL, options.ScenarioIdle, options.ScenarioChurn)
	o.Sessions = 40
	r := mustRun(t, o)
	said := slices.ContainsFunc(r.Warnings, func(w figures.Warning) bool { return w.Code == figures.WarningFewSessions })
	if r.Opened != 20 || r.WantedSessions() != 40 || !said {
		t.Errorf("%d of %d sessions, the warnings are %+v; wanted 20 of 40, and a warning", r.Opened, r.WantedSessions(), r.Warnings)
	}
}

func TestScenariosRunBesideEachOther(t *testing.T) {
	t.Parallel()
	o := briefly(services.Serve(t), options.ScenarioIdle, options.ScenarioRelay, options.ScenarioChurn, options.ScenarioStorm, options.ScenarioSlow)
	o.Sessions, o.Pairs, o.Duration = 20, 4, 400*time.Millisecond
	r := mustRun(t, o)
	for _, c := range []figures.Counter{figures.CounterRelaysDelivered, figures.CounterCycles, figures.CounterDropped} {
		if r.Snapshot.Count(c) == 0 {
			t.Errorf("nothing of %v", c)
		}
	}
	if n := r.Verification.Count(); n != 0 {
		t.Errorf("%d violations: %+v", n, r.Verification)
	}
}

func TestAnInterruptedRunHasTheFiguresSoFar(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{1, 2} {
		o := briefly(services.Serve(t), options.ScenarioRelay)
		o.Pairs, o.Duration, o.Processes = 4, time.Hour, processes
		ctx, cancel := context.WithTimeout(context.Background(), services.Patience)
		r, err := run(ctx, o, func(p figures.Progress) {
			if p.Totals.Count(figures.CounterRelaysDelivered) > 0 {
				cancel()
			}
		}, load.Plan{Every: brisk, Grace: grace, Loops: 1})
		cancel()
		if err != nil {
			t.Fatalf("with %d processes: %v", processes, err)
		}
		if !r.Interrupted || r.Failed != "" || r.Snapshot.Count(figures.CounterRelaysDelivered) == 0 {
			t.Errorf("with %d processes: interrupted %v, failed %q, %d frames", processes, r.Interrupted, r.Failed, r.Snapshot.Count(figures.CounterRelaysDelivered))
		}
		if n := r.Verification.Count(); n != 0 {
			t.Errorf("with %d processes: %+v", processes, r.Verification)
		}
	}
}

func TestAServiceThatGoesAwayEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		scenario  options.Scenario
		processes int
	}{{options.ScenarioRelay, 1}, {options.ScenarioIdle, 2}, {options.ScenarioChurn, 1}, {options.ScenarioSlow, 1}} {
		url, stop := services.Stoppable(t)
		o := briefly(url, tc.scenario)
		o.Duration, o.Processes = time.Hour, tc.processes
		switch tc.scenario {
		case options.ScenarioRelay:
			o.Pairs = 4
		case options.ScenarioSlow:
			o.Pairs, o.SlowShare = 4, 1
		default:
			o.Sessions = 10
		}
		ctx, cancel := context.WithTimeout(context.Background(), services.Patience)
		r, err := run(ctx, o, func(p figures.Progress) {
			if p.Phase == figures.PhaseMeasuring && p.Totals.Count(figures.CounterLoggedIn) > 0 {
				stop()
			}
		}, load.Plan{Every: brisk, Grace: grace, Loops: 1})
		cancel()
		if err != nil {
			t.Fatalf("%s: %v", tc.scenario, err)
		}
		if !strings.Contains(r.Failed, "the service went away") || r.Interrupted || r.Snapshot.Count(figures.CounterLoggedIn) == 0 {
			t.Errorf("%s: failed %q, interrupted %v, %d logins; want the service gone, and the figures so far", tc.scenario,
				r.Failed, r.Interrupted, r.Snapshot.Count(figures.CounterLoggedIn))
		}
		if n := r.Verification.Count(); n != 0 {
			t.Errorf("%s: %+v", tc.scenario, r.Verification)
		}
	}
}

// The run ends before the tool looks after its sessions for the first time.
func TestAServiceThatGoesAwayInTheLastSecondIsNoticed(t *testing.T) {
	t.Parallel()
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.Relay = func([]byte) bool {
			if s.Counted.Taken == 1 {
				s.Serving.Go(s.Vanish)
			}
			return true
		}
	})
	o := briefly(s.URL, options.ScenarioRelay)
	o.Pairs = 2
	r, err := run(t.Context(), o, nil, load.Plan{Every: time.Hour, Grace: services.Patience, Loops: 2})
	if err != nil || !strings.Contains(r.Failed, "the service went away") {
		t.Errorf("failed %q, %v; wanted the service gone", r.Failed, err)
	}
}

// BenchmarkRelay relays through a service in this process. Service and generator share the processors.
func BenchmarkRelay(b *testing.B) {
	for b.Loop() {
		o := briefly(services.Serve(b), options.ScenarioRelay)
		o.Pairs, o.Window, o.Duration = 200, 16, 2*time.Second
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := mustRun(b, o)
		runtime.ReadMemStats(&after)
		relays := r.Snapshot.Count(figures.CounterRelaysDelivered)
		b.ReportMetric(r.Rate(figures.CounterRelaysDelivered), "relays/s")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(relays), "allocs/relay")
		b.ReportMetric(float64(r.Generator.CPU.Nanoseconds())/float64(relays), "ns-CPU/relay")
	}
}
