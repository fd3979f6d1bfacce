package fleet

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

func TestAWorkerEndsWithWhoeverStartedIt(t *testing.T) {
	t.Parallel()
	o, err := briefly(services.Serve(t), options.ScenarioIdle).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	o.Sessions, o.Duration = 5, time.Hour
	text, err := json.Marshal(load.Plan{Options: o, Processes: 1, Every: brisk, Grace: grace, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RunWorker(t.Context(), bytes.NewReader(append(text, '\n')), &out); err != nil {
		t.Fatalf("RunWorker: %v", err)
	}
	if !strings.Contains(out.String(), `"done":true`) {
		t.Errorf("the worker wrote %s", out.String())
	}
}

// endOf returns what a run says of a process that does what a script of sh does.
func endOf(t *testing.T, script string) error {
	t.Helper()
	w := &child{command: exec.Command("sh", "-c", script), out: make(chan account)}
	stdin, err := w.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.stdin = stdin
	stdout, err := w.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.command.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(services.Patience, func() {
		t.Error("the process does not end")
		_ = w.command.Process.Kill()
	})
	defer timeout.Stop()
	w.read(stdout)
	return w.err()
}

func TestAProcessThatWritesNonsenseIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	if err := endOf(t, "echo nonsense; head -c 1000000 /dev/zero"); err == nil || !strings.Contains(err.Error(), "invalid character") {
		t.Errorf("%v; wanted to hear what is wrong with the report", err)
	}
}

// The kernel may kill a process for want of memory, also while it writes a report.
func TestARunSaysHowAProcessEndedThatWasKilled(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"kill -9 $$", `printf '{"report":'; kill -9 $$`} {
		if err := endOf(t, script); err == nil || !strings.Contains(err.Error(), "signal: killed") {
			t.Errorf("%s: %v; wanted to hear that it was killed", script, err)
		}
	}
}

func TestProcessesCountTheSameAsOne(t *testing.T) {
	t.Parallel()
	o := briefly(services.Serve(t), options.ScenarioIdle, options.ScenarioRelay)
	o.Sessions, o.Pairs, o.Processes, o.Warmup = 31, 7, 3, 200*time.Millisecond
	r := mustRun(t, o)
	wantNoErrors(t, r)
	if n := r.Snapshot.Count(figures.CounterLoggedIn); n != 45 || r.PeakSessions != 45 || r.Generator.Processes != 3 {
		t.Errorf("%d logins, %d sessions, %d processes, want 45, 45, 3", n, r.PeakSessions, r.Generator.Processes)
	}
	sent, delivered := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysDelivered)
	if sent == 0 || sent != delivered || r.Snapshot.Distribution(figures.MetricRelay).Count() != delivered {
		t.Errorf("%d frames sent, %d delivered, %d latencies, want the same number", sent, delivered, r.Snapshot.Distribution(figures.MetricRelay).Count())
	}
	if r.Verification.Checked < delivered || r.Verification.Count() != 0 {
		t.Errorf("verification is %+v", r.Verification)
	}
}
