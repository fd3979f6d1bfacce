package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/loadtest/swarm"
)

func TestChurnGoesThroughWholeCycles(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 200} {
		o := briefly(serve(t), ScenarioChurn)
		o.Sessions, o.Rate = 10, rate
		r := mustRun(t, o)
		wantNoErrors(t, r)
		cycles := r.Snapshot.Count(CounterCycles)
		if most := 1 + rate*r.Elapsed.Seconds(); cycles == 0 || rate > 0 && float64(cycles) > most {
			t.Errorf("%d cycles at a rate of %v in %v (0: as fast as they go)", cycles, rate, r.Elapsed)
		}
		if r.PeakSessions < 1 || r.PeakSessions > 10 {
			t.Errorf("%d sessions were logged in at once, want 1 to 10", r.PeakSessions)
		}
		for _, c := range []Counter{CounterDials, CounterOpened, CounterLoginsSent, CounterLoggedIn, CounterLoggedOut, CounterClosed} {
			if n := r.Snapshot.Count(c); n != cycles {
				t.Errorf("%d of %v, want one for each of %d cycles", n, c, cycles)
			}
		}
		for _, m := range []Metric{MetricConnect, MetricLogin, MetricClose, MetricCycle} {
			if n := r.Snapshot.Distribution(m).Count(); n != cycles {
				t.Errorf("%d durations of %v, want %d", n, m, cycles)
			}
		}
	}
}

func TestStormDropsAllAndSeesThemReturn(t *testing.T) {
	t.Parallel()
	o := briefly(serve(t), ScenarioStorm)
	o.Sessions, o.Pairs, o.Duration = 50, 2, 2500*time.Millisecond
	r := mustRun(t, o)
	if d, b := r.Snapshot.Count(CounterDropped), r.Snapshot.Count(CounterReturned); d != 50 || b != 50 {
		t.Errorf("%d dropped and %d are back, want 50 each", d, b)
	}
	for _, m := range []Metric{MetricStormBefore, MetricStormDuring} {
		if r.Snapshot.Distribution(m).Count() == 0 {
			t.Errorf("no latency of %v", m)
		}
	}
	if back := r.Snapshot.Distribution(MetricReturn); back.Count() != 50 {
		t.Errorf("of %d it is said how long they took to be back; want 50", back.Count())
	}
}

func TestSlowReadersAreFloodedAndNeighboursGoOn(t *testing.T) {
	t.Parallel()
	url := serve(t, func(o *transport.Options) { o.WriteTimeout = time.Second })
	o := briefly(url, ScenarioSlow)
	o.Pairs, o.SlowReaders, o.Duration, o.Size = 6, 2, time.Hour, 60_000
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := run(ctx, o, func(p Progress) {
		if p.Totals.Closes()[4000] == 2 {
			cancel()
		}
	}, plan{Grace: grace, Loops: 2, Before: 100 * time.Millisecond})
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
	for _, m := range []Metric{MetricSlowBefore, MetricSlowDuring} {
		if r.Snapshot.Distribution(m).Count() == 0 {
			t.Errorf("no latency of %v", m)
		}
	}
}

func TestScenariosRunBesideEachOther(t *testing.T) {
	t.Parallel()
	o := briefly(serve(t), ScenarioIdle, ScenarioRelay, ScenarioChurn, ScenarioStorm, ScenarioSlow)
	o.Sessions, o.Pairs, o.Duration = 20, 4, time.Second
	r := mustRun(t, o)
	for _, c := range []Counter{CounterRelaysDelivered, CounterCycles, CounterDropped} {
		if r.Snapshot.Count(c) == 0 {
			t.Errorf("nothing of %v", c)
		}
	}
	if n := r.Verification.Count(); n != 0 {
		t.Errorf("%d violations: %+v", n, r.Verification)
	}
}

func TestProcessesCountTheSameAsOne(t *testing.T) {
	t.Parallel()
	o := briefly(serve(t), ScenarioIdle, ScenarioRelay)
	o.Sessions, o.Pairs, o.Processes, o.Warmup = 31, 7, 3, 200*time.Millisecond
	r := mustRun(t, o)
	wantNoErrors(t, r)
	if n := r.Snapshot.Count(CounterLoggedIn); n != 45 || r.PeakSessions != 45 || r.Generator.Processes != 3 {
		t.Errorf("%d logins, %d sessions, %d processes, want 45, 45, 3", n, r.PeakSessions, r.Generator.Processes)
	}
	sent, delivered := r.Snapshot.Count(CounterRelaysSent), r.Snapshot.Count(CounterRelaysDelivered)
	if sent == 0 || sent != delivered || r.Snapshot.Distribution(MetricRelay).Count() != delivered {
		t.Errorf("%d frames sent, %d delivered, %d latencies, want the same number", sent, delivered, r.Snapshot.Distribution(MetricRelay).Count())
	}
	if r.Verification.Checked < delivered || r.Verification.Count() != 0 {
		t.Errorf("verification is %+v", r.Verification)
	}
}

func TestAnInterruptedRunHasTheFiguresSoFar(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{1, 2} {
		o := briefly(serve(t), ScenarioRelay)
		o.Pairs, o.Duration, o.Processes = 4, time.Hour, processes
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		r, err := run(ctx, o, func(p Progress) {
			if p.Totals.Count(CounterRelaysDelivered) > 0 {
				cancel()
			}
		}, plan{Grace: grace, Loops: 1})
		cancel()
		if err != nil {
			t.Fatalf("with %d processes: %v", processes, err)
		}
		if !r.Interrupted || r.Failed != "" || r.Snapshot.Count(CounterRelaysDelivered) == 0 {
			t.Errorf("with %d processes: interrupted %v, failed %q, %d frames", processes, r.Interrupted, r.Failed, r.Snapshot.Count(CounterRelaysDelivered))
		}
		if n := r.Verification.Count(); n != 0 {
			t.Errorf("with %d processes: %+v", processes, r.Verification)
		}
	}
}

func TestAWorkerEndsWithWhoeverStartedIt(t *testing.T) {
	o, err := briefly(serve(t), ScenarioIdle).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	o.Sessions, o.Duration = 5, time.Hour
	text, err := json.Marshal(plan{Options: o, Processes: 1, Grace: grace, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RunWorker(t.Context(), bytes.NewReader(append(text, '\n')), &out); err != nil {
		t.Fatalf("RunWorker: %v", err)
	}
	if !strings.Contains(out.String(), `"done":true`) {
		t.Errorf("the worker wrote %s", out.String())
	}
}

func TestFramesSayWhatTheyAre(t *testing.T) {
	for _, size := range []int{0, MinSize, 5000} {
		f, other := newFrames(0xABCDEF01, size), newFrames(0xABCDEF02, size)
		for _, direction := range []int{0, 1} {
			for sequence := range uint32(30) {
				id := identity{kindRelay, 0x1234567, direction, sequence}
				text := bytes.Clone(f.make(id))
				if size != 0 && len(text) != size {
					t.Fatalf("the frame has %d bytes, want %d", len(text), size)
				}
				if !json.Valid(text) {
					t.Fatalf("the frame is no JSON: %s", text)
				}
				if got, intact, known := f.identify(text); got != id || !intact || !known {
					t.Errorf("identify(%+v) = %+v, %v, %v", id, got, intact, known)
				}
				if _, intact, _ := other.identify(text); intact {
					t.Error("a frame passes for one of another run")
				}
			}
		}
		text := bytes.Clone(f.make(identity{kindRelay, 7, 0, 9}))
		for i := range text {
			changed := bytes.Clone(text)
			changed[i] ^= 1
			if _, intact, _ := f.identify(changed); intact {
				t.Errorf("a change of byte %d is not noticed", i)
			}
		}
	}
}

func TestManyConnectionsToThisMachineComeFromManyAddresses(t *testing.T) {
	o := Options{Scenarios: []Scenario{ScenarioIdle}, Sessions: 50_001, URL: "ws://127.0.0.1:1/"}
	p := plan{Options: o}
	if err := p.useSources(t.Context(), netip.MustParseAddrPort("127.0.0.1:1")); err != nil {
		t.Fatal(err)
	}
	if len(p.Sources) != 3 || p.Sources[0] == p.Sources[1] {
		t.Errorf("the sources are %v, want 3 addresses", p.Sources)
	}
}

func TestSessionsAreSplitAsTheFileLimitNeeds(t *testing.T) {
	for _, tc := range []struct {
		sessions, processes, limit int
		want                       int // 0: refused
	}{
		{1000, 0, 20_000, 1},
		{19_000, 0, 20_000, 1},
		{20_000, 0, 20_000, 2},
		{100_000, 0, 20_000, 6},
		{1000, 3, 20_000, 3},
		{100_000, 2, 20_000, 0},
		{10, 0, 64, 0},
		{100_000, 0, 0, 1},
	} {
		c := &coordinator{}
		o := Options{Scenarios: []Scenario{ScenarioIdle}, Sessions: tc.sessions, Processes: tc.processes}
		got, err := split(o, tc.limit, c)
		if got != tc.want || (err != nil) != (tc.want == 0) {
			t.Errorf("split(%+v) = %d, %v, want %d", tc, got, err, tc.want)
		}
	}
	// A peer of a call has a UDP socket beside its session's.
	for pairs, want := range map[int]int{4900: 1, 5100: 2} {
		o := Options{Scenarios: []Scenario{ScenarioCall}, Pairs: pairs}
		if got, err := split(o, 20_000, &coordinator{}); got != want || err != nil {
			t.Errorf("split for %d pairs that call, with 20,000 files = %d, %v, want %d", pairs, got, err, want)
		}
	}
}

func TestTheRateIsThatOfAllScenariosTogether(t *testing.T) {
	for _, tc := range []struct {
		o     Options
		calls float64
	}{
		{Options{Scenarios: []Scenario{ScenarioIdle}, Sessions: 100, Rate: 50}, 0},
		{Options{Scenarios: []Scenario{ScenarioCall}, Pairs: 10, Rate: 50}, 50},
		{Options{Scenarios: []Scenario{ScenarioIdle, ScenarioCall}, Sessions: 80, Pairs: 10, Rate: 50}, 10},
		{Options{Scenarios: []Scenario{ScenarioChurn, ScenarioCall}, Sessions: 80, Pairs: 10, Rate: 50}, 50}, // churn begins later
	} {
		e := &engine{plan: plan{Options: tc.o, Processes: 1}}
		e.prepare([]*swarm.Loop{new(swarm.Loop)})
		others := e.shards[0].opener.rate
		if got := tc.o.callRate(); got != tc.calls || got+others != tc.o.Rate {
			t.Errorf("%v, --rate %v: %v a second for calls and %v for the others, want %v, and %v in all", tc.o.Scenarios, tc.o.Rate, got, others, tc.calls, tc.o.Rate)
		}
	}
}

func TestARateLimitIsRecognised(t *testing.T) {
	var limited, free rateLimit
	for n := range 5 {
		var same, different pace
		for i := range 20 {
			same.add(500 + uint32((i+n)%3))
			different.add(500 + uint32(i*n*20))
		}
		limited.see(same, 1)
		free.see(different, 1)
	}
	if limited.found != 500 || free.found != 0 {
		t.Errorf("found limits of %v and %v, want 500 and none", limited.found, free.found)
	}
}

// BenchmarkRelayVerify is what the generator itself does for a relay, without sockets and service.
func BenchmarkRelayVerify(b *testing.B) {
	f := newFrames(1, 0)
	b.ReportAllocs()
	var sequence uint32
	for b.Loop() {
		id := identity{kindRelay, 5, int(sequence & 1), sequence >> 1}
		sent := f.make(id)
		if !bytes.Equal(sent, f.make(id)) {
			b.Fatal("not equal")
		}
		sequence++
	}
}

func TestAServiceThatGoesAwayEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		scenario  Scenario
		processes int
	}{{ScenarioRelay, 1}, {ScenarioIdle, 2}, {ScenarioChurn, 1}} {
		url, stop := stoppable(t)
		o := briefly(url, tc.scenario)
		o.Duration, o.Processes = time.Hour, tc.processes
		if tc.scenario == ScenarioRelay {
			o.Pairs = 4
		} else {
			o.Sessions = 10
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		r, err := run(ctx, o, func(p Progress) {
			if p.Phase == PhaseMeasuring {
				stop()
			}
		}, plan{Grace: grace, Loops: 1})
		cancel()
		if err != nil {
			t.Fatalf("%s: %v", tc.scenario, err)
		}
		if !strings.Contains(r.Failed, "the service went away") || r.Interrupted || r.Snapshot.Count(CounterLoggedIn) == 0 {
			t.Errorf("%s: failed %q, interrupted %v, %d logins; want the service gone, and the figures so far", tc.scenario,
				r.Failed, r.Interrupted, r.Snapshot.Count(CounterLoggedIn))
		}
		if n := r.Verification.Count(); n != 0 {
			t.Errorf("%s: %+v", tc.scenario, r.Verification)
		}
	}
}

// BenchmarkRelay relays through a service in this process: rates are of both on the same processors.
func BenchmarkRelay(b *testing.B) {
	for b.Loop() {
		o := briefly(serve(b), ScenarioRelay)
		o.Pairs, o.Window, o.Duration = 200, 16, 2*time.Second
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := mustRun(b, o)
		runtime.ReadMemStats(&after)
		relays := r.Snapshot.Count(CounterRelaysDelivered)
		b.ReportMetric(r.Rate(CounterRelaysDelivered), "relays/s")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(relays), "allocs/relay")
		b.ReportMetric(float64(r.Generator.CPU.Nanoseconds())/float64(relays), "ns-CPU/relay")
	}
}
