package loadtest

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"
)

// runAgainst runs relay against a service until all that it is to do wrong has been done. What is under way then may
// take as long as it needs to arrive, unless the service has lost it.
func runAgainst(t *testing.T, f fault, every, times int, change ...func(*Options)) (*relayService, *Result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := newRelayService(t, f, every, times, func(s *relayService) { s.done = cancel })
	o := Options{URL: s.url, Verify: true, Pairs: 4, Window: 8, Duration: time.Hour}
	for _, c := range change {
		c(&o)
	}
	r, err := run(ctx, o, nil, plan{Every: brisk, Grace: time.Second, Loops: 2})
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	if r.Failed != "" || ctx.Err() == context.DeadlineExceeded {
		t.Fatalf("%v: the run ended because of %q, with %d of %d faults", s, r.Failed, s.finished, times)
	}
	return s, r
}

// faults is what becomes of each of a service's frames that is treated badly: what verification must find, how often,
// and the errors that must be counted.
var faults = []struct {
	fault    fault
	findings map[Violation]int64
	errors   string // the code
}{
	{fault: drops, findings: map[Violation]int64{ViolationLost: 1}},
	{fault: duplicates, findings: map[Violation]int64{ViolationDuplicated: 1}},
	{fault: swaps, findings: map[Violation]int64{ViolationReordered: 1}},
	{fault: misroutes, findings: map[Violation]int64{ViolationMisrouted: 1, ViolationLost: 1}},
	{fault: mirrors, findings: map[Violation]int64{ViolationMisrouted: 1, ViolationLost: 1}},
	{fault: copies, findings: map[Violation]int64{ViolationMisrouted: 1}},
	{fault: corrupts, findings: map[Violation]int64{ViolationModified: 1}},
	{fault: corruptsMark, findings: map[Violation]int64{ViolationModified: 1}},
	{fault: rewrites, findings: map[Violation]int64{ViolationModified: 1}},
	{fault: truncates, findings: map[Violation]int64{ViolationModified: 1}},
	{fault: reformats, findings: map[Violation]int64{ViolationModified: 1}},
	{fault: invents, findings: map[Violation]int64{ViolationInvented: 1}},
	{fault: replays, findings: map[Violation]int64{ViolationDuplicated: 1}},
	{fault: overtakes},
	{fault: refuses, errors: "peer-unavailable"},
	{fault: refusesSilently, errors: codeNone},
	{fault: liesAboutRefusal, errors: "peer-overloaded", findings: map[Violation]int64{ViolationInvented: 1}},
	{fault: tellsTheWrongSide, errors: "peer-unavailable", findings: map[Violation]int64{ViolationLost: 1, ViolationInvented: 1}},
}

func TestAServiceThatCheatsIsFoundOut(t *testing.T) {
	for _, c := range faults {
		t.Run(strings.ReplaceAll(string(c.fault), " ", "-"), func(t *testing.T) {
			t.Parallel()
			const times = 5
			_, r := runAgainst(t, c.fault, 23, times)
			got, want := map[Violation]int64{}, map[Violation]int64{}
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
	for _, c := range []struct {
		fault fault
		kind  Violation
	}{
		{drops, ViolationLost}, {duplicates, ViolationDuplicated}, {swaps, ViolationReordered}, {misroutes, ViolationMisrouted}, {corrupts, ViolationModified},
	} {
		for loop, change := range map[string]func(*Options){
			"closed loop": func(*Options) {},
			"open loop":   func(o *Options) { o.Window, o.RelaysPerSecond = 0, 2000 },
		} {
			t.Run(string(c.fault)+", "+loop, func(t *testing.T) {
				t.Parallel()
				s, r := runAgainst(t, c.fault, 1000, 1, change)
				if got := r.Verification.Findings[c.kind].Count; got != 1 {
					t.Errorf("%v, once in %d frames, has %+v; wanted one %s", s, s.frames, r.Verification.Findings, c.kind)
				}
			})
		}
	}
}

func TestAnHonestServiceIsAccusedOfNothing(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"this project's": func(t *testing.T) string { return serve(t) },
		"a plain relay":  func(t *testing.T) string { return newRelayService(t, none, 0, 0).url },
	} {
		for loop, change := range map[string]func(*Options){
			"closed loop":    func(*Options) {},
			"window":         func(o *Options) { o.Window = 32 },
			"open loop":      func(o *Options) { o.RelaysPerSecond = 5000 },
			"smallest frame": func(o *Options) { o.Size, o.Window = MinSize, 4 },
			"largest frame":  func(o *Options) { o.Size, o.Window = MaxSize, 4 },
		} {
			t.Run(name+", "+loop, func(t *testing.T) {
				t.Parallel()
				o := briefly(url(t), ScenarioRelay)
				o.Pairs = 4
				change(&o)
				// On a machine that is short of memory a connection may stand still for longer than a run waits: what is
				// late must not count as lost here.
				r := mustRunWithGrace(t, o, time.Minute)
				// A service that cannot keep up may refuse frames, as long as it says so.
				sent, refused := r.Snapshot.Count(CounterRelaysSent), r.Snapshot.Count(CounterRelaysRefused)
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
