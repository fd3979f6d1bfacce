package figures

import (
	"maps"
	"math"
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// Document is a [Result] as --json prints it and as the report contains it. Field names are stable: later versions of
// the program only add fields. If the meaning of a field must change, DocumentFormat changes, too. The end of a name
// gives the unit: _s for seconds, _ms for milliseconds, _us for microseconds, _bytes for bytes, _cores for processor
// cores (1.5 means one and a half processors busy all the time). Rates are per second. All other figures are plain
// numbers.
type Document struct {
	Format      string    `json:"format"` // DocumentFormat
	Started     time.Time `json:"started"`
	SetUpS      float64   `json:"set_up_s"`   // from the first connection to the last login
	MeasuredS   float64   `json:"measured_s"` // length of the measured phase, which the figures are about
	ElapsedS    float64   `json:"elapsed_s"`  // length of the whole run
	Interrupted bool      `json:"interrupted"`
	Failed      string    `json:"failed"` // why the run could not go on; empty: it did go on

	Options OptionsDocument `json:"options"`
	Machine MachineDocument `json:"machine"`

	SessionsPeak int64                      `json:"sessions_peak"`
	Opened       int64                      `json:"sessions_opened"` // the most at once before the load began: none of churn
	MainMetric   string                     `json:"main_metric"`     // the meaning of p99 without a name
	MainCounter  string                     `json:"main_counter"`    // the meaning of rate without a name
	Latency      map[string]LatencyDocument `json:"latency"`         // by metric; only metrics that were measured
	Counters     map[string]int64           `json:"counters"`
	Rates        map[string]float64         `json:"rates"`  // by counter
	Errors       map[string]int64           `json:"errors"` // by code
	Closes       map[int]int64              `json:"closes"` // connections that the service closed, by status code

	Verification Verification      `json:"verification"`
	Service      *ServiceDocument  `json:"service"` // null: its process could not be observed
	Generator    GeneratorDocument `json:"generator"`
	Warnings     []Warning         `json:"warnings"`
	Checks       []Outcome         `json:"checks"`
	Timeline     []PointDocument   `json:"timeline"` // one point for each second
}

// DocumentFormat names the format of a [Document].
const DocumentFormat = "p2p-messaging-loadtest/1"

// OptionsDocument is the [options.Options] of a run in a [Document], with defaults filled in.
type OptionsDocument struct {
	Scenarios       []options.Scenario `json:"scenarios"`
	URL             string             `json:"url"`
	Dialect         options.Dialect    `json:"dialect"`
	Sessions        int                `json:"sessions"` // of all scenarios together
	Rate            float64            `json:"rate"`
	Keep            bool               `json:"keep"`
	Pairs           int                `json:"pairs"` // of all scenarios together
	Window          int                `json:"window"`
	RelaysPerSecond float64            `json:"relays_per_second"`
	Arrivals        options.Arrivals   `json:"arrivals"`
	SizeBytes       int                `json:"size_bytes"`
	Verify          bool               `json:"verify"`
	SlowReaders     int                `json:"slow_readers"`
	Messages        int                `json:"messages"`
	DurationS       float64            `json:"duration_s"`
	WarmupS         float64            `json:"warmup_s"`
	Seed            uint64             `json:"seed,string"` // a string, because JavaScript has no integers of this size
}

// MachineDocument is [Machine] in a [Document].
type MachineDocument struct {
	Name        string `json:"name"`
	System      string `json:"system"`
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	Go          string `json:"go"`
}

// LatencyDocument is a [Distribution] in a [Document].
type LatencyDocument struct {
	Count  int64   `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  float64 `json:"p50_ms"`
	P90MS  float64 `json:"p90_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p99_9_ms"`
	MaxMS  float64 `json:"max_ms"`
	// CurveMS has the latencies at the percentiles 100 · (1 − 10^(−i/20)): 0, 10.9, 20.6, … The last element is the
	// longest latency.
	CurveMS []float64 `json:"curve_ms"`
	// HDR is the whole histogram, which other tools can merge and plot. It is an HDR histogram (V2, compressed, base64)
	// with values in microseconds.
	HDR string `json:"hdr"`
}

// ServiceDocument is [ServiceFigures] in a [Document].
type ServiceDocument struct {
	PID             int     `json:"pid"`
	Command         string  `json:"command"`
	CPUS            float64 `json:"cpu_s"`
	MeanCores       float64 `json:"mean_cores"`
	PeakCores       float64 `json:"peak_cores"`
	CPUPerRelayUS   float64 `json:"cpu_per_relay_us"`
	IdleRSSBytes    int64   `json:"idle_rss_bytes"`
	IdleAnonymous   int64   `json:"idle_anonymous_bytes"` // resident memory without the pages of files
	PeakRSSBytes    int64   `json:"peak_rss_bytes"`
	PerSessionBytes float64 `json:"per_session_bytes"`
	PeakFiles       int64   `json:"peak_files"`
	FileLimit       int64   `json:"file_limit"`
}

// GeneratorDocument is [GeneratorFigures] in a [Document].
type GeneratorDocument struct {
	Processes       int     `json:"processes"`
	Cores           int     `json:"cores"`
	CPUS            float64 `json:"cpu_s"`
	MeanCores       float64 `json:"mean_cores"`
	PeakCores       float64 `json:"peak_cores"`
	PeakRSSBytes    int64   `json:"peak_rss_bytes"`
	PerSessionBytes float64 `json:"per_session_bytes"`
}

// PointDocument is a [Point] in a [Document].
type PointDocument struct {
	AtS          float64                      `json:"at_s"`
	Phase        Phase                        `json:"phase"`
	Sessions     int64                        `json:"sessions"`
	Rates        map[string]float64           `json:"rates"`
	Latency      map[string]QuantilesDocument `json:"latency"`
	ErrorRate    float64                      `json:"error_rate"`
	Generator    UsageDocument                `json:"generator"`
	Service      *UsageDocument               `json:"service"` // null: unknown
	ServiceFiles int64                        `json:"service_files"`
}

// QuantilesDocument is [Quantiles] in a [Document].
type QuantilesDocument struct {
	Count int64   `json:"count"`
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
	MaxMS float64 `json:"max_ms"`
}

// UsageDocument is what a set of processes used in one second.
type UsageDocument struct {
	CPUCores float64 `json:"cpu_cores"`
	RSSBytes int64   `json:"rss_bytes"`
}

// NewDocument returns the document of a result and of the outcomes of its checks.
func NewDocument(r *Result, checks []Outcome) (*Document, error) {
	d := &Document{
		Format:       DocumentFormat,
		Started:      r.Started,
		SetUpS:       seconds(r.SetUp),
		MeasuredS:    seconds(r.Measured),
		ElapsedS:     seconds(r.Elapsed),
		Interrupted:  r.Interrupted,
		Failed:       r.Failed,
		Options:      newOptionsDocument(r.Options),
		Machine:      MachineDocument{r.Machine.Name, r.Machine.System, r.Machine.CPU, r.Machine.Cores, r.Machine.Memory, r.Machine.Go},
		SessionsPeak: r.PeakSessions,
		Opened:       r.Opened,
		MainMetric:   r.MainMetric().String(),
		MainCounter:  r.MainCounter().String(),
		Latency:      make(map[string]LatencyDocument),
		Counters:     make(map[string]int64),
		Rates:        make(map[string]float64),
		Errors:       make(map[string]int64),
		Closes:       make(map[int]int64),
		Verification: r.Verification,
		Generator: GeneratorDocument{r.Generator.Processes, r.Generator.Cores, seconds(r.Generator.CPU), round(r.Generator.MeanCPU, 3),
			round(r.Generator.PeakCPU, 3), r.Generator.PeakRSS, round(r.Generator.BytesPerSession, 0)},
		Warnings: append([]Warning{}, r.Warnings...),
		Checks:   append([]Outcome{}, checks...),
		Timeline: make([]PointDocument, 0, len(r.Timeline)),
	}
	maps.Copy(d.Errors, r.Snapshot.errors)
	maps.Copy(d.Closes, r.Snapshot.closes)
	for _, c := range Counters() {
		if n := r.Snapshot.Count(c); n != 0 {
			d.Counters[c.String()] = n
			d.Rates[c.String()] = round(r.Rate(c), 3)
		}
	}
	for _, m := range Metrics() {
		if of := r.Snapshot.Distribution(m); of.Count() > 0 {
			latency, err := newLatencyDocument(of)
			if err != nil {
				return nil, err
			}
			d.Latency[m.String()] = latency
		}
	}
	if s := r.Service; s != nil {
		d.Service = &ServiceDocument{
			PID: s.PID, Command: s.Command, CPUS: seconds(s.CPU), PeakCores: round(s.PeakCPU, 3),
			CPUPerRelayUS: round(float64(s.CPUPerRelay)/float64(time.Microsecond), 3), IdleRSSBytes: s.IdleRSS, IdleAnonymous: s.IdleAnonymous, PeakRSSBytes: s.PeakRSS,
			PerSessionBytes: round(s.BytesPerSession, 0), PeakFiles: s.PeakFiles, FileLimit: s.FileLimit,
		}
		if r.Measured > 0 {
			d.Service.MeanCores = round(s.CPU.Seconds()/r.Measured.Seconds(), 3)
		}
	}
	for _, p := range r.Timeline {
		d.Timeline = append(d.Timeline, newPointDocument(p))
	}
	return d, nil
}

func newOptionsDocument(o options.Options) OptionsDocument {
	d := OptionsDocument{
		Scenarios: o.Scenarios, URL: o.RedactedURL(), Dialect: o.Dialect, Sessions: o.TotalSessions(), Rate: o.Rate, Keep: o.Keep, Verify: o.Verifies(),
		DurationS: seconds(o.Duration), WarmupS: seconds(o.Warmup), Seed: o.Seed,
	}
	for _, s := range o.Scenarios {
		d.Pairs += o.PairsOf(s)
	}
	if o.Has(options.ScenarioRelay) {
		if d.RelaysPerSecond = o.RelaysPerSecond; o.OpenLoop() {
			d.Arrivals = o.Arrivals
		} else {
			d.Window = o.Window
		}
	}
	if o.Has(options.ScenarioRelay) || o.Has(options.ScenarioSlow) {
		d.SizeBytes = o.Size
	}
	if o.Has(options.ScenarioSlow) {
		d.SlowReaders = o.SlowReaderCount()
	}
	if o.Has(options.ScenarioCall) {
		d.Messages = o.Messages
	}
	return d
}

func newLatencyDocument(d *Distribution) (LatencyDocument, error) {
	encoded, err := d.encode()
	if err != nil {
		return LatencyDocument{}, err
	}
	l := LatencyDocument{
		Count: d.Count(), MeanMS: milliseconds(d.Mean()), P50MS: milliseconds(d.Percentile(50)), P90MS: milliseconds(d.Percentile(90)),
		P99MS: milliseconds(d.Percentile(99)), P999MS: milliseconds(d.Percentile(99.9)), MaxMS: milliseconds(d.Max()), HDR: encoded,
	}
	for _, v := range d.curve() {
		l.CurveMS = append(l.CurveMS, milliseconds(v))
	}
	return l, nil
}

func newPointDocument(p Point) PointDocument {
	d := PointDocument{
		AtS: seconds(p.At), Phase: p.Phase, Sessions: p.Sessions, ErrorRate: round(p.Errors, 3),
		Rates: make(map[string]float64), Latency: make(map[string]QuantilesDocument),
		Generator: UsageDocument{round(p.GeneratorCPU, 3), p.GeneratorRSS}, ServiceFiles: p.ServiceFiles,
	}
	for c, rate := range p.Rates {
		d.Rates[c.String()] = round(rate, 3)
	}
	for m, q := range p.Latency {
		d.Latency[m.String()] = QuantilesDocument{q.Count, milliseconds(q.P50), milliseconds(q.P99), milliseconds(q.Max)}
	}
	if p.ServiceKnown {
		d.Service = &UsageDocument{round(p.ServiceCPU, 3), p.ServiceRSS}
	}
	return d
}

func seconds(d time.Duration) float64 { return round(d.Seconds(), 6) }

func milliseconds(d time.Duration) float64 {
	return round(float64(d)/float64(time.Millisecond), 3)
}

// round returns v rounded to a number of decimal places.
func round(v float64, places int) float64 {
	factor := math.Pow10(places)
	return math.Round(v*factor) / factor
}
