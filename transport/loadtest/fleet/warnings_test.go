package fleet

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
)

// lateRun is a run on 2 cores, where the generator used cpu cores. Each metric has the same duration 1000 times.
func lateRun(cpu float64, durations map[figures.Metric]time.Duration, scenarios ...options.Scenario) *coordinator {
	var r figures.Snapshot
	for m, d := range durations {
		for range 1000 {
			r.Observe(m, d)
		}
	}
	return &coordinator{result: &figures.Result{
		Options: options.Options{Scenarios: scenarios}, Snapshot: r, Measured: 10 * time.Second, Opened: 1000,
		Generator: figures.GeneratorFigures{Cores: 2, MeanCPU: cpu},
	}}
}

func TestAGeneratorThatWasLateIsSaid(t *testing.T) {
	const ms = time.Millisecond
	type durations = map[figures.Metric]time.Duration
	for name, tc := range map[string]struct {
		run  *coordinator
		want string // code; "": none
		part string // of the text
	}{
		"call, its loops behind": {
			lateRun(1.5, durations{figures.MetricCallSetup: 2 * time.Second, figures.MetricLoopLag: 576 * ms}, options.ScenarioCall), figures.WarningGenerator, "576 ms",
		},
		"churn, a tenth of the cycle behind": {
			lateRun(1.5, durations{figures.MetricCycle: 10 * ms, figures.MetricLoopLag: 2 * ms}, options.ScenarioChurn), figures.WarningGenerator, "2.00 ms",
		},
		"churn, in time":          {lateRun(1.5, durations{figures.MetricCycle: 10 * ms, figures.MetricLoopLag: ms / 2}, options.ScenarioChurn), "", ""},
		"churn, as late as any":   {lateRun(1.5, durations{figures.MetricCycle: ms, figures.MetricLoopLag: ms / 10}, options.ScenarioChurn), "", ""},
		"churn, with little work": {lateRun(0.2, durations{figures.MetricCycle: 10 * ms, figures.MetricLoopLag: 8 * ms}, options.ScenarioChurn), figures.WarningMachine, "machine was busy"},
		"relay, late": {
			lateRun(1.5, durations{figures.MetricRelay: 40 * ms, figures.MetricSendLag: 5191 * time.Microsecond}, options.ScenarioRelay), figures.WarningGenerator, "5.19 ms",
		},
		"relay, its frames in time": {
			lateRun(1.5, durations{figures.MetricRelay: 40 * ms, figures.MetricSendLag: ms, figures.MetricLoopLag: 20 * ms}, options.ScenarioRelay), "", "",
		},
		"relay beside calls": {
			lateRun(1.5, durations{figures.MetricCallSetup: time.Second, figures.MetricRelay: 4 * ms, figures.MetricSendLag: 2 * ms}, options.ScenarioCall, options.ScenarioRelay), figures.WarningGenerator, "relay: 4.00 ms",
		},
		"relay, slower than the other scenario": {
			lateRun(1.5, durations{figures.MetricCycle: ms, figures.MetricRelay: 40 * ms, figures.MetricSendLag: 2 * ms}, options.ScenarioChurn, options.ScenarioRelay), "", "",
		},
		"bystanders of a storm": {
			lateRun(1.5, durations{figures.MetricReturn: time.Second, figures.MetricStormDuring: 4 * ms, figures.MetricSendLag: ms}, options.ScenarioStorm), figures.WarningGenerator, "bystanders",
		},
		"churn without a complete cycle": {
			lateRun(1.5, durations{figures.MetricLogin: 10 * ms, figures.MetricLoopLag: ms}, options.ScenarioChurn), "", "",
		},
		"all cores, and nobody's latency": {lateRun(1.9, durations{figures.MetricSendLag: ms}, options.ScenarioSlow), figures.WarningGenerator, "1.90 of the 2"},
		"all cores":                       {lateRun(1.9, durations{figures.MetricRelay: 40 * ms, figures.MetricSendLag: ms}, options.ScenarioRelay), figures.WarningGenerator, "1.90 of the 2"},
	} {
		t.Run(name, func(t *testing.T) { wantWarning(t, tc.run, tc.want, tc.part) })
	}
}

func TestAGeneratorThatWasLateWithLoginsIsSaid(t *testing.T) {
	for _, scenarios := range [][]options.Scenario{{options.ScenarioIdle}, {options.ScenarioIdle, options.ScenarioRelay}} {
		c := lateRun(0, map[figures.Metric]time.Duration{figures.MetricLogin: 20 * time.Millisecond}, scenarios...)
		for range 1000 {
			c.setUpLag.Observe(7 * time.Millisecond)
		}
		c.setUpCPU, c.setUpTime = 6*time.Second, 5*time.Second
		wantWarning(t, c, figures.WarningGenerator, "7.00 ms")
		c.setUpCPU = time.Second / 10
		wantWarning(t, c, figures.WarningMachine, "0.02 of 2 cores")
	}
}

func TestSessionsThatDoNotComeBackAreSaid(t *testing.T) {
	c := lateRun(0, nil, options.ScenarioStorm)
	c.result.Snapshot.Add(figures.CounterDropped, 1000)
	c.result.Snapshot.Add(figures.CounterReturned, 990)
	wantWarning(t, c, figures.WarningNotBack, "10 of 1000 dropped")
	c.result.Interrupted = true
	wantWarning(t, c, "", "")
}

func TestAServiceThatKeepsNoSessionsIsSaid(t *testing.T) {
	c := lateRun(0, nil, options.ScenarioStorm)
	c.result.Options.Keep = true
	wantWarning(t, c, "", "") // the sessions have not dropped yet
	c.result.Snapshot.Add(figures.CounterDropped, 1000)
	c.result.Snapshot.Add(figures.CounterReturned, 1000)
	wantWarning(t, c, figures.WarningNotKept, "1000 of 1000 sessions")
	c.result.Snapshot.Add(figures.CounterResumed, 999)
	wantWarning(t, c, figures.WarningNotKept, "1 of 1000 sessions")
	c.result.Snapshot.Add(figures.CounterResumed, 1)
	wantWarning(t, c, "", "")
	c = lateRun(0, nil, options.ScenarioStorm)
	c.result.Snapshot.Add(figures.CounterDropped, 1000)
	c.result.Snapshot.Add(figures.CounterReturned, 1000)
	wantWarning(t, c, "", "")
	c.result.Snapshot.AddErrors("not-kept", 3)
	wantWarning(t, c, figures.WarningNotKept, "3 logins asked")
}

// rawDuration matches durations as Go writes them, with more digits than a person needs.
var rawDuration = regexp.MustCompile(`\d\.\d{3,}|\d(ms|µs|s)\b`)

func wantWarning(t *testing.T, c *coordinator, code, part string) {
	t.Helper()
	var got figures.Warning
	all := c.warnings()
	if len(all) > 0 {
		got = all[0]
	}
	if len(all) > 1 || got.Code != code || !strings.Contains(got.Text, part) || rawDuration.MatchString(got.Text) {
		t.Errorf("the warnings are %+v; want one with code %q and %q, and durations for people", all, code, part)
	}
}
