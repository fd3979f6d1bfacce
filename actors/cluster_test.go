package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"p2p-messaging/messages"
)

// fakeCluster is a cluster whose other nodes are the test.
type fakeCluster struct {
	mu       sync.Mutex
	claims   map[string]func(Claimed, *Moved) // those that are not decided
	secrets  []string                         // that claims have brought; "" for one that has brought none
	frees    map[string]func()                // logins that are being given up
	holds    bool                             // frees waits for the test
	grants   bool                             // claims are granted at once
	events   []string
	fenced   atomic.Bool
	settled  []string
	returned []string
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{claims: map[string]func(Claimed, *Moved){}, frees: map[string]func(){}}
}

func (f *fakeCluster) Online(keys []string, told func(online, known []bool)) {
	told(make([]bool, len(keys)), slices.Repeat([]bool{true}, len(keys)))
}

func (f *fakeCluster) Follow(bool) {}

func (f *fakeCluster) Inform(key, _ string, code messages.Code, _ []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, "inform "+key+" "+string(code))
}
func (f *fakeCluster) Behind(string) bool { return false }
func (f *fakeCluster) Landing(string)     {}
func (f *fakeCluster) Landed(string)      {}

func (f *fakeCluster) Reclaim(_ string, decided func(Claimed)) { decided(Granted) }

func (f *fakeCluster) Claim(key string, r *Resumption, decided func(Claimed, *Moved)) {
	f.mu.Lock()
	f.events = append(f.events, "claim "+key)
	secret := ""
	if r != nil {
		secret = string(r.Secret)
	}
	f.secrets = append(f.secrets, secret)
	grants := f.grants
	if !grants {
		f.claims[key] = decided
	}
	f.mu.Unlock()
	if grants {
		decided(Granted, nil)
	}
}

func (f *fakeCluster) Release(key string, freed func()) {
	f.mu.Lock()
	f.events = append(f.events, "release "+key)
	holds := f.holds
	if holds {
		f.frees[key] = freed
	}
	f.mu.Unlock()
	if !holds {
		freed()
	}
}

func (f *fakeCluster) Owns() bool { return !f.fenced.Load() }

func (f *fakeCluster) Deliver(key []byte, m *messages.Deliver) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, "deliver "+string(key)+" "+string(m.Text))
	(*messages.Relay)(m).Release()
}

func (f *fakeCluster) Return(origin string, m *messages.Return) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.returned = append(f.returned, origin+" "+string(m.Refusal))
	(*messages.Relay)(m).Release()
}

func (f *fakeCluster) Settled(origin string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, origin)
}

// decide decides a claim that is in flight.
func (f *fakeCluster) decide(key string, outcome Claimed) { f.decideWith(key, outcome, nil) }

// decideWith decides a claim that is in flight. If moved is not nil, it takes over the session of another node.
func (f *fakeCluster) decideWith(key string, outcome Claimed, moved *Moved) {
	f.mu.Lock()
	decided := f.claims[key]
	delete(f.claims, key)
	f.mu.Unlock()
	decided(outcome, moved)
}

// took returns what was asked of the cluster since the last call.
func (f *fakeCluster) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

func (f *fakeCluster) wantEvents(t *testing.T, want ...string) {
	t.Helper()
	if got := f.took(); !slices.Equal(got, want) {
		t.Errorf("the cluster was asked to %q, want %q", got, want)
	}
}

func clusterSystem(t *testing.T, grants bool) (*System, *fakeCluster) {
	f := newFakeCluster()
	f.grants = grants
	return newTestSystem(t, Options{Cluster: f, ResumeWindow: window}), f
}

func TestALoginWaitsForTheCluster(t *testing.T) {
	for _, c := range []struct {
		outcome Claimed
		refusal messages.Code
	}{{Granted, ""}, {Taken, messages.CodeLoginTaken}, {Undecided, messages.CodeCapacity}} {
		s, f := clusterSystem(t, false)
		alice := connect(s)
		if alice.Receive(decoded(t, `{"type":"login","login":"alice"}`)) {
			t.Error("the next message need not wait for the cluster")
		}
		if texts := alice.link.rest(); len(texts) > 0 || s.Sessions() > 0 {
			t.Errorf("%q and %d sessions before the cluster has decided", texts, s.Sessions())
		}
		f.decide("alice", c.outcome)
		alice.link.awaitResume()
		got := alice.link.next(t)
		if c.refusal == "" {
			if want := `{"type":"login","success":true}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			continue
		}
		wantRefused(t, got, c.refusal)
		if s.Sessions() != 0 {
			t.Error("a refused login has a session")
		}
	}
}

func TestLaterClaimsWaitForTheOneInFlight(t *testing.T) {
	s, f := clusterSystem(t, false)
	peers := make([]*peer, 4)
	for i := range peers {
		peers[i] = connect(s)
		peers[i].Receive(decoded(t, `{"type":"login","login":"alice"}`))
	}
	f.wantEvents(t, "claim alice")
	peers[0].Closed(false)
	f.decide("alice", Granted)
	f.wantEvents(t) // the second has it
	if got, want := peers[1].link.next(t), `{"type":"login","success":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, p := range peers[2:] {
		wantRefused(t, p.link.next(t), messages.CodeLoginTaken)
	}
}

func TestAClaimThatComesTooLateIsReleased(t *testing.T) {
	s, f := clusterSystem(t, false)
	alice := connect(s)
	alice.Receive(decoded(t, `{"type":"login","login":"alice"}`))
	alice.Closed(false)
	f.decide("alice", Granted)
	f.wantEvents(t, "claim alice", "release alice")
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

func TestStopRefusesClaimsInFlight(t *testing.T) {
	s, f := clusterSystem(t, false)
	alice := connect(s)
	alice.Receive(decoded(t, `{"type":"login","login":"alice"}`))
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	alice.link.awaitResume()
	if code, _ := alice.link.closedWith(); code != messages.CloseGoingAway {
		t.Errorf("closed with %d, want 1001", code)
	}
	f.took()
	f.decide("alice", Granted)
	f.wantEvents(t, "release alice")
}

func TestALogoutWaitsUntilOtherNodesMayHaveTheLogin(t *testing.T) {
	s, f := clusterSystem(t, true)
	alice := join(t, s, "alice")
	f.holds = true
	if alice.Receive(decoded(t, `{"type":"logout","login":"alice"}`)) {
		t.Error("the next message need not wait for the cluster")
	}
	f.frees["alice"]()
	alice.link.awaitResume()
	f.wantEvents(t, "claim alice", "release alice")
}

func TestAnEvictionEndsAllSessionsAndRefusesClaimsInFlight(t *testing.T) {
	s, f := clusterSystem(t, true)
	alice := join(t, s, "alice")
	away, _ := keep(t, s, "away", resumes(firstSecret, 0))
	away.Closed(false)
	f.mu.Lock()
	f.grants = false
	f.mu.Unlock()
	late := connect(s)
	late.Receive(decoded(t, `{"type":"login","login":"late"}`))
	ended := make(chan struct{})
	s.Evict(func() { close(ended) })
	<-ended
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions are left, want none", n)
	}
	code, reason := alice.link.closedWith()
	var ms int
	if _, err := fmt.Sscanf(reason, "retry=%d", &ms); code != messages.CloseServiceRestart || err != nil {
		t.Errorf("closed with %d %q, want 1012 retry=<ms>", code, reason)
	}
	f.decide("late", Granted)
	wantRefused(t, late.link.next(t), messages.CodeCapacity)

	f.mu.Lock()
	f.grants = true
	f.mu.Unlock()
	join(t, s, "alice")
}

func TestASessionActsOnlyWhileItsNodeOwnsTheLogin(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, alice, bob *peer){
		"its client sends":     func(t *testing.T, alice, bob *peer) { bob.Receive(decoded(t, bob.offer("alice", 1))) },
		"its client pings":     func(t *testing.T, alice, bob *peer) { bob.Receive(decoded(t, `{"type":"ping"}`)) },
		"somebody sends to it": func(t *testing.T, alice, bob *peer) { alice.Receive(decoded(t, alice.offer("bob", 1))) },
	} {
		t.Run(name, func(t *testing.T) {
			s, f := clusterSystem(t, true)
			alice, bob := join(t, s, "alice"), join(t, s, "bob")
			f.fenced.Store(true)
			act(t, alice, bob)
			if texts := append(bob.link.rest(), alice.link.rest()...); len(texts) > 0 {
				t.Errorf("a node without its logins has sent %q", texts)
			}
			bobs, _ := bob.link.closedWith()
			alices, _ := alice.link.closedWith()
			if bobs != messages.CloseServiceRestart && alices != messages.CloseServiceRestart {
				t.Errorf("closed with %d and %d, want 1012 for one", alices, bobs)
			}
		})
	}
}

// fences is a cluster that loses its logins after a number of questions.
type fences struct {
	*fakeCluster
	left atomic.Int64
}

func (f *fences) Owns() bool { return f.left.Add(-1) >= 0 }

// A node loses its logins at every instant of a relay. Its message arrives, or the end of a connection or an error tells of it.
func TestNothingIsLostInSilenceWhenTheNodeLosesItsLogins(t *testing.T) {
	for instant := range int64(8) {
		f := &fences{fakeCluster: newFakeCluster()}
		f.grants = true
		f.left.Store(1 << 30)
		s := newTestSystem(t, Options{Cluster: f})
		alice, bob := join(t, s, "alice"), join(t, s, "bob")
		f.left.Store(instant)
		alice.Receive(decoded(t, alice.offer("bob", 1)))
		told := strings.Join(alice.link.rest(), "")
		alices, _ := alice.link.closedWith()
		if got := bob.link.rest(); len(got) == 0 && alices == 0 && !strings.Contains(told, string(messages.CodePeerUnavailable)) {
			t.Errorf("after %d questions a message is lost in silence", instant)
		}
	}
}

func TestAMessageGoesToAnotherNodeIfNobodyHereHasTheLogin(t *testing.T) {
	s, f := clusterSystem(t, true)
	alice := join(t, s, "alice")
	f.took()
	offer := alice.offer("Zoë", 1)
	alice.Receive(decoded(t, offer))
	f.wantEvents(t, "deliver zoë "+offer)
	alice.Receive(decoded(t, alice.offer("a\u200bb", 1))) // nobody may have it
	wantError(t, alice.link.next(t), messages.CodePeerUnavailable, "a\u200bb")
}

func TestAMessageOfAnotherNodeIsSettledOrReturned(t *testing.T) {
	s, f := clusterSystem(t, true)
	text := `{"type":"offer","offer":{},"from":"zoe","to":"alice"}`
	arrive := func(login, origin string) bool { return s.Arrive([]byte(login), decoded(t, text), origin) }
	if arrive("alice", "0") {
		t.Error("a message for nobody has arrived")
	}
	alice := join(t, s, "alice")
	bob, _ := keep(t, s, "bob", resumes(firstSecret, 0))
	if !arrive("alice", "1") || !arrive("bob", "2") || !arrive("bob", "3") {
		t.Fatal("a message for somebody has not arrived")
	}
	if got := alice.link.next(t); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	if want := []string{"1"}; !slices.Equal(f.settled, want) {
		t.Errorf("settled are %q, want %q", f.settled, want)
	}
	bob.send(t, `{"type":"ping","received":1}`)
	if want := []string{"1", "2"}; !slices.Equal(f.settled, want) {
		t.Errorf("settled are %q, want %q", f.settled, want)
	}
	s.End("bob")
	if want := []string{"3 peer-unavailable"}; !slices.Equal(f.returned, want) {
		t.Errorf("returned are %q, want %q", f.returned, want)
	}
	alice.link.Close(messages.CloseTooSlow, "")
	arrive("alice", "4")
	if want := []string{"3 peer-unavailable", "4 peer-unavailable"}; !slices.Equal(f.returned, want) {
		t.Errorf("returned are %q, want %q", f.returned, want)
	}
}
