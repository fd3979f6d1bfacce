package actors

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// peerClient is a PeerJS client.
type peerClient struct {
	*Peer
	link *fakeLink
}

// callIn connects a PeerJS client and returns what it is told.
func callIn(t testing.TB, s *System, id, token string) (p *peerClient, answer string) {
	t.Helper()
	link := newFakeLink()
	p = &peerClient{s.ConnectPeer(link), link}
	if !p.Begin(peerjs.Hello{ID: id, Token: token, Key: "peerjs"}, "peerjs") {
		link.awaitResume()
	}
	return p, link.next(t)
}

// arrive connects a PeerJS client that gets its id.
func arrive(t testing.TB, s *System, id, token string) *peerClient {
	t.Helper()
	p, answer := callIn(t, s, id, token)
	if answer != peerjs.Open {
		t.Fatalf("%s was answered with %s", id, answer)
	}
	return p
}

func (p *peerClient) say(t testing.TB, kind, dst string, payload any) {
	t.Helper()
	m, of := peerjs.Read(fmt.Appendf(nil, `{"type":%q,"dst":%q,"payload":%v}`, kind, dst, payload), p.ID())
	if of != peerjs.Relayed {
		t.Fatal("the frame is not one to relay")
	}
	if !p.Receive(m) {
		p.link.awaitResume()
	}
}

// orderedLink notes what it delivers in a list that several links share.
type orderedLink struct {
	discard
	all     *arrivals
	resumed chan struct{} // gets an element for each call of Resume
}

func (l orderedLink) Resume() { l.resumed <- struct{}{} }

type arrivals struct {
	mu    sync.Mutex
	texts []string
}

func (l orderedLink) Deliver(m *messages.Deliver) bool {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	l.all.texts = append(l.all.texts, string(m.Text))
	return true
}

// Clients send to an id whose clients come, go and take each other over all the while. Whatever they have sent comes once, and in order.
func TestAPeersMessagesComeOnceAndInOrder(t *testing.T) {
	const senders, sent = 4, 240 // all of it may wait at once
	for _, reserve := range []time.Duration{0, time.Hour} {
		s := newTestSystem(t, Options{PeerJS: &PeerJS{ExpireTimeout: time.Hour, Reserve: reserve}})
		all := new(arrivals)
		stop := make(chan struct{})
		var sending, coming sync.WaitGroup
		for i := range senders {
			from := arrive(t, s, fmt.Sprint("sender", i), "t")
			sending.Go(func() {
				for n := range sent {
					from.say(t, "CANDIDATE", "alice", n)
				}
			})
		}
		come := func() *Peer {
			link := orderedLink{all: all, resumed: make(chan struct{}, 1)}
			p := s.ConnectPeer(link)
			if !p.Begin(peerjs.Hello{ID: "alice", Token: "a", Key: "k"}, "") {
				<-link.resumed
			}
			return p
		}
		coming.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				p := come()
				switch round % 3 {
				case 0:
					p.Closed(false)
				case 1: // taken over
					come().Closed(false)
					p.Closed(false)
				case 2:
					p.Leave()
					p.Closed(false)
				}
			}
		})
		sending.Wait()
		close(stop)
		coming.Wait()
		come()
		next := make([]int, senders)
		all.mu.Lock()
		for _, text := range all.texts {
			var from, n int
			if _, err := fmt.Sscanf(text, `{"type":"CANDIDATE","src":"sender%d","dst":"alice","payload":%d}`, &from, &n); err != nil {
				t.Fatalf("%s came", text)
			}
			if n != next[from] {
				t.Fatalf("from sender %d came %d where %d was due", from, n, next[from])
			}
			next[from]++
		}
		all.mu.Unlock()
		for from, n := range next {
			if n != sent {
				t.Errorf("from sender %d came %d of %d", from, n, sent)
			}
		}
	}
}

func TestWhatWaitsForAPeerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{PeerJS: &PeerJS{}})
		alice, bob := arrive(t, s, "alice", "a"), arrive(t, s, "bob", "b")
		for n := range maxAwaited {
			alice.say(t, "OFFER", "carol", n)
		}
		bob.say(t, "OFFER", "carol", 0)
		if got, want := alice.link.next(t), `{"type":"EXPIRE","src":"carol","dst":"alice"}`; got != want {
			t.Errorf("the sender of the oldest message was told %s, want %s", got, want)
		}
		bob.say(t, "OFFER", "carol", `"`+strings.Repeat("x", maxAwaitedBytes)+`"`)
		if got, want := bob.link.next(t), `{"type":"EXPIRE","src":"carol","dst":"bob"}`; got != want {
			t.Errorf("the sender of a message that displaces its own was told %s, want %s", got, want)
		}
		time.Sleep(2 * DefaultPeerExpireTimeout)
		synctest.Wait()
		if more := append(alice.link.rest(), bob.link.rest()...); len(more) > 0 {
			t.Errorf("senders were told more than once: %q", more)
		}
		if sessions, bytes := s.peers.waiting.figures(); sessions != 0 || bytes != 0 {
			t.Errorf("%d bytes still wait for %d ids", bytes, sessions)
		}
		// Of many ids, those that have waited longest go first.
		s.peers.waiting.most = 10
		for n := range 12 {
			alice.say(t, "OFFER", fmt.Sprint("nobody", n), 0)
		}
		for n := range 2 {
			if got, want := alice.link.next(t), fmt.Sprintf(`{"type":"EXPIRE","src":"nobody%d","dst":"alice"}`, n); got != want {
				t.Errorf("the sender was told %s, want %s", got, want)
			}
		}
		s.peers.waiting.mostBytes = 1000
		alice.say(t, "OFFER", "nobody11", 0)
		if more := alice.link.rest(); len(more) < 7 {
			t.Errorf("the sender was told %q", more)
		}
	})
}

func TestAPeerThatReadsSlowlyIsNotSentMore(t *testing.T) {
	s := newTestSystem(t, Options{PeerJS: &PeerJS{}})
	alice, bob := arrive(t, s, "alice", "a"), arrive(t, s, "bob", "b")
	bob.link.mu.Lock()
	bob.link.waiting = s.peers.terms.limit
	bob.link.mu.Unlock()
	alice.say(t, "OFFER", "bob", 1)
	if got, want := alice.link.next(t), `{"type":"EXPIRE","src":"bob","dst":"alice"}`; got != want {
		t.Errorf("the sender was told %s, want %s", got, want)
	}
	if texts := bob.link.rest(); len(texts) > 0 {
		t.Errorf("the slow client got %q", texts)
	}
}

func TestTheStateOfPeersOutlivesTheSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := Options{PeerJS: &PeerJS{Reserve: 30 * time.Second}}
		s := NewSystem(options)
		alice := arrive(t, s, "alice", "a")
		arrive(t, s, "bob", "b").Closed(false)
		alice.say(t, "OFFER", "bob", 1)
		alice.say(t, "OFFER", "carol", 2)
		alice.say(t, "CANDIDATE", "carol", 3)
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		left := s.PeersLeft()
		if len(left) != 3 {
			t.Fatalf("the state of %d ids is left, want 3", len(left))
		}

		s = newTestSystem(t, options)
		s.RestorePeers(left)
		for _, id := range []string{"alice", "bob"} {
			if _, answer := callIn(t, s, id, "thief"); answer != peerjs.IDTaken {
				t.Errorf("a thief of %s was told %s", id, answer)
			}
		}
		bob, carol := arrive(t, s, "bob", "b"), arrive(t, s, "carol", "c")
		for _, c := range []struct {
			p    *peerClient
			want string
		}{{bob, `{"type":"OFFER","src":"alice","dst":"bob","payload":1}`}, {carol, `{"type":"OFFER","src":"alice","dst":"carol","payload":2}`},
			{carol, `{"type":"CANDIDATE","src":"alice","dst":"carol","payload":3}`}} {
			if got := c.p.link.next(t); got != c.want {
				t.Errorf("%s came, want %s", got, c.want)
			}
		}
		time.Sleep(31 * time.Second)
		arrive(t, s, "alice", "another")
	})
}

// A node owns no id that was reserved in the service before it. So it asks the cluster before anybody gets the id.
func TestARestoredReservationIsClaimed(t *testing.T) {
	for token, want := range map[string]string{"a": peerjs.Open, "thief": peerjs.IDTaken} {
		synctest.Test(t, func(t *testing.T) {
			before := NewSystem(Options{PeerJS: &PeerJS{Reserve: time.Minute}})
			arrive(t, before, "alice", "a")
			if err := before.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			f := newFakeCluster()
			f.grants = true
			s := newTestSystem(t, Options{Cluster: f, PeerJS: &PeerJS{Reserve: time.Minute}})
			s.RestorePeers(before.PeersLeft())
			if _, answer := callIn(t, s, "alice", token); answer != want {
				t.Errorf("%s was told %s, want %s", token, answer, want)
			}
			f.wantEvents(t, "claim "+messages.PeerKey("alice"))
		})
	}
}

func TestWhatWaitedInTheSystemBeforeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{PeerJS: &PeerJS{}})
		s.RestorePeers([]PeerState{
			{Key: messages.PeerKey("bob"), Waiting: []PeerMessage{{From: "alice", Text: []byte(`{"type":"OFFER","src":"alice","dst":"bob"}`)}}},
			{Key: "alice", Waiting: []PeerMessage{{From: "alice", Text: []byte(`{}`)}}}, // no such key is written
			{Key: messages.PeerKey("carol"), Token: []byte("short")},
		})
		alice := arrive(t, s, "alice", "a")
		time.Sleep(DefaultPeerExpireTimeout)
		synctest.Wait()
		if got, want := alice.link.next(t), `{"type":"EXPIRE","src":"bob","dst":"alice"}`; got != want {
			t.Errorf("the sender was told %s, want %s", got, want)
		}
		arrive(t, s, "carol", "c")
	})
}

func TestAPeersToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: func(q Question, decide func(Verdict)) {
			if q.Login.Shown != "Alice" || q.Login.Key != messages.PeerKey("Alice") {
				t.Errorf("the token is for %q", q.Login)
			}
			if q.Token != "good" {
				go decide(Verdict{Refusal: "it is bad"})
				return
			}
			go decide(Verdict{Ends: time.Now().Add(time.Minute)})
		}, PeerJS: &PeerJS{Reserve: time.Hour}})
		p, answer := callIn(t, s, "Alice", "bad")
		if want := `{"type":"ERROR","payload":{"msg":"Invalid token provided: it is bad"}}`; answer != want {
			t.Errorf("a client with a bad token was told %s, want %s", answer, want)
		}
		if code, _ := p.link.closedWith(); code != messages.CloseNoStatus {
			t.Errorf("it was closed with %d", code)
		}
		alice := arrive(t, s, "Alice", "good")
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if code, _ := alice.link.closedWith(); code != messages.CloseTokenEnded {
			t.Errorf("the client whose token has ended was closed with %d", code)
		}
		if n := s.peers.taken.Load(); n != 0 {
			t.Errorf("%d ids are taken", n)
		}
	})
}

// A token that was renewed is another one. Its client gets the id that is reserved for it all the same. While the id has a connection, the token
// counts as it is.
func TestARenewedTokenGetsTheReservedID(t *testing.T) {
	s := newTestSystem(t, Options{Authenticate: func(q Question, decide func(Verdict)) {
		if q.Token == "bad" {
			decide(Verdict{Refusal: "it is bad"})
			return
		}
		decide(Verdict{})
	}, PeerJS: &PeerJS{Reserve: time.Hour}})
	alice := arrive(t, s, "alice", "first")
	if _, answer := callIn(t, s, "alice", "second"); answer != peerjs.IDTaken {
		t.Errorf("another page was told %s", answer)
	}
	alice.Closed(false)
	if _, answer := callIn(t, s, "alice", "bad"); !strings.Contains(answer, peerjs.ErrorToken) {
		t.Errorf("a thief was told %s", answer)
	}
	alice = arrive(t, s, "alice", "second")
	if _, answer := callIn(t, s, "alice", "first"); answer != peerjs.IDTaken {
		t.Errorf("another page was told %s", answer)
	}
	again := arrive(t, s, "alice", "second") // takes over
	if code, _ := alice.link.closedWith(); code != messages.CloseTakenOver {
		t.Errorf("the connection before was closed with %d", code)
	}
	again.Closed(false)
	arrive(t, s, "alice", "third")
}

func TestPeerIDsAreListedInTheOrderOfTheirArrival(t *testing.T) {
	s := newTestSystem(t, Options{PeerJS: &PeerJS{Discovery: true}})
	all := map[string]*peerClient{}
	for _, id := range []string{"c", "a", "d", "b"} {
		all[id] = arrive(t, s, id, "t")
	}
	arrive(t, s, "a", "t") // keeps its place
	all["c"].Closed(false)
	all["b"].Closed(false)
	arrive(t, s, "b", "t")
	all["a"].say(t, "OFFER", "nobody", 1)
	if got := fmt.Sprint(s.PeerIDs()); got != "[a d b]" {
		t.Errorf("listed are %s", got)
	}
}

func BenchmarkIdlePeer(b *testing.B) {
	const clients = 50_000
	for b.Loop() {
		heap, _ := live()
		s := newTestSystem(b, Options{PeerJS: &PeerJS{}})
		all := make([]*Peer, clients)
		for i := range all {
			all[i] = s.ConnectPeer(discard{})
			all[i].Begin(peerjs.Hello{ID: fmt.Sprint("user", i), Token: "0123456789a", Key: "peerjs"}, "")
		}
		heap2, _ := live()
		b.ReportMetric((float64(heap2)-float64(heap))/clients-8, "heap-B/session")
	}
}

// talkingPeers connects two clients and returns the first. The second is to0 for n = 0.
func talkingPeers(t testing.TB, s *System, n int32) (from *Peer) {
	for _, id := range []string{"to", "from"} {
		from = s.ConnectPeer(discard{})
		if from.Begin(peerjs.Hello{ID: fmt.Sprint(id, n), Token: "t", Key: "k"}, ""); !from.LoggedIn() {
			t.Fatal("a client did not get its id")
		}
	}
	return from
}

// BenchmarkPeerRelay is BenchmarkRelay for PeerJS clients.
func BenchmarkPeerRelay(b *testing.B) {
	s := newTestSystem(b, Options{PeerJS: &PeerJS{}})
	b.ReportAllocs()
	var pairs atomic.Int32
	clients := make([]*Peer, runtime.GOMAXPROCS(0)) // one for each goroutine of RunParallel
	for n := range clients {
		clients[n] = talkingPeers(b, s, int32(n))
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		n := pairs.Add(1) - 1
		from := clients[n]
		text := fmt.Appendf(nil, `{"type":"OFFER","dst":"to%d","payload":{"sdp":"%0200d"}}`, n, 0)
		for pb.Next() {
			m, _ := peerjs.Read(text, "from")
			from.Receive(m)
		}
	})
}
