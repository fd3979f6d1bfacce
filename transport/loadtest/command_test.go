package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/sample"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"

	"github.com/alecthomas/kong"
)

// parse parses a command line as the program does.
func parse(t *testing.T, line ...string) *Flags {
	t.Helper()
	var f Flags
	parser, err := kong.New(&f, kong.Vars(Vars("7777")), kong.ExplicitGroups(Groups()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(line); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return &f
}

func TestWithoutFlagsTheOptionsAreTheDefaults(t *testing.T) {
	got, err := parse(t).Options().Resolve()
	want, wantErr := options.DefaultOptions().Resolve()
	if err = errors.Join(err, wantErr); err != nil {
		t.Fatal(err)
	}
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if !bytes.Equal(gotText, wantText) {
		t.Errorf("%s; wanted %s", gotText, wantText)
	}
}

func TestEveryFlagReachesItsOption(t *testing.T) {
	f := parse(t, "relay", "slow", "--url=wss://a.test/", "--pid=3", "--sessions=4", "--rate=5.5", "--pairs=6", "--duration=7s", "--warmup=8s", "--seed=9",
		"--window=10", "--relays-per-second=11.5", "--arrivals=constant", "--size=1200", "--no-verify", "--slow-readers=13", "--slow-share=0.14",
		"--messages=15", "--processes=16")
	text, err := json.Marshal(f.Options())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Scenarios":["relay","slow"],"URL":"wss://a.test/","Sessions":4,"Rate":5.5,"Pairs":6,"Window":10,"RelaysPerSecond":11.5,` +
		`"Arrivals":"constant","Size":1200,"Verify":false,"SlowReaders":13,"SlowShare":0.14,"Messages":15,"Duration":7000000000,` +
		`"Warmup":8000000000,"Processes":16,"PID":3,"Seed":9}`
	if string(text) != want {
		t.Errorf("the options are %s; wanted %s", text, want)
	}
}

func TestSessionsAreKeptIfAskedFor(t *testing.T) {
	if o := parse(t, "storm", "--keep").Options(); !o.Keep {
		t.Error("--keep does not reach its option")
	}
}

// fakeRun is a [runner] that has the result r, or the error, without a run.
func fakeRun(r *figures.Result, err error) runner {
	return func(_ context.Context, _ options.Options, observe func(figures.Progress)) (*figures.Result, error) {
		if err != nil {
			return nil, err
		}
		sample.Play(r, observe)
		return r, nil
	}
}

func TestTheEndOfARunSaysWhatItWas(t *testing.T) {
	clean := func(change func(r *figures.Result)) *figures.Result {
		r := sample.Result()
		change(r)
		return r
	}
	for _, c := range []struct {
		name, check string
		result      *figures.Result
		err         error
		want        func(error) bool
	}{
		{"all went well", "p99<50ms", sample.Result(), nil, func(err error) bool { return err == nil }},
		{"a check does not hold", "p99<1us,rate>1", sample.Result(), nil, func(err error) bool {
			return err != nil && err.Error() == "--check: p99<1us does not hold: 2.41 ms"
		}},
		{"verification failed", "", clean(func(r *figures.Result) { r.Verification = sample.Broken().Verification }), nil, func(err error) bool {
			return err != nil && err.Error() == "verification failed: 3 lost, 1 modified"
		}},
		{"sessions are missing", "p99<1us", clean(func(r *figures.Result) { r.Opened -= 20 }), nil, func(err error) bool {
			return err != nil && strings.HasPrefix(err.Error(), "only ") && strings.Contains(err.Error(), " sessions could be logged in: sessions>=") && strings.Contains(err.Error(), "p99<1us does not hold")
		}},
		{"sessions are missing, and may be", "sessions>1", clean(func(r *figures.Result) { r.Opened -= 20 }), nil, func(err error) bool { return err == nil }},
		{"interrupted", "p99<1us", clean(func(r *figures.Result) { r.Interrupted = true }), nil, func(err error) bool { return errors.Is(err, ErrInterrupted) }},
		{"verification failed before the interruption", "", clean(func(r *figures.Result) {
			r.Interrupted, r.Verification = true, sample.Broken().Verification
		}), nil, func(err error) bool { return err != nil && !errors.Is(err, ErrInterrupted) }},
		{"the service went away", "", sample.Broken(), nil, func(err error) bool {
			var service *load.ServiceError
			return errors.As(err, &service) && strings.Contains(err.Error(), "went away")
		}},
		{"there is no service", "", nil, &load.ServiceError{Reason: "nobody there"}, func(err error) bool { return err != nil && err.Error() == "nobody there" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, "--quiet")
			if c.check != "" {
				f = parse(t, "--check="+c.check)
			}
			var stdout, stderr bytes.Buffer
			err := f.execute(t.Context(), fakeRun(c.result, c.err), &stdout, &stderr)
			if !c.want(err) {
				t.Errorf("the error is %v", err)
			}
			if figures := stdout.Len() > 0; figures != (c.result != nil) {
				t.Errorf("stdout is %q; wanted figures: %v", stdout.String(), c.result != nil)
			}
			if f.Quiet && stderr.Len() > 0 {
				t.Errorf("stderr is %q; wanted nothing", stderr.String())
			}
		})
	}
}

func TestJSONTakesTheSummarysPlace(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := parse(t, "--json", "--check=p99<1s").execute(t.Context(), fakeRun(sample.Result(), nil), &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	var document figures.Document
	if err := json.Unmarshal(stdout.Bytes(), &document); err != nil || document.Format != figures.DocumentFormat || len(document.Checks) != 1 {
		t.Errorf("stdout is %.300q, %v; wanted a document and nothing else", stdout.String(), err)
	}
	if !strings.Contains(stderr.String(), "measuring") {
		t.Errorf("stderr is %q; wanted how the run goes", stderr.String())
	}
}

func TestAReportThatCannotBeWrittenIsFoundOutBeforeTheRun(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "folder", os.DevNull: "replaced", filepath.Join(dir, "no", "report.html"): filepath.Join(dir, "no")} {
		f := Flags{Report: path}
		err := f.checkReport()
		var usage *options.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; wanted a UsageError with %q", path, err, want)
		}
	}
	f := Flags{Report: filepath.Join(dir, "report.html")}
	if err := f.checkReport(); err != nil {
		t.Errorf("checkReport: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v were left behind", entries, err)
	}
}

// The folder of the report is gone when the run ends.
func TestAReportThatCannotBeWrittenHidesNeitherTheFiguresNorTheStatus(t *testing.T) {
	for name, c := range map[string]struct {
		result *figures.Result
		flag   string
		status int
		texts  []string
	}{
		"all went well":         {sample.Result(), "--quiet", 1, []string{"--report: "}},
		"the service went away": {sample.Broken(), "--json", 2, []string{"went away", "--report: "}},
		"a check does not hold": {sample.Result(), "--check=p99<1us", 1, []string{"p99<1us does not hold", "--report: "}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "reports")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			run := func(ctx context.Context, o options.Options, observe func(figures.Progress)) (*figures.Result, error) {
				if err := os.Remove(dir); err != nil {
					t.Fatal(err)
				}
				return fakeRun(c.result, nil)(ctx, o, observe)
			}
			var stdout bytes.Buffer
			err := parse(t, c.flag, "--report="+filepath.Join(dir, "report.html")).execute(t.Context(), run, &stdout, io.Discard)
			if err == nil || arguments.Status(err) != c.status || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, status %d; wanted a line, and status %d", err, arguments.Status(err), c.status)
			}
			for _, text := range c.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%v; wanted %q in it", err, text)
				}
			}
			if !strings.Contains(stdout.String(), "bench-1") && !strings.Contains(stdout.String(), "relay on ws://") {
				t.Errorf("stdout is %q; wanted the figures", stdout.String())
			}
		})
	}
}

// failingWriter fails every write.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestFiguresThatCannotBePrintedAreAnError(t *testing.T) {
	for _, flag := range []string{"--json", "--quiet"} {
		err := parse(t, flag).execute(t.Context(), fakeRun(sample.Result(), nil), failingWriter{}, failingWriter{})
		if err == nil || !strings.Contains(err.Error(), "print the figures: no space left") {
			t.Errorf("%s: %v; wanted to hear of it", flag, err)
		}
	}
}
