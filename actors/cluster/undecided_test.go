package cluster

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// Somebody else asks for a login, at the node to which its client comes back at the same time.
func TestAResumeBehindAClaimOfSomebodyElseMovesTheSession(t *testing.T) {
	for _, wrong := range []string{"", "a-secret-of-nobody-here"} {
		in(t, 2, func(t *testing.T, nodes []*memNode) {
			_, first := nodes[0].keep(t, "bob", firstSecret, 0)
			nodes[0].network.store.set(func(f *fakeStore) { f.delay = 100 * time.Millisecond })
			other, bob := nodes[1].comeBack("bob", wrong), nodes[1].comeBack("bob", first.Resume)
			bob.wantNext(t, `"resumed":true`)
			other.wantNext(t, "login-taken")
		})
	}
}

// deafStore is a store that one node does not hear for a while. Its lease is renewed all the same.
type deafStore struct {
	*fakeStore
	deaf atomic.Bool
}

func (s *deafStore) Do(ctx context.Context, lease int64, operations []Operation) ([]string, error) {
	if s.deaf.Load() {
		<-ctx.Done()
		return nil, errSilent
	}
	return s.fakeStore.Do(ctx, lease, operations)
}

// handedOver is a session of bob at nodes[0] that was handed over to nodes[1], which has not taken its login. Its client has not confirmed
// what alice at nodes[2] and carol at nodes[0] have sent.
type handedOver struct {
	nodes        []*memNode
	alice, carol *client
	secret       string
	store        *deafStore // of nodes[0]
}

func handsOver(t *testing.T, nodes []*memNode) *handedOver {
	t.Helper()
	h := &handedOver{nodes: nodes, store: &deafStore{fakeStore: nodes[0].network.store}}
	nodes[0].cluster.ownership.store = h.store
	bob, reply := nodes[0].keep(t, "bob", firstSecret, 0)
	h.secret = reply.Resume
	h.alice, h.carol = nodes[2].must(t, "alice", ""), nodes[0].must(t, "carol", "")
	h.alice.send(t, offer("alice", "bob", 1))
	bob.wantNext(t, offer("alice", "bob", 1))
	h.carol.send(t, offer("carol", "bob", 2))
	bob.wantNext(t, offer("carol", "bob", 2))
	answer := make(chan actors.HandedOver, 1)
	resumption := &actors.Resumption{Secret: []byte(h.secret), Received: messages.Count{OK: true}}
	nodes[1].cluster.relay.request(nodes[0].address, "bob", resumption, func(outcome actors.HandedOver, _ *reader) { answer <- outcome })
	if outcome := <-answer; outcome != actors.Hands {
		t.Fatalf("the node has answered %d", outcome)
	}
	return h
}

// wantTold fails the test unless each sender was told once, and nothing more is expected of any node.
func (h *handedOver) wantTold(t *testing.T) {
	t.Helper()
	for _, c := range []*client{h.alice, h.carol} {
		if texts := c.unread(); len(texts) != 1 || !strings.Contains(texts[0], `"code":"peer-unavailable"`) {
			t.Errorf("a sender was told %q, want that its message was not delivered", texts)
		}
	}
	h.wantSettled(t)
}

func (h *handedOver) wantSettled(t *testing.T) {
	t.Helper()
	for i, n := range h.nodes {
		if left := n.cluster.relay.unsettled(); left != 0 {
			t.Errorf("node %d waits for what becomes of %d messages", i, left)
		}
		if handing := len(n.cluster.relay.moving.handing); handing != 0 {
			t.Errorf("node %d hands over %d sessions", i, handing)
		}
	}
}

// A session was handed over, and nobody has it. Nothing tells its node so. The senders of what it had are told.
func TestTheSendersAreToldWhenNobodyKnowsWhereASessionIs(t *testing.T) {
	swapped := func(f *fakeStore) { f.keys["bob"] = fakeKey{"n1-x 99", f.keys["bob"].lease} }
	given := func(f *fakeStore) { delete(f.keys, "bob") }
	for name, act := range map[string]func(h *handedOver){
		"the store does not answer":                                      func(h *handedOver) { h.store.deaf.Store(true) },
		"the other node has claimed the login too late, and given it up": func(h *handedOver) { h.store.set(given) },
		"the other node is just giving it up": func(h *handedOver) {
			h.store.set(swapped)
			time.Sleep(5050 * time.Millisecond) // the first node has asked, and will again
			h.store.set(given)
		},
		"the other node has the login, and says nothing": func(h *handedOver) { h.store.set(swapped) },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, func(t *testing.T, nodes []*memNode) {
				h := handsOver(t, nodes)
				act(h)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				h.store.deaf.Store(false)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				h.wantTold(t)
				h.store.set(func(f *fakeStore) { delete(f.keys, "bob") })
				if _, reply := nodes[0].keep(t, "bob", h.secret, 0); reply.Resumed == nil || *reply.Resumed {
					t.Errorf("a client without a session was answered with %+v", reply)
				}
			})
		})
	}
}

// A node loses its lease while it asks whether a session was fetched.
func TestTheSendersAreToldWhenANodeIsFencedWhileASessionMoves(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		h := handsOver(t, nodes)
		h.store.deaf.Store(true)
		h.store.set(func(f *fakeStore) { f.cut = f.keys["bob"].lease })
		time.Sleep(3 * time.Second)
		bob := nodes[0].comeBack("bob", h.secret)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if h.carol.closed != messages.CloseServiceRestart {
			t.Errorf("carol was closed with %d, want 1012", h.carol.closed)
		}
		if texts := h.alice.unread(); len(texts) != 1 || !strings.Contains(texts[0], `"code":"peer-unavailable"`) {
			t.Errorf("alice was told %q, want that her message was not delivered", texts)
		}
		h.wantSettled(t)
		h.store.set(func(f *fakeStore) { f.cut = 0 })
		h.store.deaf.Store(false)
		bob.wantNext(t, "capacity")
	})
}

// The client comes back to the first node before that hears that the session has moved. Nobody is told anything.
func TestAClientComesBackBeforeItsFirstNodeHearsThatTheSessionHasMoved(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		first, reply := nodes[0].keep(t, "bob", firstSecret, 0)
		alice, carol := nodes[2].must(t, "alice", ""), nodes[0].must(t, "carol", "")
		alice.send(t, offer("alice", "bob", 1))
		first.wantNext(t, offer("alice", "bob", 1))
		carol.send(t, offer("carol", "bob", 2))
		first.wantNext(t, offer("carol", "bob", 2))
		nodes[0].holdKind(kindMoved)
		moved, second := nodes[1].keep(t, "bob", reply.Resume, 0)
		second.want(t, true, 0)
		moved.wantNext(t, offer("alice", "bob", 1))
		moved.wantNext(t, offer("carol", "bob", 2))
		back := nodes[0].comeBack("bob", second.Resume)
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		nodes[0].arrive()
		back.wantNext(t, `"resumed":true`)
		back.wantNext(t, offer("alice", "bob", 1))
		back.wantNext(t, offer("carol", "bob", 2))
		back.send(t, `{"type":"ping","received":2}`)
		back.wantNext(t, "pong")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		alice.silent(t)
		carol.silent(t)
		(&handedOver{nodes: nodes}).wantSettled(t)
	})
}

// A session that was handed over, and not fetched, ends. Its node waits for nothing of it any more.
func TestNothingIsLeftOfASessionThatEndsWhileItMoves(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		h := handsOver(t, nodes)
		nodes[0].End("bob")
		time.Sleep(time.Second)
		synctest.Wait()
		h.wantTold(t)
	})
}

// The other node takes the session and dies before the first node hears of it. The first node tells the senders, once.
func TestTheSendersAreToldOnceWhenTheNewNodeDiesBeforeItHasSaidThatItHasTheSession(t *testing.T) {
	for name, act := range map[string]func(*fakeStore){
		"and its lease goes on": func(*fakeStore) {},
		"and its lease ends":    func(f *fakeStore) { delete(f.keys, "bob") },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, func(t *testing.T, nodes []*memNode) {
				bob, reply := nodes[0].keep(t, "bob", firstSecret, 0)
				h := &handedOver{nodes: nodes, alice: nodes[2].must(t, "alice", ""), carol: nodes[0].must(t, "carol", "")}
				h.alice.send(t, offer("alice", "bob", 1))
				bob.wantNext(t, offer("alice", "bob", 1))
				h.carol.send(t, offer("carol", "bob", 2))
				bob.wantNext(t, offer("carol", "bob", 2))
				nodes[0].holdKind(kindMoved)
				_, second := nodes[1].keep(t, "bob", reply.Resume, 0)
				second.want(t, true, 0)
				nodes[1].set(func(n *memNode) { n.dead = true })
				nodes[0].network.store.set(act)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				h.wantTold(t)
			})
		})
	}
}

// The other node dies before it has taken the session. That goes on where it was, and nobody is told anything.
func TestNobodyIsToldWhenTheNewNodeDiesBeforeItHasTheSession(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		h := handsOver(t, nodes)
		nodes[1].set(func(n *memNode) { n.dead = true })
		time.Sleep(20 * time.Second)
		synctest.Wait()
		bob, reply := nodes[0].keep(t, "bob", h.secret, 0)
		reply.want(t, true, 0)
		bob.wantNext(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("carol", "bob", 2))
		bob.send(t, `{"type":"ping","received":2}`)
		bob.wantNext(t, "pong")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		h.alice.silent(t)
		h.carol.silent(t)
		h.wantSettled(t)
	})
}

// movesOnUnheard moves the session of bob from the first node by the second to the third. The first node does not hear of the second until it
// is told to (arrive). Carol, who is returned, is at the first node and has sent bob a message that he has not confirmed.
func movesOnUnheard(t *testing.T, nodes []*memNode) (carol *client) {
	t.Helper()
	bob, first := nodes[0].keep(t, "bob", firstSecret, 0)
	carol = nodes[0].must(t, "carol", "")
	carol.send(t, offer("carol", "bob", 1))
	bob.wantNext(t, offer("carol", "bob", 1))
	nodes[0].holdKind(kindMoved)
	bob, second := nodes[1].keep(t, "bob", first.Resume, 0)
	second.want(t, true, 0)
	bob.wantNext(t, offer("carol", "bob", 1))
	_, third := nodes[2].keep(t, "bob", second.Resume, 0)
	third.want(t, true, 0)
	time.Sleep(time.Second)
	synctest.Wait()
	return carol
}

// The session moves on before its first node hears that it has come to the second. What the first node hears late changes nothing.
func TestASessionMovesOnBeforeItsFirstNodeHearsThatItHasMoved(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		carol := movesOnUnheard(t, nodes)
		nodes[0].arrive()
		time.Sleep(time.Second)
		synctest.Wait()
		nodes[1].set(func(n *memNode) { n.dead = true })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		carol.silent(t)
		nodes[2].set(func(n *memNode) { n.dead = true })
		carol.wantNext(t, "peer-unavailable")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		carol.silent(t)
		nodes[1].set(func(n *memNode) { n.dead = false })
		nodes[2].set(func(n *memNode) { n.dead = false })
	})
}

// The same, and the third node ends before the first one hears from the second. The first knows from the second that the third has the message.
func TestTheSenderIsToldOfANodeThatAnotherHasNamed(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		carol := movesOnUnheard(t, nodes)
		nodes[2].set(func(n *memNode) { n.dead = true })
		time.Sleep(time.Second)
		synctest.Wait()
		if texts := carol.unread(); len(texts) != 1 || !strings.Contains(texts[0], "peer-unavailable") {
			t.Errorf("carol was told %q, want that her message was not delivered", texts)
		}
		nodes[0].arrive()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if texts := carol.unread(); len(texts) > 1 {
			t.Errorf("carol was told %q, want one text", texts)
		}
		nodes[2].set(func(n *memNode) { n.dead = false })
	})
}
