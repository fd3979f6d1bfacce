package loadtest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
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

// show feeds a display with a run and returns what it wrote.
func show(t *testing.T, d *display, r *Result) string {
	t.Helper()
	var out bytes.Buffer
	d.w, d.options = &out, r.Options
	if _, err := fakeRun(r, nil)(t.Context(), r.Options, d.show); err != nil {
		t.Fatal(err)
	}
	d.end()
	return out.String()
}

func TestATerminalShowsAPanelThatIsDrawnAnew(t *testing.T) {
	out := show(t, &display{width: func() int { return 80 }}, fakeResult())
	frames := strings.Split(out, "\r\x1b[6A\x1b[J")
	if len(frames) != 13 || frames[12] != "" {
		t.Fatalf("%d frames, the last is %q; wanted 12, and nothing left in the end", len(frames), frames[len(frames)-1])
	}
	golden(t, "panel-setup", frames[0])
	golden(t, "panel-measuring", frames[7])
	golden(t, "panel-colors", strings.ReplaceAll(show(t, &display{width: func() int { return 80 }, color: true}, shortResult()), "\x1b", "ESC"))
}

// shortResult is a second of a broken run.
func shortResult() *Result {
	r := brokenResult()
	r.Timeline = r.Timeline[7:8]
	return r
}

func TestNoLineOfThePanelIsWiderThanTheTerminal(t *testing.T) {
	for width := 1; width < 120; width += 3 {
		out := show(t, &display{width: func() int { return width }}, shortResult())
		for line := range strings.Lines(strings.TrimSuffix(out, "\r\x1b[6A\x1b[J")) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n >= max(width, 2) {
				t.Errorf("on %d columns %q has %d", width, line, n)
			}
		}
	}
}

func TestWithoutATerminalThereIsALineFromTimeToTime(t *testing.T) {
	out := show(t, &display{}, fakeResult())
	if strings.ContainsRune(out, '\x1b') {
		t.Errorf("%q has control sequences", out)
	}
	golden(t, "plain", out)
}

func TestBystandersStandBelowTheStorm(t *testing.T) {
	r := fakeResult()
	r.Options.Scenarios = []Scenario{ScenarioStorm}
	r.Timeline = r.Timeline[2:3]
	r.Timeline[0].Latency[MetricReturn] = Quantiles{3, time.Second, 2 * time.Second, 2 * time.Second}
	r.Timeline[0].Latency[MetricStormDuring] = Quantiles{9, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond}
	golden(t, "panel-storm", strings.ReplaceAll(show(t, &display{width: func() int { return 80 }}, r), "\x1b", "ESC"))
}

func TestNotesStandAboveThePanelOnce(t *testing.T) {
	var out bytes.Buffer
	d := &display{w: &out, options: fakeResult().Options, width: func() int { return 60 }}
	d.show(Progress{Notes: []string{"shared among 3 processes\x1b[2J"}})
	d.show(Progress{})
	d.end()
	if n := strings.Count(out.String(), "shared among 3 processes\uFFFD[2J\n"); n != 1 {
		t.Errorf("%q has the note %d times; wanted it once, without control characters", out.String(), n)
	}
}

func TestTheSummaryReadsWell(t *testing.T) {
	check, err := ParseCheck("p99<50ms,errors=0")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Result{"summary": fakeResult(), "summary-broken": brokenResult(), "summary-empty": {Options: fakeResult().Options, Failed: "the service went away"}} {
		golden(t, name, summary(r, check.Evaluate(r)))
	}
}

func TestTheSummaryOfEachScenarioSaysWhatWasRun(t *testing.T) {
	for s, want := range map[Scenario]string{
		ScenarioIdle: "1,000 sessions, held", ScenarioChurn: "1,000 sessions, over and over", ScenarioStorm: "drop at once and come back, beside 10 pairs",
		ScenarioSlow: "100 pairs, 10 stop reading", ScenarioCall: "10 pairs of WebRTC peers, 10 messages a call", ScenarioRelay: "closed loop, window 1",
	} {
		o := DefaultOptions()
		o.Scenarios = []Scenario{s}
		o, err := o.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if text := summary(&Result{Options: o}, nil); !strings.Contains(text, want) {
			t.Errorf("%s: %s\nwanted %q in it", s, text, want)
		}
	}
}

func TestControlCharactersOfAServiceDoNotReachTheTerminal(t *testing.T) {
	r := brokenResult()
	r.Failed = "the service said \x1b]0;owned\x07\u202e"
	r.Service.Command = "\x1b[2J"
	if text := summary(r, nil); strings.ContainsAny(text, "\x1b\x07\u202e") {
		t.Errorf("%q has control characters", text)
	}
}

func TestNumbersHaveThreeDigitsThatMatter(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 250: "0.25 µs", 1500: "1.50 µs", 999_499: "999 µs", 999_500: "1.00 ms", 999_499_999: "999 ms", 999_500_000: "1.00 s", 12_340_000: "12.3 ms", 123_400_000: "123 ms", 1_234_000_000: "1.23 s", 61 * time.Second: "1m1s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%d ns is written %q; wanted %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := formatCount(n); got != want {
			t.Errorf("%d is written %q; wanted %q", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 3210: "3.21 KB", 34e6: "34.0 MB", 1.5e9: "1.50 GB"} {
		if got := formatBytes(v); got != want {
			t.Errorf("%v bytes are written %q; wanted %q", v, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "00:00", 67 * time.Second: "01:07", 3723 * time.Second: "1:02:03"} {
		if got := formatClock(d); got != want {
			t.Errorf("%v is written %q; wanted %q", d, got, want)
		}
	}
}
