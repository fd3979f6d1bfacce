package loadtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"

	"github.com/alecthomas/kong"
)

// Flags are the command line of a load test, for kong. A flag without a default of its own gets it from package options.
type Flags struct {
	Scenario []string `arg:"" optional:"" placeholder:"SCENARIO" help:"What to put on the service, one or several at the same time: idle, relay, churn, storm, slow, call. Default: relay."`

	URL       string `name:"url" group:"target" env:"P2P_LOADTEST_URL" default:"${loadtest_url}" placeholder:"URL" help:"The service, ws:// or wss://. With --dialect peerjs its path is the one under which the server is, such as ws://localhost:9000/. Default: ${default}."`
	Dialect   string `group:"target" placeholder:"NAME" help:"native, the service's own protocol, or peerjs, that of PeerJS's client. With peerjs, it can be PeerJS's own server, too. Default: native."`
	Key       string `group:"target" placeholder:"KEY" help:"With --dialect peerjs: the key of the service. Default: peerjs."`
	TokenFile string `group:"target" type:"path" env:"P2P_LOADTEST_TOKEN_FILE" placeholder:"FILE" help:"For a service that wants tokens: a file with one on each line. The sessions take them in turn. Their logins begin with lt-, and {login} in a token stands for the login."`
	PID       int    `name:"pid" group:"target" placeholder:"PID" help:"Process number of the service, to report its CPU, memory and files. Default: found by its port, if it runs on this machine."`

	Sessions count         `group:"load" placeholder:"N" help:"idle, churn, storm: sessions of each. Default: ${loadtest_sessions}."`
	Rate     float64       `group:"load" placeholder:"R" help:"New sessions a second, over all scenarios. In churn: cycles a second. They begin when the other scenarios' sessions are open. Default: as fast as the service answers."`
	Keep     bool          `group:"load" help:"idle, churn, storm: ask the service to keep the sessions. In a storm they come back with a resume."`
	Pairs    count         `group:"load" placeholder:"N" help:"relay, slow, call, storm: pairs of sessions. Default: 100; with call, and beside a storm, 10."`
	Duration time.Duration `group:"load" default:"${loadtest_duration}" placeholder:"TIME" help:"How long to measure. Default: ${default}."`
	Warmup   time.Duration `group:"load" default:"${loadtest_warmup}" placeholder:"TIME" help:"How long the load runs before it is measured. Default: ${default}."`
	Seed     seed          `group:"load" placeholder:"N" help:"Seed of what is random in arrivals and back-off, to repeat them with as many processes and cores. Default: a new seed for each run, which the figures name."`

	Window          count    `group:"relay" placeholder:"N" help:"Closed loop: frames of each pair that may be under way, in both directions together. Default: 1."`
	RelaysPerSecond positive `group:"relay" placeholder:"R" help:"Open loop: frames a second over all pairs, sent when they are due, however slow the service is."`
	Arrivals        string   `group:"relay" placeholder:"KIND" help:"Open loop: poisson or constant times between frames. Default: poisson."`
	Size            count    `group:"relay" placeholder:"BYTES" help:"relay, slow: size of each frame. Default: the sizes of a browser's offer, answer and candidates."`
	Verify          bool     `group:"relay" default:"true" negatable:"" help:"relay, storm, slow: check that each frame of a pair arrives once, in order, unmodified, at the right session. On by default; turn it off with --no-verify."`

	SlowReaders count    `group:"others" placeholder:"N" help:"slow: how many readers stop reading."`
	SlowShare   positive `group:"others" placeholder:"SHARE" help:"slow: share of all readers that stop reading, such as 0.1. Default: 0.1."`
	Messages    count    `group:"others" placeholder:"N" help:"call: messages of each call, in each direction. Default: 10."`

	JSON   bool          `name:"json" group:"output" help:"Print the figures as JSON instead of the summary."`
	Report string        `group:"output" type:"path" placeholder:"FILE" help:"Write a page with tables and charts, which opens from disk, such as report.html."`
	Check  figures.Check `group:"output" placeholder:"EXPR" help:"End with status 1 unless this holds, such as p99<50ms,errors=0,rate>1000."`
	Quiet  bool          `group:"output" short:"q" help:"Do not show how the run goes."`

	Processes count `group:"generator" placeholder:"N" help:"Number of processes that share the sessions. Default: as many as needed."`
}

// Help returns the description of the command, which stands above its flags.
func (*Flags) Help() string {
	return `It opens sessions, runs the scenarios on them, and prints rates, latencies, errors and what the service used. A latency ` +
		`counts from when something was due, so that a service cannot hide that it stalls. A warning says if this program was the limit.

Scenarios:

  idle    sessions that log in and are held: logins a second, memory of a session
  relay   pairs exchange the frames of real calls, and each frame is verified
  churn   connect, log in, log out, close, over and over
  storm   all sessions drop at once and come back with back-off; with --keep, by a resume
  slow    some readers stop reading; what their neighbours feel
  call    real WebRTC peers set up data channels through the service

Examples:

  p2p-messaging loadtest                                   # 100 pairs, 10 s, against port 7777 here
  p2p-messaging loadtest idle --sessions 20000 --rate 2000
  p2p-messaging loadtest relay --relays-per-second 5000 --duration 1m --report report.html
  p2p-messaging loadtest relay --window 16 --check 'p99<50ms,errors=0'
  p2p-messaging loadtest idle relay --sessions 10000       # relay beside 10,000 idle sessions
  p2p-messaging loadtest storm --keep --sessions 15000     # kept sessions: how many resume, and how fast
  p2p-messaging loadtest --token-file tokens               # a service that wants tokens: see the command token
  p2p-messaging loadtest call --pairs 50 --url wss://chat.example.org/ws
  p2p-messaging loadtest relay --dialect peerjs            # as PeerJS's clients; the service has --peerjs

The exit status is 0 if all went well, 1 if --check does not hold, if verification failed or if not all sessions could be opened, 2 for a wrong command line, if ` +
		`there is no such service or if it went away, and 130 after Ctrl-C. There are figures in every case, unless the run could not begin.`
}

// Groups returns the groups of the flags, with their titles.
func Groups() []kong.Group {
	return []kong.Group{
		{Key: "target", Title: "What to load:"},
		{Key: "load", Title: "How much, and how long:"},
		{Key: "relay", Title: "Relay:"},
		{Key: "others", Title: "Other scenarios:"},
		{Key: "output", Title: "What comes out:"},
		{Key: "generator", Title: "This program:"},
	}
}

// Vars returns the variables in the tags of [Flags]. Port is the port of the service on this machine.
func Vars(port string) map[string]string {
	o := options.DefaultOptions()
	return map[string]string{
		"loadtest_url":      strings.Replace(o.URL, "7777", port, 1),
		"loadtest_duration": o.Duration.String(),
		"loadtest_warmup":   o.Warmup.String(),
		"loadtest_sessions": strconv.Itoa(options.DefaultSessions),
	}
}

// Options returns the options for these flags.
func (f *Flags) Options() options.Options {
	o := options.Options{
		URL: f.URL, Dialect: options.Dialect(f.Dialect), Key: f.Key, TokenFile: f.TokenFile, PID: f.PID,
		Sessions: int(f.Sessions), Rate: f.Rate, Keep: f.Keep, Pairs: int(f.Pairs), Duration: f.Duration, Warmup: f.Warmup, Seed: uint64(f.Seed),
		Window: int(f.Window), RelaysPerSecond: float64(f.RelaysPerSecond), Arrivals: options.Arrivals(f.Arrivals), Size: int(f.Size), Verify: f.Verify,
		SlowReaders: int(f.SlowReaders), SlowShare: float64(f.SlowShare), Messages: int(f.Messages),
		Processes: int(f.Processes),
	}
	for _, s := range f.Scenario {
		o.Scenarios = append(o.Scenarios, options.Scenario(s))
	}
	return o
}

// count is a number of things, at least 1.
type count int

// UnmarshalText reads a decimal number.
func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number from 1 up", text)
	}
	*c = count(n)
	return nil
}

// positive is a number above 0.
type positive float64

// UnmarshalText reads a decimal number.
func (p *positive) UnmarshalText(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(v > 0) {
		return fmt.Errorf("%q is no number above 0", text)
	}
	*p = positive(v)
	return nil
}

// seed is the seed of a run, at least 1.
type seed uint64

// UnmarshalText reads a decimal number.
func (s *seed) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no seed: give a whole number from 1 up, such as one that earlier figures name", text)
	}
	*s = seed(n)
	return nil
}
