package display

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
)

// Notices returns what a reader must know before the figures. The run's warnings are among it.
func Notices(r *figures.Result) []figures.Warning {
	var all []figures.Warning
	if r.Failed != "" {
		all = append(all, figures.Warning{Code: "failed", Text: "The run ended before its time: " + r.Failed + ". The figures are of the time until then."})
	}
	if r.Interrupted {
		all = append(all, figures.Warning{Code: "interrupted", Text: "The run was interrupted. The figures are of the time until then."})
	}
	if r.Verification.Count() > 0 {
		all = append(all, figures.Warning{Code: "verification", Text: "Verification failed: " + DescribeViolations(r.Verification) + "."})
	}
	return append(all, r.Warnings...)
}

// DescribeRun returns one line that says what was run.
func DescribeRun(r *figures.Result) string {
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
	if o.Dialect == options.DialectPeerJS {
		text += "; in PeerJS's protocol"
	}
	text += fmt.Sprintf("; %s measured", figures.FormatDuration(r.Measured))
	if o.Warmup > 0 && r.Measured > 0 {
		text += fmt.Sprintf(" after %s of warm-up", figures.FormatDuration(o.Warmup))
	}
	return text
}

func describeScenario(o options.Options, s options.Scenario) string {
	frames := "frames as browsers send them"
	if o.Size != 0 {
		frames = "frames of " + figures.FormatCount(int64(o.Size)) + " bytes"
	}
	pairs := figures.FormatCount(int64(o.PairsOf(s))) + " pairs"
	sessions := figures.FormatCount(int64(o.Sessions)) + " sessions"
	if o.Rate > 0 {
		sessions += fmt.Sprintf(", %s/s", figures.FormatRate(o.Rate))
	}
	if o.Keep {
		sessions = strings.Replace(sessions, " sessions", " kept sessions", 1)
	}
	switch s {
	case options.ScenarioIdle:
		return sessions + ", held"
	case options.ScenarioChurn:
		return sessions + ", over and over"
	case options.ScenarioStorm:
		return sessions + " drop at once and come back, beside " + pairs
	case options.ScenarioSlow:
		return pairs + ", " + figures.FormatCount(int64(o.SlowReaderCount())) + " stop reading, " + frames
	case options.ScenarioCall:
		return pairs + " of WebRTC peers, " + figures.FormatCount(int64(o.Messages)) + " messages a call"
	}
	if o.OpenLoop() {
		return pairs + ", open loop, " + figures.FormatRate(o.RelaysPerSecond) + " frames/s (" + string(o.Arrivals) + "), " + frames
	}
	return pairs + ", closed loop, window " + figures.FormatCount(int64(o.Window)) + ", " + frames
}

// LatencyRows returns the table of latencies. The first row is its head.
func LatencyRows(r *figures.Result) [][]string {
	rows := [][]string{{"latency", "count", "mean", "p50", "p90", "p99", "p99.9", "max"}}
	for _, m := range Measured(r) {
		d := r.Snapshot.Distribution(m)
		row := []string{m.Title(), figures.FormatCount(d.Count()), figures.FormatDuration(d.Mean())}
		for _, p := range []float64{50, 90, 99, 99.9} {
			row = append(row, figures.FormatDuration(d.Percentile(p)))
		}
		rows = append(rows, append(row, figures.FormatDuration(d.Max())))
	}
	if len(rows) == 1 {
		rows = append(rows, []string{"nothing was measured"})
	}
	return rows
}

// Measured returns the metrics that were measured. The scenarios' own metrics come first.
func Measured(r *figures.Result) []figures.Metric {
	var order []figures.Metric
	for _, s := range r.Options.Scenarios {
		order = append(order, figures.MetricsOf(s)...)
	}
	var with []figures.Metric
	for _, m := range append(order, figures.Metrics()...) {
		if r.Snapshot.Distribution(m).Count() > 0 && !slices.Contains(with, m) {
			with = append(with, m)
		}
	}
	return with
}

// Fact is a line about the result. A line without a label belongs to the label above it.
type Fact struct{ Label, Text string }

// Facts returns everything about the result except for the latencies.
func Facts(r *figures.Result) []Fact {
	var all []Fact
	add := func(label, format string, arguments ...any) {
		all = append(all, Fact{label, fmt.Sprintf(format, arguments...)})
	}
	for i, s := range r.Options.Scenarios {
		label := ""
		if i == 0 {
			label = "rate"
		}
		c, of := figures.CounterOf(s), ""
		if c == figures.CounterRelaysDelivered && len(r.Options.Scenarios) > 1 {
			of = " in all scenarios"
		}
		add(label, "%s %s/s%s (%s)", figures.FormatRate(r.Rate(c)), c.Noun(), of, figures.FormatCount(r.Rated(c)))
	}
	switch total, churn := r.Options.TotalSessions(), r.Options.SessionsOf(options.ScenarioChurn); {
	case churn == 0:
		add("sessions", "%s at most, %s wanted", figures.FormatCount(r.PeakSessions), figures.FormatCount(int64(total)))
	case total > churn:
		add("sessions", "%s at most, those of churn among them; of the others %s, %s wanted", figures.FormatCount(r.PeakSessions),
			figures.FormatCount(r.Opened), figures.FormatCount(int64(total-churn)))
	}
	if back := r.Snapshot.Distribution(figures.MetricReturn); back.Count() > 0 {
		add("back", "50 %% after %s, 90 %% after %s, 99 %% after %s, all %s after %s", figures.FormatDuration(back.Percentile(50)),
			figures.FormatDuration(back.Percentile(90)), figures.FormatDuration(back.Percentile(99)), figures.FormatCount(back.Count()), figures.FormatDuration(back.Max()))
		if r.Options.Keep {
			add("", "%s resumed", figures.FormatCount(r.Snapshot.Count(figures.CounterResumed)))
		}
	}
	if missing := r.NotBack(); missing > 0 {
		label := ""
		if r.Snapshot.Distribution(figures.MetricReturn).Count() == 0 {
			label = "back"
		}
		add(label, "%s of %s did not come back", figures.FormatCount(missing), figures.FormatCount(r.Snapshot.Count(figures.CounterDropped)))
	}
	if started := r.Snapshot.Count(figures.CounterCallsStarted); started > 0 {
		add("calls", "%s of %s connected, %s failed; %s messages sent, %s echoed", figures.FormatCount(r.Snapshot.Count(figures.CounterCallsConnected)),
			figures.FormatCount(started), figures.FormatCount(r.Snapshot.Count(figures.CounterCallsFailed)), figures.FormatCount(r.Snapshot.Count(figures.CounterMessagesSent)),
			figures.FormatCount(r.Snapshot.Count(figures.CounterMessagesReceived)))
	}
	if r.Snapshot.ErrorCount() == 0 {
		add("errors", "none")
	} else {
		add("errors", "%s", errorsText(r.Snapshot.Errors()))
	}
	if len(r.Snapshot.Closes()) > 0 {
		var parts []string
		for _, code := range slices.Sorted(maps.Keys(r.Snapshot.Closes())) {
			parts = append(parts, fmt.Sprintf("%d × %s", code, figures.FormatCount(r.Snapshot.Closes()[code])))
		}
		add("closed", "by the service, with status %s", strings.Join(parts, ", "))
	}
	if v := r.Verification; v.Done && v.Count() == 0 {
		add("verified", "%s frames: each arrived once, in order, unmodified, at the right one", figures.FormatCount(v.Checked))
	} else if v.Done {
		add("verified", "FAILED, %s frames: %s", figures.FormatCount(v.Checked), DescribeViolations(v))
		for _, kind := range figures.Violations() {
			if finding := v.Findings[kind]; finding.Example != "" {
				add("", "%s: %s", kind, finding.Example)
			}
		}
	}
	if r.Service != nil {
		add("service", "%s", serviceSummary(r))
	}
	add("generator", "%s", generatorSummary(r))
	add("machine", "%s", DescribeMachine(r.Machine))
	add("seed", "%d", r.Options.Seed)
	return all
}

func DescribeViolations(v figures.Verification) string {
	var parts []string
	for _, kind := range figures.Violations() {
		if n := v.Findings[kind].Count; n > 0 {
			parts = append(parts, figures.FormatCount(n)+" "+string(kind))
		}
	}
	return strings.Join(parts, ", ")
}

func errorsText(errors map[string]int64) string {
	var parts []string
	for _, code := range byCount(errors) {
		parts = append(parts, code+" "+figures.FormatCount(errors[code]))
	}
	return strings.Join(parts, ", ")
}

func serviceSummary(r *figures.Result) string {
	s := r.Service
	parts := []string{fmt.Sprintf("%s (process %d)", s.Command, s.PID)}
	if r.Measured > 0 {
		parts = append(parts, fmt.Sprintf("%s cores, %s at most", figures.FormatSignificant(s.CPU.Seconds()/r.Measured.Seconds()), figures.FormatSignificant(s.PeakCPU)))
	}
	if s.CPUPerRelay > 0 {
		parts = append(parts, figures.FormatDuration(s.CPUPerRelay)+" of CPU a relay")
	}
	parts = append(parts, figures.FormatBytes(float64(s.PeakRSS))+" at most")
	if s.BytesPerSession > 0 {
		parts = append(parts, figures.FormatBytes(s.BytesPerSession)+" a session (if it was freshly started)")
	}
	files := figures.FormatCount(s.PeakFiles)
	if s.FileLimit > 0 {
		files += " of " + figures.FormatCount(s.FileLimit)
	}
	return strings.Join(append(parts, files+" files"), "; ")
}

func generatorSummary(r *figures.Result) string {
	g := r.Generator
	parts := []string{"1 process"}
	if g.Processes > 1 {
		parts[0] = fmt.Sprintf("%d processes", g.Processes)
	}
	parts = append(parts,
		fmt.Sprintf("%s of %d cores, %s at most", figures.FormatSignificant(g.MeanCPU), g.Cores, figures.FormatSignificant(g.PeakCPU)),
		figures.FormatBytes(float64(g.PeakRSS))+" at most")
	if g.BytesPerSession > 0 {
		parts = append(parts, figures.FormatBytes(g.BytesPerSession)+" a session")
	}
	return strings.Join(parts, "; ")
}

func DescribeMachine(m figures.Machine) string {
	parts := []string{fmt.Sprintf("%d cores", m.Cores)}
	if m.CPU != "" {
		parts[0] += " (" + m.CPU + ")"
	}
	if m.Memory > 0 {
		parts = append(parts, figures.FormatBytes(float64(m.Memory)))
	}
	for _, part := range []string{m.System, m.Go} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// byCount returns the keys of m, the highest count first.
func byCount(m map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(m[b], m[a]), strings.Compare(a, b))
	})
}
