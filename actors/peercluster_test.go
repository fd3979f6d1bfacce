package actors

import (
	"fmt"
	"log/slog"
	"strings"
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
				cluster := yieldingCluster{newFakeCluster(), make(chan *messages.Deliver, maxAsks)}
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

// What waits is on its way to another node when its client comes here. What came behind it stays behind it, whether it comes back or not.
func TestWhatIsOnItsWayElsewhereComesFirst(t *testing.T) {
	for _, back := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeCluster()
			fake.grants = true
			cluster := awayCluster{fake, make(chan *messages.Deliver, 10)}
			s := newTestSystem(t, Options{Cluster: cluster, PeerJS: &PeerJS{}})
			bob := arrive(t, s, "bob", "b")
			bob.say(t, "OFFER", "alice", 0)
			first := <-cluster.delivered
			passed := false
			s.LetWait(first, func() { passed = true })
			if !passed {
				t.Error("the cluster is not told that the message waits")
			}
			bob.say(t, "OFFER", "alice", 1)
			bob.say(t, "OFFER", "alice", 2)
			var out []*messages.Deliver
			for range 3 {
				out = append(out, <-cluster.delivered)
			}
			bob.say(t, "OFFER", "alice", 3)
			alice := arrive(t, s, "alice", "a")
			bob.say(t, "OFFER", "alice", 4)
			s.Taken(out[0])
			s.LetWait(out[1], func() {})
			if texts := alice.link.rest(); len(texts) > 0 {
				t.Errorf("%q came too early", texts)
			}
			if back {
				s.LetWait(out[2], func() {})
			} else {
				s.Taken(out[2])
			}
			bob.say(t, "OFFER", "alice", 5)
			want := []int{1, 2, 3, 4, 5}
			if !back {
				want = []int{1, 3, 4, 5}
			}
			for _, n := range want {
				if got, want := alice.link.next(t), fmt.Sprintf(`{"type":"OFFER","src":"bob","dst":"alice","payload":%d}`, n); got != want {
					t.Errorf("%s came, want %s", got, want)
				}
			}
			if f := s.Figures(); f.PeersAwaited != 0 || f.PeersAwaitedBytes != 0 {
				t.Errorf("%d ids are awaited, with %d bytes", f.PeersAwaited, f.PeersAwaitedBytes)
			}
		})
	}
}

// A message of another node waits here only behind others of that node. Otherwise it waits there.
func TestAMessageOfAnotherNodeWaitsThere(t *testing.T) {
	f := newFakeCluster()
	f.grants = true
	s := newTestSystem(t, Options{Cluster: f, PeerJS: &PeerJS{Reserve: time.Hour}})
	arrives := func(node string, n int) bool {
		m, _ := peerjs.Read(fmt.Appendf(nil, `{"type":"OFFER","dst":"alice","payload":%d}`, n), "carol")
		ok := s.Arrive(m.To, m, node+" 1 carol")
		if !ok {
			m.Release()
		}
		return ok
	}
	bob, alice := arrive(t, s, "bob", "b"), arrive(t, s, "alice", "a")
	if !arrives("n1", 0) {
		t.Error("a client does not get what another node sends")
	}
	alice.Closed(false)
	if !arrives("n1", 1) {
		t.Error("a reserved id does not get what another node sends")
	}
	bob.say(t, "OFFER", "alice", 2)
	if !s.EndPeer("alice") { // messages wait for it
		t.Fatal("nobody has the id")
	}
	if arrives("n2", 3) {
		t.Error("a message waits at another node than that of its sender")
	}
	if !arrives("n1", 4) {
		t.Error("a message overtakes one of its own node")
	}
	alice = arrive(t, s, "alice", "another")
	for _, n := range []int{1, 2, 4} {
		if got := alice.link.next(t); !strings.HasSuffix(got, fmt.Sprintf(`"payload":%d}`, n)) {
			t.Errorf("%s came, want %d", got, n)
		}
	}
	alice.Leave()
	alice.Closed(false)
	if arrives("n1", 5) {
		t.Error("a message waits at another node than that of its sender")
	}
}

// awayCluster is a cluster whose other nodes keep what is sent to them. They are the test.
type awayCluster struct {
	*fakeCluster
	delivered chan *messages.Deliver
}

func (c awayCluster) Deliver(_ []byte, m *messages.Deliver) { c.delivered <- m }

// A node asks another one for an id. Before the question is there, the id has come to the node itself. Its client stays.
func TestANodeDoesNotYieldAnIDToItself(t *testing.T) {
	f := newFakeCluster()
	f.grants = true
	s := newTestSystem(t, Options{Cluster: f, PeerJS: &PeerJS{}})
	alice := arrive(t, s, "alice", "a")
	key := messages.PeerKey("alice")
	question := func() *messages.Deliver {
		m := peerjs.NewYield(key, hashOf("a"), false)
		m.Sender = s.registry
		return m
	}
	if !s.Pass(key, question()) {
		t.Error("the question goes on looking for the id")
	}
	s.LetWait(question(), func() {})
	if code, _ := alice.link.closedWith(); code != 0 {
		t.Errorf("the client was closed with %d", code)
	}
	bob := arrive(t, s, "bob", "b")
	bob.say(t, "OFFER", "alice", 1)
	alice.link.next(t)
}

// A node that has lost its logins ends the connections of PeerJS clients too, and gives up what is reserved. So no id has two owners.
func TestAnEvictionEndsPeersSessions(t *testing.T) {
	f := newFakeCluster()
	f.grants = true
	s := newTestSystem(t, Options{Cluster: f, PeerJS: &PeerJS{Reserve: time.Hour}})
	alice, bob := arrive(t, s, "alice", "a"), arrive(t, s, "bob", "b")
	bob.Closed(false)
	ended := make(chan struct{})
	s.Evict(func() { close(ended) })
	<-ended
	if code, _ := alice.link.closedWith(); code != messages.CloseServiceRestart {
		t.Errorf("alice's connection was closed with %d, want 1012", code)
	}
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions are left, want none", n)
	}
	f.took()
	// The cluster decides again who gets the ids.
	for _, id := range []string{"alice", "bob"} {
		arrive(t, s, id, "another")
		f.wantEvents(t, "claim "+messages.PeerKey(id))
	}
}

// A session that fails frees its id for other nodes, and tells who has sent what waited for it.
func TestAPeerSessionThatFailsLeavesNothing(t *testing.T) {
	for name, at := range map[string]string{"when its client comes": peerjs.Open, "when its client gets what waits": "OFFER"} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster()
			f.grants = true
			cluster := awayCluster{f, make(chan *messages.Deliver, 10)}
			s := newTestSystem(t, Options{Cluster: cluster, PeerJS: &PeerJS{ExpireTimeout: time.Hour}, Logger: slog.New(slog.DiscardHandler)})
			bob := arrive(t, s, "bob", "b")
			bob.say(t, "OFFER", "alice", 0)
			s.LetWait(<-cluster.delivered, func() {})
			f.took()
			link := newFakeLink()
			link.onSend = func(text string) {
				if strings.Contains(text, at) {
					panic("broken")
				}
			}
			alice := &peerClient{s.ConnectPeer(link), link}
			if !alice.Begin(peerjs.Hello{ID: "alice", Token: "a", Key: "peerjs"}, "peerjs") {
				link.awaitResume()
			}
			f.wantEvents(t, "claim "+messages.PeerKey("alice"), "release "+messages.PeerKey("alice"))
			if got, want := bob.link.next(t), `{"type":"EXPIRE","src":"alice","dst":"bob"}`; got != want {
				t.Errorf("bob was told %s, want %s", got, want)
			}
			if code, _ := link.closedWith(); code != messages.CloseInternalError {
				t.Errorf("the client was closed with %d, want 1011", code)
			}
			if s.directory.owner([]byte(messages.PeerKey("alice"))) != nil {
				t.Error("the id has a session")
			}
		})
	}
}

// Two clients of the id wait for the cluster. The session of the first fails and gives the id up, so the second asks for it again.
func TestWhoComesBehindAPeerSessionThatFailsAsksForTheIDAgain(t *testing.T) {
	f := newFakeCluster()
	s := newTestSystem(t, Options{Cluster: f, PeerJS: &PeerJS{}, Logger: slog.New(slog.DiscardHandler)})
	var clients []*peerClient
	for range 2 {
		link := newFakeLink()
		p := &peerClient{s.ConnectPeer(link), link}
		p.Begin(peerjs.Hello{ID: "alice", Token: "a", Key: "peerjs"}, "peerjs")
		clients = append(clients, p)
	}
	clients[0].link.onSend = func(string) { panic("broken") }
	key := messages.PeerKey("alice")
	f.decide(key, Granted)
	f.wantEvents(t, "claim "+key, "release "+key, "claim "+key)
	if texts := clients[1].link.rest(); len(texts) > 0 {
		t.Errorf("the second client was told %q before the cluster has decided", texts)
	}
	f.decide(key, Granted)
	if got := clients[1].link.next(t); got != peerjs.Open {
		t.Errorf("the second client was told %s", got)
	}
	f.wantEvents(t)
}

// releasingCluster tells the test of each id that is given up.
type releasingCluster struct {
	*fakeCluster
	released func(key string)
}

func (c *releasingCluster) Release(key string, freed func()) {
	c.released(key)
	c.fakeCluster.Release(key, freed)
}

// While an id looks taken, nobody asks the cluster for it. A claim that came before the release would be released with it.
func TestAnIDLooksTakenUntilItIsReleased(t *testing.T) {
	c := &releasingCluster{fakeCluster: newFakeCluster()}
	c.grants = true
	s := newTestSystem(t, Options{Cluster: c, PeerJS: &PeerJS{}})
	released := 0
	c.released = func(key string) {
		if released++; !s.directory.owner([]byte(key)).isTaken() {
			t.Error("the id was free before it was released")
		}
	}
	arrive(t, s, "alice", "a").Closed(false)
	if released != 1 {
		t.Errorf("the id was released %d times, want once", released)
	}
}
