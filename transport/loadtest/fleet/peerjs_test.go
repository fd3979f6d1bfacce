package fleet

import (
	"log/slog"
	"strings"
	"testing"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/locked"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/options"
)

// inPeerJS returns options for a run of the shortest duration against a PeerJS server.
func inPeerJS(t *testing.T, scenarios ...options.Scenario) options.Options {
	o := briefly(services.NewRelay(t, services.None, 0, 0).PeerJSURL(), scenarios...)
	o.Dialect = options.DialectPeerJS
	return o
}

func TestAnHonestPeerJSServerIsAccusedOfNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*options.Options){
		"closed loop": func(*options.Options) {},
		"window":      func(o *options.Options) { o.Window = 16 },
		"open loop":   func(o *options.Options) { o.RelaysPerSecond = 1000 },
		"given size":  func(o *options.Options) { o.Size = 300 },
		"unverified":  func(o *options.Options) { o.Verify = false },
		"another key": func(o *options.Options) { o.Key = "a key" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := inPeerJS(t, options.ScenarioRelay)
			o.Pairs = 4
			change(&o)
			r := mustRun(t, o)
			wantNoErrors(t, r)
			sent, delivered := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysDelivered)
			if sent == 0 || sent != delivered || r.Verification.Count() != 0 || o.Verify && r.Verification.Checked != delivered {
				t.Errorf("%d frames sent and %d delivered, verification %+v; wanted the same number, and no finding", sent, delivered, r.Verification)
			}
		})
	}
}

func TestSessionsOfPeerJSComeAndGo(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		o := inPeerJS(t, options.ScenarioIdle)
		o.Sessions = 100
		r := mustRun(t, o)
		wantNoErrors(t, r)
		if n := r.Snapshot.Count(figures.CounterLoggedIn); n != 100 || r.PeakSessions != 100 {
			t.Errorf("%d logins and %d sessions at most, want 100 each", n, r.PeakSessions)
		}
	})
	t.Run("churn", func(t *testing.T) {
		t.Parallel()
		o := inPeerJS(t, options.ScenarioChurn)
		o.Sessions = 10
		r := mustRun(t, o)
		wantNoErrors(t, r)
		if cycles := r.Snapshot.Count(figures.CounterCycles); cycles == 0 || r.Snapshot.Count(figures.CounterLoggedIn) != cycles {
			t.Errorf("%d cycles with %d logins", cycles, r.Snapshot.Count(figures.CounterLoggedIn))
		}
	})
	t.Run("storm", func(t *testing.T) {
		t.Parallel()
		r := stormOf50(t, inPeerJS(t, options.ScenarioStorm))
		if n := r.Snapshot.Count(figures.CounterReturned); n != 50 || r.Snapshot.ErrorCount() != 0 || r.Verification.Count() != 0 {
			t.Errorf("%d of 50 came back, with the errors %v and %+v", n, r.Snapshot.Errors(), r.Verification)
		}
	})
}

func TestARefusalOfAPeerJSServerIsExplained(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"type":"ERROR","payload":{"msg":"Invalid key provided"}}`:                         "a login is refused (invalid-key): give the key of the service as --key",
		`{"type":"ERROR","payload":{"msg":"Server has reached its concurrent user limit"}}`: "a login is refused (concurrent-limit): the service is full",
		`{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}`:                               "a login is refused (id-taken)",
		`{"type":"login","success":true}`:                                                   "no service of this protocol",
	} {
		s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) { s.Rules.Open = answer })
		o := briefly(s.PeerJSURL(), options.ScenarioRelay)
		o.Dialect = options.DialectPeerJS
		r, err := Run(t.Context(), o, nil)
		wantNoService(t, r, err, want)
	}
}

func TestAServiceWithoutPeerJSSaysWhichOptionItWants(t *testing.T) {
	t.Parallel()
	var log locked.Buffer
	o := briefly(services.Serve(t, func(o *transport.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }), options.ScenarioRelay)
	o.Dialect = options.DialectPeerJS
	r, err := Run(t.Context(), o, nil)
	wantNoService(t, r, err, "start the service with --peerjs")
	// A service that answers 404 is not asked whether it speaks TLS.
	if text := log.String(); strings.Contains(text, "TLS") || !strings.Contains(text, "--peerjs") {
		t.Errorf("the service logged %q; want one line about --peerjs", text)
	}
}
