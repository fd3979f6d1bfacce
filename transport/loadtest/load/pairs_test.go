package load

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
)

// The service has fallen behind in the warm-up: its late frames are no figure of the measured phase, but its work.
func TestAFrameOfTheWarmUpThatArrivesLaterIsCountedApart(t *testing.T) {
	s := &shard{frames: newFrames(native{}, 1, 0), dialect: native{}, from: 2 * time.Second}
	p := newPairs(s, kindRelay, figures.MetricRelay, 1, true, []uint32{3})
	a, b := &p.all[0].sides[0], &p.all[0].sides[1]
	for _, due := range []time.Duration{time.Second, 3 * time.Second} {
		text := bytes.Clone(s.frames.make(identity{kindRelay, 3, 0, a.sent}))
		a.grow()
		a.dues[int(a.sent)&(len(a.dues)-1)] = due
		a.sent++
		b.text(text, 4*time.Second)
	}
	taken := s.take()
	if late, all, latencies := taken.Count(figures.CounterRelaysFromWarmup), taken.Count(figures.CounterRelaysDelivered), taken.Distribution(figures.MetricRelay).Count(); late != 1 || all != 1 || latencies != 1 {
		t.Errorf("%d of the warm-up, %d delivered, %d latencies; wanted one each", late, all, latencies)
	}
}

// The window is larger than what the connection takes at once. The rest is due since the window allowed it.
func TestAFrameThatTheConnectionDoesNotTakeYetIsDueAllTheSame(t *testing.T) {
	s := &shard{frames: newFrames(native{}, 1, 0), dialect: native{}}
	p := newPairs(s, kindRelay, figures.MetricRelay, 3, true, []uint32{3})
	p.running = true
	q := p.all[0]
	q.up = 2 // without a connection, which takes nothing
	q.pump(time.Second)
	q.pump(2 * time.Second)
	if want := []time.Duration{time.Second, time.Second, time.Second}; !slices.Equal(q.late, want) || len(p.late) != 1 {
		t.Errorf("frames of %v wait, in %d pairs; wanted %v in one", q.late, len(p.late), want)
	}
	if taken := s.take(); taken.ErrorCount() != 0 {
		t.Errorf("the errors are %v; wanted none", taken.Errors())
	}
}

func TestLatencyIsThatOfTheFrameThatArrived(t *testing.T) {
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			s := &shard{frames: newFrames(native{}, 1, 0), dialect: native{}}
			p := newPairs(s, kindRelay, figures.MetricRelay, 1, verify, []uint32{3})
			a, b := &p.all[0].sides[0], &p.all[0].sides[1]
			send := func(due time.Duration) []byte {
				text := s.frames.make(identity{kindRelay, 3, 0, a.sent})
				a.grow()
				a.dues[int(a.sent)&(len(a.dues)-1)] = due
				a.sent++
				return bytes.Clone(text)
			}
			wantLatencies := func(want ...time.Duration) {
				t.Helper()
				taken := s.take()
				d := taken.Distribution(figures.MetricRelay)
				got := d.Mean() * time.Duration(d.Count())
				var sum time.Duration
				for _, w := range want {
					sum += w
				}
				if d.Count() != int64(len(want)) || got != sum {
					t.Errorf("%d latencies of %v together, want %v", d.Count(), got, want)
				}
			}

			send(0)
			a.text([]byte(`{"type":"error","code":"peer-overloaded","error":"x"}`), time.Second)
			second, third := send(2*time.Second), send(3*time.Second)
			b.text(second, 2500*time.Millisecond)
			wantLatencies(500 * time.Millisecond)
			b.text(second, 2600*time.Millisecond) // a duplicate has no latency
			wantLatencies()
			b.text(third, 3100*time.Millisecond)
			wantLatencies(100 * time.Millisecond)
			if n := p.all[0].underWay(); n != 0 {
				t.Errorf("%d frames are under way, want none", n)
			}

			send(4 * time.Second)
			fifth := send(5 * time.Second)
			b.text(fifth, 6*time.Second)
			b.text(bytes.Clone(s.frames.make(identity{kindRelay, 3, 0, 3})), 7*time.Second) // the frame that was overtaken
			wantLatencies(time.Second, 3*time.Second)
		})
	}
}
