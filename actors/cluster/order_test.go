package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

const (
	secretOfAlice = "the-first-secret-of-alice"
	secretOfBob   = "the-first-secret-of-bob"
)

// wantPong fails the test if the service confirms another number of messages, when everything has come as far as it does by itself.
func (c *client) wantPong(t *testing.T, received string) {
	t.Helper()
	synctest.Wait()
	c.send(t, `{"type":"ping","received":0}`)
	c.wantNext(t, `{"type":"pong","received":`+received+`}`)
}

// silent fails the test if the client was told more.
func (c *client) silent(t *testing.T) {
	t.Helper()
	if more := c.unread(); len(more) > 0 {
		t.Errorf("a client was told %q as well", more)
	}
}

// comeBack logs in with a secret at a node, and does not wait for the reply.
func (n *memNode) comeBack(login, secret string) *client {
	c := n.connect()
	m, err := messages.NewRelay([]byte(`{"type":"login","login":"` + login + `","keep":true,"resume":"` + secret + `","received":0}`))
	if err != nil {
		panic(err)
	}
	c.Receive(m)
	return c
}

// What is on its way to another node has no outcome yet. The service does not say that it has it.
func TestNothingIsConfirmedBeforeItsOutcome(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		alice, _ := nodes[0].keep(t, "alice", secretOfAlice, 0)
		carol, bob := nodes[0].must(t, "carol", ""), nodes[1].must(t, "bob", "")
		alice.send(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("alice", "bob", 1))
		alice.wantPong(t, "1")
		nodes[1].hold()
		alice.send(t, offer("alice", "carol", 2))
		alice.send(t, offer("alice", "bob", 3))
		alice.send(t, offer("alice", "carol", 4))
		alice.send(t, offer("alice", "bob", 5))
		carol.wantNext(t, offer("alice", "carol", 2))
		carol.wantNext(t, offer("alice", "carol", 4))
		alice.wantPong(t, "2")
		nodes[1].arrive()
		bob.wantNext(t, offer("alice", "bob", 3))
		bob.wantNext(t, offer("alice", "bob", 5))
		alice.wantPong(t, "5")
		alice.silent(t)
	})
}

// A message has no outcome while its target is looked for either.
func TestNothingIsConfirmedWhileItsTargetIsLookedFor(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		alice, _ := nodes[0].keep(t, "alice", secretOfAlice, 0)
		nodes[0].network.store.set(func(f *fakeStore) { f.delay = 200 * time.Millisecond })
		alice.send(t, offer("alice", "nobody", 1))
		alice.wantPong(t, "0")
		alice.wantNext(t, "peer-unavailable")
		alice.wantPong(t, "1")
	})
}

// The reply to a resume says what the service has. It waits for the outcomes, at the same node and at another one.
func TestAResumeWaitsForWhatIsOnItsWay(t *testing.T) {
	for name, back := range map[string]int{"at the same node": 0, "at another node": 2} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, func(t *testing.T, nodes []*memNode) {
				alice, first := nodes[0].keep(t, "alice", secretOfAlice, 0)
				bob := nodes[1].must(t, "bob", "")
				nodes[1].hold()
				for i := range 3 {
					alice.send(t, offer("alice", "bob", i))
				}
				synctest.Wait()
				again := nodes[back].comeBack("alice", first.Resume)
				time.Sleep(time.Second)
				synctest.Wait()
				again.silent(t)
				nodes[1].arrive()
				again.wantNext(t, `"resumed":true,"received":3`)
				synctest.Wait() // the connection reads on
				for i := range 3 {
					bob.wantNext(t, offer("alice", "bob", i))
				}
				again.send(t, offer("alice", "bob", 3))
				bob.wantNext(t, offer("alice", "bob", 3))
				again.silent(t)
			})
		})
	}
}

// The session that a message is for is just moving. Its node keeps the message meanwhile, and does not confirm it.
func TestNothingIsConfirmedThatFollowsAMovingSession(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		_, reply := nodes[0].keep(t, "bob", secretOfBob, 0)
		carol, _ := nodes[0].keep(t, "carol", secretOfAlice, 0)
		resumption := actors.Resumption{Secret: []byte(reply.Resume), Received: messages.Count{OK: true}}
		nodes[0].HandOver("bob", resumption, func(actors.HandedOver, *actors.Moved) {})
		carol.send(t, offer("carol", "bob", 1))
		carol.wantPong(t, "0")
		carol.wantNext(t, "peer-unavailable") // it was not fetched, and what comes next may be in front
		carol.wantPong(t, "1")
	})
}

// A login comes to the node of those who write to it, while what they have sent before is on its way to its old node.
func TestALoginThatComesToItsSenderKeepsTheOrder(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		in(t, 2, func(t *testing.T, nodes []*memNode) {
			alice, carol := nodes[0].must(t, "alice", ""), nodes[0].must(t, "carol", "")
			var bob *client
			var first kept
			if keeps {
				bob, first = nodes[1].keep(t, "bob", secretOfBob, 0)
			} else {
				bob = nodes[1].must(t, "bob", "")
			}
			nodes[1].hold()
			for i := range 3 {
				alice.send(t, offer("alice", "bob", i))
				carol.send(t, offer("carol", "bob", i))
			}
			synctest.Wait()
			if keeps {
				bob, _ = nodes[0].keep(t, "bob", first.Resume, 0)
			} else {
				bob.Closed(false)
				synctest.Wait()
				bob = nodes[0].must(t, "bob", "")
			}
			for i := 3; i < 6; i++ {
				alice.send(t, offer("alice", "bob", i))
				carol.send(t, offer("carol", "bob", i))
			}
			synctest.Wait()
			nodes[1].arrive()
			next := map[string]int{}
			for range 12 {
				text := bob.next(t)
				from := "alice"
				if strings.Contains(text, "carol") {
					from = "carol"
				}
				if want := offer(from, "bob", next[from]); text != want {
					t.Fatalf("got %s, want %s", text, want)
				}
				next[from]++
			}
			alice.send(t, offer("alice", "bob", 6)) // by the shortest way again
			bob.wantNext(t, offer("alice", "bob", 6))
			if nodes[0].cluster.Behind("bob") {
				t.Error("what is sent to a login of this node still goes by way of the cluster")
			}
			alice.silent(t)
			carol.silent(t)
		})
	}
}

// The sender and the target move at the same time, to the same node or to different ones.
func TestTheOrderIsKeptWhenBothMove(t *testing.T) {
	for _, to := range []int{0, 2} {
		in(t, 3, func(t *testing.T, nodes []*memNode) {
			alice, first := nodes[0].keep(t, "alice", secretOfAlice, 0)
			_, bobs := nodes[1].keep(t, "bob", secretOfBob, 0)
			nodes[1].hold()
			for i := range 3 {
				alice.send(t, offer("alice", "bob", i))
			}
			synctest.Wait()
			alice = nodes[2].comeBack("alice", first.Resume)
			bob, _ := nodes[to].keep(t, "bob", bobs.Resume, 0)
			time.Sleep(100 * time.Millisecond)
			nodes[1].arrive()
			alice.wantNext(t, `"resumed":true,"received":3`)
			synctest.Wait() // the connection reads on
			for i := 3; i < 6; i++ {
				alice.send(t, offer("alice", "bob", i))
			}
			for i := range 6 {
				bob.wantNext(t, offer("alice", "bob", i))
			}
			alice.silent(t)
		})
	}
}

// A node that is cut off lets go what it had taken. The senders are told when it can be reached again.
func TestWhatACutOffNodeLetsGoIsToldLater(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		alice := nodes[0].must(t, "alice", "")
		bob, _ := nodes[1].keep(t, "bob", secretOfBob, 0)
		alice.send(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("alice", "bob", 1))
		nodes[0].set(func(n *memNode) { n.cut = true })
		bob.Closed(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		alice.silent(t)
		nodes[0].set(func(n *memNode) { n.cut = false })
		time.Sleep(maxAgain)
		alice.wantNext(t, "peer-unavailable")
		time.Sleep(maxAgain)
		synctest.Wait()
		alice.silent(t)
	})
}

// A session has moved since it sent a message, and its first node has ended or not. It is told at its new node, and nobody else is.
func TestASessionThatHasMovedIsToldWhatDidNotArrive(t *testing.T) {
	for _, dead := range []bool{false, true} {
		in(t, 4, func(t *testing.T, nodes []*memNode) {
			alice, first := nodes[0].keep(t, "alice", secretOfAlice, 0)
			bob, _ := nodes[1].keep(t, "bob", secretOfBob, 0)
			alice.send(t, offer("alice", "bob", 1))
			bob.wantNext(t, offer("alice", "bob", 1))
			_, first = nodes[2].keep(t, "alice", first.Resume, 0)
			alice, _ = nodes[3].keep(t, "alice", first.Resume, 0)
			alice.send(t, `{"type":"ping"}`)
			alice.wantNext(t, "pong")
			time.Sleep(time.Minute)
			nodes[0].set(func(n *memNode) { n.dead = dead })
			bob.Closed(true)
			alice.wantNext(t, "peer-unavailable")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			alice.silent(t)
		})
	}
}

// Somebody else has the login of a session that had moved and has ended. Nobody is told.
func TestTheNextOwnerIsNotToldWhatAnotherHadSent(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		alice, first := nodes[0].keep(t, "alice", secretOfAlice, 0)
		bob, _ := nodes[1].keep(t, "bob", secretOfBob, 0)
		alice.send(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("alice", "bob", 1))
		alice, _ = nodes[2].keep(t, "alice", first.Resume, 0)
		alice.send(t, `{"type":"logout","login":"alice"}`)
		_, next := nodes[1].keep(t, "alice", secretOfAlice, 0)
		other, _ := nodes[2].keep(t, "alice", next.Resume, 0)
		bob.Closed(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		other.silent(t)
	})
}
