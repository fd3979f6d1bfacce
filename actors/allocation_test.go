//go:build !race

package actors

import (
	"testing"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// This test does not run under the race detector, because a sync.Pool drops some items there.
func TestARelayAllocatesNothing(t *testing.T) {
	for _, pair := range [][2]string{{"alice", "bob"}, {"zo\u00eb", "chlo\u00e9"}, {"\u5f20\u4f1f", "\u738b\u82b3"}} {
		s := newTestSystem(t, Options{})
		sender := join(t, s, pair[0])
		receiver := s.Connect(discard{})
		receiver.Receive(decoded(t, `{"type":"login","login":"`+pair[1]+`"}`))
		text := []byte(sender.offer(pair[1], 1))
		if n := testing.AllocsPerRun(1000, func() {
			m, err := messages.NewRelay(text)
			if err != nil {
				t.Fatal(err)
			}
			sender.Receive(m)
		}); n >= 1 {
			t.Errorf("a relay from %s to %s allocates %v times, want never", pair[0], pair[1], n)
		}
		if charged := sender.link.charged; pair[0] == "alice" && charged != 0 {
			t.Errorf("a relay is charged for %d times more", charged)
		}
	}
}

func TestARelayOfAPeerAllocatesNothing(t *testing.T) {
	s := newTestSystem(t, Options{PeerJS: &PeerJS{}})
	from := talkingPeers(t, s, 0)
	text := []byte(`{"type":"OFFER","dst":"to0","payload":{"sdp":"v=0"}}`)
	if n := testing.AllocsPerRun(1000, func() {
		m, _ := peerjs.Read(text, "from0")
		from.Receive(m)
	}); n >= 1 {
		t.Errorf("a relay allocates %v times, want never", n)
	}
}
