package display

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"p2p-messaging/transport/loadtest/figures"
)

// Summary returns the text that a terminal shows at the end of a run.
func Summary(r *figures.Result, checks []figures.Outcome) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s on %s\n%s\n\n", r.Options.ScenarioList(), r.Options.RedactedURL(), DescribeRun(r))
	out.WriteString(table(LatencyRows(r)))
	out.WriteString("\n")
	for _, f := range Facts(r) {
		fmt.Fprintf(&out, "%-11s%s\n", f.Label, f.Text)
	}
	if len(checks) > 0 {
		out.WriteString("\n")
	}
	for i, c := range checks {
		label, verdict := "", "held"
		if i == 0 {
			label = "checks"
		}
		if !c.Held {
			verdict = "VIOLATED"
		}
		fmt.Fprintf(&out, "%-11s%-8s  %s  (%s)\n", label, verdict, c.Condition, c.Value)
	}
	for _, w := range Notices(r) {
		fmt.Fprintf(&out, "\nWarning: %s\n", w.Text)
	}
	return figures.Printable(out.String())
}

// table aligns rows. The first column is aligned to the left, the others to the right.
func table(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if len(row) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	var out strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			space := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			switch {
			case len(row) == 1:
				out.WriteString(cell)
			case i == 0:
				out.WriteString(cell + space)
			default:
				out.WriteString("   " + space + cell)
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}
