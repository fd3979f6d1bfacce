package actors

import (
	"testing"
	"testing/synctest"
	"unsafe"

	"p2p-messaging/messages"
)

// Of short messages, their texts are the smallest part, and their buffers may have held longer ones before.
func TestWhatAKeptSessionHoldsIsBoundedInMemory(t *testing.T) {
	s := keepSystem(t)
	bob := join(t, s, "bob")
	alice, _ := keep(t, s, "alice", "")
	for _, text := range []string{
		offerOf(bob, "alice", 250),
		`{"type":"bye","from":"bob","to":"alice"}`,
		offerOf(bob, "alice", 800),
		offerOf(bob, "alice", 300),
		offerOf(bob, "alice", 60_000),
	} {
		sent := 0
		for bob.send(t, text); len(bob.link.rest()) == 0; bob.send(t, text) {
			sent++
		}
		k := alice.kept.Load()
		occupied := cap(k.retained.messages) * int(unsafe.Sizeof(any(nil)))
		for _, m := range k.behind(k.confirmed) {
			occupied += (*messages.Relay)(m.(*messages.Deliver)).Memory()
		}
		if counted := int(k.bytes.Load()); counted > s.QueueLimit() {
			t.Errorf("%d messages of %d bytes were taken, which count %d; want no more than %d", sent, len(text), counted, s.QueueLimit())
		}
		if most := 4 * s.QueueLimit(); sent == 0 || occupied > most {
			t.Errorf("%d messages of %d bytes were taken, which occupy %d bytes; want no more than %d", sent, len(text), occupied, most)
		}
		alice.link.rest()
		count, _ := alice.Queued()
		alice.Pong(count)
	}
}

// What the service itself tells counts alike, and may be twice as much.
func TestWhatIsToldAKeptSessionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		alice, _ := keep(t, s, "alice", "")
		counted := 0
		for closed := messages.CloseCode(0); closed == 0; closed, _ = alice.link.closedWith() {
			counted = max(counted, int(alice.kept.Load().bytes.Load()))
			alice.send(t, offerOf(alice, "nobody", 0))
			synctest.Wait()
		}
		if most := 2 * s.QueueLimit(); counted < most-1000 || counted > most {
			t.Errorf("the session was told what counts %d, want nearly %d and no more", counted, most)
		}
	})
}

// The longest message is always taken by a session that holds nothing, even with the smallest limit.
func TestTheLongestMessageFits(t *testing.T) {
	s := newTestSystem(t, Options{ResumeWindow: window, QueueLimit: MinQueueLimit})
	bob := join(t, s, "bob")
	alice, _ := keep(t, s, "alice", "")
	for range 3 {
		bob.send(t, offerOf(bob, "alice", messages.MaxMessageBytes-len(offerOf(bob, "alice", 0))))
		wantTexts(t, bob)
		if got := alice.link.rest(); len(got) != 1 || len(got[0]) != messages.MaxMessageBytes {
			t.Fatalf("%d messages arrived, want one of the longest", len(got))
		}
		count, _ := alice.Queued()
		alice.Pong(count)
	}
}
