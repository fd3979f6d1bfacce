package actors

import (
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// yieldingCluster is a cluster in which another node has every id. That node is the test.
type yieldingCluster struct {
	*fakeCluster
	yields chan *messages.Deliver
}

func (c yieldingCluster) Claim(_ string, _ *Resumption, decided func(Claimed, *Moved)) {
	decided(Taken, nil)
}
func (c yieldingCluster) Deliver(_ []byte, m *messages.Deliver) { c.yields <- m }

// The node that has an id says so, and then who wants the id is refused at once. If the node is silent, that takes a while.
func TestAnIDOfAnotherNodeIsRefusedAtOnce(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  messages.Code // of the other node; "" if it says nothing
		another bool          // the answer is that to another question
		soon    bool
	}{
		{"it is taken", messages.CodeLoginTaken, false, true},
		{"the other node is silent", "", false, false},
		{"the question did not arrive", messages.CodePeerUnavailable, false, false},
		{"another id is taken", messages.CodeLoginTaken, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := yieldingCluster{newFakeCluster(), make(chan *messages.Deliver, 1)}
				s := newTestSystem(t, Options{Cluster: cluster, PeerJS: &PeerJS{}})
				start := time.Now()
				told := make(chan string)
				go func() {
					_, answer := callIn(t, s, "alice", "a")
					told <- answer
				}()
				m := <-cluster.yields
				number := string(m.RawTo)
				if c.another {
					number += "0"
				}
				if c.answer != "" {
					s.Tell(m.Sender.GetId(), c.answer, []byte(number))
				}
				(*messages.Relay)(m).Release()
				if answer := <-told; answer != peerjs.IDTaken {
					t.Errorf("the client was told %s", answer)
				}
				if took := time.Since(start); (took == 0) != c.soon || took > time.Second {
					t.Errorf("the client was told after %v", took)
				}
			})
		})
	}
}

// A node gives an id up to a client of another node that may have it, and denies it to any other.
func TestANodeYieldsAnIDToItsClientAlone(t *testing.T) {
	for _, c := range []struct {
		name           string
		token          string
		proven, leaves bool
		answer         messages.Code // "" if the id is given up
	}{
		{"the same token", "a", false, false, ""},
		{"the same token, of a reserved id", "a", false, true, ""},
		{"another token", "b", false, false, messages.CodeLoginTaken},
		{"another token, of a reserved id", "b", false, true, messages.CodeLoginTaken},
		{"another token that is proven", "b", true, false, messages.CodeLoginTaken},
		{"another token that is proven, of a reserved id", "b", true, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeCluster()
			f.grants = true
			s := newTestSystem(t, Options{Cluster: f, PeerJS: &PeerJS{Reserve: time.Hour}})
			alice := arrive(t, s, "alice", "a")
			if c.leaves {
				alice.Closed(false)
			}
			f.took()
			m := (*messages.Relay)(peerjs.NewYield(messages.PeerKey("alice"), hashOf(c.token), c.proven))
			if !s.Arrive(m.To, m, "node 1") {
				t.Fatal("nobody has the id")
			}
			if c.answer != "" {
				if got, want := f.returned, "node 1 "+string(c.answer); len(got) != 1 || got[0] != want {
					t.Errorf("the other node was told %q, want %q", got, want)
				}
				f.wantEvents(t)
				return
			}
			f.wantEvents(t, "release "+messages.PeerKey("alice"))
			if len(f.settled) != 1 || len(f.returned) > 0 {
				t.Errorf("the message was settled %d times, and %q was returned", len(f.settled), f.returned)
			}
		})
	}
}
