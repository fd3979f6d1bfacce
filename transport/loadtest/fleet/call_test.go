package fleet

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

// callFor runs calls until ctx ends. The first call of each pair runs to its end in any case.
func callFor(t *testing.T, ctx context.Context, o options.Options, grace time.Duration) *figures.Result {
	t.Helper()
	o.Scenarios, o.Verify = []options.Scenario{options.ScenarioCall}, true
	r, err := run(ctx, o, nil, load.Plan{Every: brisk, Grace: grace, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFiftyPairsOfPeersCallEachOther(t *testing.T) {
	const texts = 3
	o := options.Options{URL: services.Serve(t), Pairs: 50, Messages: texts, Duration: 100 * time.Millisecond}
	if raceEnabled {
		o.Pairs = 10 // with more, the handshakes of all take longer than a call may when the machine has other work
	}
	pairs := int64(o.Pairs)
	r := callFor(t, t.Context(), o, services.Patience)
	wantNoErrors(t, r)
	count := r.Snapshot.Count
	calls := count(figures.CounterCallsConnected)
	if calls < pairs || count(figures.CounterCallsStarted) != calls || count(figures.CounterCallsFailed) != 0 {
		t.Errorf("%d calls: %d connected, %d failed; wanted each pair to call once at least, and all to go through",
			count(figures.CounterCallsStarted), calls, count(figures.CounterCallsFailed))
	}
	if sent, received := count(figures.CounterMessagesSent), count(figures.CounterMessagesReceived); sent != calls*texts || received != sent {
		t.Errorf("%d messages were sent and %d came back; wanted %d in each of %d calls", sent, received, texts, calls)
	}
	for m, want := range map[figures.Metric]int64{figures.MetricLogin: 2 * pairs, figures.MetricConnect: 2 * pairs, figures.MetricCallSetup: calls, figures.MetricMessage: calls * texts} {
		if got := r.Snapshot.Distribution(m).Count(); got != want {
			t.Errorf("%d durations of %v; wanted %d", got, m, want)
		}
	}
	// A call takes an offer and an answer. Each side then sends one candidate, its loopback address, and an empty one.
	if sent, delivered := count(figures.CounterRelaysSent), count(figures.CounterRelaysDelivered); sent != 6*calls || delivered > sent {
		t.Errorf("%d frames were sent and %d delivered in %d calls; wanted 6 for each", sent, delivered, calls)
	}
	if r.PeakSessions != 2*pairs || r.Failed != "" || r.Interrupted {
		t.Errorf("%d sessions, failed %q, interrupted %v; wanted %d sessions", r.PeakSessions, r.Failed, r.Interrupted, 2*pairs)
	}
}

func TestACallThatFailsSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	of := func(kinds ...string) func(text []byte) bool {
		return func(text []byte) bool {
			for _, kind := range kinds {
				if bytes.HasPrefix(text, []byte(`{"type":"`+kind+`"`)) {
					return true
				}
			}
			return false
		}
	}
	for _, c := range []struct {
		name  string
		lost  func(text []byte) bool // frames that the service loses
		after func(text []byte) bool // the run ends with this frame
		grace time.Duration          // how long frames under way may then take to arrive
		want  string
	}{
		{"no offer arrives", of("offer"), of("offer"), 0, "call-no-offer"},
		{"no answer arrives", of("answer"), of("answer"), 0, "call-no-answer"},
		{"no candidate arrives", of("ice-candidate"), of("answer"), 2 * time.Second, "call-no-channel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
			defer cancel()
			s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
				s.Rules.Relay = func(text []byte) bool {
					if c.after(text) {
						cancel()
					}
					return !c.lost(text)
				}
			})
			r := callFor(t, ctx, options.Options{URL: s.URL, Pairs: 1, Duration: time.Hour}, c.grace)
			if got := r.Snapshot.Errors(); !maps.Equal(got, map[string]int64{c.want: 1}) {
				t.Errorf("the errors are %v; wanted one %s", got, c.want)
			}
			if started, failed := r.Snapshot.Count(figures.CounterCallsStarted), r.Snapshot.Count(figures.CounterCallsFailed); started != 1 || failed != 1 {
				t.Errorf("%d calls, %d failed; wanted one, which failed", started, failed)
			}
			if sessions := r.PeakSessions; sessions != 2 {
				t.Errorf("%d sessions; wanted 2", sessions)
			}
		})
	}
}

func TestACallOfferThatTheServiceRefusesFailsAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), services.Patience)
	defer cancel()
	const times = 3
	s := services.NewRelay(t, services.Refuses, 1, times+1, func(s *services.Relay) {
		s.SpareFirst = false
		s.Rules.Relay = func(text []byte) bool {
			if !strings.HasPrefix(string(text), `{"type":"offer"`) {
				return false // candidates after a refused offer belong to no call
			}
			if s.Begun == times {
				cancel() // the next offer shows that the tool has read the last refusal
				return false
			}
			return true
		}
	})
	r := callFor(t, ctx, options.Options{URL: s.URL, Pairs: 1, Duration: time.Hour}, 0)
	if got := r.Snapshot.Errors()["peer-unavailable"]; got != times {
		t.Errorf("the errors are %v; wanted %d peer-unavailable", r.Snapshot.Errors(), times)
	}
	if failed, refused := r.Snapshot.Count(figures.CounterCallsFailed), r.Snapshot.Count(figures.CounterRelaysRefused); failed < times || refused != times {
		t.Errorf("%d calls failed and %d frames were refused; wanted %d of each, and perhaps the last call", failed, refused, times)
	}
}

func TestFramesThatComeTwiceDoNotDisturbACall(t *testing.T) {
	t.Parallel()
	s := services.NewRelay(t, services.Duplicates, 1, 1<<30, func(s *services.Relay) { s.SpareFirst = false })
	r := callFor(t, t.Context(), options.Options{URL: s.URL, Pairs: 2, Messages: 2, Duration: 100 * time.Millisecond}, services.Patience)
	wantNoErrors(t, r)
	if calls, failed := r.Snapshot.Count(figures.CounterCallsConnected), r.Snapshot.Count(figures.CounterCallsFailed); calls < 2 || failed != 0 {
		t.Errorf("%d calls connected, %d failed; wanted two at least, and none to fail", calls, failed)
	}
}

func TestCallsEndWhenTheServiceGoesAway(t *testing.T) {
	t.Parallel()
	s := services.NewRelay(t, services.None, 0, 0, func(s *services.Relay) {
		s.Rules.Relay = func([]byte) bool {
			if s.Counted.Taken == 10 {
				s.Serving.Go(s.Vanish)
			}
			return true
		}
	})
	r := callFor(t, t.Context(), options.Options{URL: s.URL, Pairs: 3, Duration: time.Hour}, services.Patience)
	if !strings.Contains(r.Failed, "went away") {
		t.Errorf("the run ended because of %q; wanted it to say that the service went away", r.Failed)
	}
	started, connected, failed := r.Snapshot.Count(figures.CounterCallsStarted), r.Snapshot.Count(figures.CounterCallsConnected), r.Snapshot.Count(figures.CounterCallsFailed)
	if started == 0 || started > connected+failed {
		t.Errorf("%d calls, of which %d connected and %d failed; wanted something to have become of each", started, connected, failed)
	}
}
