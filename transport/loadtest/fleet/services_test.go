package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

func TestWithoutAServiceOfTheProtocolThereIsNothingToMeasure(t *testing.T) {
	t.Parallel()
	for _, c := range services.Strangers() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(t.Context(), briefly(c.Serve(t), options.ScenarioRelay), nil)
			wantNoService(t, r, err, c.Want)
		})
	}
}

func wantNoService(t *testing.T, r *figures.Result, err error, want string) {
	t.Helper()
	var noService *load.ServiceError
	if !errors.As(err, &noService) || !strings.Contains(noService.Reason, want) || strings.Contains(noService.Reason, "\n") {
		t.Errorf("the run has the result %+v and the error %v; wanted none, and a line with %q", r, err, want)
	}
}

// The URLs begin with wss://.
func TestOverTLSItIsSaidWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve func(t *testing.T) string
		want  string
	}{
		"a service without TLS": {func(t *testing.T) string { return services.Serve(t) }, "this port does not speak TLS: give ws://127.0.0.1:"},
		"no HTTP": {func(t *testing.T) string {
			return services.Raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-Example\r\n"); services.Drain(c) })
		}, "this port does not speak TLS: give ws://127.0.0.1:"},
		"closes at once": {func(t *testing.T) string { return services.Raw(t, func(net.Conn) {}) }, "it ended the connection"},
		"a certificate of nobody": {func(t *testing.T) string {
			server := httptest.NewTLSServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			t.Cleanup(server.Close)
			return "ws" + strings.TrimPrefix(server.URL, "https") + "/ws"
		}, "its certificate is not to be trusted"},
		"nothing listens": {services.ClosedPort, "nothing listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(t.Context(), briefly("wss"+strings.TrimPrefix(c.serve(t), "ws"), options.ScenarioRelay), nil)
			wantNoService(t, r, err, c.want)
		})
	}
}

func TestNoPasswordIsRepeated(t *testing.T) {
	url := strings.Replace(services.ClosedPort(t), "ws://", "ws://me:secret@", 1)
	_, err := Run(t.Context(), briefly(url, options.ScenarioRelay), nil)
	var usage *options.UsageError
	if !errors.As(err, &usage) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "give ws://127.0.0.1:") {
		t.Errorf("%v; wanted the address without user and password", err)
	}
}

func TestAServiceThatLeavesConnectionsOpenIsMeasuredAllTheSame(t *testing.T) {
	t.Parallel()
	r := mustRun(t, briefly(services.Lingering(t, services.Serve(t)), options.ScenarioRelay))
	if r.Snapshot.Count(figures.CounterRelaysDelivered) == 0 || r.PeakSessions != r.WantedSessions() {
		t.Errorf("%d relays on %d sessions; wanted a run", r.Snapshot.Count(figures.CounterRelaysDelivered), r.PeakSessions)
	}
	if !slices.ContainsFunc(r.Warnings, func(w figures.Warning) bool { return strings.Contains(w.Text, "leaves TCP connections open") }) {
		t.Errorf("the warnings are %+v; wanted one about the connections that stay open", r.Warnings)
	}
}

// A service that is out of files leaves connections in its accept queue.
func TestAServiceThatStopsToTakeSessionsIsNotWaitedForForLong(t *testing.T) {
	t.Parallel()
	for scenario, change := range map[options.Scenario]func(*options.Options){
		options.ScenarioIdle:  func(o *options.Options) { o.Sessions = 400 },
		options.ScenarioRelay: func(o *options.Options) { o.Pairs = 200 },
		options.ScenarioStorm: func(o *options.Options) { o.Sessions, o.Pairs = 380, 10 },
		options.ScenarioCall:  func(o *options.Options) { o.Pairs = 30 },
	} {
		t.Run(string(scenario), func(t *testing.T) {
			t.Parallel()
			const taken = 21 // one of them is the probe's
			o := briefly(services.Full(t, services.Serve(t), taken), scenario)
			change(&o)
			ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
			defer cancel()
			r, err := run(ctx, o, nil, load.Plan{Every: brisk, Grace: time.Second, Patience: 500 * time.Millisecond, Loops: 2})
			if err != nil || ctx.Err() != nil {
				t.Fatalf("%v, %v; wanted the run to end", err, ctx.Err())
			}
			errors := r.Snapshot.Errors()
			if errors["timeout"] == 0 || errors["not-tried"] == 0 {
				t.Errorf("the errors are %v; wanted some sessions that got no answer, and the rest not tried", errors)
			}
			if r.Failed == "" && (r.PeakSessions == 0 || r.PeakSessions >= r.WantedSessions()) {
				t.Errorf("%d of %d sessions; wanted some of them", r.PeakSessions, r.WantedSessions())
			}
		})
	}
}

func TestAServiceThatNeverAnswersIsNotWaitedForForLong(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"to the handshake": func(t *testing.T) string { return services.Raw(t, services.Drain) },
		"to a login":       func(t *testing.T) string { return services.Answering(t, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			r, err := Run(ctx, briefly(url(t), options.ScenarioRelay), nil)
			wantNoService(t, r, err, "no answer within")
		})
	}
}

func TestAServiceThatDiesHalfWayLeavesTheFiguresSoFar(t *testing.T) {
	t.Parallel()
	for _, scenario := range []options.Scenario{options.ScenarioRelay, options.ScenarioIdle, options.ScenarioChurn, options.ScenarioCall} {
		t.Run(string(scenario), func(t *testing.T) {
			t.Parallel()
			s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
				s.Rules.Relay = func([]byte) bool {
					if s.Counted.Taken == 20 {
						s.Serving.Go(s.Vanish)
					}
					return true
				}
			})
			o := briefly(s.URL, scenario)
			o.Duration = time.Hour
			if scenario == options.ScenarioIdle || scenario == options.ScenarioChurn {
				o.Sessions = 10
			}
			ended := false
			r, err := run(t.Context(), o, func(p figures.Progress) {
				if p.Phase == figures.PhaseMeasuring && p.Totals.Count(figures.CounterLoggedIn) > 0 && !ended { // these scenarios send no frames to count
					ended = true
					s.Vanish()
				}
			}, load.Plan{Every: brisk, Grace: services.Patience, Loops: 2})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(r.Failed, "went away") || strings.Contains(r.Failed, "\n") {
				t.Errorf("the run ended because of %q; wanted a line that says that the service went away", r.Failed)
			}
			if n := r.Snapshot.Count(figures.CounterLoggedIn); n == 0 {
				t.Error("there are no figures of the time before")
			}
			if n := r.Verification.Count(); n != 0 {
				t.Errorf("%d violations, which are the end's: %+v", n, r.Verification.Findings)
			}
		})
	}
}

func TestAServiceThatDeliversNothingIsFoundOut(t *testing.T) {
	t.Parallel()
	const pairs, window = 3, 8
	ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
	defer cancel()
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.Relay = func([]byte) bool {
			if s.Counted.Taken == pairs*window {
				cancel()
			}
			return false
		}
	})
	r, err := run(ctx, options.Options{URL: s.URL, Verify: true, Pairs: pairs, Window: window, Duration: time.Hour}, nil, load.Plan{Every: brisk, Grace: 0, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	if lost := r.Verification.Findings[figures.ViolationLost].Count; lost != pairs*window || r.Verification.Count() != lost {
		t.Errorf("%+v; wanted %d lost frames", r.Verification.Findings, pairs*window)
	}
	if n := r.Snapshot.Count(figures.CounterRelaysDelivered); n != 0 {
		t.Errorf("%d frames count as delivered", n)
	}
}

func TestAServiceThatRefusesAllLoginsButTheFirstHasNoSessions(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"with a code": `{"type":"login","success":false,"code":"capacity"}`,
		"without one": `{"type":"login","success":false}`,
		"by nonsense": `{"type":"login","success":"yes"}`,
		"and closes":  "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := true
			s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
				s.Rules.LoggingIn = func(c *gws.Conn) {
					if !first && answer == "" {
						s.Write(c, `{"type":"login","success":false,"code":"capacity"}`)
						_ = c.WriteClose(1008, nil)
					}
				}
				s.Rules.AnswerLogin = func(string) string {
					if first {
						first = false
						return `{"type":"login","success":true}`
					}
					return answer
				}
			})
			o := briefly(s.URL, options.ScenarioRelay)
			o.Pairs, o.Duration = 3, 3*time.Second
			r, err := run(t.Context(), o, nil, load.Plan{Every: brisk, Grace: grace, Loops: 2})
			if err != nil {
				t.Fatal(err)
			}
			if n := r.Snapshot.ErrorCount(); n != 6 || r.PeakSessions != 0 {
				t.Errorf("%d errors and %d sessions; wanted 6 logins to fail: %v", n, r.PeakSessions, r.Snapshot.Errors())
			}
			if !strings.Contains(r.Failed, "no session could be logged in") {
				t.Errorf("the run ended because of %q; wanted it to say that nobody could log in", r.Failed)
			}
		})
	}
}

func TestFramesThatNobodyCouldHaveSentAreNoDanger(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want func(r *figures.Result) bool
	}{
		"a megabyte":       {strings.Repeat("x", 1<<20), func(r *figures.Result) bool { return r.Verification.Findings[figures.ViolationInvented].Count == 1 }},
		"more than that":   {strings.Repeat("x", 1<<20+1), func(r *figures.Result) bool { return r.Snapshot.Errors()["websocket-protocol"] == 1 }},
		"empty":            {"", func(r *figures.Result) bool { return r.Verification.Findings[figures.ViolationInvented].Count == 1 }},
		"a mark, cut off":  {`{"` + services.MarkName, func(r *figures.Result) bool { return r.Verification.Count() == 1 }},
		"a mark of others": {`{` + services.MarkName + strings.Repeat("f", services.MarkLength) + `"}`, func(r *figures.Result) bool { return r.Verification.Count() == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
			defer cancel()
			s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
				s.Rules.Relay = func([]byte) bool {
					if s.Counted.Taken == 20 {
						for login, conn := range s.Logins {
							if strings.HasSuffix(login, "b") {
								s.Write(conn, c.text)
								break
							}
						}
					}
					if s.Counted.Taken == 200 {
						cancel()
					}
					return true
				}
			})
			r, err := run(ctx, options.Options{URL: s.URL, Verify: true, Pairs: 2, Window: 4, Duration: time.Hour}, nil, load.Plan{Every: brisk, Grace: services.Patience, Loops: 1})
			if err != nil {
				t.Fatal(err)
			}
			if !c.want(r) {
				t.Errorf("errors %v, violations %+v", r.Snapshot.Errors(), r.Verification.Findings)
			}
		})
	}
}

func TestAServiceThatInventsErrorCodesFillsNoMemory(t *testing.T) {
	t.Parallel()
	const times = 300
	ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
	defer cancel()
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.Relay = func(text []byte) bool {
			var frame struct{ From string }
			if err := json.Unmarshal(text, &frame); err != nil {
				t.Error(err)
			}
			if s.Counted.Refused < times {
				s.Refuse(s.Logins[frame.From], fmt.Sprintf(`,"code":"\u001b[%dm"`, s.Counted.Refused))
				s.Refuse(s.Logins[frame.From], fmt.Sprintf(`,"code":"code-%d"`, s.Counted.Refused))
				return false
			}
			cancel()
			return true
		}
	})
	r, err := run(ctx, options.Options{URL: s.URL, Verify: true, Pairs: 2, Duration: time.Hour}, nil, load.Plan{Every: brisk, Grace: services.Patience, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	if codes := r.Snapshot.Errors(); len(codes) > 64+1 || r.Snapshot.ErrorCount() != times {
		t.Errorf("%d errors with %d codes, after %d; wanted all errors, and few codes", r.Snapshot.ErrorCount(), len(codes), times)
	}
}

// Without the member resume in its answers, a service keeps nothing.
func TestAServiceThatKeepsNothingIsFoundOut(t *testing.T) {
	t.Parallel()
	s := services.NewRelay(t, services.None, 0, 0)
	o := briefly(s.URL, options.ScenarioIdle)
	o.Sessions, o.Keep = 5, true
	r := mustRun(t, o)
	if n := r.Snapshot.Errors()["not-kept"]; n != 5 || r.PeakSessions != 5 {
		t.Errorf("%d sessions, the errors are %v; wanted 5 sessions that are not kept", r.PeakSessions, r.Snapshot.Errors())
	}
	if !slices.ContainsFunc(r.Warnings, func(w figures.Warning) bool {
		return w.Code == figures.WarningNotKept && strings.Contains(w.Text, "5 logins asked")
	}) {
		t.Errorf("the warnings are %+v; wanted one about the 5 sessions", r.Warnings)
	}
}
