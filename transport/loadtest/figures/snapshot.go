package figures

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Snapshot is what one process or several counted and measured in a span of time. The zero value is empty. A Snapshot
// is not safe for concurrent use. Use one for each loop, not one for each session: every metric in use takes about 200 KB.
type Snapshot struct {
	counts        [counters]int64
	distributions [metrics]*Distribution // nil: empty
	errors        map[string]int64       // by code
	closes        map[int]int64          // by status code
}

// Count returns the value of a counter.
func (s *Snapshot) Count(c Counter) int64 { return s.counts[c] }

// Distribution returns the durations of a metric. It is never nil. The caller must not change it.
func (s *Snapshot) Distribution(m Metric) *Distribution {
	if d := s.distributions[m]; d != nil {
		return d
	}
	return &Distribution{}
}

// Errors returns the number of errors by code. A code is the service's own where the service gave one. Other codes are
// words such as "connection-reset".
func (s *Snapshot) Errors() map[string]int64 { return maps.Clone(s.errors) }

// ErrorCount returns the number of errors of all codes.
func (s *Snapshot) ErrorCount() int64 { return total(s.errors) }

// Closes returns the number of connections that the service closed, by status code (RFC 6455, section 7.4).
func (s *Snapshot) Closes() map[int]int64 { return maps.Clone(s.closes) }

// Merge adds what o has. No precision is lost: histograms are added bucket by bucket.
func (s *Snapshot) Merge(o *Snapshot) {
	for _, m := range Metrics() {
		s.mergeMetric(o, m)
	}
	s.MergeCounters(o)
	s.mergeErrors(o)
}

// MergeCounters adds the counters of o, and nothing else.
func (s *Snapshot) MergeCounters(o *Snapshot) {
	for _, c := range Counters() {
		s.counts[c] += o.counts[c]
	}
}

// MergeDrain adds what happened after the measured phase: what began in it and ended late. It leaves out how late the event
// loops were, because the load was over.
func (s *Snapshot) MergeDrain(o *Snapshot) {
	rest := *o
	rest.distributions[MetricLoopLag] = nil
	s.Merge(&rest)
}

// delivered returns how many frames arrived, whenever they were due.
func (s *Snapshot) delivered() int64 {
	return s.counts[CounterRelaysDelivered] + s.counts[CounterRelaysFromWarmup]
}

// MergeWarmup adds what counts even if it happened before the measured phase: connections, logins and errors. It leaves
// out relays, calls and their latencies.
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
		s.AddErrors(code, n)
	}
	for code, n := range o.closes {
		s.AddCloses(code, n)
	}
}

func (s *Snapshot) distribution(m Metric) *Distribution {
	if s.distributions[m] == nil {
		s.distributions[m] = new(Distribution)
	}
	return s.distributions[m]
}

// Add counts n more of c.
func (s *Snapshot) Add(c Counter, n int64) { s.counts[c] += n }

// Observe adds a duration to a metric.
func (s *Snapshot) Observe(m Metric, d time.Duration) { s.distribution(m).Observe(d) }

// AddErrors counts n errors under a code: the service's, or a fixed word of the same form. A malformed code counts as
// otherCode. So does a new code once there are maxCodes.
func (s *Snapshot) AddErrors(code string, n int64) {
	if s.errors == nil {
		s.errors = make(map[string]int64)
	}
	if _, known := s.errors[code]; !known && (len(s.errors) >= maxCodes || !wellFormed(code)) {
		code = otherCode
	}
	s.errors[code] += n
}

// AddCloses counts n connections that the service closed with this status code.
func (s *Snapshot) AddCloses(code int, n int64) {
	if s.closes == nil {
		s.closes = make(map[int]int64)
	}
	s.closes[code] += n
}

// A service may send any code. These limits keep the number and the form of codes sane.
const (
	maxCodes  = 64
	otherCode = "other"
)

func wellFormed(code string) bool {
	return code != "" && len(code) <= 64 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// total returns the sum of the values of m.
func total[K comparable](m map[K]int64) int64 {
	var n int64
	for _, v := range m {
		n += v
	}
	return n
}

// snapshotJSON is the form in which a [Snapshot] passes between processes.
type snapshotJSON struct {
	Counters map[string]int64         `json:"counters,omitempty"`
	Metrics  map[string]*Distribution `json:"metrics,omitempty"`
	Errors   map[string]int64         `json:"errors,omitempty"`
	Closes   map[int]int64            `json:"closes,omitempty"`
}

// MarshalJSON encodes s without loss: [Snapshot.UnmarshalJSON] restores a Snapshot equal to s.
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

// UnmarshalJSON replaces s by what text encodes.
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
