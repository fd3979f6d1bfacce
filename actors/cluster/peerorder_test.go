package cluster

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// arrivals is what has come to an id, on all of its connections.
type arrivals struct {
	mu    sync.Mutex
	texts []string
}

// noting is a connection that notes what it delivers.
type noting struct {
	*client
	all *arrivals
}

func (l noting) Deliver(m *messages.Deliver) bool {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.client.mu.Lock(); l.closed != 0 {
		l.client.mu.Unlock()
		return false
	}
	l.client.mu.Unlock()
	l.all.texts = append(l.all.texts, string(m.Text))
	return true
}

// note connects a client whose messages are noted.
func (n *testNode) note(t *testing.T, id, token string, all *arrivals) (p *peerClient, answer string) {
	t.Helper()
	c := n.connect()
	p = &peerClient{n.ConnectPeer(noting{c, all}), c}
	if !p.Begin(peerjs.Hello{ID: id, Token: token, Key: "peerjs"}, "") {
		c.mu.Lock()
		for c.resumed == 0 {
			c.changed.Wait()
		}
		c.resumed--
		c.mu.Unlock()
	}
	return p, c.next(t)
}

// wantOrder checks that all messages of each sender have come once, in their order.
func (a *arrivals) wantOrder(t *testing.T, senders, sent int) {
	t.Helper()
	next := map[string]int{}
	for _, text := range a.texts {
		var m struct {
			Src     string
			Payload int
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		if m.Payload != next[m.Src] {
			t.Fatalf("message %d of %s came, want %d", m.Payload, m.Src, next[m.Src])
		}
		next[m.Src]++
	}
	for i := range senders {
		if id := fmt.Sprint("sender", i); next[id] != sent {
			t.Errorf("%d messages of %s came, want %d", next[id], id, sent)
		}
	}
}

// Clients of all nodes send to an id whose client comes from one node to the other all the while. It takes itself over, or is away in
// between. Whatever was sent comes once, and in order. Nothing arrives in the instant in which the client leaves a node: that may come late.
func TestAPeersMessagesKeepTheirOrderWhileItChangesNodes(t *testing.T) {
	const sent = 400
	for _, away := range []bool{false, true} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprintf("away %v, %d", away, seed), func(t *testing.T) {
				in(t, 3, func(t *testing.T, nodes []*memNode) {
					nodes[0].network.store.set(func(f *fakeStore) { f.delay = 3 * time.Millisecond })
					all := new(arrivals)
					var sending sync.WaitGroup
					leaving := make(chan struct{}, 1) // has an element while the client leaves, or a sender sends
					stop := make(chan struct{})
					for i, n := range nodes {
						from, _ := n.note(t, fmt.Sprint("sender", i), "s", new(arrivals))
						random := rand.New(rand.NewPCG(seed, uint64(i)))
						sending.Go(func() {
							for k := range sent {
								leaving <- struct{}{}
								from.say(t, "CANDIDATE", "alice", k)
								<-leaving
								time.Sleep(time.Duration(random.IntN(4)) * time.Millisecond)
							}
						})
					}
					go func() { sending.Wait(); close(stop) }()
					random := rand.New(rand.NewPCG(seed, 99))
					var last *peerClient
					for at, going := 0, true; going; {
						select {
						case <-stop:
							going = false
						default:
						}
						at = (at + 1 + random.IntN(2)) % len(nodes)
						if away && last != nil {
							leaving <- struct{}{}
							time.Sleep(time.Millisecond)
							last.Peer.Closed(false)
							<-leaving
							time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
						}
						if !away {
							leaving <- struct{}{}
							time.Sleep(time.Millisecond)
						}
						p, answer := nodes[at].note(t, "alice", "a", all)
						if !away {
							<-leaving
						}
						if answer != peerjs.Open {
							continue
						}
						if last != nil && !away {
							last.Peer.Closed(false)
						}
						last = p
						time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
					}
					time.Sleep(3 * time.Second)
					synctest.Wait()
					all.mu.Lock()
					defer all.mu.Unlock()
					all.wantOrder(t, len(nodes), sent)
				})
			})
		}
	}
}

// The same with a store and connections between the nodes that are real.
func TestAPeersMessagesKeepTheirOrderInACluster(t *testing.T) {
	nodes := startNodes(t, startEtcd(t), 2)
	all := new(arrivals)
	const sent = 300
	stop := make(chan struct{})
	var sending sync.WaitGroup
	leaving := make(chan struct{}, 1) // has an element while the client leaves, or a sender sends
	for i, n := range nodes {
		from, _ := n.note(t, fmt.Sprint("sender", i), "s", new(arrivals))
		sending.Go(func() {
			for k := range sent {
				leaving <- struct{}{}
				from.say(t, "CANDIDATE", "alice", k)
				<-leaving
				time.Sleep(time.Millisecond)
			}
		})
	}
	go func() {
		sending.Wait()
		close(stop)
	}()
	var last *peerClient
	for at, going := 0, true; going; at++ {
		select {
		case <-stop:
			going = false
		case <-time.After(20 * time.Millisecond):
		}
		if last != nil {
			if _, answer := nodes[at%2].note(t, "alice", "thief", new(arrivals)); answer != peerjs.IDTaken {
				t.Fatalf("a thief was told %s at the other node", answer)
			}
		}
		leaving <- struct{}{}
		waitFor(t, "what was sent has an outcome", func() bool { return nodes[0].cluster.relay.unsettled()+nodes[1].cluster.relay.unsettled() == 0 })
		p, answer := nodes[at%2].note(t, "alice", "a", all)
		<-leaving
		if answer != peerjs.Open {
			t.Fatalf("alice was told %s", answer)
		}
		if last != nil {
			last.Peer.Closed(false)
		}
		last = p
	}
	waitFor(t, "everything has come", func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return len(all.texts) >= len(nodes)*sent
	})
	all.mu.Lock()
	defer all.mu.Unlock()
	all.wantOrder(t, len(nodes), sent)
}

// A node does not answer whether it has taken a message. The sender is told, and the message does not wait: it might arrive twice.
func TestAPeersMessageThatMayHaveArrivedIsNotSentAgain(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		all := new(arrivals)
		alice, _ := nodes[0].testNode.arrive(t, "alice", "a")
		if _, answer := nodes[1].note(t, "bob", "b", all); answer != peerjs.Open {
			t.Fatalf("bob was told %s", answer)
		}
		alice.say(t, "OFFER", "bob", 0)
		time.Sleep(100 * time.Millisecond)
		nodes[1].set(func(n *memNode) { n.frozen = true })
		alice.say(t, "OFFER", "bob", 1)
		if got, want := alice.next(t), `{"type":"EXPIRE","src":"bob","dst":"alice"}`; got != want {
			t.Errorf("alice was told %s, want %s", got, want)
		}
		nodes[0].network.store.set(func(f *fakeStore) { f.cut = f.keys[messages.PeerKey("bob")].lease })
		for answer := ""; answer != peerjs.Open; time.Sleep(50 * time.Millisecond) {
			_, answer = nodes[0].note(t, "bob", "b", all)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		all.mu.Lock()
		defer all.mu.Unlock()
		if len(all.texts) != 1 {
			t.Errorf("bob got %q", all.texts)
		}
		nodes[1].set(func(n *memNode) { n.frozen = false })
	})
}

// A node freezes before it has taken anything for an id. Whatever is sent to the id waits behind the first message for a while, and then
// each sender is told. What waits for all of a node's ids is bounded.
func TestWhatWaitsBehindAPeersFirstMessageHasAnOutcome(t *testing.T) {
	const expire = `{"type":"EXPIRE","src":%q,"dst":"alice"}`
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		alice, _ := nodes[0].testNode.arrive(t, "alice", "a")
		const ids, each, length = 100, 4, 60_000
		for i := range ids {
			nodes[1].testNode.arrive(t, fmt.Sprint("id", i), "b")
		}
		nodes[1].set(func(n *memNode) { n.frozen = true })
		for i := range ids {
			for range each {
				m, _ := peerjs.Read(fmt.Appendf(nil, `{"type":"OFFER","dst":"id%d","payload":"%0*d"}`, i, length, 0), alice.ID())
				alice.Peer.Receive(m)
			}
		}
		r := nodes[0].cluster.relay
		r.mu.Lock()
		if r.waits > routes.MaxWaiting {
			t.Errorf("%d bytes wait for a frozen node", r.waits)
		}
		r.mu.Unlock()
		told := map[string]int{}
		for range ids * each {
			told[alice.next(t)]++
		}
		for i := range ids {
			if n := told[fmt.Sprintf(expire, fmt.Sprint("id", i))]; n != each {
				t.Errorf("of %d messages to id%d, %d were told of", each, i, n)
			}
		}
		r.mu.Lock()
		if r.waits != 0 {
			t.Errorf("%d bytes wait, and nothing waits", r.waits)
		}
		r.mu.Unlock()
		nodes[1].set(func(n *memNode) { n.frozen = false })
	})
}
