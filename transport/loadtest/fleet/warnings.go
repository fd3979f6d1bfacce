package fleet

import (
	"fmt"
	"slices"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/load"
)

const (
	busyShare     = 0.85                 // share of its cores above which a generator has no reserve
	calmCPU       = 0.5                  // share of its cores below which a generator is late only because the machine kept it waiting
	lagLimit      = 5 * time.Millisecond // a generator whose lag at the 99th percentile is above this is late
	lagShare      = 0.1                  // so is a generator whose lag is above this share of the latency to be measured
	leastLag      = 200 * time.Microsecond
	machineBusy   = 0.95 // share of the machine's cores above which generator and service compete for them
	enoughSamples = 100
)

// warnings returns what makes the figures doubtful.
func (c *coordinator) warnings() []figures.Warning {
	r := c.result
	var all []figures.Warning
	warn := func(code, format string, arguments ...any) {
		all = append(all, figures.Warning{Code: code, Text: fmt.Sprintf(format, arguments...)})
	}
	g := r.Generator
	used := g.MeanCPU
	if r.MainMetric() == figures.MetricLogin {
		used = max(used, c.setUpCores())
	}
	busy := g.Cores > 0 && used > busyShare*float64(g.Cores)
	lags := c.lags()
	late := slices.IndexFunc(lags, lateness.matters)
	switch {
	case busy:
		warn(figures.WarningGenerator, "The generator, not the service, was the limit: it used %s of the %d processor cores that it may use. Run it on a faster machine, or on several.",
			figures.FormatSignificant(used), g.Cores)
	case late >= 0 && g.Cores > 0 && lags[late].cpu < calmCPU*float64(g.Cores):
		warn(figures.WarningMachine, "This machine was busy: the generator used %s of %d cores only, and still %s. Run it on a machine of its own.",
			figures.FormatSignificant(lags[late].cpu), g.Cores, lags[late])
	case late >= 0:
		warn(figures.WarningGenerator, "The generator, not the service, was the limit: %s. Ask for less load, or run it on a machine of its own.", lags[late])
	}
	if f := r.Service; f != nil && !busy && r.Measured > 0 {
		if used := g.MeanCPU + f.CPU.Seconds()/r.Measured.Seconds(); used > machineBusy*float64(r.Machine.Cores) {
			warn(figures.WarningOther, "Service and generator share this machine, and used %s of its %d cores between them: each slows the other down. For the service's own limit run the generator on another machine.", figures.FormatSignificant(used), r.Machine.Cores)
		}
	}
	if wanted := r.WantedSessions(); r.Opened < wanted {
		warn(figures.WarningFewSessions, "%d of %d sessions could be logged in.%s", r.Opened, wanted, c.why())
	}
	if missing := r.NotBack(); missing > 0 && !r.Interrupted && r.Failed == "" {
		warn(figures.WarningNotBack, "%d of %d dropped sessions did not come back before the run ended. Give them more time: a longer --duration.", missing, r.Snapshot.Count(figures.CounterDropped))
	}
	returned, resumed := r.Snapshot.Count(figures.CounterReturned), r.Snapshot.Count(figures.CounterResumed)
	if n := r.Snapshot.Errors()[load.CodeNotKept]; n > 0 {
		warn(figures.WarningNotKept, "%d logins asked for a kept session, and the service kept none (this project's service: --resume-window).", n)
	} else if r.Options.Keep && resumed < returned {
		warn(figures.WarningNotKept, "%d of %d sessions that came back were not resumed: each began a new one. The service did not keep them for so long, had no room for them, or was started again (this project's service: --resume-window).", returned-resumed, returned)
	}
	if c.limit > 0 {
		warn(figures.WarningOther, "Every connection came to about %.0f frames a second. The service seems to limit the rate of each connection. Use more pairs, or lift the limit (this project's service: --rate 0).", c.limit)
	}
	if c.staysOpen {
		warn(figures.WarningOther, "The service takes logins, but leaves TCP connections open after a close frame. It should end them at once (RFC 6455, section 7.1.1). Until it does, each connection that is closed here waits for it, and holds a file on both sides.")
	}
	return all
}

// lateness is how late the generator was with one kind of work.
type lateness struct {
	lag     *figures.Distribution
	late    string         // what was late, for people
	metric  figures.Metric // the latency that includes the lag
	latency time.Duration  // 0: it was not measured
	cpu     float64        // processor cores that the generator used meanwhile
}

func (l lateness) matters() bool {
	late := l.lag.Percentile(99)
	return l.lag.Count() >= enoughSamples && late > leastLag && (late > lagLimit || l.latency > 0 && float64(late) > lagShare*float64(l.latency))
}

func (l lateness) String() string {
	late := l.lag.Percentile(99)
	text := fmt.Sprintf("1 %% of %s %s or more after they were due", l.late, figures.FormatDuration(late))
	if l.latency > late {
		text += fmt.Sprintf(" (which is a part of the latency; its 99th percentile, %s: %s)", l.metric.Title(), figures.FormatDuration(l.latency))
	}
	return text
}

// lags returns how late the generator was. If it sent frames, their lag counts; otherwise the lag of its event loops
// does. If the run is about logins, the lag of the loops during the set-up counts, too.
func (c *coordinator) lags() []lateness {
	r := c.result
	var all []lateness
	add := func(lag *figures.Distribution, late string, metric figures.Metric, cpu float64) {
		all = append(all, lateness{lag, late, metric, r.Snapshot.Distribution(metric).Percentile(99), cpu})
	}
	const steps = "its steps were taken"
	main := r.MainMetric()
	if lag := r.Snapshot.Distribution(figures.MetricSendLag); lag.Count() > 0 {
		for _, m := range []figures.Metric{figures.MetricRelay, figures.MetricSlowDuring, figures.MetricSlowBefore, figures.MetricStormDuring, figures.MetricStormBefore} {
			if r.Snapshot.Distribution(m).Count() > 0 {
				add(lag, "its frames left", m, r.Generator.MeanCPU)
				break
			}
		}
	} else if main != figures.MetricLogin {
		add(r.Snapshot.Distribution(figures.MetricLoopLag), steps, main, r.Generator.MeanCPU)
	}
	if main == figures.MetricLogin && c.setUpTime > 0 {
		add(&c.setUpLag, "its steps while it opened the sessions were taken", main, c.setUpCores())
	}
	return all
}

// setUpCores returns how many processor cores the generator used during the set-up.
func (c *coordinator) setUpCores() float64 {
	if c.setUpTime == 0 {
		return 0
	}
	return c.setUpCPU.Seconds() / c.setUpTime.Seconds()
}

// why says what can be done about sessions that could not be opened.
func (c *coordinator) why() string {
	errors := c.result.Snapshot.Errors()
	switch {
	case errors[load.CodeNoFiles] > 0:
		return " This program ran out of files: raise its limit (ulimit -n), or give --processes."
	case errors[load.CodeNoPorts] > 0:
		return " This machine ran out of ports: widen net.ipv4.ip_local_port_range, or run the test from several machines."
	case c.result.Service != nil && c.result.Service.FileLimit > 0 && c.result.Service.PeakFiles > c.result.Service.FileLimit*99/100:
		return fmt.Sprintf(" The service ran out of files: it may open %d; raise that (ulimit -n) before it is started.", c.result.Service.FileLimit)
	}
	return ""
}
