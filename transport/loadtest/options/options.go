// Package options defines what a load test does: its scenarios and their options. It fills in defaults
// and refuses what cannot be done.
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
	ScenarioStorm Scenario = "storm" // all sessions drop at once and come back
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
	ArrivalsPoisson  Arrivals = "poisson"  // independent of each other, like the frames of many users
	ArrivalsConstant Arrivals = "constant" // evenly spaced
)

// Dialect is a protocol in which sessions are opened and frames are relayed.
type Dialect string

// The dialects.
const (
	DialectNative Dialect = "native" // the service's own protocol
	DialectPeerJS Dialect = "peerjs" // that of PeerJS's client, version 1.x
)

// Dialects returns all dialects.
func Dialects() []Dialect { return []Dialect{DialectNative, DialectPeerJS} }

// MinSize and MaxSize bound [Options.Size], in bytes. A smaller frame has no room for what verification needs. The
// protocol forbids a larger one: 64 KiB is the limit of a message.
const (
	MinSize = 256
	MaxSize = messages.MaxMessageBytes
)

// Options says what a run does. A zero field stands for its default, unless the field's comment gives 0 a meaning. Some
// defaults depend on the scenarios. [Options.Resolve] fills them in.
type Options struct {
	Scenarios []Scenario // default: relay
	URL       string     // of the service, ws:// or wss://
	Dialect   Dialect    `json:",omitempty"` // default DialectNative
	Key       string     `json:",omitempty"` // DialectPeerJS: the key that the service wants; default peerjs
	TokenFile string     `json:",omitempty"` // has a token on each line, with which the sessions log in, in turn; {login} in it stands for the login; empty: without tokens

	Sessions int     // idle, churn, storm: sessions of each scenario; default DefaultSessions
	Rate     float64 // new sessions a second, over all scenarios; 0: as fast as the service answers
	Keep     bool    `json:",omitempty"` // idle, churn, storm: ask the service to keep the sessions; those of a storm come back to them with a resume
	Pairs    int     // relay, storm (bystanders), slow, call: pairs of sessions; default 100, in storm and call 10

	Window          int      // relay, closed loop: frames of one pair that may be under way, in both directions together; default 1
	RelaysPerSecond float64  // relay: frames a second over all pairs, in an open loop; 0: closed loop
	Arrivals        Arrivals // relay, open loop; default ArrivalsPoisson
	Size            int      // bytes of each frame in relay and slow; 0: those of a browser's calls
	Verify          bool     // relay, storm (bystanders), slow (neighbours): check that each frame arrives once, in order, unmodified, at the right session

	SlowReaders int     // slow: how many readers stop reading
	SlowShare   float64 // slow: the share of all readers that stop, above 0 and up to 1; excludes SlowReaders; default 0.1
	Messages    int     // call: messages of each call, in each direction; default 10

	Duration  time.Duration // length of the measured phase; default 10 s
	Warmup    time.Duration // how long load runs before that, unmeasured; 0: not at all
	Processes int           // processes of the generator; 0: as many as the sessions need
	PID       int           // the service's process, whose CPU and memory are reported; 0: find it by its port, if it runs on this machine
	Seed      uint64        // seed of the random arrivals and back-off; 0: a different one for each run
}

// DefaultSessions is how many sessions idle, churn and storm have.
const DefaultSessions = 1000

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

// Has reports whether s is among the scenarios.
func (o Options) Has(s Scenario) bool { return slices.Contains(o.Scenarios, s) }

// OpenLoop reports whether frames are sent at a fixed rate, regardless of how fast the service answers.
func (o Options) OpenLoop() bool { return o.RelaysPerSecond > 0 }

// Verifies reports whether the run checks relayed frames: whether [Options.Verify] is on, and there are pairs that it is for.
// o must be resolved.
func (o Options) Verifies() bool {
	neighbours := o.Has(ScenarioSlow) && o.SlowReaderCount() < o.PairsOf(ScenarioSlow)
	return o.Verify && (o.Has(ScenarioRelay) || o.Has(ScenarioStorm) || neighbours)
}

// PairsOf returns how many pairs the scenario has, 0 if it has none. o must be resolved.
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

// SessionsOf returns how many sessions the scenario has open at once. The sessions of its pairs count. o must be
// resolved.
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

// OnlyChurn reports whether every session of the run comes and goes. The number of sessions at a time then says
// nothing.
func (o Options) OnlyChurn() bool { return len(o.Scenarios) == 1 && o.Has(ScenarioChurn) }

// ScenarioList returns the scenarios as a list for people.
func (o Options) ScenarioList() string { return join(o.Scenarios) }

// RedactedURL returns the URL without its password. It is empty if the URL cannot be parsed.
func (o Options) RedactedURL() string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

// Files returns how many files all sessions together need. Each session has a socket. In a call, each session also has
// a UDP socket for its peer.
func (o Options) Files() int { return o.TotalSessions() + o.SessionsOf(ScenarioCall) }

// CallRate returns how many of the new sessions a second belong to calls. Calls and the other scenarios share
// [Options.Rate] in proportion to the sessions that they open at the start.
func (o Options) CallRate() float64 {
	calls := o.SessionsOf(ScenarioCall)
	opened := o.TotalSessions() - o.SessionsOf(ScenarioChurn)
	return o.Rate * float64(calls) / float64(max(1, opened))
}

// SlowReaderCount returns how many readers of the slow scenario stop reading. It is at least 1. o must be resolved.
func (o Options) SlowReaderCount() int {
	if o.SlowReaders != 0 {
		return o.SlowReaders
	}
	return max(1, int(math.Round(o.SlowShare*float64(o.PairsOf(ScenarioSlow)))))
}
