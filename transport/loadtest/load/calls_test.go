package load

import (
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/options"
)

// The session has waited for a place behind sessions that the service was slow to open.
func TestTheConnectionOfACallCountsFromWhenItWasDue(t *testing.T) {
	o, err := options.Options{Scenarios: []options.Scenario{options.ScenarioCall}, URL: services.Serve(t), Pairs: 1, Rate: 1, Verify: true, Duration: time.Second}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	c := newCalls(Plan{Options: o, Processes: 1, Patience: services.Patience})
	defer c.close()
	if err := c.pairs[0].sides[0].open(t.Context(), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if d := c.take().Distribution(figures.MetricConnect); d.Count() != 1 || d.Max() < time.Minute {
		t.Errorf("%d connections, after %v; wanted one, and a minute at least", d.Count(), d.Max())
	}
}
