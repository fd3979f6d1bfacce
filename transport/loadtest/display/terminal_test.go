package display

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/sample"
	"p2p-messaging/transport/loadtest/options"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// golden compares got with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwanted\n%s\nIf that is right, run the test with -update.", name, got, want)
	}
}

// show shows a result on a Display and returns what the Display wrote.
func show(t *testing.T, d *Display, r *figures.Result) string {
	t.Helper()
	var out bytes.Buffer
	d.w, d.options = &out, r.Options
	sample.Play(r, d.Show)
	d.End()
	return out.String()
}

func TestATerminalShowsAPanelThatIsDrawnAnew(t *testing.T) {
	out := show(t, &Display{width: func() int { return 80 }}, sample.Result())
	frames := strings.Split(out, "\r\x1b[6A\x1b[J")
	if len(frames) != 13 || frames[12] != "" {
		t.Fatalf("%d frames, the last is %q; wanted 12, and nothing left in the end", len(frames), frames[len(frames)-1])
	}
	golden(t, "panel-setup", frames[0])
	golden(t, "panel-measuring", frames[7])
	golden(t, "panel-colors", strings.ReplaceAll(show(t, &Display{width: func() int { return 80 }, color: true}, shortResult()), "\x1b", "ESC"))
}

// shortResult is one second of a broken run.
func shortResult() *figures.Result {
	r := sample.Broken()
	r.Timeline = r.Timeline[7:8]
	return r
}

func TestNoLineOfThePanelIsWiderThanTheTerminal(t *testing.T) {
	for width := 1; width < 120; width += 3 {
		out := show(t, &Display{width: func() int { return width }}, shortResult())
		for line := range strings.Lines(strings.TrimSuffix(out, "\r\x1b[6A\x1b[J")) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n >= max(width, 2) {
				t.Errorf("on %d columns %q has %d", width, line, n)
			}
		}
	}
}

func TestWithoutATerminalThereIsALineFromTimeToTime(t *testing.T) {
	out := show(t, &Display{}, sample.Result())
	if strings.ContainsRune(out, '\x1b') {
		t.Errorf("%q has control sequences", out)
	}
	golden(t, "plain", out)
}

func TestBystandersStandBelowTheStorm(t *testing.T) {
	r := sample.Result()
	r.Options.Scenarios = []options.Scenario{options.ScenarioStorm}
	r.Timeline = r.Timeline[2:3]
	r.Timeline[0].Latency[figures.MetricReturn] = figures.Quantiles{Count: 3, P50: time.Second, P99: 2 * time.Second, Max: 2 * time.Second}
	r.Timeline[0].Latency[figures.MetricStormDuring] = figures.Quantiles{Count: 9, P50: time.Millisecond, P99: 2 * time.Millisecond, Max: 3 * time.Millisecond}
	golden(t, "panel-storm", strings.ReplaceAll(show(t, &Display{width: func() int { return 80 }}, r), "\x1b", "ESC"))
}

func TestNotesStandAboveThePanelOnce(t *testing.T) {
	var out bytes.Buffer
	d := &Display{w: &out, options: sample.Result().Options, width: func() int { return 60 }}
	d.Show(figures.Progress{Notes: []string{"shared among 3 processes\x1b[2J"}})
	d.Show(figures.Progress{})
	d.End()
	if n := strings.Count(out.String(), "shared among 3 processes\uFFFD[2J\n"); n != 1 {
		t.Errorf("%q has the note %d times; wanted it once, without control characters", out.String(), n)
	}
}
