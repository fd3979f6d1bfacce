package loadtest

import (
	"strings"
	"testing"
)

func TestTheSummaryReadsWell(t *testing.T) {
	check, err := ParseCheck("p99<50ms,errors=0")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Result{"summary": fakeResult(), "summary-broken": brokenResult(), "summary-empty": {Options: fakeResult().Options, Failed: "the service went away"}} {
		golden(t, name, summary(r, check.Evaluate(r)))
	}
}

func TestTheSummaryOfEachScenarioSaysWhatWasRun(t *testing.T) {
	for s, want := range map[Scenario]string{
		ScenarioIdle: "1,000 sessions, held", ScenarioChurn: "1,000 sessions, over and over", ScenarioStorm: "drop at once and come back, beside 10 pairs",
		ScenarioSlow: "100 pairs, 10 stop reading", ScenarioCall: "10 pairs of WebRTC peers, 10 messages a call", ScenarioRelay: "closed loop, window 1",
	} {
		o := DefaultOptions()
		o.Scenarios = []Scenario{s}
		o, err := o.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if text := summary(&Result{Options: o}, nil); !strings.Contains(text, want) {
			t.Errorf("%s: %s\nwanted %q in it", s, text, want)
		}
	}
}

func TestControlCharactersOfAServiceDoNotReachTheTerminal(t *testing.T) {
	r := brokenResult()
	r.Failed = "the service said \x1b]0;owned\x07\u202e"
	r.Service.Command = "\x1b[2J"
	if text := summary(r, nil); strings.ContainsAny(text, "\x1b\x07\u202e") {
		t.Errorf("%q has control characters", text)
	}
}
