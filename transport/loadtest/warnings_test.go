package loadtest

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// lateRun is a run on 2 cores that used so many of them; each metric has 1000 times the same duration.
func lateRun(cpu float64, durations map[Metric]time.Duration, scenarios ...Scenario) *coordinator {
	var r Recorder
	for m, d := range durations {
		for range 1000 {
			r.Observe(m, d)
		}
	}
	return &coordinator{result: &Result{
		Options: Options{Scenarios: scenarios}, Snapshot: *r.Take(), Measured: 10 * time.Second, PeakSessions: 1000,
		Generator: GeneratorFigures{Cores: 2, MeanCPU: cpu},
	}}
}

func TestAGeneratorThatWasLateIsSaid(t *testing.T) {
	const ms = time.Millisecond
	type durations = map[Metric]time.Duration
	for name, tc := range map[string]struct {
		run  *coordinator
		want string // code; "": none
		part string // of the text
	}{
		"call, its loops behind": {
			lateRun(1.5, durations{MetricCallSetup: 2 * time.Second, MetricLoopLag: 576 * ms}, ScenarioCall), WarningGenerator, "576 ms",
		},
		"churn, a tenth of the cycle behind": {
			lateRun(1.5, durations{MetricCycle: 10 * ms, MetricLoopLag: 2 * ms}, ScenarioChurn), WarningGenerator, "2.00 ms",
		},
		"churn, in time":          {lateRun(1.5, durations{MetricCycle: 10 * ms, MetricLoopLag: ms / 2}, ScenarioChurn), "", ""},
		"churn, as late as any":   {lateRun(1.5, durations{MetricCycle: ms, MetricLoopLag: ms / 10}, ScenarioChurn), "", ""},
		"churn, with little work": {lateRun(0.2, durations{MetricCycle: 10 * ms, MetricLoopLag: 8 * ms}, ScenarioChurn), WarningMachine, "machine was busy"},
		"relay, late": {
			lateRun(1.5, durations{MetricRelay: 40 * ms, MetricSendLag: 5191 * time.Microsecond}, ScenarioRelay), WarningGenerator, "5.19 ms",
		},
		"relay, its frames in time": {
			lateRun(1.5, durations{MetricRelay: 40 * ms, MetricSendLag: ms, MetricLoopLag: 20 * ms}, ScenarioRelay), "", "",
		},
		"relay beside calls": {
			lateRun(1.5, durations{MetricCallSetup: time.Second, MetricRelay: 4 * ms, MetricSendLag: 2 * ms}, ScenarioCall, ScenarioRelay), WarningGenerator, "relay: 4.00 ms",
		},
		"relay, slower than the other scenario": {
			lateRun(1.5, durations{MetricCycle: ms, MetricRelay: 40 * ms, MetricSendLag: 2 * ms}, ScenarioChurn, ScenarioRelay), "", "",
		},
		"bystanders of a storm": {
			lateRun(1.5, durations{MetricReturn: time.Second, MetricStormDuring: 4 * ms, MetricSendLag: ms}, ScenarioStorm), WarningGenerator, "bystanders",
		},
		"all cores": {lateRun(1.9, durations{MetricRelay: 40 * ms, MetricSendLag: ms}, ScenarioRelay), WarningGenerator, "1.90 of the 2"},
	} {
		t.Run(name, func(t *testing.T) { wantWarning(t, tc.run, tc.want, tc.part) })
	}
}

func TestAGeneratorThatWasLateWithLoginsIsSaid(t *testing.T) {
	for _, scenarios := range [][]Scenario{{ScenarioIdle}, {ScenarioIdle, ScenarioRelay}} {
		c := lateRun(0, map[Metric]time.Duration{MetricLogin: 20 * time.Millisecond}, scenarios...)
		for range 1000 {
			c.setUpLag.Observe(7 * time.Millisecond)
		}
		c.setUpCPU, c.setUpTime = 6*time.Second, 5*time.Second
		wantWarning(t, c, WarningGenerator, "7.00 ms")
		c.setUpCPU = time.Second / 10
		wantWarning(t, c, WarningMachine, "0.02 of 2 cores")
	}
}

// rawDuration is how Go writes durations with more digits than anybody reads.
var rawDuration = regexp.MustCompile(`\d\.\d{3,}|\d(ms|µs|s)\b`)

func wantWarning(t *testing.T, c *coordinator, code, part string) {
	t.Helper()
	var got Warning
	all := c.warnings()
	if len(all) > 0 {
		got = all[0]
	}
	if len(all) > 1 || got.Code != code || !strings.Contains(got.Text, part) || rawDuration.MatchString(got.Text) {
		t.Errorf("the warnings are %+v; want one with code %q and %q, and durations for people", all, code, part)
	}
}
