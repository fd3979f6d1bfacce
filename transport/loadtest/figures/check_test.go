package figures

import (
	"errors"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// checkedResult has figures of every kind.
func checkedResult() *Result {
	var r Snapshot
	for i := range 1000 {
		r.Observe(MetricRelay, time.Duration(i+1)*time.Millisecond)
	}
	r.Observe(MetricLogin, 5*time.Millisecond)
	r.Add(CounterRelaysDelivered, 20_000)
	r.Add(CounterCallsStarted, 100)
	r.Add(CounterCallsConnected, 100) // one of them failed later
	r.Add(CounterCallsFailed, 1)
	r.AddErrors("peer-overloaded", 1)
	return &Result{
		Options: options.Options{Scenarios: []options.Scenario{options.ScenarioRelay, options.ScenarioCall, options.ScenarioChurn}}, Snapshot: r, During: r,
		Measured: 10 * time.Second, PeakSessions: 300, Opened: 200, // those of churn came later
		Verification: Verification{Done: true, Checked: 10, Findings: map[Violation]Finding{ViolationLost: {2, "x"}}},
		Service:      &ServiceFigures{CPUPerRelay: 8 * time.Microsecond, BytesPerSession: 2000},
	}
}

func TestConditionsAreHeldAgainstTheFigures(t *testing.T) {
	for check, want := range map[string]bool{
		"p50<=501ms": true, "p50<400ms": false, "p99<1s": true, "relay.p99.9>990ms": true, "max=1s": true, "max<1s": false,
		"login.max<=5ms": true, "login.p99>5ms": false, "mean>500ms": true, "p12.5<130ms": true,
		"rate=2000": true, "rate>2000": false, "rate.relays_delivered>=2e3": true, "relays_delivered=20000": true,
		"errors=0": false, "errors=1": true, "errors.peer-overloaded<2": true, "errors.capacity=0": true,
		"sessions>=200": true, "sessions>200": false, "loss=0": false, "loss<=2": true, "misrouted=0": true, "violations=2": true,
		"call_success>=99%": true, "call_success>=0.995": false,
		"service.cpu_per_relay<10us": true, "service.bytes_per_session<1999": false,
		"churn.p99": false, "cycle.p99<1h": false, "message.max>=0s": false, // not measured
		" p50 < 1s , errors <= 1 ": true, "p50<1s,errors=0": false,
	} {
		c, err := ParseCheck(check)
		if check == "churn.p99" {
			if err == nil {
				t.Errorf("%q was taken", check)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseCheck(%q): %v", check, err)
			continue
		}
		held := true
		for _, o := range c.Evaluate(checkedResult()) {
			held = held && o.Held
			if o.Value == "" || strings.ContainsAny(o.Condition, " ") {
				t.Errorf("%q: outcome %+v; wanted a value, and a condition without spaces", check, o)
			}
		}
		if held != want {
			t.Errorf("%q: %+v; wanted it to hold: %v", check, c.Evaluate(checkedResult()), want)
		}
	}
}

// The sessions of churn come and go. They stand in for no others, and count where there are no others.
func TestTheSessionsOfChurnCountOnlyAlone(t *testing.T) {
	const idle, churn = options.ScenarioIdle, options.ScenarioChurn
	c, err := ParseCheck("sessions>=1000")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		scenarios []options.Scenario
		opened    int64
		held      bool
	}{
		{[]options.Scenario{idle, churn}, 500, false}, {[]options.Scenario{churn, idle}, 1000, true}, {[]options.Scenario{churn}, 0, true}, {[]options.Scenario{idle}, 1000, true},
	} {
		r := &Result{Options: options.Options{Scenarios: one.scenarios, Sessions: 1000}, Opened: one.opened, PeakSessions: max(1000, one.opened)}
		if o := c.Evaluate(r)[0]; o.Held != one.held {
			t.Errorf("%v: %+v; wanted it to hold: %v", one.scenarios, o, one.held)
		}
	}
}

// Nobody came back from the storm, and no cycle was complete. What else was measured must not stand in for it.
func TestTheMainLatencyIsNoOtherIfItWasNotMeasured(t *testing.T) {
	for scenario, other := range map[options.Scenario]Metric{
		options.ScenarioStorm: MetricStormDuring, options.ScenarioSlow: MetricSlowBefore, options.ScenarioChurn: MetricLogin, options.ScenarioCall: MetricMessage,
	} {
		r := &Result{Options: options.Options{Scenarios: []options.Scenario{scenario, options.ScenarioRelay}}}
		r.Snapshot.Observe(other, time.Millisecond)
		r.Snapshot.Observe(MetricRelay, time.Millisecond)
		c, err := ParseCheck("p99<5s")
		if err != nil {
			t.Fatal(err)
		}
		if o := c.Evaluate(r)[0]; o.Held || o.Value != "not measured" {
			t.Errorf("%s: %+v; wanted p99 to be not measured", scenario, o)
		}
	}
}

func TestSessionsThatAreMissingFailARun(t *testing.T) {
	const relay, churn, idle = options.ScenarioRelay, options.ScenarioChurn, options.ScenarioIdle
	for name, c := range map[string]struct {
		scenarios []options.Scenario
		opened    int64 // before sessions of churn came, too
		loggedIn  int64
		change    func(*Result)
		check     string
		want      string
	}{
		"all are there":              {[]options.Scenario{idle}, 2000, 2000, nil, "", ""},
		"some are missing":           {[]options.Scenario{idle}, 500, 500, nil, "", "sessions>=2000: 500"},
		"the user has said how many": {[]options.Scenario{idle}, 500, 500, nil, "sessions>400", ""},
		"the user asks for another":  {[]options.Scenario{idle}, 500, 500, nil, "errors<9", "sessions>=2000: 500"},
		"pairs are missing":          {[]options.Scenario{relay}, 199, 199, nil, "", "sessions>=200: 199"},
		"churn comes and goes":       {[]options.Scenario{churn}, 3, 9000, nil, "", ""},
		"churn never came":           {[]options.Scenario{churn}, 0, 0, nil, "", "sessions>=2000: 0"},
		"pairs beside churn":         {[]options.Scenario{churn, relay}, 200, 900, nil, "", ""},
		"pairs missing beside churn": {[]options.Scenario{churn, relay}, 150, 900, nil, "", "sessions>=200: 150"},
		"interrupted":                {[]options.Scenario{idle}, 500, 500, func(r *Result) { r.Interrupted = true }, "", ""},
		"the service went away":      {[]options.Scenario{idle}, 500, 500, func(r *Result) { r.Failed = "it went away" }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var counted Snapshot
			counted.Add(CounterLoggedIn, c.loggedIn)
			r := &Result{Options: options.Options{Scenarios: c.scenarios, Sessions: 2000}, PeakSessions: c.opened + 2000, Opened: c.opened, Snapshot: counted}
			if c.change != nil {
				c.change(r)
			}
			var check Check
			if c.check != "" {
				var err error
				if check, err = ParseCheck(c.check); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			for _, o := range check.Implied(r) {
				if got = o.Condition + ": " + o.Value; o.Held {
					t.Errorf("%s holds", got)
				}
			}
			if got != c.want {
				t.Errorf("%q does not hold; wanted %q", got, c.want)
			}
		})
	}
}

func TestAWrongCheckIsOneLineThatSaysWhatIsWrong(t *testing.T) {
	for check, want := range map[string]string{
		"":                     "p99<50ms,errors=0",
		"p99":                  "no condition",
		"p99<":                 "no condition",
		"<50ms":                "no condition",
		"p99<50ms,":            "no condition",
		"p99<50ms;errors=0":    "no condition",
		"p99<<50ms":            "no condition",
		"p99<50":               "unit",
		"p99<-5ms":             "no duration",
		"latency<5ms":          "p50, p90, p99",
		"relay.p100<5ms":       "relay",
		"relay.p0<5ms":         "relay",
		"relay.pInf<5ms":       "relay",
		"relay.p1e1<5ms":       "relay",
		"nothing.p99<5ms":      "no figure",
		"errors=many":          "no number",
		"errors=NaN":           "no number",
		"errors=-1":            "no number",
		"errors.=1":            "no figure",
		"rate>5%":              "percentage",
		"call_success>99ms%":   "no number",
		"p99<50ms\nerrors=0":   "no condition",
		"relays_delivered.x=1": "no figure",
		"errors<0":             "never",
		"p99<0s":               "never",
		"call_success>1":       "never",
		"call_success>100%":    "never",
		"call_success>=99":     "99%",
		"call_success>=101%":   "share",
	} {
		_, err := ParseCheck(check)
		var usage *options.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) || strings.HasPrefix(err.Error(), "--check") || strings.Contains(err.Error(), "\n") {
			t.Errorf("ParseCheck(%q): %v; wanted one line with %q", check, err, want)
		}
	}
}

func FuzzParseCheck(f *testing.F) {
	for _, seed := range []string{"p99<50ms,errors=0", "relay.p99.9<=1s", "call_success>=99%", "rate.logged_in>1e3", "errors.peer-overloaded=0", ",", "p<1"} {
		f.Add(seed)
	}
	r := checkedResult()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheck(text)
		var usage *options.UsageError
		if err != nil {
			if !errors.As(err, &usage) || strings.Contains(err.Error(), "\n") {
				t.Errorf("ParseCheck(%q): %v; wanted a UsageError of one line", text, err)
			}
			return
		}
		again, err := ParseCheck(c.String())
		if err != nil || again.String() != c.String() {
			t.Errorf("ParseCheck(%q) is %q, which is read as %q, %v", text, c, again, err)
		}
		outcomes := c.Evaluate(r)
		if len(outcomes) != 1+strings.Count(text, ",") {
			t.Errorf("%q has %d outcomes", text, len(outcomes))
		}
	})
}
