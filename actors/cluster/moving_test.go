package cluster

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// kept is the reply to a login that asks for a kept session.
type kept struct {
	Success  bool    `json:"success"`
	Login    string  `json:"login"`
	Resume   string  `json:"resume"`
	Resumed  *bool   `json:"resumed"`
	Received *uint64 `json:"received"`
	Code     string  `json:"code"`
}

const firstSecret = "the-first-secret-of-all"

// keep asks for a kept session with a secret.
func (n *memNode) keep(t *testing.T, login, secret string, received int) (*client, kept) {
	t.Helper()
	c, text := n.login(t, login, fmt.Sprintf(`,"keep":true,"resume":%q,"received":%d`, secret, received))
	var reply kept
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("a login was answered with %s", text)
	}
	return c, reply
}

func (r kept) want(t *testing.T, resumed bool, received uint64) {
	t.Helper()
	if !r.Success || r.Resumed == nil || *r.Resumed != resumed || resumed && (r.Received == nil || *r.Received != received) {
		t.Fatalf("the reply is %+v, want resumed %v and received %d", r, resumed, received)
	}
}

func TestAKeptSessionMovesToAnotherNode(t *testing.T) {
	for _, connected := range []bool{false, true} {
		in(t, 3, func(t *testing.T, nodes []*memNode) {
			bob, reply := nodes[1].keep(t, "Bob", firstSecret, 0)
			alice, carol := nodes[0].must(t, "alice", ""), nodes[1].must(t, "carol", "")
			bob.send(t, offer("bob", "alice", 1))
			bob.send(t, offer("bob", "nobody", 2)) // the error is the first of bob's messages
			alice.wantNext(t, offer("bob", "alice", 1))
			bob.wantNext(t, "peer-unavailable")
			alice.send(t, offer("alice", "bob", 1))
			bob.wantNext(t, offer("alice", "bob", 1))
			if !connected {
				bob.Closed(false)
			}
			alice.send(t, offer("alice", "bob", 2))
			time.Sleep(50 * time.Millisecond)
			carol.send(t, offer("carol", "bob", 3))
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()

			moved, second := nodes[2].keep(t, "bob", reply.Resume, 1)
			second.want(t, true, 2)
			if second.Login != "Bob" {
				t.Errorf("the session is spelled %q, want Bob", second.Login)
			}
			if connected && bob.closed != 4100 {
				t.Errorf("the old connection was closed with %d, want 4100", bob.closed)
			}
			moved.wantNext(t, offer("alice", "bob", 1))
			moved.wantNext(t, offer("alice", "bob", 2))
			moved.wantNext(t, offer("carol", "bob", 3))
			alice.send(t, offer("alice", "bob", 4))
			moved.wantNext(t, offer("alice", "bob", 4))
			carol.send(t, offer("carol", "bob", 5))
			moved.wantNext(t, offer("carol", "bob", 5))
			moved.send(t, `{"type":"ping","received":6}`)
			moved.wantNext(t, `"received":2`)
			time.Sleep(time.Second)
			synctest.Wait()
			for i, n := range nodes {
				if left := n.cluster.relay.unsettled(); left != 0 {
					t.Errorf("at node %d %d messages are not settled", i, left)
				}
			}
			if n := nodes[1].Sessions(); n != 1 {
				t.Errorf("the old node has %d sessions, want only that of carol", n)
			}
			if len(alice.texts) != alice.taken || len(carol.texts) != carol.taken {
				t.Errorf("the senders were told %q and %q", alice.texts[alice.taken:], carol.texts[carol.taken:])
			}
		})
	}
}

// A session moves, and its new node ends. The senders of what had moved with it are told.
func TestTheSendersOfWhatHasMovedAreTold(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		_, reply := nodes[1].keep(t, "bob", firstSecret, 0)
		alice, carol := nodes[0].must(t, "alice", ""), nodes[1].must(t, "carol", "")
		alice.send(t, offer("alice", "bob", 1))
		carol.send(t, offer("carol", "bob", 2))
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		_, second := nodes[2].keep(t, "bob", reply.Resume, 0)
		second.want(t, true, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		nodes[2].set(func(n *memNode) { n.dead = true })
		alice.wantNext(t, `"code":"peer-unavailable"`)
		carol.wantNext(t, `"code":"peer-unavailable"`)
	})
}

// The reply of the new node is lost. The same secret is answered alike, wherever it is brought.
func TestAMoveIsAnsweredAlikeWhenItsReplyWasLost(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		bob, reply := nodes[1].keep(t, "bob", firstSecret, 0)
		alice := nodes[0].must(t, "alice", "")
		alice.send(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("alice", "bob", 1))
		bob.send(t, `{"type":"ping"}`)
		secret := reply.Resume
		for i := range 6 {
			moved, again := nodes[i%3].keep(t, "bob", secret, 0)
			again.want(t, true, 0)
			moved.wantNext(t, offer("alice", "bob", 1))
			if i%2 == 1 { // the client shows the next secret
				moved.send(t, `{"type":"ping"}`)
				secret = again.Resume
			}
			moved.Closed(false)
		}
	})
}

func TestAWrongSecretMovesNothing(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		bob, _ := nodes[0].keep(t, "bob", firstSecret, 0)
		if _, reply := nodes[1].keep(t, "bob", "a-secret-of-nobody-here", 0); reply.Code != "login-taken" {
			t.Errorf("a wrong secret was answered with %+v", reply)
		}
		if bob.closed != 0 {
			t.Errorf("the session was closed with %d", bob.closed)
		}
	})
}

// A secret that holds comes with a count that does not.
func TestAWrongCountBeginsANewSessionAtTheOtherNode(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		bob, reply := nodes[0].keep(t, "bob", firstSecret, 0)
		_, second := nodes[1].keep(t, "bob", reply.Resume, 99)
		second.want(t, false, 0)
		if bob.closed != 4100 {
			t.Errorf("the old connection was closed with %d, want 4100", bob.closed)
		}
	})
}

// The owner of a session is silent. Its lease is waited for, and then a new session begins.
func TestASilentOwnerLosesTheSessionWithItsLease(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		_, reply := nodes[0].keep(t, "bob", firstSecret, 0)
		nodes[0].set(func(n *memNode) { n.frozen = true })
		nodes[0].network.store.set(func(f *fakeStore) { f.cut = f.keys["bob"].lease })
		began := time.Now()
		_, second := nodes[1].keep(t, "bob", reply.Resume, 0)
		second.want(t, false, 0)
		if took := time.Since(began); took < time.Second || took > testTTL+4*time.Second {
			t.Errorf("the new session began after %v", took)
		}
		nodes[0].set(func(n *memNode) { n.frozen = false })
	})
}

// The node that has asked for a session ends before it has taken it. The session goes on where it was.
func TestASessionThatWasNotFetchedStays(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		_, reply := nodes[0].keep(t, "bob", firstSecret, 0)
		resumption := actors.Resumption{Secret: []byte(reply.Resume), Received: messages.Count{OK: true}}
		nodes[0].HandOver("bob", resumption, func(actors.HandedOver, *actors.Moved) {})
		alice := nodes[1].must(t, "alice", "")
		alice.send(t, offer("alice", "bob", 1))
		alice.wantNext(t, "peer-unavailable") // nobody has it for a moment
		time.Sleep(6 * time.Second)
		synctest.Wait()
		alice.send(t, offer("alice", "bob", 2))
		time.Sleep(time.Second)
		back, again := nodes[0].keep(t, "bob", reply.Resume, 0)
		again.want(t, true, 0)
		back.wantNext(t, offer("alice", "bob", 2))
	})
}
