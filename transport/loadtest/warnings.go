package loadtest

import (
	"fmt"
	"time"
)

const (
	busyShare     = 0.85                 // of its cores: a generator that uses more has no reserve
	calmCPU       = 0.5                  // of its cores: one that uses less and is late all the same was kept waiting
	lagLimit      = 5 * time.Millisecond // a generator that sends later than this, at its 99th percentile, is late
	lagShare      = 0.1                  // … or later than this share of the latency that is to be measured
	leastLag      = 200 * time.Microsecond
	machineBusy   = 0.95 // of the machine's cores: generator and service compete for them
	enoughSamples = 100
)

// warnings says what makes the figures doubtful.
func (c *coordinator) warnings() []Warning {
	r := c.result
	var all []Warning
	warn := func(code, format string, arguments ...any) {
		all = append(all, Warning{code, fmt.Sprintf(format, arguments...)})
	}
	g := r.Generator
	busy := false
	for _, l := range c.lags() {
		text, code := "", WarningGenerator
		if busy = g.Cores > 0 && l.cpu > busyShare*float64(g.Cores); busy {
			text = fmt.Sprintf("The generator, not the service, was the limit: it used %s of the %d processor cores that it may use. Run it on a faster machine, or on several.",
				significant(l.cpu), g.Cores)
		} else if l.matters() {
			text = "The generator, not the service, was the limit: " + l.String() + ". Ask for less load, or run it on a machine of its own."
			if g.Cores > 0 && l.cpu < calmCPU*float64(g.Cores) {
				code = WarningMachine
				text = fmt.Sprintf("This machine was busy: the generator used %s of %d cores only, and still %s. Run it on a machine of its own.",
					significant(l.cpu), g.Cores, l)
			}
		}
		if text != "" {
			warn(code, "%s", text)
			break
		}
	}
	if f := r.Service; f != nil && !busy && r.Measured > 0 {
		if used := g.MeanCPU + f.CPU.Seconds()/r.Measured.Seconds(); used > machineBusy*float64(r.Machine.Cores) {
			warn(WarningOther, "Service and generator share this machine, and used %s of its %d cores between them: each slows the other down. For the service's own limit run the generator on another machine.", significant(used), r.Machine.Cores)
		}
	}
	if wanted := int64(r.Options.TotalSessions()); r.PeakSessions < wanted && !r.Options.Has(ScenarioChurn) && !r.Interrupted && r.Failed == "" {
		warn(WarningFewSessions, "%d of %d sessions could be logged in.%s", r.PeakSessions, wanted, c.why())
	}
	if c.pace > 0 {
		warn(WarningOther, "Every connection came to about %.0f frames a second: that looks like a rate limit of the service's for each connection. Use more pairs, or lift it (this project's service: --rate 0).", c.pace)
	}
	return all
}

// lateness is how late the generator was in some part of a run.
type lateness struct {
	lag     *Distribution
	late    string // what was late, for people
	metric  Metric // what the lag is a part of
	latency time.Duration
	cpu     float64 // cores that the generator used meanwhile
}

func (l lateness) matters() bool {
	late := l.lag.Percentile(99)
	return l.lag.Count() >= enoughSamples && late > leastLag && (late > lagLimit || float64(late) > lagShare*float64(l.latency))
}

func (l lateness) String() string {
	return fmt.Sprintf("1 %% of %s %s or more after they were due (which is a part of the latency; its 99th percentile, %s: %s)",
		l.late, formatDuration(l.lag.Percentile(99)), l.metric.Title(), formatDuration(l.latency))
}

// lags returns how late the generator was: with frames where it sent any, and else with whatever its event loops did; and
// with logins, where those are what the run is about, which belong to the set-up.
func (c *coordinator) lags() []lateness {
	r := c.result
	var all []lateness
	add := func(lag *Distribution, late string, metric Metric, cpu float64) {
		all = append(all, lateness{lag, late, metric, r.Snapshot.Distribution(metric).Percentile(99), cpu})
	}
	const steps = "its steps were taken"
	main := r.MainMetric()
	if lag := r.Snapshot.Distribution(MetricSendLag); lag.Count() > 0 {
		for _, m := range []Metric{MetricRelay, MetricSlowDuring, MetricSlowBefore, MetricStormDuring, MetricStormBefore} {
			if r.Snapshot.Distribution(m).Count() > 0 {
				add(lag, "its frames left", m, r.Generator.MeanCPU)
				break
			}
		}
	} else if main != MetricLogin {
		add(r.Snapshot.Distribution(MetricLoopLag), steps, main, r.Generator.MeanCPU)
	}
	if main == MetricLogin && c.setUpTime > 0 {
		add(&c.setUpLag, steps, main, c.setUpCPU.Seconds()/c.setUpTime.Seconds())
	}
	return all
}

// why says what can be done about sessions that could not be opened.
func (c *coordinator) why() string {
	errors := c.result.Snapshot.Errors()
	switch {
	case errors[codeNoFiles] > 0:
		return " This program ran out of files: raise its limit (ulimit -n), or give --processes."
	case errors[codeNoPorts] > 0:
		return " This machine ran out of ports: widen net.ipv4.ip_local_port_range, or run the test from several machines."
	case c.result.Service != nil && c.result.Service.FileLimit > 0 && c.result.Service.PeakFiles > c.result.Service.FileLimit*99/100:
		return fmt.Sprintf(" The service ran out of files: it may open %d; raise that (ulimit -n) before it is started.", c.result.Service.FileLimit)
	}
	return ""
}
