package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// network carries messages between nodes in memory.
type network struct {
	store *fakeStore
	mu    sync.Mutex
	nodes map[routes.Address]*memNode
}

// memNode is a node in a synctest bubble. It implements carrier.
type memNode struct {
	*testNode
	network *network
	address routes.Address
	lease   *lease
	inbox   chan func() // what comes to the node, in order
	stop    func()

	mu     sync.Mutex
	dead   bool   // its process has ended
	cut    bool   // nothing reaches it
	frozen bool   // it does not answer, and receives all later
	holds  string // the kinds of messages that are still on their way
	held   []func()
}

func (n *memNode) Address() routes.Address { return n.address }

func (n *memNode) Send(to routes.Address, body []byte, receipt routes.Receipt) {
	n.network.mu.Lock()
	other := n.network.nodes[to]
	n.network.mu.Unlock()
	other.mu.Lock()
	gone, frozen := other.dead || other.cut, other.frozen
	body = append([]byte(nil), body...)
	if strings.IndexByte(other.holds, body[0]) >= 0 {
		other.held = append(other.held, func() { receipt.Done(other.cluster.relay.Receive(n.address, body)) })
		other.mu.Unlock()
		return
	}
	other.mu.Unlock()
	if receipt == nil {
		receipt = routes.ReceiptFunc(func(routes.Outcome) {})
	}
	switch {
	case gone:
		go receipt.Done(routes.NoNode)
	case frozen:
		go func() {
			time.Sleep(3 * time.Second)
			receipt.Done(routes.Lost)
		}()
	default:
		other.inbox <- func() { receipt.Done(other.cluster.relay.Receive(n.address, body)) }
	}
}

// hold keeps the messages for the node's logins on their way, and arrive lets them come.
func (n *memNode) hold() { n.holdKind(kindRelay) }

// holdKind keeps the messages of a kind on their way.
func (n *memNode) holdKind(kind byte) { n.set(func(n *memNode) { n.holds = string(kind) }) }

func (n *memNode) arrive() {
	n.set(func(n *memNode) {
		n.holds = ""
		for _, f := range n.held {
			n.inbox <- f
		}
		n.held = nil
	})
}

func (n *memNode) Post(to routes.Address, m routes.Message) {
	body := m.Append(nil)
	if len(body) != m.Size() {
		panic("a message has another size than it says")
	}
	n.Send(to, body, m)
}

// dialer tells a node that has ended from one that is cut off.
func (n *network) dial(_ context.Context, listens string) error {
	for _, node := range n.nodes {
		if string(node.address) != listens {
			continue
		}
		node.mu.Lock()
		defer node.mu.Unlock()
		if node.dead {
			return syscall.ECONNREFUSED
		}
		if node.cut {
			return syscall.ETIMEDOUT
		}
	}
	return nil
}

// memNodes starts nodes in a bubble.
func memNodes(t *testing.T, count int) []*memNode {
	network := &network{store: newFakeStore(), nodes: map[routes.Address]*memNode{}}
	nodes := make([]*memNode, count)
	for i := range nodes {
		n := &memNode{network: network, address: routes.Address(fmt.Sprintf("n%d-x", i)), inbox: make(chan func(), 10_000)}
		logger := slog.New(slog.DiscardHandler)
		c := &Cluster{relay: newRelay()}
		s := actors.NewSystem(actors.Options{Logger: logger, Cluster: c, ResumeWindow: 30 * time.Second})
		n.testNode = &testNode{s, c}
		ctx, cancel := context.WithCancel(context.Background())
		began := time.Now()
		clock := func() time.Duration { return time.Since(began) + time.Hour }
		n.lease = &lease{store: network.store, ttl: testTTL, node: Node{string(n.address), string(n.address)}, now: clock, logger: logger, ended: make(chan struct{}, 1)}
		c.lease = n.lease
		c.ownership = newOwnership(ctx, network.store, string(n.address), clock, n.lease.end)
		n.lease.owned = c.ownership.own
		n.lease.lost = func(int64) { c.lost(ctx, s) }
		peers := newPeers(network.store)
		peers.dial = network.dial
		c.relay.start(s, n, c.ownership, peers, c.Owns, logger)
		network.nodes[n.address] = n
		done := make(chan struct{}, 2)
		go func() {
			n.lease.run(ctx)
			done <- struct{}{}
		}()
		go func() {
			for done := ctx.Done(); done != nil; {
				select {
				case f := <-n.inbox:
					f()
				case <-done:
					done = nil
				}
			}
			done <- struct{}{}
		}()
		n.stop = func() {
			_ = s.Stop(context.Background())
			cancel()
			c.relay.stop()
			<-done
			<-done
		}
		nodes[i] = n
	}
	synctest.Wait()
	return nodes
}

// in runs a test with nodes in a bubble.
func in(t *testing.T, count int, f func(t *testing.T, nodes []*memNode)) {
	synctest.Test(t, func(t *testing.T) {
		nodes := memNodes(t, count)
		defer func() {
			time.Sleep(10 * time.Second) // what is on its way arrives
			synctest.Wait()
			for _, n := range nodes {
				n.stop()
			}
		}()
		f(t, nodes)
	})
}

func (n *memNode) set(change func(*memNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// must logs in.
func (n *memNode) must(t *testing.T, login, members string) *client {
	t.Helper()
	c, reply := n.login(t, login, members)
	if !strings.HasPrefix(reply, `{"type":"login","success":true`) {
		t.Fatalf("a login was answered with %s", reply)
	}
	return c
}

func offer(from, to string, number int) string {
	return fmt.Sprintf(`{"type":"offer","offer":%d,"from":%q,"to":%q}`, number, from, to)
}

func (c *client) wantNext(t *testing.T, want string) {
	t.Helper()
	if got := c.next(t); !strings.Contains(got, want) {
		t.Fatalf("got %s, want %s", got, want)
	}
}

// A node ends, is cut off or does not answer. The sender is told the right thing, and soon.
func TestTheSenderLearnsWhyALoginCannotBeReached(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*memNode)
		code   string
		within time.Duration
	}{
		{"its node has ended", func(n *memNode) { n.dead = true }, "peer-unavailable", 100 * time.Millisecond},
		{"its node is cut off", func(n *memNode) { n.cut = true }, "peer-unreachable", time.Second},
		{"its node does not answer", func(n *memNode) { n.frozen = true }, "peer-unreachable", 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, 2, func(t *testing.T, nodes []*memNode) {
				alice, bob := nodes[0].must(t, "alice", ""), nodes[1].must(t, "bob", "")
				alice.send(t, offer("alice", "bob", 1))
				bob.wantNext(t, offer("alice", "bob", 1))
				nodes[1].set(c.change)
				time.Sleep(time.Second)
				synctest.Wait()
				alice.mu.Lock()
				alice.taken = len(alice.texts) // of the first message, the sender may have been told
				alice.mu.Unlock()
				began := time.Now()
				alice.send(t, offer("alice", "bob", 2))
				alice.wantNext(t, c.code)
				if took := time.Since(began); took > c.within {
					t.Errorf("the sender was told after %v, want within %v", took, c.within)
				}
				nodes[1].set(func(n *memNode) { n.dead, n.cut, n.frozen = false, false, false })
			})
		})
	}
}

// A node has taken messages that its clients have not confirmed. When it ends, their senders are told, once each.
func TestTheSendersOfWhatADeadNodeHadAreTold(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		alice := nodes[0].must(t, "alice", "")
		bob := nodes[1].must(t, "bob", `,"keep":true,"resume":"a-secret-of-the-client"`)
		carol := nodes[2].must(t, "carol", "")
		for i := range 3 {
			alice.send(t, offer("alice", "bob", i))
			alice.send(t, offer("alice", "carol", i))
			bob.next(t)
			carol.next(t)
		}
		bob.send(t, `{"type":"ping","received":1}`)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := nodes[0].cluster.relay.unsettled(); n != 2 {
			t.Errorf("%d messages are not settled, want the two that are not confirmed", n)
		}
		nodes[1].set(func(n *memNode) { n.dead = true })
		began := time.Now()
		for range 2 {
			alice.wantNext(t, `"code":"peer-unavailable"`)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the sender was told after %v, want within 100 ms", took)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		alice.mu.Lock()
		defer alice.mu.Unlock()
		if len(alice.texts) != alice.taken {
			t.Errorf("the sender was told too much: %q", alice.texts[alice.taken:])
		}
	})
}

// A login moves from node to node while messages go to it. Each arrives once and in order, or its sender is told.
func TestMessagesFollowALoginThatMoves(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		alice := nodes[0].must(t, "alice", "")
		number := 0
		for move := range 20 {
			node := nodes[1+move%2]
			bob := node.must(t, "bob", "")
			first := number
			for range 10 {
				alice.send(t, offer("alice", "bob", number))
				number++
			}
			for i := range 10 {
				bob.wantNext(t, offer("alice", "bob", first+i))
			}
			bob.send(t, `{"type":"logout","login":"bob"}`)
		}
		if len(alice.texts) != alice.taken {
			t.Errorf("the sender was told %q", alice.texts[alice.taken:])
		}
	})
}

// A message is refused after its node has taken it.
func TestAMessageThatIsReturnedLaterIsToldOnce(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		alice := nodes[0].must(t, "alice", "")
		bob := nodes[1].must(t, "bob", `,"keep":true,"resume":"a-secret-of-the-client"`)
		alice.send(t, offer("alice", "bob", 1))
		bob.next(t)
		bob.Closed(true)
		alice.wantNext(t, `"code":"peer-unavailable"`)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := nodes[0].cluster.relay.unsettled(); n != 0 || len(alice.texts) != alice.taken {
			t.Errorf("%d messages are not settled, and the sender was told %q", n, alice.texts[alice.taken:])
		}
	})
}

// A node whose store is away closes its sessions before others can have their logins, and takes logins again afterwards.
func TestANodeWithoutTheStoreLetsItsLoginsGo(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		store := nodes[0].network.store
		alice := nodes[0].must(t, "alice", "")
		store.set(func(f *fakeStore) { f.silent = true })
		bob := nodes[1].connect()
		if _, reply := nodes[1].login(t, "bob", ""); !strings.Contains(reply, "capacity") {
			t.Errorf("a login that nobody can decide was answered with %s", reply)
		}
		time.Sleep(testTTL)
		synctest.Wait()
		if alice.closed != 1012 || nodes[0].Sessions() != 0 {
			t.Errorf("closed with %d, and %d sessions are left; want 1012 and none", alice.closed, nodes[0].Sessions())
		}
		store.set(func(f *fakeStore) { f.silent = false })
		time.Sleep(3 * time.Second)
		nodes[1].must(t, "alice", "")
		bob.Closed(false)
	})
}

// Nothing that another node sends ends this one.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("p\x03\x01\x02$1\x05alice\x07\"alice\"" + offer("bob", "alice", 1)))
	f.Add([]byte("p\x01\x01\x02$1\x05alice\x07\"alice\"" + offer("bob", "alice", 1))) // a login is not passed on
	f.Add([]byte("s\x01\x02\xff"))
	f.Add([]byte("r\x00\x01\x02$1\x10peer-unavailable\x05alice"))
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRelay()
		s := actors.NewSystem(actors.Options{Logger: slog.New(slog.DiscardHandler)})
		defer s.Stop(context.Background())
		r.start(s, nil, nil, newPeers(nil), func() bool { return true }, slog.New(slog.DiscardHandler))
		r.Receive("n2-x", body)
	})
}

func TestOnlyMessagesForALoginArrive(t *testing.T) {
	for of := range uint64(300) {
		m := arrived(of, []byte("alice"), []byte(`"Alice"`), []byte(`{"type":"offer"}`))
		relayed := of >= uint64(messages.TypeOffer) && of <= uint64(messages.TypeBye)
		if (m != nil) != relayed {
			t.Errorf("a message of type %d has arrived: %t, want %t", of, m != nil, relayed)
		}
		if m != nil && (m.Type != messages.Type(of) || string(m.Text) != `{"type":"offer"}` || string(m.RawTo) != `"Alice"`) {
			t.Errorf("type %d, text %s, to %s", m.Type, m.Text, m.RawTo)
		}
	}
	if arrived(uint64(messages.TypeOffer), []byte("alice"), nil, []byte(`{"type":"offer"}`)) != nil {
		t.Error("a message for nobody has arrived")
	}
}

// The alert on nodes of different versions counts what cannot be read.
func TestWhatCannotBeReadIsCounted(t *testing.T) {
	r := newRelay()
	r.start(nil, nil, nil, nil, func() bool { return true }, slog.New(slog.DiscardHandler))
	for i, body := range []string{
		"m\x01\x02$1\x05alice" + offer("bob", "alice", 1), // of an older version
		"p\x01\x01\x02$1\x05alice\x07\"alice\"" + offer("bob", "alice", 1),
	} {
		if outcome := r.Receive("n2-x", []byte(body)); outcome != routes.Gone {
			t.Errorf("%q is answered with %v", body, outcome)
		}
		if n := r.unreadable.Load(); n != uint64(i+1) {
			t.Errorf("%d are counted, want %d", n, i+1)
		}
	}
}

// A process that is being killed resets connections.
func TestAConnectionThatIsResetHasEnded(t *testing.T) {
	for err, ended := range map[syscall.Errno]bool{
		syscall.ECONNRESET: true, syscall.ECONNABORTED: true, syscall.EPIPE: true, syscall.ECONNREFUSED: false, syscall.EHOSTUNREACH: false,
	} {
		fault := dialed(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)})
		if errors.Is(fault, errEnded) != ended {
			t.Errorf("%v: %v", err, fault)
		}
		if !ended && !errors.Is(fault, err) {
			t.Errorf("%v is lost: %v", err, fault)
		}
	}
}
