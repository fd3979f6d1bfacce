package figures

import (
	"slices"
	"time"
)

// Phase is a part of a run.
type Phase string

// The phases of a run, in their order.
const (
	PhaseSetUp     Phase = "setup"   // sessions are opened and logged in
	PhaseWarmUp    Phase = "warmup"  // load runs, but is not measured
	PhaseMeasuring Phase = "measure" // what the figures are about
	PhaseDraining  Phase = "drain"   // nothing new is sent, and frames under way may still arrive
)

// Title returns what the run is doing, for people.
func (p Phase) Title() string {
	switch p {
	case PhaseSetUp:
		return "opening sessions"
	case PhaseWarmUp:
		return "warming up"
	case PhaseMeasuring:
		return "measuring"
	case PhaseDraining:
		return "waiting for what is under way"
	}
	return string(p)
}

// Order returns the position of p among the phases, from 0.
func (p Phase) Order() int {
	return slices.Index([]Phase{PhaseSetUp, PhaseWarmUp, PhaseMeasuring, PhaseDraining}, p)
}

// Quantiles summarizes the latencies of one second.
type Quantiles struct {
	Count         int64
	P50, P99, Max time.Duration
}

// Point describes one second of a run. Rates are per second.
type Point struct {
	At       time.Duration // from the start of the run to the end of this second
	Phase    Phase
	Sessions int64 // logged in at the end of this second
	Rates    map[Counter]float64
	Latency  map[Metric]Quantiles // only metrics that were measured in this second
	Errors   float64

	GeneratorCPU float64 // cores in use by all processes of the generator
	GeneratorRSS int64   // bytes in use by all processes of the generator

	ServiceKnown bool // the figures of the service's process could be read
	ServiceCPU   float64
	ServiceRSS   int64
	ServiceFiles int64
}

// Timeline is a run, second by second.
type Timeline []Point

// NewPoint returns the point for what s counted and measured in a span of time that ended at at. The caller adds the
// figures that a snapshot does not have: phase, sessions, CPU and memory.
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
	if n := s.delivered(); n > 0 {
		p.Rates[CounterRelaysDelivered] = float64(n) / seconds
	}
	for m, d := range s.distributions {
		if n := d.Count(); n > 0 {
			p.Latency[Metric(m)] = Quantiles{n, d.Percentile(50), d.Percentile(99), d.Max()}
		}
	}
	p.Errors = float64(s.ErrorCount()) / seconds
	return p
}

// Progress is what the observer of a run sees about once a second.
type Progress struct {
	Phase   Phase
	Elapsed time.Duration // since the run began
	Left    time.Duration // until the end of this phase; 0: unknown
	Wanted  int64         // sessions to open
	Point   Point         // the last second
	Totals  *Snapshot     // of the whole run so far; must not be changed or kept after the call
	Notes   []string      // news for a person, such as that several processes share the run; each comes once
}
