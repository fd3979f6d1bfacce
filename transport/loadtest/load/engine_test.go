package load

import (
	"testing"

	"p2p-messaging/transport/loadtest/options"
	"p2p-messaging/transport/loadtest/swarm"
)

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
