package load

import (
	"bytes"
	"maps"
	"testing"

	"p2p-messaging/transport/loadtest/figures"
)

// theirs is a pair without connections that has sent a number of frames in each direction.
func theirs(t *testing.T, sent int) (*shard, *pair) {
	t.Helper()
	s := &shard{frames: newFrames(native{}, 7, 0), dialect: native{}}
	p := newPairs(s, kindRelay, figures.MetricRelay, 1, true, []uint32{3})
	q := p.all[0]
	for n := range q.sides {
		for range sent {
			if int(q.sides[n].sent-q.sides[n].arrived) >= len(q.sides[n].dues) {
				q.sides[n].grow()
			}
			q.sides[n].sent++
		}
	}
	return s, q
}

// TestWhatArrivesIsJudgedByOrderAndErrors tries sequences of what side b receives and side a is told. A digit is a
// frame of side a that arrives at side b. "e" is an error that the service reports to side a. "s" means that the tool
// gives up on the frames under way.
func TestWhatArrivesIsJudgedByOrderAndErrors(t *testing.T) {
	for _, c := range []struct {
		events string
		sent   int
		want   map[figures.Violation]int64
	}{
		{events: "0123", sent: 4},
		{events: "013", sent: 4, want: map[figures.Violation]int64{figures.ViolationLost: 1}},
		{events: "012", sent: 4, want: map[figures.Violation]int64{figures.ViolationLost: 1}},
		{events: "", sent: 4, want: map[figures.Violation]int64{figures.ViolationLost: 4}},
		{events: "01e3", sent: 4},
		{events: "013e", sent: 4},
		{events: "e013", sent: 4},
		{events: "eeee", sent: 4},
		{events: "012e", sent: 4},
		{events: "e123", sent: 4},
		{events: "0e23e", sent: 4, want: map[figures.Violation]int64{figures.ViolationInvented: 1}},
		{events: "0123e", sent: 4, want: map[figures.Violation]int64{figures.ViolationInvented: 1}},
		{events: "01e23", sent: 4, want: map[figures.Violation]int64{figures.ViolationInvented: 1}},
		{events: "01e", sent: 4, want: map[figures.Violation]int64{figures.ViolationLost: 1}},
		{events: "0213", sent: 4, want: map[figures.Violation]int64{figures.ViolationReordered: 1}},
		{events: "3210", sent: 4, want: map[figures.Violation]int64{figures.ViolationReordered: 3}},
		{events: "00123", sent: 4, want: map[figures.Violation]int64{figures.ViolationDuplicated: 1}},
		{events: "01230", sent: 4, want: map[figures.Violation]int64{figures.ViolationDuplicated: 1}},
		{events: "01234", sent: 4, want: map[figures.Violation]int64{figures.ViolationInvented: 1}},
		// A service may stall for any time: it breaks no promise by that.
		{events: "s0123", sent: 4},
		{events: "0s123", sent: 4},
		{events: "0s13e", sent: 4},
		{events: "0se13", sent: 4},
		{events: "0s132", sent: 4, want: map[figures.Violation]int64{figures.ViolationReordered: 1}},
		{events: "0s12", sent: 4, want: map[figures.Violation]int64{figures.ViolationLost: 1}},
		{events: "0s1123", sent: 4, want: map[figures.Violation]int64{figures.ViolationDuplicated: 1}},
	} {
		s, q := theirs(t, c.sent)
		q.sides[1].sent = 0
		for _, event := range c.events {
			switch event {
			case 'e':
				q.sides[0].text([]byte(`{"type":"error","code":"peer-unavailable","message":"No."}`), 0)
			case 's':
				q.sides[0].skipTo(q.sides[0].sent)
			default:
				q.sides[1].text(bytes.Clone(s.frames.make(identity{kindRelay, 3, 0, uint32(event - '0')})), 0)
			}
		}
		q.of.finish()
		got := map[figures.Violation]int64{}
		for kind, finding := range s.verified.Findings {
			got[kind] = finding.Count
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%q of %d frames: %+v; wanted %v", c.events, c.sent, s.verified.Findings, c.want)
		}
	}
}
