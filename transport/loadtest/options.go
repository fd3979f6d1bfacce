package loadtest

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2p-messaging/messages"
)

// Scenario is a kind of load.
type Scenario string

// The scenarios.
const (
	ScenarioIdle  Scenario = "idle"  // sessions that are held
	ScenarioRelay Scenario = "relay" // pairs that exchange the frames of calls
	ScenarioChurn Scenario = "churn" // connect, login, logout, close, over and over
	ScenarioStorm Scenario = "storm" // all drop at once and come back
	ScenarioSlow  Scenario = "slow"  // some readers stop reading
	ScenarioCall  Scenario = "call"  // WebRTC peers that call each other
)

// Scenarios returns all scenarios.
func Scenarios() []Scenario {
	return []Scenario{ScenarioIdle, ScenarioRelay, ScenarioChurn, ScenarioStorm, ScenarioSlow, ScenarioCall}
}

// metrics returns the latencies that the scenario is about, the main one first.
func (s Scenario) metrics() []Metric {
	switch s {
	case ScenarioIdle:
		return []Metric{MetricLogin}
	case ScenarioChurn:
		return []Metric{MetricCycle, MetricLogin}
	case ScenarioStorm:
		return []Metric{MetricReturn, MetricStormDuring, MetricStormBefore}
	case ScenarioSlow:
		return []Metric{MetricSlowDuring, MetricSlowBefore}
	case ScenarioCall:
		return []Metric{MetricCallSetup, MetricMessage}
	}
	return []Metric{MetricRelay}
}

// counter returns what the scenario's rate counts.
func (s Scenario) counter() Counter {
	switch s {
	case ScenarioIdle:
		return CounterLoggedIn
	case ScenarioChurn:
		return CounterCycles
	case ScenarioStorm:
		return CounterReturned
	case ScenarioCall:
		return CounterCallsConnected
	}
	return CounterRelaysDelivered
}

// Arrivals says how the frames of an open loop are spread over time.
type Arrivals string

// The ways to spread frames.
const (
	ArrivalsPoisson  Arrivals = "poisson"  // independent of each other, as those of many users are
	ArrivalsConstant Arrivals = "constant" // at even distances
)

// MinSize and MaxSize bound [Options.Size], in bytes: a frame must hold what verification needs, and the protocol
// forbids more than 64 KiB.
const (
	MinSize = 256
	MaxSize = messages.MaxMessageBytes
)

// Options is what a run is to do. Where 0 can mean nothing else, it stands for the default, which depends on the
// scenarios; [Options.Resolve] puts it in.
type Options struct {
	Scenarios []Scenario // default: relay
	URL       string     // of the service, ws:// or wss://

	Sessions int     // idle, churn, storm: sessions of each of these scenarios; default 1,000
	Rate     float64 // new sessions a second, all together; 0: as fast as the service answers
	Pairs    int     // relay, storm (bystanders), slow, call: pairs of sessions; default 100, in storm 10, in call 10

	Window          int      // relay, closed loop: frames of one pair that may be under way, both directions together; default 1
	RelaysPerSecond float64  // relay: open loop, over all pairs; 0: closed loop
	Arrivals        Arrivals // relay, open loop; default ArrivalsPoisson
	Size            int      // bytes of each frame in relay and slow; 0: those of a browser's calls
	Verify          bool     // relay: check that each frame arrives once, in order, unmodified, at the right one

	SlowReaders int     // slow: how many stop reading
	SlowShare   float64 // slow: … or the share of all readers that does, above 0 and up to 1; default 0.1
	Messages    int     // call: messages of each call, each way; default 10

	Duration  time.Duration // of the measured phase; default 10 s
	Warmup    time.Duration // load that is not measured, before that; 0: none
	Processes int           // of the generator; 0: as many as the sessions need
	PID       int           // the service's process, for its CPU and memory; 0: find it by its port, where it runs on this machine
	Seed      uint64        // of all that is random; 0: a different one for each run
}

// DefaultOptions returns the options of a relay run against a service on this machine.
func DefaultOptions() Options {
	return Options{
		Scenarios: []Scenario{ScenarioRelay},
		URL:       "ws://localhost:7777/ws",
		Verify:    true,
		Duration:  10 * time.Second,
		Warmup:    time.Second,
	}
}

// Has says whether s is among the scenarios.
func (o Options) Has(s Scenario) bool { return slices.Contains(o.Scenarios, s) }

// OpenLoop says whether frames are sent at a fixed rate, however fast they are answered.
func (o Options) OpenLoop() bool { return o.RelaysPerSecond > 0 }

// PairsOf returns how many pairs the scenario has; 0 if it has none. o must be resolved.
func (o Options) PairsOf(s Scenario) int {
	switch {
	case !o.Has(s) || s == ScenarioIdle || s == ScenarioChurn:
		return 0
	case o.Pairs != 0:
		return o.Pairs
	case s == ScenarioStorm || s == ScenarioCall:
		return 10
	}
	return 100
}

// SessionsOf returns how many sessions the scenario has open at once, those of its pairs included. o must be resolved.
func (o Options) SessionsOf(s Scenario) int {
	n := 2 * o.PairsOf(s)
	if o.Has(s) && (s == ScenarioIdle || s == ScenarioChurn || s == ScenarioStorm) {
		n += o.Sessions
	}
	return n
}

// TotalSessions returns how many sessions all scenarios together have open at once. o must be resolved.
func (o Options) TotalSessions() int {
	n := 0
	for _, s := range o.Scenarios {
		n += o.SessionsOf(s)
	}
	return n
}

// files returns how many files all sessions together need: each has a socket, and in a call one for its peer, too.
func (o Options) files() int { return o.TotalSessions() + o.SessionsOf(ScenarioCall) }

// callRate returns how many of the rate's new sessions a second are those of calls: their share of all sessions that are
// opened in the beginning. The rest is for the others.
func (o Options) callRate() float64 {
	calls := o.SessionsOf(ScenarioCall)
	opened := o.TotalSessions() - o.SessionsOf(ScenarioChurn)
	return o.Rate * float64(calls) / float64(max(1, opened))
}

// SlowReaderCount returns how many readers of the slow scenario stop reading, one at least. o must be resolved.
func (o Options) SlowReaderCount() int {
	if o.SlowReaders != 0 {
		return o.SlowReaders
	}
	return max(1, int(math.Round(o.SlowShare*float64(o.PairsOf(ScenarioSlow)))))
}

// UsageError says what is wrong with options. It is a sentence for the person who gave them.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

func usage(format string, arguments ...any) error {
	return &UsageError{fmt.Sprintf(format, arguments...)}
}

// ServiceError says that there is nothing to measure: no service where the URL points to, or one that speaks something
// else. Reason is a sentence for people.
type ServiceError struct {
	Reason string
	Err    error // what is behind it; may be nil
}

func (e *ServiceError) Error() string { return e.Reason }

func (e *ServiceError) Unwrap() error { return e.Err }

// Resolve returns o with all defaults put in, or a *[UsageError] that says what cannot be.
func (o Options) Resolve() (Options, error) {
	if len(o.Scenarios) == 0 {
		o.Scenarios = []Scenario{ScenarioRelay}
	}
	for i, s := range o.Scenarios {
		if !slices.Contains(Scenarios(), s) {
			return o, usage("there is no scenario %q: choose from %s", s, join(Scenarios()))
		}
		if slices.Contains(o.Scenarios[:i], s) {
			return o, usage("the scenario %s is given twice: each runs once, with its own sessions", s)
		}
	}
	if err := o.checkURL(); err != nil {
		return o, err
	}
	if err := o.checkNumbers(); err != nil {
		return o, err
	}
	if err := o.checkCombinations(); err != nil {
		return o, err
	}
	if o.Sessions == 0 {
		o.Sessions = 1000
	}
	if o.Window == 0 {
		o.Window = 1
	}
	if o.Arrivals == "" {
		o.Arrivals = ArrivalsPoisson
	}
	if o.SlowReaders == 0 && o.SlowShare == 0 {
		o.SlowShare = 0.1
	}
	if o.Messages == 0 {
		o.Messages = 10
	}
	if o.Has(ScenarioSlow) && o.SlowReaderCount() > o.PairsOf(ScenarioSlow) {
		return o, usage("--slow-readers: %d of %d readers cannot stop reading: each pair has one; give more --pairs",
			o.SlowReaders, o.PairsOf(ScenarioSlow))
	}
	if o.Processes > o.TotalSessions() {
		return o, usage("--processes: %d processes cannot share %d sessions", o.Processes, o.TotalSessions())
	}
	return o, nil
}

func (o Options) checkURL() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return usage("--url: %q is no URL: give one as in ws://localhost:7777/ws", o.URL)
	case u.Scheme == "http" || u.Scheme == "https":
		u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
		return usage("--url: the protocol is WebSocket's: give %s", u.Redacted())
	case u.Scheme != "ws" && u.Scheme != "wss":
		return usage("--url: %q does not begin with ws:// or wss://", o.URL)
	case u.Hostname() == "":
		return usage("--url: %q names no host", o.URL)
	case !validPort(u.Port()):
		return usage("--url: %s is no port: give one from 1 to 65535", u.Port())
	case u.Fragment != "":
		return usage("--url: a WebSocket URL has no fragment (#%s)", u.Fragment)
	}
	return nil
}

// validPort takes the port of a URL, which may have none.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func (o Options) checkNumbers() error {
	for _, n := range []struct {
		flag     string
		value    float64
		min, max float64
		unit     string
	}{
		{"--sessions", float64(o.Sessions), 0, 10_000_000, ""},
		{"--rate", o.Rate, 0, 10_000_000, ""},
		{"--pairs", float64(o.Pairs), 0, 5_000_000, ""},
		{"--window", float64(o.Window), 0, 10_000, ""},
		{"--relays-per-second", o.RelaysPerSecond, 0, 100_000_000, ""},
		{"--slow-readers", float64(o.SlowReaders), 0, 5_000_000, ""},
		{"--slow-share", o.SlowShare, 0, 1, ""},
		{"--messages", float64(o.Messages), 0, 1_000_000, ""},
		{"--processes", float64(o.Processes), 0, 1024, ""},
		{"--pid", float64(o.PID), 0, math.MaxInt32, ""},
		{"--duration", o.Duration.Seconds(), 0, (7 * 24 * time.Hour).Seconds(), " s"},
		{"--warmup", o.Warmup.Seconds(), 0, (7 * 24 * time.Hour).Seconds(), " s"},
	} {
		if !(n.value >= n.min && n.value <= n.max) { // NaN is neither
			return usage("%s: %s%s is not from %s to %s%s", n.flag, plain(n.value), n.unit, plain(n.min), plain(n.max), n.unit)
		}
	}
	if o.Duration < 100*time.Millisecond {
		return usage("--duration: %v is too short to measure anything: give 100ms at least", o.Duration)
	}
	if o.Size != 0 && (o.Size < MinSize || o.Size > MaxSize) {
		return usage("--size: %d is not from %d to %d bytes", o.Size, MinSize, MaxSize)
	}
	if o.Arrivals != "" && o.Arrivals != ArrivalsPoisson && o.Arrivals != ArrivalsConstant {
		return usage("--arrivals: %q is neither %s nor %s", o.Arrivals, ArrivalsPoisson, ArrivalsConstant)
	}
	return nil
}

func (o Options) checkCombinations() error {
	for _, only := range []struct {
		flag  string
		given bool
		of    []Scenario
	}{
		{"--sessions", o.Sessions != 0, []Scenario{ScenarioIdle, ScenarioChurn, ScenarioStorm}},
		{"--pairs", o.Pairs != 0, []Scenario{ScenarioRelay, ScenarioStorm, ScenarioSlow, ScenarioCall}},
		{"--window", o.Window != 0, []Scenario{ScenarioRelay}},
		{"--relays-per-second", o.RelaysPerSecond != 0, []Scenario{ScenarioRelay}},
		{"--arrivals", o.Arrivals != "", []Scenario{ScenarioRelay}},
		{"--size", o.Size != 0, []Scenario{ScenarioRelay, ScenarioSlow}},
		{"--no-verify", !o.Verify, []Scenario{ScenarioRelay}},
		{"--slow-readers", o.SlowReaders != 0, []Scenario{ScenarioSlow}},
		{"--slow-share", o.SlowShare != 0, []Scenario{ScenarioSlow}},
		{"--messages", o.Messages != 0, []Scenario{ScenarioCall}},
	} {
		if only.given && !slices.ContainsFunc(only.of, o.Has) {
			return usage("%s is for %s, and the scenarios are: %s", only.flag, join(only.of), join(o.Scenarios))
		}
	}
	switch {
	case o.Window != 0 && o.OpenLoop():
		return usage("--window and --relays-per-second exclude each other: a closed loop has a window, an open loop has a rate")
	case o.Arrivals != "" && !o.OpenLoop():
		return usage("--arrivals is for an open loop: give --relays-per-second, too")
	case o.SlowReaders != 0 && o.SlowShare != 0:
		return usage("--slow-readers and --slow-share exclude each other")
	}
	return nil
}

// plain writes a number in full, without an exponent.
func plain(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(v)
}

// join lists words for people.
func join[S ~string](words []S) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}
