//go:build !race

package actors

import (
	"testing"

	"p2p-messaging/messages"
)

// Under the race detector a sync.Pool drops some of what it is given, so this is not part of that run.
func TestARelayAllocatesNothing(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice := join(t, s, "alice")
	bob := s.Connect(discard{})
	bob.Receive(decoded(t, `{"type":"login","login":"bob"}`))
	text := []byte(alice.offer("bob", 1))
	if n := testing.AllocsPerRun(1000, func() {
		m, err := messages.NewRelay(text)
		if err != nil {
			t.Fatal(err)
		}
		alice.Receive(m)
	}); n >= 1 {
		t.Errorf("a relay allocates %v times, want never", n)
	}
}
