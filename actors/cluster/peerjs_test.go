package cluster

import (
	"fmt"
	"testing"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// peerClient is a PeerJS client of a node.
type peerClient struct {
	*actors.Peer
	*client
}

// arrive connects a PeerJS client, and returns what it is told.
func (n *testNode) arrive(t *testing.T, id, token string) (p *peerClient, answer string) {
	t.Helper()
	c := n.connect()
	p = &peerClient{n.ConnectPeer(c), c}
	if !p.Begin(peerjs.Hello{ID: id, Token: token, Key: "peerjs"}, "") {
		waitFor(t, "the claim is decided", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.resumed > 0
		})
	}
	return p, c.next(t)
}

func (p *peerClient) say(t *testing.T, kind, dst string, payload int) {
	t.Helper()
	m, of := peerjs.Read(fmt.Appendf(nil, `{"type":%q,"dst":%q,"payload":%d}`, kind, dst, payload), p.ID())
	if of != peerjs.Relayed {
		t.Fatal("the frame is not one to relay")
	}
	p.Peer.Receive(m)
}

func TestPeerJSClientsOfTwoNodes(t *testing.T) {
	nodes := startNodes(t, startEtcd(t), 2)
	want := func(p *peerClient, format string, a ...any) {
		t.Helper()
		if got, want := p.next(t), fmt.Sprintf(format, a...); got != want {
			t.Fatalf("%s came, want %s", got, want)
		}
	}
	alice, answer := nodes[0].arrive(t, "alice", "a")
	if answer != peerjs.Open {
		t.Fatalf("alice was told %s", answer)
	}
	bob, _ := nodes[1].arrive(t, "bob", "b")
	for i := range 100 {
		alice.say(t, "OFFER", "bob", i)
		bob.say(t, "ANSWER", "alice", i)
	}
	for i := range 100 {
		want(bob, `{"type":"OFFER","src":"alice","dst":"bob","payload":%d}`, i)
		want(alice, `{"type":"ANSWER","src":"bob","dst":"alice","payload":%d}`, i)
	}
	if _, answer := nodes[1].arrive(t, "alice", "thief"); answer != peerjs.IDTaken {
		t.Errorf("a thief at the other node was told %s", answer)
	}
	// Its own client comes back at the other node.
	again, answer := nodes[1].arrive(t, "alice", "a")
	if answer != peerjs.Open {
		t.Fatalf("alice was told %s at the other node", answer)
	}
	waitFor(t, "the old connection is closed", func() bool {
		alice.mu.Lock()
		defer alice.mu.Unlock()
		return alice.closed == messages.CloseTakenOver
	})
	alice = again
	bob.say(t, "OFFER", "alice", 1)
	want(alice, `{"type":"OFFER","src":"bob","dst":"alice","payload":1}`)
	alice.Peer.Closed(false)
	waitFor(t, "the id is free", func() bool {
		alice, answer = nodes[0].arrive(t, "alice", "a")
		return answer == peerjs.Open
	})
	// What waits finds the client, wherever it arrives.
	for i := range 5 {
		alice.say(t, "CANDIDATE", "carol", i)
	}
	carol, _ := nodes[1].arrive(t, "carol", "c")
	for i := range 5 {
		want(carol, `{"type":"CANDIDATE","src":"alice","dst":"carol","payload":%d}`, i)
	}
	for i := range 5 {
		alice.say(t, "CANDIDATE", "carol", i)
		want(carol, `{"type":"CANDIDATE","src":"alice","dst":"carol","payload":%d}`, i)
	}
	// What nobody comes for expires, and a leave goes nowhere.
	alice.say(t, "LEAVE", "dora", 0)
	alice.say(t, "OFFER", "dora", 0)
	want(alice, `{"type":"EXPIRE","src":"dora","dst":"alice"}`)
	// An id is free for the other node when its client has gone.
	bob.Peer.Closed(false)
	waitFor(t, "the id is free", func() bool {
		_, answer := nodes[0].arrive(t, "bob", "another")
		return answer == peerjs.Open
	})
	if n := nodes[0].Sessions() + nodes[1].Sessions(); n != 3 {
		t.Errorf("there are %d sessions, want 3", n)
	}
}
