// Package sample has results of runs that did not take place, for tests of what shows a result.
package sample

import (
	"math/rand/v2"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
)

// Result returns the result of a relay run of 12 s. The figures look like real ones and are always the same.
func Result() *figures.Result {
	random := rand.New(rand.NewPCG(1, 2))
	o, err := options.Options{
		Scenarios: []options.Scenario{options.ScenarioRelay}, URL: "ws://localhost:7777/ws", Verify: true, Duration: 10 * time.Second, Warmup: time.Second, Seed: 42,
	}.Resolve()
	if err != nil {
		panic(err)
	}
	r := &figures.Result{
		Options: o,
		Started: time.Date(2026, 3, 9, 14, 5, 6, 0, time.UTC),
		Machine: figures.Machine{Name: "bench-1", System: "Linux 6.12.0, amd64", CPU: "Example CPU 3.0 GHz", Cores: 8, Memory: 32 << 30, Go: "go1.26.0"},
		SetUp:   412 * time.Millisecond, Measured: 10 * time.Second, Elapsed: 11800 * time.Millisecond, PeakSessions: 200, Opened: 200,
		Verification: figures.Verification{Done: true, Checked: 11500},
		Service: &figures.ServiceFigures{PID: 4242, Command: "p2p-messaging", CPU: 9500 * time.Millisecond, PeakCPU: 1.02, CPUPerRelay: 8300 * time.Nanosecond,
			IdleRSS: 21e6, IdleAnonymous: 6e6, PeakRSS: 34e6, BytesPerSession: 3210, PeakFiles: 214, FileLimit: 20000},
		Generator: figures.GeneratorFigures{Processes: 1, Cores: 8, CPU: 7 * time.Second, MeanCPU: 0.7, PeakCPU: 0.91, PeakRSS: 45e6, BytesPerSession: 2900},
	}
	for second := range 12 {
		var rec figures.Snapshot
		phase := figures.PhaseMeasuring
		switch second {
		case 0:
			phase = figures.PhaseSetUp
			rec.Add(figures.CounterDials, 200)
			rec.Add(figures.CounterOpened, 200)
			rec.Add(figures.CounterLoggedIn, 200)
			for range 200 {
				rec.Observe(figures.MetricConnect, time.Duration(400+random.IntN(900))*time.Microsecond)
				rec.Observe(figures.MetricLogin, time.Duration(200+random.IntN(700))*time.Microsecond)
			}
		case 1:
			phase = figures.PhaseWarmUp
		}
		if second > 0 {
			n := 1000 + random.IntN(300)
			rec.Add(figures.CounterRelaysSent, int64(n))
			rec.Add(figures.CounterRelaysDelivered, int64(n))
			for range n {
				latency := 300*time.Microsecond + time.Duration(random.ExpFloat64()*float64(400*time.Microsecond))
				if second == 7 && random.IntN(20) == 0 {
					latency += 60 * time.Millisecond
				}
				rec.Observe(figures.MetricRelay, latency)
				rec.Observe(figures.MetricSendLag, time.Duration(random.IntN(60))*time.Microsecond)
			}
		}
		s := &rec
		if phase == figures.PhaseMeasuring {
			r.Snapshot.Merge(s)
			r.During.MergeCounters(s)
		} else {
			r.Snapshot.MergeWarmup(s)
		}
		p := figures.NewPoint(time.Duration(second+1)*time.Second, time.Second, s)
		p.Phase, p.Sessions, p.GeneratorCPU, p.GeneratorRSS = phase, 200, 0.7+0.2*random.Float64(), 44e6+int64(second)*1e5
		p.ServiceKnown, p.ServiceCPU, p.ServiceRSS, p.ServiceFiles = true, 0.9+0.1*random.Float64(), 33e6+int64(second)*1e5, 214
		r.Timeline = append(r.Timeline, p)
	}
	return r
}

// Broken returns the result of a run in which everything went wrong.
func Broken() *figures.Result {
	r := Result()
	var rec figures.Snapshot
	for range 12 {
		rec.AddErrors("peer-overloaded", 1)
	}
	rec.AddErrors("connection-reset", 1)
	rec.AddCloses(4000, 1)
	r.Snapshot.Merge(&rec)
	r.Timeline[6].Errors = 13
	r.Verification.Findings = map[figures.Violation]figures.Finding{
		figures.ViolationLost:     {Count: 3, Example: "frame 17 of pair 4, from its caller, never arrived"},
		figures.ViolationModified: {Count: 1, Example: "frame 3 of pair 9, from its callee, has other bytes from 211 on"},
	}
	r.Warnings = []figures.Warning{{Code: figures.WarningGenerator, Text: "The generator, not the service, was the limit: frames were sent 7.20 ms late (p99). Use a faster machine, or a lower rate."}}
	r.Interrupted = true
	r.Failed = "the service at localhost:7777 went away (connection reset)"
	return r
}

// Play reports every second of a result to observe, like a run of 12 s.
func Play(r *figures.Result, observe func(figures.Progress)) {
	for _, p := range r.Timeline {
		observe(figures.Progress{Phase: p.Phase, Elapsed: p.At, Left: 12*time.Second - p.At, Wanted: 200, Point: p, Totals: &r.Snapshot})
	}
}
