package load

import (
	"slices"
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

// Each session sends its first heartbeat 5 s after its connection was opened, and another every 5 s, until that connection has ended.
func TestHeartbeats(t *testing.T) {
	var h heartbeats
	var sent []*session
	tick := func(now time.Duration) (next time.Duration) {
		sent = nil
		return h.tick(now, func(c *session) { sent = append(sent, c) })
	}
	want := func(now, next time.Duration, sessions ...*session) {
		t.Helper()
		if got := tick(now); got != next || !slices.Equal(sent, sessions) {
			t.Errorf("at %v, %d sessions have sent one, and the next is due at %v; want %d and %v", now, len(sent), got, len(sessions), next)
		}
	}
	const second = time.Second
	want(0, swarm.Never)
	a, b := &session{conn: new(swarm.Conn)}, &session{conn: new(swarm.Conn)}
	h.add(a, 1*second)
	h.add(b, 2*second)
	want(2*second, 6*second)
	want(6*second-1, 6*second)
	want(6*second, 7*second, a)
	want(6*second, 7*second)
	want(9*second, 11*second, b) // it is late
	want(20*second, 25*second, a, b)

	// A session that comes back begins anew, and its old connection sends nothing.
	a.conn = new(swarm.Conn)
	h.add(a, 21*second)
	want(25*second, 26*second, b)
	want(26*second, 30*second, a)
	b.conn = nil
	want(30*second, 31*second)
	a.conn = nil
	want(31*second, swarm.Never)
}

// Many heartbeats that are due at once keep nothing else waiting for long.
func TestHeartbeatsComeInPortions(t *testing.T) {
	var h heartbeats
	for range 2*perTick + 1 {
		h.add(&session{conn: new(swarm.Conn)}, 0)
	}
	sent := 0
	for _, want := range []int{perTick, 2 * perTick, 2*perTick + 1} {
		next := h.tick(aliveEvery, func(*session) { sent++ })
		if sent != want {
			t.Errorf("%d were sent, want %d", sent, want)
		}
		if more := next == aliveEvery; more != (sent < 2*perTick+1) {
			t.Errorf("after %d, the next is due at %v", sent, next)
		}
	}
}

// What a session sends as a sign of life is a frame of its dialect. In the service's own protocol there is none.
func TestTheHeartbeatOfADialect(t *testing.T) {
	if got := string((&peerJS{}).alive()); got != `{"type":"HEARTBEAT"}` {
		t.Errorf("PeerJS's heartbeat is %s", got)
	}
	if got := (native{}).alive(); len(got) > 0 {
		t.Errorf("the service's own protocol has the heartbeat %s", got)
	}
}
