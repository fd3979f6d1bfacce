package display

import (
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/sample"
	"p2p-messaging/transport/loadtest/options"
)

func TestTheSummaryReadsWell(t *testing.T) {
	check, err := figures.ParseCheck("p99<50ms,errors=0")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*figures.Result{"summary": sample.Result(), "summary-broken": sample.Broken(), "summary-empty": {Options: sample.Result().Options, Failed: "the service went away"}} {
		golden(t, name, Summary(r, check.Evaluate(r)))
	}
}

func TestTheSummaryOfEachScenarioSaysWhatWasRun(t *testing.T) {
	for s, want := range map[options.Scenario]string{
		options.ScenarioIdle: "1,000 sessions, held", options.ScenarioChurn: "1,000 sessions, over and over", options.ScenarioStorm: "drop at once and come back, beside 10 pairs",
		options.ScenarioSlow: "100 pairs, 10 stop reading", options.ScenarioCall: "10 pairs of WebRTC peers, 10 messages a call", options.ScenarioRelay: "closed loop, window 1",
	} {
		o := options.DefaultOptions()
		o.Scenarios = []options.Scenario{s}
		o, err := o.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if text := Summary(&figures.Result{Options: o}, nil); !strings.Contains(text, want) {
			t.Errorf("%s: %s\nwanted %q in it", s, text, want)
		}
	}
}

func TestTheSummaryOfAStormSaysHowManyResumed(t *testing.T) {
	o := options.DefaultOptions()
	o.Scenarios, o.Keep = []options.Scenario{options.ScenarioStorm}, true
	o, err := o.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	r := &figures.Result{Options: o}
	r.Snapshot.Add(figures.CounterDropped, 1000)
	r.Snapshot.Add(figures.CounterReturned, 998)
	r.Snapshot.Add(figures.CounterResumed, 997)
	r.Snapshot.Observe(figures.MetricReturn, time.Second)
	text := Summary(r, nil)
	for _, want := range []string{"1,000 kept sessions drop at once", "997 resumed", "2 of 1,000 did not come back"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nwanted %q in it", text, want)
		}
	}
}

func TestTheSummaryOfAStormSaysThatNobodyCameBack(t *testing.T) {
	r := &figures.Result{Options: sample.Result().Options}
	r.Options.Scenarios = []options.Scenario{options.ScenarioStorm}
	r.Snapshot.Add(figures.CounterDropped, 1000)
	if text, want := Summary(r, nil), "back       1,000 of 1,000 did not come back"; !strings.Contains(text, want) {
		t.Errorf("%s\nwanted %q in it", text, want)
	}
}

func TestSessionsThatComeAndGoDoNotHideThatOthersAreMissing(t *testing.T) {
	r := &figures.Result{Options: sample.Result().Options, PeakSessions: 1200, Opened: 900}
	r.Options.Scenarios, r.Options.Sessions = []options.Scenario{options.ScenarioIdle, options.ScenarioChurn}, 1000
	if text, want := Summary(r, nil), "1,200 at most, those of churn among them; of the others 900, 1,000 wanted"; !strings.Contains(text, want) {
		t.Errorf("%s\nwanted %q in it", text, want)
	}
}

func TestControlCharactersOfAServiceDoNotReachTheTerminal(t *testing.T) {
	r := sample.Broken()
	r.Failed = "the service said \x1b]0;owned\x07\u202e"
	r.Service.Command = "\x1b[2J"
	if text := Summary(r, nil); strings.ContainsAny(text, "\x1b\x07\u202e") {
		t.Errorf("%q has control characters", text)
	}
}
