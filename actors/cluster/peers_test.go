package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// listening is a store that knows where each node listens.
type listening struct{ Store }

func (listening) Node(context.Context, string) (string, bool, error) { return "n2:6222", false, nil }

func TestTheVerdictOnANode(t *testing.T) {
	for name, c := range map[string]struct {
		dials []error // what comes of each try; the last one stands for all that follow
		want  messages.Code
	}{
		"it is gone":                            {[]error{syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is being killed, and still accepts": {[]error{errEnded, syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is killed while it is tried":        {[]error{errEnded, errEnded, syscall.ECONNREFUSED}, messages.CodePeerUnavailable},
		"it is there":                           {[]error{nil}, messages.CodePeerUnreachable},
		"it ends connections":                   {[]error{errEnded}, messages.CodePeerUnreachable},
		"it does not answer":                    {[]error{os.ErrDeadlineExceeded}, messages.CodePeerUnreachable},
		"its machine is not there":              {[]error{errors.New("no route to host")}, messages.CodePeerUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeers(listening{})
				p.dial = func(context.Context, string) error {
					err := c.dials[0]
					if len(c.dials) > 1 {
						c.dials = c.dials[1:]
					}
					return err
				}
				p.know(routes.Address("n2"))
				synctest.Wait()
				told := make(chan messages.Code, 1)
				p.verdict("n2", 0, func(code messages.Code) { told <- code })
				if code := <-told; code != c.want {
					t.Errorf("the sender is told %s, wanted %s", code, c.want)
				}
			})
		})
	}
}

// TestAProcessThatEndsAfterItHasAcceptedIsGone has a node accept a connection, as the kernel of a machine that is slow does for a process
// that was killed, and end with it.
func TestAProcessThatEndsAfterItHasAcceptedIsGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPeers(nil)
	tries := 0
	p.dial = func(ctx context.Context, address string) error {
		if tries++; tries > 1 {
			return dial(ctx, address)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				_ = l.Close()
				_ = c.Close()
			}
		}()
		err := dial(context.Background(), address) // however slow the machine is
		if !errors.Is(err, errEnded) {
			t.Errorf("the first connection ended with %v", err)
		}
		return err
	}
	if !p.refuses(l.Addr().String()) || tries != 2 {
		t.Errorf("the process is not known to be gone after %d tries", tries)
	}
}

func TestNodesThatHaveEndedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(listening{})
		p.dial = func(context.Context, string) error { return syscall.ECONNREFUSED }
		p.know("n1-1")
		for i := range 100 {
			address := routes.Address(fmt.Sprintf("n2-%d", i))
			p.know(address)
			synctest.Wait()
			if i%2 == 0 { // of the others nobody asks before the next one has the name
				p.verdict(address, 0, func(messages.Code) {})
			}
			time.Sleep(keepGone / 2)
		}
		if len(p.nodes) > 5 {
			t.Errorf("%d processes of two nodes are remembered", len(p.nodes))
		}
		if p.nodes["n1-1"] == nil || p.nodes["n2-99"] == nil {
			t.Error("a process that is there was forgotten")
		}
	})
}

// leasing is a store that says whether a node has a lease.
type leasing struct {
	Store
	leased bool
}

func (s *leasing) Node(context.Context, string) (string, bool, error) {
	if s.leased {
		return "n2:6222", false, nil
	}
	return "", false, nil
}

// Nothing refuses connections where a machine has vanished.
func TestANodeWithoutALeaseIsGoneAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &leasing{leased: true}
		p := newPeers(store)
		p.dial = func(context.Context, string) error { return os.ErrDeadlineExceeded }
		p.know("n2-1")
		synctest.Wait()
		want := func(want messages.Code) {
			t.Helper()
			told := make(chan messages.Code, 1)
			p.verdict("n2-1", 0, func(code messages.Code) { told <- code })
			if code := <-told; code != want {
				t.Errorf("the sender is told %s, wanted %s", code, want)
			}
			if vanished := p.hasVanished("n2-1"); vanished != (want == messages.CodePeerUnavailable) {
				t.Errorf("the node has vanished: %t", vanished)
			}
			time.Sleep(leaselessFor - time.Second)
		}
		want(messages.CodePeerUnreachable)
		want(messages.CodePeerUnreachable)
		store.leased = false
		want(messages.CodePeerUnreachable)
		want(messages.CodePeerUnreachable)
		want(messages.CodePeerUnavailable)
		store.leased = true // it was cut off, and is back
		want(messages.CodePeerUnreachable)
		store.leased = false
		want(messages.CodePeerUnreachable)
		time.Sleep(time.Hour) // it may have been back
		want(messages.CodePeerUnreachable)
		time.Sleep(time.Second)
		want(messages.CodePeerUnavailable)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.forget("n3-1", time.Now().Add(keepGone))
		if p.nodes["n2-1"] != nil {
			t.Error("a node that is gone is remembered")
		}
	})
}

// vanish cuts a node off from the others and from the store. What it tells them stays on its way.
func (n *memNode) vanish(others ...*memNode) {
	for _, other := range others {
		other.holdKind(kindReturn)
	}
	n.set(func(n *memNode) { n.cut = true })
	n.network.store.set(func(f *fakeStore) { f.cut, f.refuses = f.nodes[string(n.address)].lease, string(n.address) })
}

func (n *memNode) comeBackAs(others ...*memNode) {
	n.network.store.set(func(f *fakeStore) { f.cut, f.refuses = 0, "" })
	n.set(func(n *memNode) { n.cut = false })
	for _, other := range others {
		other.arrive()
	}
}

// A machine vanishes with its node, or is cut off. The senders of what the node had are told, once.
func TestTheSendersOfWhatAVanishedNodeHadAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		away time.Duration
		told int // before it is back
	}{
		"for long":        {testTTL + leaselessFor + 3*time.Second, 1},
		"for a moment":    {testTTL + leaselessFor/2, 0},
		"without its end": {testTTL / 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 2, func(t *testing.T, nodes []*memNode) {
				alice := nodes[0].must(t, "alice", "")
				bob, _ := nodes[1].keep(t, "bob", firstSecret, 0)
				alice.send(t, offer("alice", "bob", 1))
				bob.wantNext(t, offer("alice", "bob", 1))
				time.Sleep(time.Second)
				nodes[1].vanish(nodes[0])
				time.Sleep(c.away)
				synctest.Wait()
				told := alice.unread()
				if len(told) != c.told || c.told > 0 && !strings.Contains(told[0], `"code":"peer-unavailable"`) {
					t.Errorf("alice was told %q, want %d times that her message was not delivered", told, c.told)
				}
				if left := nodes[0].cluster.relay.unsettled(); left != 1-c.told {
					t.Errorf("%d messages are not settled, want %d", left, 1-c.told)
				}
				nodes[1].comeBackAs(nodes[0])
				time.Sleep(20 * time.Second)
				synctest.Wait()
				want := 1
				if c.away < testTTL {
					want = 0 // bob is still there
				}
				if told := alice.unread(); len(told) != want {
					t.Errorf("in the end alice was told %q, want %d texts", told, want)
				}
			})
		})
	}
}

// A node is cut off so long that it counts as gone. When it is back, it waits for nothing that was settled meanwhile.
func TestAVanishedNodeThatIsBackWaitsForNothing(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		alice := nodes[1].must(t, "alice", "")
		bob, _ := nodes[0].keep(t, "bob", firstSecret, 0)
		carol, _ := nodes[0].keep(t, "carol", firstSecret, 0)
		alice.send(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("alice", "bob", 1))
		alice.send(t, offer("alice", "carol", 2))
		carol.wantNext(t, offer("alice", "carol", 2))
		time.Sleep(time.Second)
		nodes[1].vanish()
		time.Sleep(testTTL + leaselessFor/2)
		bob.send(t, `{"type":"ping","received":1}`)
		nodes[0].End("carol")
		time.Sleep(leaselessFor)
		synctest.Wait()
		if left := nodes[1].cluster.relay.unsettled(); left != 2 {
			t.Fatalf("the vanished node waits for %d messages, want 2", left)
		}
		nodes[1].comeBackAs()
		time.Sleep(2 * maxAgain)
		synctest.Wait()
		if left := nodes[1].cluster.relay.unsettled(); left != 0 {
			t.Errorf("the node that is back waits for %d messages, want none", left)
		}
	})
}

// A session has moved away from a node that has vanished. It is told once what was not delivered, although that node comes back.
func TestASessionIsToldOnceThatHasLeftAVanishedNode(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		bob, _ := nodes[0].keep(t, "bob", firstSecret, 0)
		alice, reply := nodes[1].keep(t, "alice", firstSecret, 0)
		alice.send(t, offer("alice", "bob", 1))
		bob.wantNext(t, offer("alice", "bob", 1))
		alice, second := nodes[2].keep(t, "alice", reply.Resume, 0)
		second.want(t, true, 1)
		time.Sleep(time.Second)
		nodes[1].vanish()
		time.Sleep(testTTL)
		nodes[0].End("bob")
		time.Sleep(2 * leaselessFor)
		synctest.Wait()
		if told := alice.unread(); len(told) != 1 || !strings.Contains(told[0], `"code":"peer-unavailable"`) {
			t.Errorf("alice was told %q, want that her message was not delivered", told)
		}
		nodes[1].comeBackAs()
		time.Sleep(2 * maxAgain)
		synctest.Wait()
		if told := alice.unread(); len(told) != 1 {
			t.Errorf("in the end alice was told %q, want one text", told)
		}
		if left := nodes[1].cluster.relay.unsettled(); left != 0 {
			t.Errorf("the node that is back waits for %d messages, want none", left)
		}
	})
}
