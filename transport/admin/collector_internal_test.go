package admin

import (
	"bytes"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// idle returns a service without clients.
func idle(t testing.TB) Service {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	o := transport.DefaultOptions()
	o.Logger, o.Measure = logger, true
	system := actors.NewSystem(actors.Options{Logger: logger})
	server, err := transport.New(system, o)
	if err != nil {
		t.Fatal(err)
	}
	return Service{System: system, Server: server, Ready: func() bool { return true }}
}

// A scrape every second must not make the garbage collector run for a service that is idle.
func TestAScrapeLeavesLittleGarbage(t *testing.T) {
	c, err := newCollector(idle(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.others != nil {
		t.Skip("package collectors reads the metrics of the process here")
	}
	gather := func() {
		if _, err := c.Gather(); err != nil {
			t.Fatal(err)
		}
	}
	gather()
	if n := testing.AllocsPerRun(100, gather); n > 200 {
		t.Errorf("a scrape makes %v allocations, want 200 at most", n)
	}
}

// What package collectors reads is what a scrape tells, although other code reads it.
func TestTheMetricsOfTheProgramAreThoseOfPackageCollectors(t *testing.T) {
	c, err := newCollector(idle(t))
	if err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(123)) // not what it was when the families were made
	garbage := make([][]byte, 20)
	for i := range garbage {
		garbage[i] = make([]byte, 1<<20)
	}
	for range 3 {
		runtime.GC()
	}
	families, err := c.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.MetricFamily{}
	for _, f := range families {
		if found[f.GetName()] != nil {
			t.Errorf("%s is there twice", f.GetName())
		}
		found[f.GetName()] = f
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	want, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(garbage)
	for _, w := range want {
		name := w.GetName()
		f := found[name]
		if f.GetHelp() != w.GetHelp() || f.GetType() != w.GetType() || len(f.GetMetric()) != len(w.GetMetric()) {
			t.Errorf("%s is %v, want %v", name, f, w)
			continue
		}
		got, wanted := f.Metric[0], w.Metric[0]
		if s := wanted.GetSummary(); s != nil {
			if got.Summary.GetSampleCount() < 3 || got.Summary.GetSampleCount() > s.GetSampleCount() || len(got.Summary.Quantile) != len(s.Quantile) {
				t.Errorf("%s is %v, want %v", name, got, wanted)
			}
			continue
		}
		// Little happens between the two readings. Other tests may run meanwhile.
		a, b := *valueOf(got), *valueOf(wanted)
		if math.Abs(a-b) > 0.1*math.Abs(b)+spare(name) {
			t.Errorf("%s is %v, want %v", name, a, b)
		}
	}
}

// spare returns how much a metric may change between two readings.
func spare(name string) float64 {
	switch {
	case strings.HasSuffix(name, "_bytes"), strings.HasSuffix(name, "_bytes_total"):
		return 1 << 20
	case strings.HasSuffix(name, "_objects"), strings.HasPrefix(name, "go_memstats_"):
		return 10_000
	}
	return 10
}

func TestALabelThatIsNewHasItsPlace(t *testing.T) {
	values := map[string]float64{"m": 1}
	f := labeled(gauge, "x", "A metric.", []string{"name"}, func(_ *figures, set func(float64, ...string)) {
		for name, value := range values {
			set(value, name)
		}
	})
	for i, name := range []string{"z", "a", "m"} {
		values[name] = float64(i)
		f.read(nil)
	}
	var listed []string
	for _, m := range f.dto.Metric {
		listed = append(listed, m.Label[0].GetValue())
		if got, want := m.Gauge.GetValue(), values[m.Label[0].GetValue()]; got != want {
			t.Errorf("%v is %v, want %v", m.Label, got, want)
		}
	}
	if got := strings.Join(listed, ""); got != "amz" {
		t.Errorf("the metrics are %q, want them in order", got)
	}
}

func TestAHistogramCountsEachValueInItsBuckets(t *testing.T) {
	f, h := newHistogram("x", "A metric.", []float64{0, 10, 100})
	for _, value := range []float64{0, 5, 10, 11, 1000} {
		h.observe(value)
	}
	got := f.dto.Metric[0].Histogram
	if got.GetSampleCount() != 5 || got.GetSampleSum() != 1026 {
		t.Errorf("it counts %d values with the sum %v", got.GetSampleCount(), got.GetSampleSum())
	}
	for i, want := range []uint64{1, 3, 4} {
		if n := got.Bucket[i].GetCumulativeCount(); n != want {
			t.Errorf("bucket %d has %d values, want %d", i, n, want)
		}
	}
}

// BenchmarkScrape answers scrapes of a service without clients.
func BenchmarkScrape(b *testing.B) {
	c, err := newCollector(idle(b))
	if err != nil {
		b.Fatal(err)
	}
	handler := tell(c, slog.New(slog.DiscardHandler))
	request := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/metrics"}}
	b.ReportAllocs()
	body := new(bytes.Buffer)
	for b.Loop() {
		body.Reset()
		handler.ServeHTTP(&answer{Buffer: body, header: http.Header{}}, request)
	}
}
