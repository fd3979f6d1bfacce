// Package display shows a run as text: its progress on a terminal while it lasts, and a summary at the end.
package display

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"

	"golang.org/x/term"
)

// plainInterval is the time between two lines of a Display that is not on a terminal.
const plainInterval = 5 * time.Second

// Display shows how a run goes. On a terminal it is a panel that is redrawn every second. Elsewhere it is a line from
// time to time.
type Display struct {
	w       io.Writer
	options options.Options
	width   func() int // returns the number of columns of the terminal; nil: w is not a terminal
	color   bool       // the terminal shows colours

	drawn   int // lines of the panel that are on the terminal
	history map[options.Scenario][]float64
	phase   figures.Phase // plain: phase of the last line
	next    time.Duration // plain: when the next line is due
}

// historyLength is the number of seconds for which the panel shows the rate.
const historyLength = 24

// Show shows a second of the run.
func (d *Display) Show(p figures.Progress) {
	if d.history == nil {
		d.history = make(map[options.Scenario][]float64)
	}
	for _, s := range d.options.Scenarios {
		h := append(d.history[s], p.Point.Rates[figures.CounterOf(s)])
		d.history[s] = h[max(0, len(h)-historyLength):]
	}
	var out strings.Builder
	d.erase(&out)
	for _, note := range p.Notes {
		out.WriteString(figures.Printable(note) + "\n")
	}
	switch {
	case d.width != nil:
		for _, line := range d.panel(p) {
			out.WriteString(line + "\n")
			d.drawn++
		}
	case p.Phase != d.phase || p.Elapsed >= d.next:
		d.phase, d.next = p.Phase, p.Elapsed+plainInterval-time.Second/2 // reports do not come at exact seconds
		out.WriteString(d.plainLine(p) + "\n")
	}
	_, _ = io.WriteString(d.w, out.String()) // if nobody can see the progress, the run still has figures
}

// End removes the panel.
func (d *Display) End() {
	var out strings.Builder
	d.erase(&out)
	_, _ = io.WriteString(d.w, out.String())
}

// erase moves the cursor to the start of the panel and clears everything below it (ECMA-48: CUU, ED).
func (d *Display) erase(out *strings.Builder) {
	if d.drawn > 0 {
		fmt.Fprintf(out, "\r\x1b[%dA\x1b[J", d.drawn)
		d.drawn = 0
	}
}

// style is a way to emphasize text (ECMA-48: SGR).
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "1;31"
	normal style = ""
)

// panel returns the lines of the panel. None of them is wider than the terminal.
func (d *Display) panel(p figures.Progress) []string {
	var lines []string
	line := func(label string, s style, text string) {
		const column = 11
		text = cut(text, d.width()-column-1)
		label = cut(fmt.Sprintf("%-*s", column, label), d.width()-1)
		lines = append(lines, d.styled(dim, label)+d.styled(s, text))
	}
	line(cut(d.options.ScenarioList(), 10), bold, d.progressLine(p))
	errors := int64(0)
	if p.Totals != nil {
		errors = p.Totals.ErrorCount()
	}
	line("sessions", normal, sessionsText(p))
	if p.Phase == figures.PhaseSetUp {
		line("logins", normal, latencyText(p.Point, figures.CounterLoggedIn, figures.MetricLogin))
	} else {
		for _, s := range d.options.Scenarios {
			text := latencyText(p.Point, figures.CounterOf(s), liveMetric(s, p.Point))
			line(string(s), normal, text+"  "+sparkline(d.history[s]))
			for _, beside := range besideTexts(s, p.Point) {
				line("", normal, beside)
			}
		}
	}
	if errors > 0 {
		line("errors", red, errorsText(p.Totals.Errors()))
	} else {
		line("errors", normal, "none")
	}
	line("generator", normal, generatorText(p.Point))
	if p.Point.ServiceKnown {
		line("service", normal, serviceText(p.Point))
	}
	return lines
}

func (d *Display) styled(s style, text string) string {
	if !d.color || s == normal || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func (d *Display) progressLine(p figures.Progress) string {
	text := figures.FormatClock(p.Elapsed) + "  " + p.Phase.Title()
	done := 0.0
	switch {
	case p.Phase == figures.PhaseSetUp && p.Wanted > 0:
		done = float64(p.Point.Sessions) / float64(p.Wanted)
	case p.Phase == figures.PhaseMeasuring && d.options.Duration > 0:
		done = 1 - p.Left.Seconds()/d.options.Duration.Seconds()
		text += ", " + figures.FormatClock(p.Left) + " left"
	default:
		return text
	}
	const width = 24
	full := int(min(max(done, 0), 1) * width)
	return text + "  " + strings.Repeat("━", full) + strings.Repeat("╌", width-full)
}

// liveMetric returns the latency to show for a scenario: the first of its metrics that was measured in this second.
func liveMetric(s options.Scenario, p figures.Point) figures.Metric {
	for _, m := range figures.MetricsOf(s) {
		if p.Latency[m].Count > 0 {
			return m
		}
	}
	return figures.MetricsOf(s)[0]
}

func sessionsText(p figures.Progress) string {
	text := figures.FormatCount(p.Point.Sessions)
	if p.Wanted > 0 {
		text += " of " + figures.FormatCount(p.Wanted)
	}
	return text
}

func latencyText(p figures.Point, c figures.Counter, m figures.Metric) string {
	q := p.Latency[m]
	text := fmt.Sprintf("%8s %s/s", figures.FormatRate(p.Rates[c]), c.Noun())
	if q.Count == 0 {
		return text
	}
	return text + "  " + quantilesText(q)
}

func quantilesText(q figures.Quantiles) string {
	return fmt.Sprintf("p50 %s  p99 %s  max %s", figures.FormatDuration(q.P50), figures.FormatDuration(q.P99), figures.FormatDuration(q.Max))
}

// besideTexts returns the other latencies of a scenario, such as those of bystanders.
func besideTexts(s options.Scenario, p figures.Point) []string {
	var texts []string
	for _, m := range figures.MetricsOf(s) {
		if q := p.Latency[m]; q.Count > 0 && m != liveMetric(s, p) {
			texts = append(texts, m.Title()+"  "+quantilesText(q))
		}
	}
	return texts
}

func generatorText(p figures.Point) string {
	text := figures.FormatSignificant(p.GeneratorCPU) + " cores, " + figures.FormatBytes(float64(p.GeneratorRSS))
	if lag := p.Latency[figures.MetricSendLag]; lag.Count > 0 {
		text += ", send lag p99 " + figures.FormatDuration(lag.P99)
	}
	return text
}

func serviceText(p figures.Point) string {
	return fmt.Sprintf("%s cores, %s, %s files", figures.FormatSignificant(p.ServiceCPU), figures.FormatBytes(float64(p.ServiceRSS)), figures.FormatCount(p.ServiceFiles))
}

// plainLine returns the panel's content as one line.
func (d *Display) plainLine(p figures.Progress) string {
	parts := []string{figures.FormatClock(p.Elapsed) + " " + p.Phase.Title(), "sessions " + sessionsText(p)}
	if p.Phase == figures.PhaseSetUp {
		parts = append(parts, strings.TrimSpace(latencyText(p.Point, figures.CounterLoggedIn, figures.MetricLogin)))
	} else {
		for _, s := range d.options.Scenarios {
			parts = append(parts, string(s)+" "+strings.TrimSpace(latencyText(p.Point, figures.CounterOf(s), liveMetric(s, p.Point))))
			parts = append(parts, besideTexts(s, p.Point)...)
		}
	}
	if p.Totals != nil && p.Totals.ErrorCount() > 0 {
		parts = append(parts, "errors "+errorsText(p.Totals.Errors()))
	} else {
		parts = append(parts, "errors none")
	}
	parts = append(parts, "generator "+generatorText(p.Point))
	if p.Point.ServiceKnown {
		parts = append(parts, "service "+serviceText(p.Point))
	}
	return strings.Join(parts, " | ")
}

// sparkline draws values as blocks beside each other. The highest value is a full block.
func sparkline(values []float64) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	highest := 0.0
	for _, v := range values {
		highest = max(highest, v)
	}
	if highest == 0 {
		return ""
	}
	var out strings.Builder
	for _, v := range values {
		out.WriteRune(blocks[int(max(v, 0)/highest*float64(len(blocks)-1)+0.5)])
	}
	return out.String()
}

// cut shortens text to a number of columns. All characters that are shown are one column wide.
func cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	if columns < 1 {
		return ""
	}
	return string([]rune(text)[:columns-1]) + "…"
}

// New returns a Display on w. It draws a panel if w is a terminal that can move its cursor.
func New(w io.Writer, o options.Options) *Display {
	d := &Display{w: w, options: o}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return d
	}
	d.color = os.Getenv("NO_COLOR") == ""
	d.width = func() int {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			return columns
		}
		return 80
	}
	return d
}
