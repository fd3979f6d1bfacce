// Package report writes the result of a run as a page, with tables and charts, that opens from disk.
package report

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

	"p2p-messaging/transport/loadtest/display"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
)

//go:generate go tool esbuild src/page.ts --bundle --minify --format=iife --target=chrome115,firefox115 --legal-comments=eof --outfile=page.js
//go:generate go tool esbuild src/page.css --bundle --minify --target=chrome115,firefox115 --outfile=page.css

var (
	//go:embed page.html
	pageTemplate string
	//go:embed page.js
	pageScript string
	//go:embed page.css
	pageStyle string
)

// maxTableRows bounds the rows of the report's table of seconds. For a longer run, the table has every second, third or
// later second only.
const maxTableRows = 600

// contents is what the page's template shows.
type contents struct {
	Policy        string // Content-Security-Policy
	Title         string
	Description   string
	URL           string
	Started       time.Time
	Took, Machine string
	Notices       []figures.Warning
	Tiles         []tile
	Checks        []figures.Outcome
	Facts         []factGroup
	Latency       [][]string
	TimelineOf    string
	Timeline      [][]string
	Step          int // seconds from one row of Timeline to the next
	Data          chartData
	Style         template.CSS
	Script        template.JS
}

// tile is a figure that stands out.
type tile struct {
	Label, Value, Unit string
	Bad                bool
}

// factGroup is the facts under one label.
type factGroup struct {
	Label string
	Lines []string
}

// chartData is what the page's script reads.
type chartData struct {
	Document *figures.Document `json:"document"`
	Metrics  []nameTitle       `json:"metrics"`
	Counters []nameTitle       `json:"counters"`
}

type nameTitle struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// render returns the page of a result: one file that loads nothing. The page's policy permits its own script and style
// only.
func render(r *figures.Result, document *figures.Document) ([]byte, error) {
	page, err := template.New("report").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the report's template: %w", err)
	}
	step := (len(r.Timeline) + maxTableRows - 1) / maxTableRows
	data := contents{
		Policy: "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; " +
			"script-src '" + integrity(pageScript) + "'; style-src '" + integrity(pageStyle) + "'",
		Title:       "Load test: " + r.Options.ScenarioList(),
		Description: display.DescribeRun(r),
		URL:         r.Options.RedactedURL(),
		Started:     r.Started.UTC(),
		Took:        figures.FormatDuration(r.Elapsed),
		Machine:     r.Machine.Name + ": " + display.DescribeMachine(r.Machine),
		Notices:     display.Notices(r),
		Tiles:       tiles(r),
		Checks:      document.Checks,
		Facts:       factGroups(r),
		Latency:     display.LatencyRows(r),
		TimelineOf:  r.MainCounter().Noun() + " a second, latency of " + r.MainMetric().Title(),
		Timeline:    timelineRows(r, max(step, 1)),
		Step:        step,
		Data:        chartData{document, []nameTitle{}, []nameTitle{}},
		Style:       template.CSS(pageStyle),
		Script:      template.JS(pageScript),
	}
	for _, m := range display.Measured(r) {
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

// integrity returns a hash source of a content security policy (CSP level 3, section 2.3.1).
func integrity(text string) string {
	hash := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(hash[:])
}

// Write writes the page of a result to a file. It replaces the file in one step, so that a reader sees the old page or
// the new one.
func Write(path string, r *figures.Result, document *figures.Document) error {
	page, err := render(r, document)
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

func tiles(r *figures.Result) []tile {
	c, latency := r.MainCounter(), r.Snapshot.Distribution(r.MainMetric())
	all := []tile{{Label: "Rate", Value: figures.FormatRate(r.Rate(c)), Unit: c.Noun() + "/s"}}
	for _, p := range []float64{50, 99} {
		value := "–"
		if latency.Count() > 0 {
			value = figures.FormatDuration(latency.Percentile(p))
		}
		all = append(all, tile{Label: fmt.Sprintf("p%.0f, %s", p, r.MainMetric().Title()), Value: value})
	}
	if !r.Options.OnlyChurn() {
		all = append(all, tile{Label: "Sessions", Value: figures.FormatCount(r.PeakSessions), Unit: "at most"})
	}
	errors := r.Snapshot.ErrorCount()
	all = append(all, tile{Label: "Errors", Value: figures.FormatCount(errors), Bad: errors > 0})
	if r.Verification.Done {
		n := r.Verification.Count()
		all = append(all, tile{Label: "Violations", Value: figures.FormatCount(n), Bad: n > 0})
	}
	return all
}

func factGroups(r *figures.Result) []factGroup {
	var groups []factGroup
	for _, f := range display.Facts(r) {
		if f.Label == "machine" {
			continue // stands in the head of the page
		}
		if f.Label != "" || len(groups) == 0 {
			groups = append(groups, factGroup{Label: f.Label})
		}
		last := &groups[len(groups)-1]
		last.Lines = append(last.Lines, f.Text)
	}
	return groups
}

// chartCounters returns the counters whose rates the charts show.
func chartCounters(o options.Options) []figures.Counter {
	all := []figures.Counter{figures.CounterLoggedIn}
	for _, c := range []struct {
		scenario options.Scenario
		counters []figures.Counter
	}{
		{options.ScenarioRelay, []figures.Counter{figures.CounterRelaysDelivered, figures.CounterRelaysRefused}},
		{options.ScenarioSlow, []figures.Counter{figures.CounterRelaysDelivered, figures.CounterRelaysRefused}},
		{options.ScenarioChurn, []figures.Counter{figures.CounterCycles}},
		{options.ScenarioStorm, []figures.Counter{figures.CounterRelaysDelivered, figures.CounterReturned}},
		{options.ScenarioCall, []figures.Counter{figures.CounterCallsConnected, figures.CounterCallsFailed, figures.CounterMessagesReceived}},
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
	if o.Keep && o.Has(options.ScenarioStorm) {
		all = append(all, figures.CounterResumed)
	}
	return all
}

// timelineRows returns the table of seconds.
func timelineRows(r *figures.Result, step int) [][]string {
	c, m := r.MainCounter(), r.MainMetric()
	var rows [][]string
	for i := 0; i < len(r.Timeline); i += step {
		p := r.Timeline[i]
		latency, lag := p.Latency[m], p.Latency[figures.MetricSendLag]
		row := []string{figures.FormatClock(p.At), p.Phase.Title(), figures.FormatCount(p.Sessions), figures.FormatRate(p.Rates[c])}
		row = append(row, orDash(latency.Count > 0, figures.FormatDuration(latency.P50)), orDash(latency.Count > 0, figures.FormatDuration(latency.P99)),
			orDash(latency.Count > 0, figures.FormatDuration(latency.Max)), figures.FormatRate(p.Errors),
			orDash(p.ServiceKnown, figures.FormatSignificant(p.ServiceCPU)), orDash(p.ServiceKnown, figures.FormatBytes(float64(p.ServiceRSS))),
			figures.FormatSignificant(p.GeneratorCPU), orDash(lag.Count > 0, figures.FormatDuration(lag.P99)))
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
