package figures

import (
	"slices"
	"time"
)

// Phase is what a run is doing.
type Phase string

// The phases of a run, in their order.
const (
	PhaseSetUp     Phase = "setup"   // sessions are opened and logged in
	PhaseWarmUp    Phase = "warmup"  // load runs, but is not measured
	PhaseMeasuring Phase = "measure" // what the figures are about
	PhaseDraining  Phase = "drain"   // nothing new is sent; what is under way may arrive
)

// Title says what the run does now.
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

// order is the order of the phases.
func (p Phase) Order() int {
	return slices.Index([]Phase{PhaseSetUp, PhaseWarmUp, PhaseMeasuring, PhaseDraining}, p)
}

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
