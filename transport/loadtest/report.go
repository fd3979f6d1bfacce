package loadtest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"time"
)

//go:generate go tool esbuild report/src/page.ts --bundle --minify --format=iife --target=chrome115,firefox115 --legal-comments=eof --outfile=report/page.js
//go:generate go tool esbuild report/src/page.css --bundle --minify --target=chrome115,firefox115 --outfile=report/page.css

var (
	//go:embed report/page.html
	reportTemplate string
	//go:embed report/page.js
	reportScript string
	//go:embed report/page.css
	reportStyle string
)

// maxTableRows bounds the report's table of seconds; a longer run shows each second one, third one and so on.
const maxTableRows = 600

// reportPage is what the report's template shows.
type reportPage struct {
	Policy        string // Content-Security-Policy
	Title         string
	Description   string
	URL           string
	Started       time.Time
	Took, Machine string
	Notices       []Warning
	Tiles         []tile
	Checks        []Outcome
	Facts         []factGroup
	Latency       [][]string
	TimelineOf    string
	Timeline      [][]string
	Step          int // seconds from one row of Timeline to the next
	Data          reportData
	Style         template.CSS
	Script        template.JS
}

// tile is a figure that stands out.
type tile struct {
	Label, Value, Unit string
	Bad                bool
}

// factGroup is facts under one label.
type factGroup struct {
	Label string
	Lines []string
}

// reportData is what the page's script reads.
type reportData struct {
	Document *Document   `json:"document"`
	Metrics  []nameTitle `json:"metrics"`
	Counters []nameTitle `json:"counters"`
}

type nameTitle struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// renderReport makes the page of a result: one file that loads nothing. Its policy lets only its own script and style run.
func renderReport(r *Result, document *Document) ([]byte, error) {
	page, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the report's template: %w", err)
	}
	step := (len(r.Timeline) + maxTableRows - 1) / maxTableRows
	data := reportPage{
		Policy: "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; " +
			"script-src '" + integrity(reportScript) + "'; style-src '" + integrity(reportStyle) + "'",
		Title:       "Load test: " + r.Options.ScenarioList(),
		Description: describeRun(r),
		URL:         r.Options.RedactedURL(),
		Started:     r.Started.UTC(),
		Took:        formatDuration(r.Elapsed),
		Machine:     r.Machine.Name + ": " + machineText(r.Machine),
		Notices:     notices(r),
		Tiles:       tiles(r),
		Checks:      document.Checks,
		Facts:       factGroups(r),
		Latency:     latencyRows(r),
		TimelineOf:  r.MainCounter().Noun() + " a second, latency of " + r.MainMetric().Title(),
		Timeline:    timelineRows(r, max(step, 1)),
		Step:        step,
		Data:        reportData{document, []nameTitle{}, []nameTitle{}},
		Style:       template.CSS(reportStyle),
		Script:      template.JS(reportScript),
	}
	for _, m := range measured(r) {
		data.Data.Metrics = append(data.Data.Metrics, nameTitle{m.String(), m.Title()})
	}
	for _, c := range chartCounters(r.Options) {
		data.Data.Counters = append(data.Data.Counters, nameTitle{c.String(), c.Title()})
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return out.Bytes(), nil
}

// integrity is a source expression of a policy (CSP level 3, section 2.3.1).
func integrity(text string) string {
	hash := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(hash[:])
}

// writeReport replaces the file at once: who looks at it sees the old page or the new one.
func writeReport(path string, r *Result, document *Document) error {
	page, err := renderReport(r, document)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if err != nil {
		return err
	}
	_, err = file.Write(page)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func tiles(r *Result) []tile {
	c, latency := r.MainCounter(), r.Snapshot.Distribution(r.MainMetric())
	all := []tile{{Label: "Rate", Value: formatRate(r.Rate(c)), Unit: c.Noun() + "/s"}}
	for _, p := range []float64{50, 99} {
		value := "–"
		if latency.Count() > 0 {
			value = formatDuration(latency.Percentile(p))
		}
		all = append(all, tile{Label: fmt.Sprintf("p%.0f, %s", p, r.MainMetric().Title()), Value: value})
	}
	if !onlyChurn(r.Options) {
		all = append(all, tile{Label: "Sessions", Value: formatCount(r.PeakSessions), Unit: "at most"})
	}
	errors := r.Snapshot.ErrorCount()
	all = append(all, tile{Label: "Errors", Value: formatCount(errors), Bad: errors > 0})
	if r.Verification.Done {
		n := r.Verification.Count()
		all = append(all, tile{Label: "Violations", Value: formatCount(n), Bad: n > 0})
	}
	return all
}

func factGroups(r *Result) []factGroup {
	var groups []factGroup
	for _, f := range facts(r) {
		if f.label == "machine" {
			continue // stands in the head
		}
		if f.label != "" || len(groups) == 0 {
			groups = append(groups, factGroup{Label: f.label})
		}
		last := &groups[len(groups)-1]
		last.Lines = append(last.Lines, f.text)
	}
	return groups
}

// chartCounters returns the counters whose rates the charts show.
func chartCounters(o Options) []Counter {
	all := []Counter{CounterLoggedIn}
	for _, c := range []struct {
		scenario Scenario
		counters []Counter
	}{
		{ScenarioRelay, []Counter{CounterRelaysDelivered, CounterRelaysRefused}},
		{ScenarioSlow, []Counter{CounterRelaysDelivered, CounterRelaysRefused}},
		{ScenarioChurn, []Counter{CounterCycles}},
		{ScenarioStorm, []Counter{CounterRelaysDelivered, CounterReturned}},
		{ScenarioCall, []Counter{CounterCallsConnected, CounterCallsFailed, CounterMessagesReceived}},
	} {
		if !o.Has(c.scenario) {
			continue
		}
		for _, counter := range c.counters {
			if !slices.Contains(all, counter) {
				all = append(all, counter)
			}
		}
	}
	return all
}

// timelineRows is the table of seconds.
func timelineRows(r *Result, step int) [][]string {
	c, m := r.MainCounter(), r.MainMetric()
	var rows [][]string
	for i := 0; i < len(r.Timeline); i += step {
		p := r.Timeline[i]
		latency, lag := p.Latency[m], p.Latency[MetricSendLag]
		row := []string{formatClock(p.At), p.Phase.Title(), formatCount(p.Sessions), formatRate(p.Rates[c])}
		row = append(row, orDash(latency.Count > 0, formatDuration(latency.P50)), orDash(latency.Count > 0, formatDuration(latency.P99)),
			orDash(latency.Count > 0, formatDuration(latency.Max)), formatRate(p.Errors),
			orDash(p.ServiceKnown, significant(p.ServiceCPU)), orDash(p.ServiceKnown, formatBytes(float64(p.ServiceRSS))),
			significant(p.GeneratorCPU), orDash(lag.Count > 0, formatDuration(lag.P99)))
		rows = append(rows, row)
	}
	return rows
}

func orDash(known bool, text string) string {
	if known {
		return text
	}
	return "–"
}
