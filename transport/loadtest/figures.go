package loadtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Counter names something that is counted.
type Counter uint8

// The counters. What a scenario does not do stays 0.
const (
	CounterDials            Counter = iota // connections begun
	CounterOpened                          // WebSocket handshakes done
	CounterClosed                          // connections ended, however that came
	CounterLoginsSent                      // logins asked for
	CounterLoggedIn                        // logins accepted
	CounterLoggedOut                       // sessions ended: by a logout, or with their connection
	CounterCycles                          // churn: connect, login, logout, close, all of it done
	CounterDropped                         // storm: sessions that were dropped
	CounterReturned                        // storm: sessions that are back
	CounterRelaysSent                      // frames given to the service to be relayed
	CounterRelaysDelivered                 // frames that arrived, whether or not they were right
	CounterRelaysRefused                   // frames that the service answered with an error
	CounterCallsStarted                    // call: pairs of peers that began to set up
	CounterCallsConnected                  // call: data channels open at both ends
	CounterCallsFailed                     // call: given up
	CounterMessagesSent                    // call: messages over data channels that came back, or did not in time
	CounterMessagesReceived                // call: echoes of them
	CounterBytesSent                       // payload of WebSocket messages to the service
	CounterBytesReceived                   // payload of WebSocket messages from the service
	counters
)

// String returns the counter's name in JSON and in --check.
func (c Counter) String() string {
	return [counters]string{
		"dials", "opened", "closed", "logins_sent", "logged_in", "logged_out", "cycles", "dropped", "returned",
		"relays_sent", "relays_delivered", "relays_refused", "calls_started", "calls_connected", "calls_failed",
		"messages_sent", "messages_received", "bytes_sent", "bytes_received",
	}[c]
}

// Counters returns all counters.
func Counters() []Counter {
	all := make([]Counter, counters)
	for i := range all {
		all[i] = Counter(i)
	}
	return all
}

// Metric names a duration that is measured.
type Metric uint8

// The metrics. All but the lags are as a client sees them, from when the step was due.
const (
	MetricConnect     Metric = iota // from when a connection was due to the end of its WebSocket handshake
	MetricLogin                     // from a login to its answer
	MetricClose                     // from the close frame to the end of the connection
	MetricCycle                     // churn: from when a cycle was due to its end
	MetricRelay                     // from when a frame was due to its arrival at the right peer
	MetricReturn                    // storm: from the drop of all to when this session was logged in again
	MetricStormBefore               // storm: relay latency of bystanders while nothing else happens
	MetricStormDuring               // storm: relay latency of bystanders from the drop until all are back
	MetricSlowBefore                // slow: relay latency of neighbours while everybody reads
	MetricSlowDuring                // slow: relay latency of neighbours while some do not read
	MetricCallSetup                 // call: from the start of a call to data channels open at both ends
	MetricMessage                   // call: from a message over a data channel to its echo
	MetricSendLag                   // generator: from when a frame was due to when it was sent
	MetricLoopLag                   // generator: how much later than planned its event loops got round to their work
	metrics
)

// String returns the metric's name in JSON and in --check.
func (m Metric) String() string {
	return [metrics]string{
		"connect", "login", "close", "cycle", "relay", "return", "storm_before", "storm_during", "slow_before",
		"slow_during", "call_setup", "message", "send_lag", "loop_lag",
	}[m]
}

// Title says what the metric is, for people.
func (m Metric) Title() string {
	return [metrics]string{
		"connect", "log in", "close", "whole cycle", "relay", "back after the drop", "bystanders before the storm",
		"bystanders during the storm", "neighbours before", "neighbours of slow readers", "set up a call",
		"message and echo", "generator: send lag", "generator: loop lag",
	}[m]
}

// Metrics returns all metrics.
func Metrics() []Metric {
	all := make([]Metric, metrics)
	for i := range all {
		all[i] = Metric(i)
	}
	return all
}

// What a [Distribution] tells apart. An HDR histogram of 3 significant digits is at most 0.1 % off.
const (
	resolution = time.Microsecond
	longest    = time.Hour // longer durations count as this long
	digits     = 3
)

// Distribution is a set of durations: an HDR histogram in microseconds. The zero value is empty.
// It is not safe for concurrent use.
type Distribution struct {
	histogram *hdrhistogram.Histogram
	max       time.Duration // exact
	sum       time.Duration // exact, up to longest for each
}

// Observe adds a duration; a negative one counts as 0.
func (d *Distribution) Observe(v time.Duration) {
	v = min(max(v, 0), longest)
	_ = d.made().RecordValue(int64((v + resolution/2) / resolution)) // within its bounds
	d.max = max(d.max, v)
	d.sum += v
}

func (d *Distribution) made() *hdrhistogram.Histogram {
	if d.histogram == nil {
		d.histogram = hdrhistogram.New(1, int64(longest/resolution), digits)
	}
	return d.histogram
}

// Merge adds all that o has. The result is exactly that of observing everything in one distribution.
func (d *Distribution) Merge(o *Distribution) {
	if o == nil || o.histogram == nil {
		return
	}
	d.made().Merge(o.histogram) // of the same bounds: drops nothing
	d.max = max(d.max, o.max)
	d.sum += o.sum
}

// Count returns how many durations there are.
func (d *Distribution) Count() int64 {
	if d == nil || d.histogram == nil {
		return 0
	}
	return d.histogram.TotalCount()
}

// Max returns the longest duration, exactly; 0 if there is none.
func (d *Distribution) Max() time.Duration {
	if d == nil {
		return 0
	}
	return d.max
}

// Mean returns the arithmetic mean; 0 if there is no duration.
func (d *Distribution) Mean() time.Duration {
	if d.Count() == 0 {
		return 0
	}
	return d.sum / time.Duration(d.Count())
}

// Percentile returns the duration that p percent of all do not exceed; 0 if there is none.
func (d *Distribution) Percentile(p float64) time.Duration {
	if d.Count() == 0 {
		return 0
	}
	return min(time.Duration(d.histogram.ValueAtPercentile(p))*resolution, d.max)
}

// distributionJSON is a [Distribution] on its way between processes.
type distributionJSON struct {
	HDR   string `json:"hdr"` // HDR histogram, V2, compressed, base64; values are microseconds
	MaxNS int64  `json:"max_ns"`
	SumNS int64  `json:"sum_ns"`
}

// MarshalJSON loses nothing: what [Distribution.UnmarshalJSON] makes of it is equal to d.
func (d *Distribution) MarshalJSON() ([]byte, error) {
	encoded, err := d.encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(distributionJSON{encoded, int64(d.max), int64(d.sum)})
}

func (d *Distribution) encode() (string, error) {
	encoded, err := d.made().Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode a histogram: %w", err)
	}
	return string(encoded), nil
}

// UnmarshalJSON replaces d.
func (d *Distribution) UnmarshalJSON(text []byte) error {
	var j distributionJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	decoded, err := hdrhistogram.Decode([]byte(j.HDR))
	if err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	*d = Distribution{max: time.Duration(j.MaxNS), sum: time.Duration(j.SumNS)}
	if dropped := d.made().Merge(decoded); dropped != 0 {
		return fmt.Errorf("decode a histogram: %d values are out of bounds", dropped)
	}
	return nil
}

// Snapshot is what has been counted and measured in some span of time, in one process or in several. The zero value is
// empty. It is not safe for concurrent use.
type Snapshot struct {
	counts        [counters]int64
	distributions [metrics]*Distribution // nil: empty
	errors        map[string]int64       // by code
	closes        map[int]int64          // by status code
}

// Count returns a counter's value.
func (s *Snapshot) Count(c Counter) int64 { return s.counts[c] }

// Distribution returns a metric's durations. It is not nil, and may be changed only if it has durations in it.
func (s *Snapshot) Distribution(m Metric) *Distribution {
	if d := s.distributions[m]; d != nil {
		return d
	}
	return &Distribution{}
}

// Errors returns how often each error code came. Codes are those of the protocol where the service said them, else such
// as "connection-reset".
func (s *Snapshot) Errors() map[string]int64 { return maps.Clone(s.errors) }

// ErrorCount returns the number of errors of all codes.
func (s *Snapshot) ErrorCount() int64 { return total(s.errors) }

// Closes returns how often the service closed a connection, by status code (RFC 6455, section 7.4).
func (s *Snapshot) Closes() map[int]int64 { return maps.Clone(s.closes) }

// Sessions returns how many sessions were logged in at its end, if s covers everything from the start on.
func (s *Snapshot) Sessions() int64 { return s.counts[CounterLoggedIn] - s.counts[CounterLoggedOut] }

// Merge adds all that o has: exactly, since histograms are added bucket by bucket.
func (s *Snapshot) Merge(o *Snapshot) {
	for _, m := range Metrics() {
		s.mergeMetric(o, m)
	}
	for _, c := range Counters() {
		s.counts[c] += o.counts[c]
	}
	s.mergeErrors(o)
}

// MergeWarmup adds what counts although it happened before the measured phase: connections, logins and errors. Relays,
// calls and their latencies do not.
func (s *Snapshot) MergeWarmup(o *Snapshot) {
	for _, m := range []Metric{MetricConnect, MetricLogin} {
		s.mergeMetric(o, m)
	}
	for _, c := range []Counter{CounterDials, CounterOpened, CounterClosed, CounterLoginsSent, CounterLoggedIn, CounterLoggedOut} {
		s.counts[c] += o.counts[c]
	}
	s.mergeErrors(o)
}

func (s *Snapshot) mergeMetric(o *Snapshot, m Metric) {
	if o.distributions[m].Count() > 0 {
		s.distribution(m).Merge(o.distributions[m])
	}
}

func (s *Snapshot) mergeErrors(o *Snapshot) {
	for code, n := range o.errors {
		s.addError(code, n)
	}
	for code, n := range o.closes {
		s.addClose(code, n)
	}
}

func (s *Snapshot) distribution(m Metric) *Distribution {
	if s.distributions[m] == nil {
		s.distributions[m] = new(Distribution)
	}
	return s.distributions[m]
}

func (s *Snapshot) addError(code string, n int64) {
	if s.errors == nil {
		s.errors = make(map[string]int64)
	}
	if _, known := s.errors[code]; !known && (len(s.errors) >= maxCodes || !wellFormed(code)) {
		code = otherCode
	}
	s.errors[code] += n
}

func (s *Snapshot) addClose(code int, n int64) {
	if s.closes == nil {
		s.closes = make(map[int]int64)
	}
	s.closes[code] += n
}

// snapshotJSON is a [Snapshot] on its way between processes.
type snapshotJSON struct {
	Counters map[string]int64         `json:"counters,omitempty"`
	Metrics  map[string]*Distribution `json:"metrics,omitempty"`
	Errors   map[string]int64         `json:"errors,omitempty"`
	Closes   map[int]int64            `json:"closes,omitempty"`
}

// MarshalJSON loses nothing: what [Snapshot.UnmarshalJSON] makes of it is equal to s.
func (s *Snapshot) MarshalJSON() ([]byte, error) {
	j := snapshotJSON{make(map[string]int64), make(map[string]*Distribution), s.errors, s.closes}
	for c, n := range s.counts {
		if n != 0 {
			j.Counters[Counter(c).String()] = n
		}
	}
	for m, d := range s.distributions {
		if d.Count() > 0 {
			j.Metrics[Metric(m).String()] = d
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON replaces s.
func (s *Snapshot) UnmarshalJSON(text []byte) error {
	var j snapshotJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("decode figures: %w", err)
	}
	*s = Snapshot{errors: j.Errors, closes: j.Closes}
	for _, c := range Counters() {
		s.counts[c] = j.Counters[c.String()]
		delete(j.Counters, c.String())
	}
	for _, m := range Metrics() {
		s.distributions[m] = j.Metrics[m.String()]
		delete(j.Metrics, m.String())
	}
	for name := range j.Counters {
		return fmt.Errorf("decode figures: unknown counter %q", name)
	}
	for name := range j.Metrics {
		return fmt.Errorf("decode figures: unknown metric %q", name)
	}
	return nil
}

// Recorder collects what one goroutine counts and measures. Others may take it away with [Recorder.Take] at any time;
// that is what its lock is for, which is nearly never contended. Have one for each loop, not one for each session: each
// metric in use takes about 200 KB. The zero value is ready.
type Recorder struct {
	mu sync.Mutex
	s  Snapshot
}

// Add counts n more of c.
func (r *Recorder) Add(c Counter, n int64) {
	r.mu.Lock()
	r.s.counts[c] += n
	r.mu.Unlock()
}

// Observe adds a duration to m.
func (r *Recorder) Observe(m Metric, d time.Duration) {
	r.mu.Lock()
	r.s.distribution(m).Observe(d)
	r.mu.Unlock()
}

// Error counts an error. Code is the service's, where it gave one, or one of few words of the same form; never text that
// differs from case to case.
func (r *Recorder) Error(code string) {
	r.mu.Lock()
	r.s.addError(code, 1)
	r.mu.Unlock()
}

// A service may say what it likes: codes of another form than the protocol's, and those beyond a sane number of them, are
// counted as one.
const (
	maxCodes  = 64
	otherCode = "other"
)

func wellFormed(code string) bool {
	return code != "" && len(code) <= 64 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// CloseCode counts a connection that the service closed with this status code.
func (r *Recorder) CloseCode(code int) {
	r.mu.Lock()
	r.s.addClose(code, 1)
	r.mu.Unlock()
}

// Take returns what has come together since the last Take, and begins anew.
func (r *Recorder) Take() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.s
	r.s = Snapshot{}
	return &taken
}

// Phase is what a run is doing.
type Phase string

// The phases of a run, in their order.
const (
	PhaseSetUp     Phase = "setup"   // sessions are opened and logged in
	PhaseWarmUp    Phase = "warmup"  // load runs, but is not measured
	PhaseMeasuring Phase = "measure" // what the figures are about
	PhaseDraining  Phase = "drain"   // nothing new is sent; what is under way may arrive
)

// Quantiles are the latencies of one second.
type Quantiles struct {
	Count         int64
	P50, P99, Max time.Duration
}

// Point is one second of a run. Rates are a second's.
type Point struct {
	At       time.Duration // end of this second, since the run began
	Phase    Phase
	Sessions int64 // logged in at its end
	Rates    map[Counter]float64
	Latency  map[Metric]Quantiles // without those that have none in this second
	Errors   float64

	GeneratorCPU float64 // cores in use, all processes of the generator
	GeneratorRSS int64   // bytes, all processes of the generator

	ServiceKnown bool // whether the service's figures could be read
	ServiceCPU   float64
	ServiceRSS   int64
	ServiceFiles int64
}

// Timeline is a run, second by second.
type Timeline []Point

// NewPoint makes a point of what has been counted and measured in the span of time that ended at at. The figures that a
// snapshot does not have (phase, sessions, CPU, memory) are left to the caller.
func NewPoint(at, span time.Duration, s *Snapshot) Point {
	p := Point{At: at, Rates: make(map[Counter]float64), Latency: make(map[Metric]Quantiles)}
	seconds := span.Seconds()
	if seconds <= 0 {
		return p
	}
	for c, n := range s.counts {
		if n != 0 {
			p.Rates[Counter(c)] = float64(n) / seconds
		}
	}
	for m, d := range s.distributions {
		if n := d.Count(); n > 0 {
			p.Latency[Metric(m)] = Quantiles{n, d.Percentile(50), d.Percentile(99), d.Max()}
		}
	}
	p.Errors = float64(s.ErrorCount()) / seconds
	return p
}

// Progress is what an observer of a run gets to see, about once a second.
type Progress struct {
	Phase   Phase
	Elapsed time.Duration // since the run began
	Left    time.Duration // until the end of this phase, where that is known; else 0
	Wanted  int64         // sessions that are to be open in the end
	Point   Point         // the last second
	Totals  *Snapshot     // of the whole run so far; must not be changed, nor kept after the call
	Notes   []string      // what a person ought to know now, such as that the run was split into processes; each comes once
}

// Violation is a way in which the service broke its promise: each frame arrives once, in order, unmodified, at the
// right one.
type Violation string

// The kinds of violations.
const (
	ViolationLost       Violation = "lost"       // did not arrive, and the service reported no error
	ViolationDuplicated Violation = "duplicated" // arrived more than once
	ViolationReordered  Violation = "reordered"  // arrived after a later one
	ViolationMisrouted  Violation = "misrouted"  // arrived at another session than the one it was for
	ViolationModified   Violation = "modified"   // arrived with other content
	ViolationInvented   Violation = "invented"   // arrived, but nobody had sent it
)

// Violations returns all kinds of violations.
func Violations() []Violation {
	return []Violation{ViolationLost, ViolationDuplicated, ViolationReordered, ViolationMisrouted, ViolationModified, ViolationInvented}
}

// Finding is what verification found of one kind.
type Finding struct {
	Count   int64  `json:"count"`
	Example string `json:"example"` // the first one, in a sentence
}

// Verification is the outcome of verifying relayed frames.
type Verification struct {
	Done     bool                  `json:"done"`    // false: was not asked for
	Checked  int64                 `json:"checked"` // frames that were verified
	Findings map[Violation]Finding `json:"findings,omitempty"`
}

// Merge adds what o found. The example that was there first stays.
func (v *Verification) Merge(o Verification) {
	v.Done = v.Done || o.Done
	v.Checked += o.Checked
	for kind, finding := range o.Findings {
		if v.Findings == nil {
			v.Findings = make(map[Violation]Finding)
		}
		had := v.Findings[kind]
		had.Count += finding.Count
		if had.Example == "" {
			had.Example = finding.Example
		}
		v.Findings[kind] = had
	}
}

// Count returns the number of violations of all kinds.
func (v Verification) Count() int64 {
	var n int64
	for _, finding := range v.Findings {
		n += finding.Count
	}
	return n
}

// ServiceFigures is what could be observed of the service's process, which must run on this machine for that.
type ServiceFigures struct {
	PID             int
	Command         string        // its name, as the kernel has it
	CPU             time.Duration // used in the measured phase
	PeakCPU         float64       // cores, in the busiest second
	CPUPerRelay     time.Duration // CPU by relays delivered in the measured phase; 0: none was
	IdleRSS         int64         // bytes, before the first session
	PeakRSS         int64         // bytes
	BytesPerSession float64       // growth of RSS by sessions logged in, when all were; of a freshly started service only, since others have memory to reuse; 0: unknown
	PeakFiles       int64         // open files
	FileLimit       int64         // open files that it may have; 0: unknown
}

// GeneratorFigures is what this program itself used.
type GeneratorFigures struct {
	Processes       int
	Cores           int           // of the machine, that the processes may use
	CPU             time.Duration // used in the measured phase, all processes
	MeanCPU         float64       // cores, in the measured phase
	PeakCPU         float64       // cores, in the busiest second of the measured phase
	PeakRSS         int64         // bytes, all processes
	BytesPerSession float64       // growth of RSS by sessions logged in; 0: unknown
}

// Machine is where a run took place.
type Machine struct {
	Name   string // host name
	System string // operating system, kernel release and architecture
	CPU    string // model, where known
	Cores  int
	Memory int64 // bytes; 0: unknown
	Go     string
}

// Warning is something that a reader of the figures must know. Code is stable; text is for people.
type Warning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Codes of warnings.
const (
	WarningGenerator   = "generator-limit" // the generator, not the service, was the limit
	WarningMachine     = "machine-busy"    // the generator was late, but not because of what it had to do
	WarningFewSessions = "few-sessions"    // not all sessions that were wanted could be opened
	WarningOther       = "note"
)

// Result is what a run found out.
type Result struct {
	Options Options // all filled in
	Started time.Time
	Machine Machine

	SetUp    time.Duration // from the first connection to the last login
	Measured time.Duration // length of the measured phase; rates are over this
	Elapsed  time.Duration // all in all

	Snapshot     Snapshot // of the measured phase, and connections and logins before it; see [Snapshot.MergeWarmup]
	PeakSessions int64    // most sessions logged in at once; where they come and go, the most that each loop had in a second, added up
	Timeline     Timeline
	Verification Verification
	Service      *ServiceFigures // nil: could not be observed
	Generator    GeneratorFigures
	Warnings     []Warning

	Interrupted bool   // ended before its time, by the user
	Failed      string // why the run could not go on, such as that the service went away; "": it did
}

// MainMetric returns the latency that the run was about: what p99 without a name means. It is the first of the
// scenarios' that has been measured.
func (r *Result) MainMetric() Metric {
	for _, s := range r.Options.Scenarios {
		for _, m := range s.metrics() {
			if r.Snapshot.Distribution(m).Count() > 0 {
				return m
			}
		}
	}
	if len(r.Options.Scenarios) > 0 {
		return r.Options.Scenarios[0].metrics()[0]
	}
	return MetricRelay
}

// MainCounter returns what the run's rate counts.
func (r *Result) MainCounter() Counter {
	if len(r.Options.Scenarios) > 0 {
		return r.Options.Scenarios[0].counter()
	}
	return CounterRelaysDelivered
}

// Rate returns how many of c there were each second: for connections and logins of scenarios that open all sessions
// first, over the time that this took, and over the measured phase for everything else. It is 0 where nothing was measured.
func (r *Result) Rate(c Counter) float64 {
	span := r.Measured
	switch c {
	case CounterDials, CounterOpened, CounterLoginsSent, CounterLoggedIn:
		if !slices.Contains(r.Options.Scenarios, ScenarioChurn) && !slices.Contains(r.Options.Scenarios, ScenarioStorm) {
			span = r.SetUp
		} else {
			span = r.Elapsed
		}
	}
	if span <= 0 {
		return 0
	}
	return float64(r.Snapshot.Count(c)) / span.Seconds()
}

// total adds up what a map counts.
func total[K comparable](m map[K]int64) int64 {
	var n int64
	for _, v := range m {
		n += v
	}
	return n
}

// round returns v with as many digits behind the point as asked for.
func round(v float64, places int) float64 {
	factor := math.Pow10(places)
	return math.Round(v*factor) / factor
}
