package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"p2p-messaging/transport/loadtest/figures"
)

// document is what --json prints.
type document struct {
	Format       string            `json:"format"`
	Machine      host              `json:"machine"`
	Versions     map[string]string `json:"versions"`
	Services     []string          `json:"services"`
	Sessions     int               `json:"idle_sessions"`
	IdleS        float64           `json:"idle_s"`
	Measurements []measurement     `json:"measurements"`
}

const documentFormat = "p2p-messaging-compare/1"

type host struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	System string `json:"system"`
}

func newHost(m figures.Machine) host { return host{m.CPU, m.Cores, m.System} }

const (
	// generatorLimit is the share of its core above which the generator, not the service, is the limit.
	generatorLimit = 0.95
	// disturbance is the share of a core that other programs may use before figures are doubtful.
	disturbance = 0.05

	limitMark   = "†"
	disturbMark = "~"
)

// String returns the outcome in one line, as the comparison prints it while it runs.
func (m measurement) String() string {
	if m.Failed != "" {
		return "failed: " + m.Failed
	}
	var b strings.Builder
	if m.FreshAnonymous > 0 {
		fmt.Fprintf(&b, "%s bytes a session", figures.FormatRate(m.bytesPerSession()))
	} else {
		fmt.Fprintf(&b, "%s/s, %s of CPU each, p99 %s", figures.FormatRate(m.rate()), formatSeconds(m.cpuPerUnit()), formatMicro(m.P99))
	}
	fmt.Fprintf(&b, "; cores: service %.2f, generator %.2f, others %.2f and %.2f", m.serviceShare(), m.generatorShare(), m.OthersService, m.OthersOwn)
	return b.String()
}

// row is one figure of a scenario.
type row struct {
	title  string
	of     func(outcome) float64
	format func(float64) string
	more   bool // more is better
}

// rows returns the figures of a scenario, the main one first.
func rows(s scenario) []row {
	cpu := row{"CPU for each relay", outcome.cpuPerUnit, formatSeconds, false}
	p50 := row{"p50", func(f outcome) float64 { return f.P50 }, formatMicro, false}
	p99 := row{"p99", func(f outcome) float64 { return f.P99 }, formatMicro, false}
	switch {
	case s.Cycles:
		cpu.title = "CPU for each cycle"
		return []row{{"cycles/s", outcome.rate, figures.FormatRate, true}, cpu}
	case s.Offered > 0:
		return []row{cpu, p50, p99}
	case s.Window > 0:
		return []row{
			{"relays/s", outcome.rate, figures.FormatRate, true}, cpu, p50, p99,
			{"slowest pair, of the mean", func(f outcome) float64 { return f.LeastShare }, formatShare, true},
		}
	}
	return []row{
		{"bytes a session", outcome.bytesPerSession, figures.FormatRate, false},
		{"resident memory in all", func(f outcome) float64 { return float64(f.RSS) }, figures.FormatBytes, false},
		{"CPU, of one core", outcome.serviceShare, formatShare, false},
		{"pings sent", func(f outcome) float64 { return float64(f.Pings) }, formatPings, false},
	}
}

func formatSeconds(s float64) string { return formatMicro(1e6 * s) }

func formatMicro(us float64) string {
	return figures.FormatDuration(time.Duration(us * float64(time.Microsecond)))
}

func formatShare(v float64) string {
	return figures.FormatRate(100*v) + " %"
}

func formatPings(v float64) string { return figures.FormatRate(v) }

// median returns the middle one of the values. For an even number of values it is the mean of the middle two.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// of returns the measurements of a service in a scenario. If some of them were undisturbed, it returns only these.
func (d *document) of(service, scenario string) (all []measurement) {
	for _, m := range d.Measurements {
		if m.Service == service && m.Scenario == scenario && m.Failed == "" {
			all = append(all, m)
		}
	}
	if calm := slices.DeleteFunc(slices.Clone(all), measurement.disturbed); len(calm) > 0 {
		return calm
	}
	return all
}

func medianOf(all []measurement, of func(outcome) float64) float64 {
	values := make([]float64, len(all))
	for i, m := range all {
		values[i] = of(m.outcome)
	}
	return median(values)
}

// marks returns signs for what a reader of these measurements must know.
func marks(all []measurement) (text string) {
	if medianOf(all, outcome.generatorShare) >= generatorLimit {
		text += limitMark
	}
	if slices.ContainsFunc(all, measurement.disturbed) {
		text += disturbMark
	}
	return text
}

// title returns the head of a service's column.
func (d *document) title(service string) string {
	version := func(name, key string) string {
		return strings.TrimSpace(name + " " + d.Versions[key])
	}
	switch service {
	case "floor":
		return "floor: " + version("gws", "gws")
	case "bun":
		return version("Bun", "bun")
	case "unchecked":
		return version("Bun", "bun") + ", unchecked"
	case "batched":
		return version("Bun", "bun") + ", batched"
	case "ours-peerjs":
		return "ours, PeerJS's protocol"
	case "peerjs":
		return version("PeerJS", "peer")
	}
	return service
}

// rivals is this project's service and another one, which the table compares.
type rivals struct{ ours, other string }

// rivals returns what is compared: this project's service with each other one, and with PeerJS's server in the same protocol if it
// was measured in it.
func (d *document) rivals() (all []rivals) {
	for _, other := range d.Services {
		ours := "ours"
		if other == "peerjs" && slices.Contains(d.Services, "ours-peerjs") {
			ours = "ours-peerjs"
		}
		if ours != other && slices.Contains(d.Services, ours) {
			all = append(all, rivals{ours, other})
		}
	}
	return all
}

// table returns the Markdown table. It has a row for each figure, a column for each service, and a column for each comparison.
func (d *document) table() string {
	var b strings.Builder
	compared := d.rivals()
	cells := []string{""}
	for _, s := range d.Services {
		cells = append(cells, d.title(s))
	}
	for _, c := range compared {
		cells = append(cells, c.ours+" : "+c.other)
	}
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(cells)
	b.WriteString("|---|" + strings.Repeat("---:|", len(cells)-1) + "\n")
	all := ""
	for _, sc := range scenarios() {
		if !slices.ContainsFunc(d.Measurements, func(m measurement) bool { return m.Scenario == sc.Name }) {
			continue
		}
		for n, r := range rows(sc) {
			title := r.title
			if n == 0 {
				title = "**" + d.heading(sc) + "**: " + r.title
			}
			cells := []string{title}
			for _, s := range d.Services {
				text := "failed"
				if found := d.of(s, sc.Name); len(found) > 0 {
					text = r.format(medianOf(found, r.of))
					if m := marks(found); n == 0 && m != "" {
						text += " " + m
						all += m
					}
				}
				cells = append(cells, text)
			}
			for _, c := range compared {
				text := ratio(r, d.of(c.ours, sc.Name), d.of(c.other, sc.Name))
				if strings.Contains(text, disturbMark) {
					all += disturbMark
				}
				cells = append(cells, text)
			}
			line(cells)
		}
	}
	b.WriteString("\n" + d.caption(len(compared) > 0, all))
	return b.String()
}

func (d *document) heading(s scenario) string {
	if s.holds() {
		return fmt.Sprintf("%s %s, %v s", figures.FormatRate(float64(d.Sessions)), s.Title, d.IdleS)
	}
	return s.Title
}

// ratio says how much better ours is; above 1 it is better. The speed of a shared machine changes from minute to
// minute. So only measurements of the same round are compared, and the result is the median of the rounds' ratios.
func ratio(r row, ours, other []measurement) string {
	if r.title == "pings sent" {
		return ""
	}
	better := func(a, b float64) float64 {
		if !r.more {
			a, b = b, a
		}
		if a <= 0 || b <= 0 {
			return 0
		}
		return a / b
	}
	var ratios []float64
	for _, m := range ours {
		for _, n := range other {
			if m.Round == n.Round {
				ratios = append(ratios, better(r.of(m.outcome), r.of(n.outcome)))
			}
		}
	}
	apart := len(ratios) == 0 && len(ours) > 0 && len(other) > 0 // each round was disturbed for one of them
	if apart {
		ratios = []float64{better(medianOf(ours, r.of), medianOf(other, r.of))}
	}
	if len(ratios) == 0 || slices.Contains(ratios, 0) {
		return ""
	}
	text := fmt.Sprintf("%.2f", median(ratios))
	if apart || slices.ContainsFunc(ours, measurement.disturbed) || slices.ContainsFunc(other, measurement.disturbed) {
		text += " " + disturbMark
	}
	return text
}

// caption returns the text below the table.
func (d *document) caption(ratios bool, marks string) string {
	rounds := 0
	for _, m := range d.Measurements {
		rounds = max(rounds, m.Round)
	}
	var versions []string
	for _, v := range [][2]string{{"Go", "go"}, {"gws", "gws"}, {"Bun", "bun"}, {"peer", "peer"}, {"Node", "node"}} {
		if d.Versions[v[1]] != "" {
			versions = append(versions, v[0]+" "+d.Versions[v[1]])
		}
	}
	text := fmt.Sprintf("%s, %d cores, %s; %s. The service has one core, the load another; medians of %d rounds, of those that nothing disturbed.", d.Machine.CPU, d.Machine.Cores, d.Machine.System,
		strings.Join(versions, ", "), rounds)
	if rounds == 1 {
		text = strings.Replace(text, "medians of 1 rounds, of those that nothing disturbed", "one round", 1)
	}
	if ratios {
		text += " Ratios are medians of each round's; above 1: ours is better."
	}
	if strings.Contains(marks, limitMark) {
		text += " " + limitMark + ": the generator was the limit; the service could do more."
	}
	if strings.Contains(marks, disturbMark) {
		text += " " + disturbMark + ": in every round other programs used more than 5 % of one of the two cores."
	}
	return text + "\n"
}
