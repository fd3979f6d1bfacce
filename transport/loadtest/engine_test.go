package loadtest

import (
	"testing"

	"p2p-messaging/transport/loadtest/swarm"
)

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
