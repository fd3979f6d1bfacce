package fleet

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

// runAgainst runs relay against a service until the service has cheated as often as it should. Frames under way then
// have as long as they need, unless the service lost them.
func runAgainst(t *testing.T, f services.Fault, every, times int, change ...func(*options.Options)) (*services.Relay, *figures.Result) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := services.NewRelay(t, f, every, times, func(s *services.Relay) { s.Done = cancel })
	o := options.Options{URL: s.URL, Verify: true, Pairs: 4, Window: 8, Duration: time.Hour}
	for _, c := range change {
		c(&o)
	}
	if o.Dialect == options.DialectPeerJS {
		o.URL = s.PeerJSURL()
	}
	r, err := run(ctx, o, nil, load.Plan{Every: brisk, Grace: time.Second, Loops: 2})
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	if r.Failed != "" {
		t.Fatalf("%v: the run ended because of %q, with %d of %d faults", s, r.Failed, s.Finished, times)
	}
	return s, r
}

// faults lists, for each way to cheat, what verification must find for every frame concerned, and the error that must
// be counted.
var faults = []struct {
	fault    services.Fault
	findings map[figures.Violation]int64
	errors   string // code of the error
}{
	{fault: services.Drops, findings: map[figures.Violation]int64{figures.ViolationLost: 1}},
	{fault: services.Duplicates, findings: map[figures.Violation]int64{figures.ViolationDuplicated: 1}},
	{fault: services.Swaps, findings: map[figures.Violation]int64{figures.ViolationReordered: 1}},
	{fault: services.Misroutes, findings: map[figures.Violation]int64{figures.ViolationMisrouted: 1, figures.ViolationLost: 1}},
	{fault: services.Mirrors, findings: map[figures.Violation]int64{figures.ViolationMisrouted: 1, figures.ViolationLost: 1}},
	{fault: services.Copies, findings: map[figures.Violation]int64{figures.ViolationMisrouted: 1}},
	{fault: services.Corrupts, findings: map[figures.Violation]int64{figures.ViolationModified: 1}},
	{fault: services.CorruptsMark, findings: map[figures.Violation]int64{figures.ViolationModified: 1}},
	{fault: services.Rewrites, findings: map[figures.Violation]int64{figures.ViolationModified: 1}},
	{fault: services.Truncates, findings: map[figures.Violation]int64{figures.ViolationModified: 1}},
	{fault: services.Reformats, findings: map[figures.Violation]int64{figures.ViolationModified: 1}},
	{fault: services.Invents, findings: map[figures.Violation]int64{figures.ViolationInvented: 1}},
	{fault: services.Replays, findings: map[figures.Violation]int64{figures.ViolationDuplicated: 1}},
	{fault: services.Overtakes},
	{fault: services.Refuses, errors: "peer-unavailable"},
	{fault: services.RefusesSilently, errors: "error"},
	{fault: services.LiesAboutRefusal, errors: "peer-overloaded", findings: map[figures.Violation]int64{figures.ViolationInvented: 1}},
	{fault: services.TellsTheWrongSide, errors: "peer-unavailable", findings: map[figures.Violation]int64{figures.ViolationLost: 1, figures.ViolationInvented: 1}},
}

func TestAServiceThatCheatsIsFoundOut(t *testing.T) { findOut(t) }

// TestAPeerJSServerThatCheatsIsFoundOut has the same faults in PeerJS's protocol. It has one error for everything, and lets a server
// set white space.
func TestAPeerJSServerThatCheatsIsFoundOut(t *testing.T) {
	findOut(t, func(o *options.Options) { o.Dialect = options.DialectPeerJS })
}

func findOut(t *testing.T, change ...func(*options.Options)) {
	for _, c := range faults {
		if len(change) > 0 {
			if c.errors != "" {
				c.errors = "expired"
			}
			if c.fault == services.Reformats {
				c.findings = nil
			}
		}
		t.Run(strings.ReplaceAll(string(c.fault), " ", "-"), func(t *testing.T) {
			t.Parallel()
			const times = 5
			_, r := runAgainst(t, c.fault, 23, times, change...)
			got, want := map[figures.Violation]int64{}, map[figures.Violation]int64{}
			for kind, finding := range r.Verification.Findings {
				got[kind] = finding.Count
				if finding.Example == "" {
					t.Errorf("%d are %s, without an example", finding.Count, kind)
				}
			}
			for kind, n := range c.findings {
				want[kind] = n * times
			}
			if !maps.Equal(got, want) {
				t.Errorf("a service that %s %d times has %v; wanted %v", c.fault, times, r.Verification.Findings, want)
			}
			errors := map[string]int64{}
			if c.errors != "" {
				errors[c.errors] = times
			}
			if got := r.Snapshot.Errors(); !maps.Equal(got, errors) {
				t.Errorf("a service that %s %d times has the errors %v; wanted %v", c.fault, times, got, errors)
			}
		})
	}
}

func TestOneFrameInAThousandIsFoundOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault services.Fault
		kind  figures.Violation
	}{
		{services.Drops, figures.ViolationLost}, {services.Duplicates, figures.ViolationDuplicated}, {services.Swaps, figures.ViolationReordered}, {services.Misroutes, figures.ViolationMisrouted}, {services.Corrupts, figures.ViolationModified},
	} {
		for loop, change := range map[string]func(*options.Options){
			"closed loop": func(*options.Options) {},
			"open loop":   func(o *options.Options) { o.Window, o.RelaysPerSecond = 0, 2000 },
		} {
			t.Run(string(c.fault)+", "+loop, func(t *testing.T) {
				t.Parallel()
				s, r := runAgainst(t, c.fault, 1000, 1, change)
				if got := r.Verification.Findings[c.kind].Count; got != 1 {
					t.Errorf("%v, once in %d frames, has %+v; wanted one %s", s, s.Frames, r.Verification.Findings, c.kind)
				}
			})
		}
	}
}

func TestAnHonestServiceIsAccusedOfNothing(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"this project's": func(t *testing.T) string { return services.Serve(t) },
		"a plain relay":  func(t *testing.T) string { return services.NewRelay(t, services.None, 0, 0).URL },
	} {
		for loop, change := range map[string]func(*options.Options){
			"closed loop":    func(*options.Options) {},
			"window":         func(o *options.Options) { o.Window = 32 },
			"open loop":      func(o *options.Options) { o.RelaysPerSecond = 5000 },
			"smallest frame": func(o *options.Options) { o.Size, o.Window = options.MinSize, 4 },
			"largest frame":  func(o *options.Options) { o.Size, o.Window = options.MaxSize, 4 },
		} {
			t.Run(name+", "+loop, func(t *testing.T) {
				t.Parallel()
				o := briefly(url(t), options.ScenarioRelay)
				o.Pairs = 4
				change(&o)
				// If the machine is short of memory, a connection may stand still for longer than a run usually waits.
				// A late frame must not count as lost here.
				r := mustRunWithGrace(t, o, time.Minute)
				// A service that cannot keep up may refuse frames if it says so.
				sent, refused := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysRefused)
				if r.Verification.Count() != 0 || r.Verification.Checked == 0 || r.Verification.Checked+refused != sent {
					t.Errorf("of %d frames %d were verified and %d refused, with %+v; wanted all, with nothing", sent, r.Verification.Checked, refused, r.Verification.Findings)
				}
				if got := r.Snapshot.Errors(); r.Snapshot.ErrorCount() != refused || got["peer-overloaded"] != refused {
					t.Errorf("%d frames were refused, with the errors %v; wanted peer-overloaded for each", refused, got)
				}
			})
		}
	}
}
