package loadtest

import (
	"fmt"
	"time"
)

const (
	busyShare     = 0.85                 // of its cores: a generator that uses more has no reserve
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
	const limit = "The generator, not the service, was the limit: "
	lag := r.Snapshot.Distribution(MetricSendLag)
	latency := r.Snapshot.Distribution(r.MainMetric())
	late := lag.Percentile(99)
	g := r.Generator
	busy := g.Cores > 0 && g.MeanCPU > busyShare*float64(g.Cores)
	switch {
	case busy:
		warn(WarningGenerator, limit+"it used %.2f of the %d processor cores that it may use. Run it on a faster machine, or on several.", g.MeanCPU, g.Cores)
	case lag.Count() >= enoughSamples && late > leastLag && (late > lagLimit || float64(late) > lagShare*float64(latency.Percentile(99))):
		warn(WarningGenerator, limit+"1 %% of its frames left %v or more after they were due (the latency, of which that is a part, was %v at its 99th percentile). Ask for less load, or run it on a machine of its own.",
			late.Round(time.Microsecond), latency.Percentile(99).Round(time.Microsecond))
	}
	if f := r.Service; f != nil && !busy && r.Measured > 0 {
		if used := g.MeanCPU + f.CPU.Seconds()/r.Measured.Seconds(); used > machineBusy*float64(r.Machine.Cores) {
			warn(WarningOther, "Service and generator share this machine, and used %.2f of its %d cores between them: each slows the other down. For the service's own limit run the generator on another machine.", used, r.Machine.Cores)
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

// why says what can be done about sessions that could not be opened.
func (c *coordinator) why() string {
	errors := c.result.Snapshot.errors
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
