package figures

import (
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// Result is what a run found out.
type Result struct {
	Options options.Options // with all defaults filled in
	Started time.Time
	Machine Machine

	SetUp    time.Duration // from the first connection to the last login before the load
	Measured time.Duration // length of the measured phase, which rates are over
	Elapsed  time.Duration // length of the whole run

	Snapshot Snapshot // of the measured phase, with the connections and logins before it; see [Snapshot.MergeWarmup]
	During   Snapshot // the counters of the measured phase alone; Snapshot also has what ended after it
	// PeakSessions is the most sessions logged in at once. If sessions come and go, it is the sum over all loops of the most
	// that each loop had within a second.
	PeakSessions int64
	Opened       int64 // the most sessions logged in at once before the load began: none of churn
	Timeline     Timeline
	Verification Verification
	Service      *ServiceFigures // nil: it could not be observed
	Generator    GeneratorFigures
	Warnings     []Warning

	Interrupted bool   // the user ended the run early
	Failed      string // why the run could not go on, such as that the service went away; empty: it did go on
}

// MetricsOf returns the latencies that a scenario is about, the main one first.
func MetricsOf(s options.Scenario) []Metric {
	switch s {
	case options.ScenarioIdle:
		return []Metric{MetricLogin}
	case options.ScenarioChurn:
		return []Metric{MetricCycle, MetricLogin}
	case options.ScenarioStorm:
		return []Metric{MetricReturn, MetricStormDuring, MetricStormBefore}
	case options.ScenarioSlow:
		return []Metric{MetricSlowDuring, MetricSlowBefore}
	case options.ScenarioCall:
		return []Metric{MetricCallSetup, MetricMessage}
	}
	return []Metric{MetricRelay}
}

// CounterOf returns the counter behind a scenario's rate.
func CounterOf(s options.Scenario) Counter {
	switch s {
	case options.ScenarioIdle:
		return CounterLoggedIn
	case options.ScenarioChurn:
		return CounterCycles
	case options.ScenarioStorm:
		return CounterReturned
	case options.ScenarioCall:
		return CounterCallsConnected
	}
	return CounterRelaysDelivered
}

// MainMetric returns the latency that the run is about: the meaning of p99 without a name. It is that of the first scenario,
// measured or not: another latency in its place would let a check pass on a figure that the user does not mean.
func (r *Result) MainMetric() Metric {
	if len(r.Options.Scenarios) > 0 {
		return MetricsOf(r.Options.Scenarios[0])[0]
	}
	return MetricRelay
}

// MainCounter returns the counter behind the run's rate: the meaning of rate without a name.
func (r *Result) MainCounter() Counter {
	if len(r.Options.Scenarios) > 0 {
		return CounterOf(r.Options.Scenarios[0])
	}
	return CounterRelaysDelivered
}

// WantedSessions returns how many sessions should have been logged in at once. The sessions of churn come and go. So they
// count only if not one of them was ever logged in. It returns 0 for a run that ended early, which says nothing about them.
func (r *Result) WantedSessions() int64 {
	if r.Interrupted || r.Failed != "" {
		return 0
	}
	wanted := r.Options.TotalSessions()
	if r.Snapshot.Count(CounterLoggedIn) > 0 {
		wanted -= r.Options.SessionsOf(options.ScenarioChurn)
	}
	return int64(wanted)
}

// checkedSessions returns the number of sessions in --check: those logged in before the load, or the most at once if all come and go.
func (r *Result) checkedSessions() int64 {
	if r.Options.OnlyChurn() {
		return r.PeakSessions
	}
	return r.Opened
}

// NotBack returns how many sessions of a storm did not come back.
func (r *Result) NotBack() int64 {
	return r.Snapshot.Count(CounterDropped) - r.Snapshot.Count(CounterReturned)
}

// Rate returns the number of c per second of the measured phase. What happened after it, when frames under way could still
// arrive, does not count: a service that falls behind would seem to keep up. Connections and logins are an exception: their
// rate is over the set-up, or over the whole run if a scenario opens sessions during the load. Rate returns 0 if nothing was
// measured.
func (r *Result) Rate(c Counter) float64 {
	n, span := r.rated(c)
	if span <= 0 {
		return 0
	}
	return float64(n) / span.Seconds()
}

// Rated returns the number behind [Result.Rate].
func (r *Result) Rated(c Counter) int64 {
	n, _ := r.rated(c)
	return n
}

func (r *Result) rated(c Counter) (n int64, span time.Duration) {
	switch c {
	case CounterDials, CounterOpened, CounterLoginsSent, CounterLoggedIn:
		if !r.Options.Has(options.ScenarioChurn) && !r.Options.Has(options.ScenarioStorm) {
			return r.Snapshot.Count(c), r.SetUp
		}
		return r.Snapshot.Count(c), r.Elapsed
	case CounterRelaysDelivered:
		return r.During.delivered(), r.Measured
	}
	return r.During.Count(c), r.Measured
}

// ServiceFigures is what the run observed of the service's process. The process must be on this machine.
type ServiceFigures struct {
	PID         int
	Command     string        // its name, as the kernel knows it
	CPU         time.Duration // used in the measured phase
	PeakCPU     float64       // cores, in the busiest second
	CPUPerRelay time.Duration // CPU divided by the relays delivered in the measured phase; 0: there were none
	IdleRSS     int64         // bytes, before the first session
	PeakRSS     int64         // bytes
	// IdleAnonymous is IdleRSS without the pages of files, such as the program: they come and go whatever the sessions do.
	IdleAnonymous int64
	// BytesPerSession is the growth of the anonymous memory divided by the sessions: the lowest value seen since all were logged in,
	// because the garbage of logins goes some seconds later; 0: unknown. It only means something if the service was freshly
	// started: otherwise the service reuses memory that it has.
	BytesPerSession float64
	PeakFiles       int64 // open files
	FileLimit       int64 // limit of open files; 0: unknown
}

// GeneratorFigures is what this program itself used.
type GeneratorFigures struct {
	Processes       int
	Cores           int           // processor cores that the processes may use
	CPU             time.Duration // used in the measured phase, all processes
	MeanCPU         float64       // cores, in the measured phase
	PeakCPU         float64       // cores, in the busiest second of the measured phase
	PeakRSS         int64         // bytes, all processes
	BytesPerSession float64       // growth of RSS divided by the sessions logged in; 0: unknown
}

// Machine is the machine that a run took place on.
type Machine struct {
	Name   string // host name
	System string // operating system, kernel release and architecture
	CPU    string // model, if known
	Cores  int
	Memory int64 // bytes; 0: unknown
	Go     string
}

// Warning is something that a reader of the figures must know. Its code is stable. Its text is for people.
type Warning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Codes of warnings.
const (
	WarningGenerator   = "generator-limit" // the generator, not the service, was the limit
	WarningMachine     = "machine-busy"    // the generator was late, but not because of its own work
	WarningFewSessions = "few-sessions"    // not all of the wanted sessions could be opened
	WarningNotBack     = "not-back"        // not all sessions came back from a storm
	WarningNotKept     = "not-kept"        // the service did not keep the sessions that it was asked to keep
	WarningOther       = "note"
)
