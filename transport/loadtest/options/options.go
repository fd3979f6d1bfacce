package options

import (
	"math"
	"net/url"
	"slices"
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

// OnlyChurn says whether no session is there to stay, so that it says nothing how many there were at a time.
func (o Options) OnlyChurn() bool { return len(o.Scenarios) == 1 && o.Has(ScenarioChurn) }

// ScenarioList lists the scenarios for people.
func (o Options) ScenarioList() string { return join(o.Scenarios) }

// RedactedURL returns the URL without its password; "" where it is none.
func (o Options) RedactedURL() string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

// files returns how many files all sessions together need: each has a socket, and in a call one for its peer, too.
func (o Options) Files() int { return o.TotalSessions() + o.SessionsOf(ScenarioCall) }

// callRate returns how many of the rate's new sessions a second are those of calls: their share of all sessions that are
// opened in the beginning. The rest is for the others.
func (o Options) CallRate() float64 {
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
