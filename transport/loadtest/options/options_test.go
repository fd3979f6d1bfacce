package options

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreAClosedLoopOf100Pairs(t *testing.T) {
	o, err := DefaultOptions().Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if !o.Has(ScenarioRelay) || o.OpenLoop() || o.Window != 1 || o.TotalSessions() != 200 || !o.Verify {
		t.Errorf("%+v; wanted 100 verified pairs in a closed loop", o)
	}
}

func TestScenariosHaveSessionsOfTheirOwn(t *testing.T) {
	o := DefaultOptions()
	o.Scenarios = Scenarios()
	o.Sessions = 500
	o, err := o.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[Scenario]int{
		ScenarioIdle: 500, ScenarioRelay: 200, ScenarioChurn: 500, ScenarioStorm: 520, ScenarioSlow: 200, ScenarioCall: 20,
	} {
		if got := o.SessionsOf(s); got != want {
			t.Errorf("%s has %d sessions; wanted %d", s, got, want)
		}
	}
	if got := o.TotalSessions(); got != 1940 {
		t.Errorf("all have %d sessions; wanted 1940", got)
	}
	if got := o.SlowReaderCount(); got != 10 {
		t.Errorf("%d slow readers; wanted a tenth of 100", got)
	}
}

func TestWhatCannotBeIsOneClearLine(t *testing.T) {
	only := func(s ...Scenario) func(*Options) { return func(o *Options) { o.Scenarios = s } }
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   []string // parts of the line
	}{
		{"unknown scenario", only("rely"), []string{`"rely"`, "idle, relay, churn"}},
		{"the same twice", only(ScenarioIdle, ScenarioRelay, ScenarioIdle), []string{"idle", "twice"}},
		{"no URL", func(o *Options) { o.URL = "" }, []string{"--url", "ws://"}},
		{"no scheme", func(o *Options) { o.URL = "localhost:7777" }, []string{"--url", "ws://"}},
		{"HTTP", func(o *Options) { o.URL = "https://a.test/ws" }, []string{"wss://a.test/ws"}},
		{"another scheme", func(o *Options) { o.URL = "ftp://a.test" }, []string{"--url", "ws://", "wss://"}},
		{"no host", func(o *Options) { o.URL = "ws:///ws" }, []string{"host"}},
		{"bad port", func(o *Options) { o.URL = "ws://localhost:http/ws" }, []string{"no URL"}},
		{"port out of range", func(o *Options) { o.URL = "ws://localhost:77777/ws" }, []string{"77777"}},
		{"a user", func(o *Options) { o.URL = "ws://me:secret@host:7777/ws" }, []string{"ws://host:7777/ws"}},
		{"a link-local address", func(o *Options) { o.URL = "ws://[fe80::1]:7777/ws" }, []string{"fe80::1%25"}},
		{"a wildcard", func(o *Options) { o.URL = "wss://*.example.org/ws" }, []string{"--url", "*.example.org"}},
		{"fragment", func(o *Options) { o.URL = "ws://localhost/ws#a" }, []string{"#a"}},
		{"user", func(o *Options) { o.URL = "http://me:secret@localhost/" }, []string{"ws://me:xxxxx@localhost"}},
		{"negative sessions", func(o *Options) { o.Scenarios, o.Sessions = []Scenario{ScenarioIdle}, -1 }, []string{"--sessions", "-1"}},
		{"endless rate", func(o *Options) { o.Rate = math.Inf(1) }, []string{"--rate"}},
		{"rate that is no number", func(o *Options) { o.Rate = math.NaN() }, []string{"--rate"}},
		{"share above 1", func(o *Options) { o.Scenarios, o.SlowShare = []Scenario{ScenarioSlow}, 1.5 }, []string{"--slow-share", "1.5"}},
		{"no duration", func(o *Options) { o.Duration = 0 }, []string{"--duration", "100ms"}},
		{"negative duration", func(o *Options) { o.Duration = -time.Second }, []string{"--duration", "-1 s"}},
		{"negative warm-up", func(o *Options) { o.Warmup = -time.Second }, []string{"--warmup"}},
		{"small frames", func(o *Options) { o.Size = 10 }, []string{"--size", "256"}},
		{"large frames", func(o *Options) { o.Size = 1 << 20 }, []string{"--size", "65536"}},
		{"unknown arrivals", func(o *Options) { o.RelaysPerSecond, o.Arrivals = 5, "uniform" }, []string{"--arrivals", "poisson", "constant"}},
		{"window in an open loop", func(o *Options) { o.RelaysPerSecond, o.Window = 5, 1 }, []string{"--window", "--relays-per-second"}},
		{"arrivals in a closed loop", func(o *Options) { o.Arrivals = ArrivalsPoisson }, []string{"--arrivals", "--relays-per-second"}},
		{"sessions without who has them", func(o *Options) { o.Sessions = 5 }, []string{"--sessions", "idle, churn, storm", "relay"}},
		{"keep without who is kept", func(o *Options) { o.Keep = true }, []string{"--keep", "idle, churn, storm", "relay"}},
		{"pairs without who has them", func(o *Options) { o.Scenarios, o.Pairs = []Scenario{ScenarioIdle}, 5 }, []string{"--pairs", "relay"}},
		{"window without relay", func(o *Options) { o.Scenarios, o.Window = []Scenario{ScenarioSlow}, 5 }, []string{"--window", "relay"}},
		{"open loop without relay", func(o *Options) { o.Scenarios, o.RelaysPerSecond = []Scenario{ScenarioIdle}, 5 }, []string{"--relays-per-second"}},
		{"size without frames", func(o *Options) { o.Scenarios, o.Size = []Scenario{ScenarioChurn}, 500 }, []string{"--size", "relay, slow"}},
		{"no verification without relay", func(o *Options) { o.Scenarios, o.Verify = []Scenario{ScenarioChurn}, false }, []string{"--no-verify"}},
		{"slow readers without slow", func(o *Options) { o.SlowReaders = 3 }, []string{"--slow-readers", "slow"}},
		{"slow share without slow", func(o *Options) { o.SlowShare = 0.3 }, []string{"--slow-share", "slow"}},
		{"both", func(o *Options) { o.Scenarios, o.SlowShare, o.SlowReaders = []Scenario{ScenarioSlow}, 0.3, 3 }, []string{"--slow-share", "--slow-readers"}},
		{"more slow readers than readers", func(o *Options) { o.Scenarios, o.SlowReaders = []Scenario{ScenarioSlow}, 101 }, []string{"101", "100"}},
		{"messages without call", func(o *Options) { o.Messages = 3 }, []string{"--messages", "call"}},
		{"unknown dialect", func(o *Options) { o.Dialect = "skyway" }, []string{"--dialect", `"skyway"`, "native, peerjs"}},
		{"a key without who wants it", func(o *Options) { o.Key = "a" }, []string{"--key", "--dialect peerjs"}},
		{"calls in PeerJS's protocol", func(o *Options) { o.Dialect, o.Scenarios = DialectPeerJS, []Scenario{ScenarioIdle, ScenarioCall} }, []string{"--dialect peerjs", "idle, call"}},
		{"slow readers in PeerJS's protocol", func(o *Options) { o.Dialect, o.Scenarios = DialectPeerJS, []Scenario{ScenarioSlow} }, []string{"--dialect peerjs", "slow"}},
		{"kept sessions in PeerJS's protocol", func(o *Options) {
			o.Dialect, o.Keep, o.Scenarios = DialectPeerJS, true, []Scenario{ScenarioIdle}
		}, []string{"--keep", "--dialect peerjs"}},
		{"more processes than sessions", func(o *Options) { o.Pairs, o.Processes = 1, 3 }, []string{"--processes", "3", "2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := DefaultOptions()
			c.change(&o)
			_, err := o.Resolve()
			var usage *UsageError
			if !errors.As(err, &usage) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("Resolve: %v; wanted a UsageError of one line", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Resolve: %v; wanted it to contain %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("Resolve: %v; wanted no password", err)
			}
		})
	}
}

func TestAPeerJSServerIsFoundUnderItsPath(t *testing.T) {
	for given, want := range map[string]string{
		"ws://localhost:7777/ws":            "ws://localhost:7777/peerjs", // the default of --url
		"ws://localhost:9000":               "ws://localhost:9000/peerjs",
		"ws://localhost:9000/":              "ws://localhost:9000/peerjs",
		"ws://localhost:9000/peerjs":        "ws://localhost:9000/peerjs",
		"ws://localhost:9000/peerjs/":       "ws://localhost:9000/peerjs/peerjs",
		"ws://localhost:9000/myapp":         "ws://localhost:9000/myapp/peerjs",
		"wss://a.test/my%20app/":            "wss://a.test/my%20app/peerjs",
		"wss://a.test/myapp/peerjs?token=x": "wss://a.test/myapp/peerjs?token=x",
	} {
		o := DefaultOptions()
		o.URL, o.Dialect = given, DialectPeerJS
		o, err := o.Resolve()
		if err != nil || o.URL != want || o.Key != "peerjs" {
			t.Errorf("%s: %q with the key %q, %v; wanted %q", given, o.URL, o.Key, err, want)
		}
	}
}
