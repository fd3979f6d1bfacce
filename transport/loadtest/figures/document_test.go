package figures_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/sample"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestADocumentSurvivesJSON(t *testing.T) {
	for name, r := range map[string]*figures.Result{"good": sample.Result(), "broken": sample.Broken(), "empty": {Options: sample.Result().Options}} {
		document, err := figures.NewDocument(r, []figures.Outcome{{"p99<5ms", true, "2.41 ms"}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var again figures.Document
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&again, document) {
			t.Errorf("%s: what was read is\n%+v; wanted\n%+v", name, again, document)
		}
		for metric, latency := range again.Latency {
			histogram, err := hdrhistogram.Decode([]byte(latency.HDR))
			if err != nil || histogram.TotalCount() != latency.Count {
				t.Errorf("%s: the histogram of %s has %d durations, %v; wanted %d", name, metric, histogram.TotalCount(), err, latency.Count)
			}
		}
	}
}

func TestTheFieldsOfADocumentAreStable(t *testing.T) {
	document, err := figures.NewDocument(sample.Broken(), []figures.Outcome{{"p99<5ms", true, "2.41 ms"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"format", "started", "set_up_s", "measured_s", "elapsed_s", "interrupted", "failed", "options.scenarios", "options.url", "options.dialect",
		"options.pairs", "options.window", "options.duration_s", "options.seed", "machine.cores", "machine.memory_bytes", "sessions_peak", "sessions_opened",
		"main_metric", "main_counter", "latency.relay.count", "latency.relay.mean_ms", "latency.relay.p50_ms", "latency.relay.p90_ms",
		"latency.relay.p99_ms", "latency.relay.p99_9_ms", "latency.relay.max_ms", "latency.relay.curve_ms", "latency.relay.hdr",
		"counters.relays_delivered", "rates.relays_delivered", "errors.peer-overloaded", "closes.4000", "verification.done",
		"verification.checked", "verification.findings.lost.count", "verification.findings.lost.example", "service.pid",
		"service.cpu_per_relay_us", "service.per_session_bytes", "service.peak_files", "generator.processes", "generator.mean_cores",
		"warnings.0.code", "warnings.0.text", "checks.0.condition", "checks.0.held", "checks.0.value", "timeline.1.at_s", "timeline.1.phase",
		"timeline.1.sessions", "timeline.1.rates.relays_delivered", "timeline.1.latency.relay.p99_ms", "timeline.1.error_rate",
		"timeline.1.generator.cpu_cores", "timeline.1.service.rss_bytes",
	} {
		var at any = fields
		for step := range strings.SplitSeq(path, ".") {
			switch in := at.(type) {
			case map[string]any:
				at = in[step]
			case []any:
				at = in[step[0]-'0']
			default:
				at = nil
			}
		}
		if at == nil {
			t.Errorf("there is no %s", path)
		}
	}
	if fields["format"] != figures.DocumentFormat {
		t.Errorf("the format is %v; wanted %s", fields["format"], figures.DocumentFormat)
	}
}
