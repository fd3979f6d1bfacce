package fleet

import (
	"net/netip"
	"testing"

	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

func TestManyConnectionsToThisMachineComeFromManyAddresses(t *testing.T) {
	o := options.Options{Scenarios: []options.Scenario{options.ScenarioIdle}, Sessions: 50_001, URL: "ws://127.0.0.1:1/"}
	p := load.Plan{Options: o}
	if err := useSources(t.Context(), &p, netip.MustParseAddrPort("127.0.0.1:1")); err != nil {
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
		o := options.Options{Scenarios: []options.Scenario{options.ScenarioIdle}, Sessions: tc.sessions, Processes: tc.processes}
		got, _, err := split(o, tc.limit)
		if got != tc.want || (err != nil) != (tc.want == 0) {
			t.Errorf("split(%+v) = %d, %v, want %d", tc, got, err, tc.want)
		}
	}
	// Each peer of a call has a UDP socket besides its session's socket.
	for pairs, want := range map[int]int{4900: 1, 5100: 2} {
		o := options.Options{Scenarios: []options.Scenario{options.ScenarioCall}, Pairs: pairs}
		if got, _, err := split(o, 20_000); got != want || err != nil {
			t.Errorf("split for %d pairs that call, with 20,000 files = %d, %v, want %d", pairs, got, err, want)
		}
	}
}
