package loadtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// notices returns what a reader must know before the figures, the run's warnings among it.
func notices(r *Result) []Warning {
	var all []Warning
	if r.Failed != "" {
		all = append(all, Warning{"failed", "The run ended before its time: " + r.Failed + ". The figures are of the time until then."})
	}
	if r.Interrupted {
		all = append(all, Warning{"interrupted", "The run was interrupted. The figures are of the time until then."})
	}
	if r.Verification.Count() > 0 {
		all = append(all, Warning{"verification", "Verification failed: " + violationsText(r.Verification) + "."})
	}
	return append(all, r.Warnings...)
}

// describeRun says what was run, in one line.
func describeRun(r *Result) string {
	o := r.Options
	var parts []string
	for _, s := range o.Scenarios {
		part := describeScenario(o, s)
		if len(o.Scenarios) > 1 {
			part = string(s) + ": " + part
		}
		parts = append(parts, part)
	}
	text := strings.Join(parts, "; ")
	text += fmt.Sprintf("; %s measured", formatDuration(r.Measured))
	if o.Warmup > 0 && r.Measured > 0 {
		text += fmt.Sprintf(" after %s of warm-up", formatDuration(o.Warmup))
	}
	return text
}

func describeScenario(o Options, s Scenario) string {
	frames := "frames as browsers send them"
	if o.Size != 0 {
		frames = "frames of " + formatCount(int64(o.Size)) + " bytes"
	}
	pairs := formatCount(int64(o.PairsOf(s))) + " pairs"
	sessions := formatCount(int64(o.Sessions)) + " sessions"
	if o.Rate > 0 {
		sessions += fmt.Sprintf(", %s/s", formatRate(o.Rate))
	}
	switch s {
	case ScenarioIdle:
		return sessions + ", held"
	case ScenarioChurn:
		return sessions + ", over and over"
	case ScenarioStorm:
		return sessions + " drop at once and come back, beside " + pairs
	case ScenarioSlow:
		return pairs + ", " + formatCount(int64(o.SlowReaderCount())) + " stop reading, " + frames
	case ScenarioCall:
		return pairs + " of WebRTC peers, " + formatCount(int64(o.Messages)) + " messages a call"
	}
	if o.OpenLoop() {
		return pairs + ", open loop, " + formatRate(o.RelaysPerSecond) + " frames/s (" + string(o.Arrivals) + "), " + frames
	}
	return pairs + ", closed loop, window " + formatCount(int64(o.Window)) + ", " + frames
}

// latencyRows is the table of latencies, with its head.
func latencyRows(r *Result) [][]string {
	rows := [][]string{{"latency", "count", "mean", "p50", "p90", "p99", "p99.9", "max"}}
	for _, m := range measured(r) {
		d := r.Snapshot.Distribution(m)
		row := []string{m.Title(), formatCount(d.Count()), formatDuration(d.Mean())}
		for _, p := range []float64{50, 90, 99, 99.9} {
			row = append(row, formatDuration(d.Percentile(p)))
		}
		rows = append(rows, append(row, formatDuration(d.Max())))
	}
	if len(rows) == 1 {
		rows = append(rows, []string{"nothing was measured"})
	}
	return rows
}

// measured returns the metrics that have durations, those that the scenarios are about first.
func measured(r *Result) []Metric {
	var order []Metric
	for _, s := range r.Options.Scenarios {
		order = append(order, MetricsOf(s)...)
	}
	var with []Metric
	for _, m := range append(order, Metrics()...) {
		if r.Snapshot.Distribution(m).Count() > 0 && !slices.Contains(with, m) {
			with = append(with, m)
		}
	}
	return with
}

// fact is one line of what was found out beside latencies.
type fact struct{ label, text string }

// facts returns what was found out beside latencies.
func facts(r *Result) []fact {
	var all []fact
	add := func(label, format string, arguments ...any) {
		all = append(all, fact{label, fmt.Sprintf(format, arguments...)})
	}
	for i, s := range r.Options.Scenarios {
		label := ""
		if i == 0 {
			label = "rate"
		}
		c, of := CounterOf(s), ""
		if c == CounterRelaysDelivered && len(r.Options.Scenarios) > 1 {
			of = " in all scenarios"
		}
		add(label, "%s %s/s%s (%s)", formatRate(r.Rate(c)), c.Noun(), of, formatCount(r.Snapshot.Count(c)))
	}
	if !onlyChurn(r.Options) {
		add("sessions", "%s at most, %s wanted", formatCount(r.PeakSessions), formatCount(int64(r.Options.TotalSessions())))
	}
	if back := r.Snapshot.Distribution(MetricReturn); back.Count() > 0 {
		add("back", "50 %% after %s, 90 %% after %s, 99 %% after %s, all %s after %s", formatDuration(back.Percentile(50)),
			formatDuration(back.Percentile(90)), formatDuration(back.Percentile(99)), formatCount(back.Count()), formatDuration(back.Max()))
		if missing := r.Snapshot.Count(CounterDropped) - r.Snapshot.Count(CounterReturned); missing > 0 {
			add("", "%s of %s did not come back", formatCount(missing), formatCount(r.Snapshot.Count(CounterDropped)))
		}
	}
	if started := r.Snapshot.Count(CounterCallsStarted); started > 0 {
		add("calls", "%s of %s connected, %s failed; %s messages sent, %s echoed", formatCount(r.Snapshot.Count(CounterCallsConnected)),
			formatCount(started), formatCount(r.Snapshot.Count(CounterCallsFailed)), formatCount(r.Snapshot.Count(CounterMessagesSent)),
			formatCount(r.Snapshot.Count(CounterMessagesReceived)))
	}
	if r.Snapshot.ErrorCount() == 0 {
		add("errors", "none")
	} else {
		add("errors", "%s", errorsText(r.Snapshot.Errors()))
	}
	if len(r.Snapshot.Closes()) > 0 {
		var parts []string
		for _, code := range slices.Sorted(maps.Keys(r.Snapshot.Closes())) {
			parts = append(parts, fmt.Sprintf("%d × %s", code, formatCount(r.Snapshot.Closes()[code])))
		}
		add("closed", "by the service, with status %s", strings.Join(parts, ", "))
	}
	if v := r.Verification; v.Done && v.Count() == 0 {
		add("verified", "%s frames: each arrived once, in order, unmodified, at the right one", formatCount(v.Checked))
	} else if v.Done {
		add("verified", "FAILED, %s frames: %s", formatCount(v.Checked), violationsText(v))
		for _, kind := range Violations() {
			if finding := v.Findings[kind]; finding.Example != "" {
				add("", "%s: %s", kind, finding.Example)
			}
		}
	}
	if r.Service != nil {
		add("service", "%s", serviceSummary(r))
	}
	add("generator", "%s", generatorSummary(r))
	add("machine", "%s", machineText(r.Machine))
	add("seed", "%d", r.Options.Seed)
	return all
}

// onlyChurn says whether no session is there to stay, so that it says nothing how many there were at a time.
func onlyChurn(o Options) bool { return len(o.Scenarios) == 1 && o.Has(ScenarioChurn) }

func violationsText(v Verification) string {
	var parts []string
	for _, kind := range Violations() {
		if n := v.Findings[kind].Count; n > 0 {
			parts = append(parts, formatCount(n)+" "+string(kind))
		}
	}
	return strings.Join(parts, ", ")
}

func errorsText(errors map[string]int64) string {
	var parts []string
	for _, code := range byCount(errors) {
		parts = append(parts, code+" "+formatCount(errors[code]))
	}
	return strings.Join(parts, ", ")
}

func serviceSummary(r *Result) string {
	s := r.Service
	parts := []string{fmt.Sprintf("%s (process %d)", s.Command, s.PID)}
	if r.Measured > 0 {
		parts = append(parts, fmt.Sprintf("%s cores, %s at most", significant(s.CPU.Seconds()/r.Measured.Seconds()), significant(s.PeakCPU)))
	}
	if s.CPUPerRelay > 0 {
		parts = append(parts, formatDuration(s.CPUPerRelay)+" of CPU a relay")
	}
	parts = append(parts, formatBytes(float64(s.PeakRSS))+" at most")
	if s.BytesPerSession > 0 {
		parts = append(parts, formatBytes(s.BytesPerSession)+" a session (if it was freshly started)")
	}
	files := formatCount(s.PeakFiles)
	if s.FileLimit > 0 {
		files += " of " + formatCount(s.FileLimit)
	}
	return strings.Join(append(parts, files+" files"), "; ")
}

func generatorSummary(r *Result) string {
	g := r.Generator
	parts := []string{"1 process"}
	if g.Processes > 1 {
		parts[0] = fmt.Sprintf("%d processes", g.Processes)
	}
	parts = append(parts,
		fmt.Sprintf("%s of %d cores, %s at most", significant(g.MeanCPU), g.Cores, significant(g.PeakCPU)),
		formatBytes(float64(g.PeakRSS))+" at most")
	if g.BytesPerSession > 0 {
		parts = append(parts, formatBytes(g.BytesPerSession)+" a session")
	}
	return strings.Join(parts, "; ")
}

func machineText(m Machine) string {
	parts := []string{fmt.Sprintf("%d cores", m.Cores)}
	if m.CPU != "" {
		parts[0] += " (" + m.CPU + ")"
	}
	if m.Memory > 0 {
		parts = append(parts, formatBytes(float64(m.Memory)))
	}
	for _, part := range []string{m.System, m.Go} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// byCount returns keys, those that came most often first.
func byCount(m map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[b], m[a]), strings.Compare(a, b))
	})
}
