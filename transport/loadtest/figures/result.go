package figures

import (
	"slices"
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// Result is what a run found out.
type Result struct {
	Options options.Options // all filled in
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

// MetricsOf returns the latencies that the scenario is about, the main one first.
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

// CounterOf returns what the scenario's rate counts.
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

// MainMetric returns the latency that the run was about: what p99 without a name means. It is the first of the
// scenarios' that has been measured.
func (r *Result) MainMetric() Metric {
	for _, s := range r.Options.Scenarios {
		for _, m := range MetricsOf(s) {
			if r.Snapshot.Distribution(m).Count() > 0 {
				return m
			}
		}
	}
	if len(r.Options.Scenarios) > 0 {
		return MetricsOf(r.Options.Scenarios[0])[0]
	}
	return MetricRelay
}

// MainCounter returns what the run's rate counts.
func (r *Result) MainCounter() Counter {
	if len(r.Options.Scenarios) > 0 {
		return CounterOf(r.Options.Scenarios[0])
	}
	return CounterRelaysDelivered
}

// Rate returns how many of c there were each second: for connections and logins of scenarios that open all sessions
// first, over the time that this took, and over the measured phase for everything else. It is 0 where nothing was measured.
func (r *Result) Rate(c Counter) float64 {
	span := r.Measured
	switch c {
	case CounterDials, CounterOpened, CounterLoginsSent, CounterLoggedIn:
		if !slices.Contains(r.Options.Scenarios, options.ScenarioChurn) && !slices.Contains(r.Options.Scenarios, options.ScenarioStorm) {
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
