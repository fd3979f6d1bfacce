package options

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2p-messaging/transport/arguments"
)

// UsageError says what is wrong with the command line.
type UsageError = arguments.UsageError

func UsageErrorf(format string, values ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, values...)}
}

// Resolve returns o with the defaults that do not depend on a scenario. [Options.PairsOf] has the default of Pairs. The error
// is a *[UsageError]: it says which option cannot be used, and why.
func (o Options) Resolve() (Options, error) {
	if len(o.Scenarios) == 0 {
		o.Scenarios = []Scenario{ScenarioRelay}
	}
	for i, s := range o.Scenarios {
		if !slices.Contains(Scenarios(), s) {
			return o, UsageErrorf("there is no scenario %q: choose from %s", s, join(Scenarios()))
		}
		if slices.Contains(o.Scenarios[:i], s) {
			return o, UsageErrorf("the scenario %s is given twice: each runs once, with its own sessions", s)
		}
	}
	if err := o.checkURL(); err != nil {
		return o, err
	}
	if err := o.resolveDialect(); err != nil {
		return o, err
	}
	if err := o.checkNumbers(); err != nil {
		return o, err
	}
	if err := o.checkCombinations(); err != nil {
		return o, err
	}
	if o.Sessions == 0 {
		o.Sessions = DefaultSessions
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
		return o, UsageErrorf("--slow-readers: %d of %d readers cannot stop reading: each pair has one; give more --pairs",
			o.SlowReaders, o.PairsOf(ScenarioSlow))
	}
	if o.Processes > o.TotalSessions() {
		return o, UsageErrorf("--processes: %d processes cannot share %d sessions", o.Processes, o.TotalSessions())
	}
	return o, nil
}

func (o Options) checkURL() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return UsageErrorf("--url: %q is no URL: give one as in ws://localhost:7777/ws", o.URL)
	case u.Scheme == "http" || u.Scheme == "https":
		u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
		return UsageErrorf("--url: the protocol is WebSocket's: give %s", u.Redacted())
	case u.Scheme != "ws" && u.Scheme != "wss":
		return UsageErrorf("--url: %q does not begin with ws:// or wss://", o.URL)
	case u.User != nil:
		u.User = nil
		return UsageErrorf("--url: a user and a password are not sent: give %s, which must want neither", u)
	case u.Hostname() == "":
		return UsageErrorf("--url: %q names no host", o.URL)
	case !validPort(u.Port()):
		return UsageErrorf("--url: %s is no port: give one from 1 to 65535", u.Port())
	case strings.Contains(u.Hostname(), "*"):
		return UsageErrorf("--url: %q has a wildcard in it: name one host", o.URL)
	case isLinkLocal(u.Hostname()):
		return UsageErrorf("--url: %s is a link-local address: name its interface, too, as in ws://[%s%%25eth0]/ws", u.Hostname(), u.Hostname())
	case u.Fragment != "":
		return UsageErrorf("--url: a WebSocket URL has no fragment (#%s)", u.Fragment)
	}
	return nil
}

// resolveDialect fills in what depends on the dialect.
func (o *Options) resolveDialect() error {
	switch o.Dialect {
	case "":
		o.Dialect = DialectNative
	case DialectNative, DialectPeerJS:
	default:
		return UsageErrorf("--dialect: there is no dialect %q: choose from %s", o.Dialect, join(Dialects()))
	}
	if o.Dialect == DialectNative {
		if o.Key != "" {
			return UsageErrorf("--key is for --dialect peerjs")
		}
		return nil
	}
	for _, s := range []Scenario{ScenarioSlow, ScenarioCall} {
		if o.Has(s) {
			return UsageErrorf("--dialect peerjs is for idle, relay, churn and storm, and the scenarios are: %s", join(o.Scenarios))
		}
	}
	if o.Keep {
		return UsageErrorf("--keep is not for --dialect peerjs: its sessions come back with their token anyway")
	}
	if o.Key == "" {
		o.Key = "peerjs"
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return err
	}
	o.URL = peerJSSocket(u).String()
	return nil
}

// peerJSSocket returns the URL of the WebSocket of a PeerJS server. The path of u is that of this WebSocket, or the path under which
// the server is. The path of the service's own protocol stands for the root.
func peerJSSocket(u *url.URL) *url.URL {
	switch {
	case u.Path == "/ws":
		u.Path = "/peerjs"
	case !strings.HasSuffix(u.Path, "/peerjs"):
		u = u.JoinPath("peerjs")
	}
	return u
}

// isLinkLocal reports whether host is a link-local IPv6 address without a zone.
func isLinkLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is6() && address.IsLinkLocalUnicast() && address.Zone() == ""
}

// validPort reports whether port, the port of a URL, can be used. It may be empty.
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
		if !(n.value >= n.min && n.value <= n.max) { // also true for NaN
			return UsageErrorf("%s: %s%s is not from %s to %s%s", n.flag, plain(n.value), n.unit, plain(n.min), plain(n.max), n.unit)
		}
	}
	if o.Duration < 100*time.Millisecond {
		return UsageErrorf("--duration: %v is too short to measure anything: give 100ms at least", o.Duration)
	}
	if o.Size != 0 && (o.Size < MinSize || o.Size > MaxSize) {
		return UsageErrorf("--size: %d is not from %d to %d bytes", o.Size, MinSize, MaxSize)
	}
	if o.Arrivals != "" && o.Arrivals != ArrivalsPoisson && o.Arrivals != ArrivalsConstant {
		return UsageErrorf("--arrivals: %q is neither %s nor %s", o.Arrivals, ArrivalsPoisson, ArrivalsConstant)
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
		{"--keep", o.Keep, []Scenario{ScenarioIdle, ScenarioChurn, ScenarioStorm}},
		{"--pairs", o.Pairs != 0, []Scenario{ScenarioRelay, ScenarioStorm, ScenarioSlow, ScenarioCall}},
		{"--window", o.Window != 0, []Scenario{ScenarioRelay}},
		{"--relays-per-second", o.RelaysPerSecond != 0, []Scenario{ScenarioRelay}},
		{"--arrivals", o.Arrivals != "", []Scenario{ScenarioRelay}},
		{"--size", o.Size != 0, []Scenario{ScenarioRelay, ScenarioSlow}},
		{"--no-verify", !o.Verify, []Scenario{ScenarioRelay, ScenarioStorm, ScenarioSlow}},
		{"--slow-readers", o.SlowReaders != 0, []Scenario{ScenarioSlow}},
		{"--slow-share", o.SlowShare != 0, []Scenario{ScenarioSlow}},
		{"--messages", o.Messages != 0, []Scenario{ScenarioCall}},
	} {
		if only.given && !slices.ContainsFunc(only.of, o.Has) {
			return UsageErrorf("%s is for %s, and the scenarios are: %s", only.flag, join(only.of), join(o.Scenarios))
		}
	}
	switch {
	case o.Window != 0 && o.OpenLoop():
		return UsageErrorf("--window and --relays-per-second exclude each other: a closed loop has a window, an open loop has a rate")
	case o.Arrivals != "" && !o.OpenLoop():
		return UsageErrorf("--arrivals is for an open loop: give --relays-per-second, too")
	case o.SlowReaders != 0 && o.SlowShare != 0:
		return UsageErrorf("--slow-readers and --slow-share exclude each other")
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

// join returns words as a list for people.
func join[S ~string](words []S) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}
