package loadtest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestAWorkerEndsWithWhoeverStartedIt(t *testing.T) {
	o, err := briefly(serve(t), ScenarioIdle).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	o.Sessions, o.Duration = 5, time.Hour
	text, err := json.Marshal(plan{Options: o, Processes: 1, Every: brisk, Grace: grace, Loops: 1})
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

func TestProcessesCountTheSameAsOne(t *testing.T) {
	t.Parallel()
	o := briefly(serve(t), ScenarioIdle, ScenarioRelay)
	o.Sessions, o.Pairs, o.Processes, o.Warmup = 31, 7, 3, 200*time.Millisecond
	r := mustRun(t, o)
	wantNoErrors(t, r)
	if n := r.Snapshot.Count(CounterLoggedIn); n != 45 || r.PeakSessions != 45 || r.Generator.Processes != 3 {
		t.Errorf("%d logins, %d sessions, %d processes, want 45, 45, 3", n, r.PeakSessions, r.Generator.Processes)
	}
	sent, delivered := r.Snapshot.Count(CounterRelaysSent), r.Snapshot.Count(CounterRelaysDelivered)
	if sent == 0 || sent != delivered || r.Snapshot.Distribution(MetricRelay).Count() != delivered {
		t.Errorf("%d frames sent, %d delivered, %d latencies, want the same number", sent, delivered, r.Snapshot.Distribution(MetricRelay).Count())
	}
	if r.Verification.Checked < delivered || r.Verification.Count() != 0 {
		t.Errorf("verification is %+v", r.Verification)
	}
}
