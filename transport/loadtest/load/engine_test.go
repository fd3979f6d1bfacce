package load

import (
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/options"
	"p2p-messaging/transport/loadtest/swarm"
)

// This process was ready long before the others.
func TestTheMeasuredPhaseBeginsWithTheLoad(t *testing.T) {
	o, err := options.Options{URL: services.Serve(t), Pairs: 1, Verify: true, Duration: 100 * time.Millisecond}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(t.Context(), Plan{Options: o, Processes: 1, Loops: 1, Grace: services.Patience, Patience: services.Patience, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	proceed, begun := make(chan struct{}), make(chan time.Time, 1)
	var measured, atMost time.Duration
	e.Run(t.Context(), proceed, func(r Report) {
		switch {
		case r.Phase == figures.PhaseSetUp && r.Last:
			time.AfterFunc(50*time.Millisecond, func() { begun <- time.Now(); close(proceed) })
		case r.Phase == figures.PhaseMeasuring:
			measured += r.Span
			if r.Last {
				atMost = time.Since(<-begun)
			}
		}
	})
	if measured == 0 || measured > atMost {
		t.Errorf("%v were measured, in %v since the load could begin", measured, atMost)
	}
}

func TestTheRateIsThatOfAllScenariosTogether(t *testing.T) {
	for _, tc := range []struct {
		o     options.Options
		calls float64
	}{
		{options.Options{Scenarios: []options.Scenario{options.ScenarioIdle}, Sessions: 100, Rate: 50}, 0},
		{options.Options{Scenarios: []options.Scenario{options.ScenarioCall}, Pairs: 10, Rate: 50}, 50},
		{options.Options{Scenarios: []options.Scenario{options.ScenarioIdle, options.ScenarioCall}, Sessions: 80, Pairs: 10, Rate: 50}, 10},
		{options.Options{Scenarios: []options.Scenario{options.ScenarioChurn, options.ScenarioCall}, Sessions: 80, Pairs: 10, Rate: 50}, 50}, // churn begins later
	} {
		e := &Engine{plan: Plan{Options: tc.o, Processes: 1}}
		e.prepare([]*swarm.Loop{new(swarm.Loop)})
		others := e.shards[0].opener.rate
		if got := tc.o.CallRate(); got != tc.calls || got+others != tc.o.Rate {
			t.Errorf("%v, --rate %v: %v a second for calls and %v for the others, want %v, and %v in all", tc.o.Scenarios, tc.o.Rate, got, others, tc.calls, tc.o.Rate)
		}
	}
}
