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
