package actors

import (
	"slices"
	"strings"
	"testing"

	"p2p-messaging/messages"
)

// asks lets a new client ask for alice, and does not wait for the answer.
func asks(t *testing.T, s *System, secret string) *peer {
	t.Helper()
	p := connect(s)
	p.login = "alice"
	text := `{"type":"login","login":"alice"}`
	if secret != "" {
		text = `{"type":"login","login":"alice","keep":true` + resumes(secret, 0) + `}`
	}
	p.Receive(decoded(t, text))
	return p
}

func (f *fakeCluster) wantSecrets(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.secrets, want) {
		t.Fatalf("the cluster was asked with the secrets %q, want %q", f.secrets, want)
	}
}

const (
	wrongSecret = "a-secret-of-nobody-here"
	wrongAgain  = "another-secret-of-nobody"
)

// The session of alice is at another node. A claim that is refused there says nothing of the secrets of those behind it.
func TestARefusedClaimDoesNotDecideOnTheSecretsBehindIt(t *testing.T) {
	for _, first := range []string{"", wrongSecret} {
		s, f := clusterSystem(t, false)
		other, none, wrong, alice := asks(t, s, first), asks(t, s, ""), asks(t, s, wrongAgain), asks(t, s, firstSecret)
		late := asks(t, s, wrongSecret)
		f.decide("alice", Taken)
		wantRefused(t, other.link.next(t), messages.CodeLoginTaken)
		wantRefused(t, none.link.next(t), messages.CodeLoginTaken)
		f.wantSecrets(t, first, wrongAgain)
		f.decide("alice", Taken)
		wantRefused(t, wrong.link.next(t), messages.CodeLoginTaken)
		f.wantSecrets(t, first, wrongAgain, firstSecret)
		f.decideWith("alice", Granted, &Moved{Shown: "alice"})
		if got := alice.link.next(t); !strings.Contains(got, `"resumed":true`) {
			t.Errorf("alice was answered with %s", got)
		}
		wantRefused(t, late.link.next(t), messages.CodeLoginTaken) // by the session, which is here now
		f.wantSecrets(t, first, wrongAgain, firstSecret)
	}
}

// Only what becomes of a login says whether it has resumed a session of another node. A login that has does not count.
func TestALoginThatResumesNothingAtAnotherNodeCounts(t *testing.T) {
	for name, row := range map[string]struct {
		outcome Claimed
		moved   *Moved
		many    bool // too many logins have come by the time of the decision
		admits  []bool
		counted int
	}{
		"a session of another node":             {Granted, &Moved{Shown: "alice"}, false, nil, 0},
		"a secret that nobody has":              {Granted, nil, false, []bool{true}, 0},
		"another secret":                        {Taken, nil, false, []bool{true}, 0},
		"a cluster that cannot decide":          {Undecided, nil, false, []bool{true}, 0},
		"a secret that nobody has, among many":  {Granted, nil, true, []bool{true}, 1},
		"another secret, among many":            {Taken, nil, true, []bool{true}, 1},
		"a session of another node, among many": {Granted, &Moved{Shown: "alice"}, true, nil, 0},
	} {
		for _, first := range []bool{true, false} {
			s, f := clusterSystem(t, false)
			if !first {
				asks(t, s, "")
			}
			alice := asks(t, s, firstSecret)
			alice.link.wantAdmits(t)
			if !first {
				f.decide("alice", Taken)
			}
			alice.link.mu.Lock()
			alice.link.refuses = row.many
			alice.link.mu.Unlock()
			f.decideWith("alice", row.outcome, row.moved)
			alice.link.next(t)
			alice.link.wantAdmits(t, row.admits...)
			if alice.link.counted != row.counted {
				t.Errorf("%s, the first: %t: CountLogin was called %d times, want %d", name, first, alice.link.counted, row.counted)
			}
		}
	}
}

// While too many logins come from an address, no other node is asked about what it brings.
func TestTheClusterIsNotAskedWhileTooManyLoginsComeFromTheAddress(t *testing.T) {
	s, f := clusterSystem(t, true)
	p := connect(s)
	p.link.refuses = true
	p.send(t, `{"type":"login","login":"alice","keep":true`+resumes(firstSecret, 0)+`}`)
	wantRefused(t, p.link.next(t), messages.CodeTooMany)
	f.wantEvents(t)
}

// Who leaves before the decision is counted all the same, once.
func TestALoginOfAConnectionThatHasEndedCounts(t *testing.T) {
	s, f := clusterSystem(t, false)
	asks(t, s, "")
	gone := asks(t, s, wrongSecret)
	gone.Closed(false)
	f.decide("alice", Taken)
	gone.link.wantAdmits(t, true)
	alone := asks(t, s, wrongSecret)
	alone.Closed(false)
	f.decide("alice", Taken)
	alone.link.wantAdmits(t, true)
}

// Who leaves keeps nobody behind waiting for an answer. So the row is no longer than there are connections.
func TestASecretOfAConnectionThatHasEndedIsNotAskedAbout(t *testing.T) {
	s, f := clusterSystem(t, false)
	asks(t, s, "")
	for range 3 {
		asks(t, s, wrongSecret).Closed(false)
	}
	alice := asks(t, s, firstSecret)
	f.decide("alice", Taken)
	f.wantSecrets(t, "", firstSecret)
	f.decide("alice", Taken)
	wantRefused(t, alice.link.next(t), messages.CodeLoginTaken)
	f.wantSecrets(t, "", firstSecret)
}

// A cluster that cannot decide is not asked again for those who wait.
func TestAnUndecidedClaimRefusesAllBehindIt(t *testing.T) {
	s, f := clusterSystem(t, false)
	first, second := asks(t, s, wrongSecret), asks(t, s, firstSecret)
	f.decide("alice", Undecided)
	wantRefused(t, first.link.next(t), messages.CodeCapacity)
	wantRefused(t, second.link.next(t), messages.CodeCapacity)
	f.wantSecrets(t, wrongSecret)
}

// A session has moved here, and then the node may not have its login any more, or the service ends. Nobody else has its messages by then.
func TestTheSendersAreToldWhatASessionHadThatHasMovedInVain(t *testing.T) {
	const fromBob = `{"type":"offer","offer":{},"from":"bob","to":"alice"}`
	for name, end := range map[string]func(*testing.T, *System, *fakeCluster){
		"the lease has ended": func(_ *testing.T, _ *System, f *fakeCluster) { f.fenced.Store(true) },
		"all were evicted":    func(_ *testing.T, s *System, _ *fakeCluster) { s.Evict(func() {}) },
		"the service ends": func(t *testing.T, s *System, _ *fakeCluster) {
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := clusterSystem(t, false)
			asks(t, s, firstSecret)
			end(t, s, f)
			f.decideWith("alice", Granted, &Moved{Shown: "alice", Sent: 3, Messages: []MovedMessage{
				{Text: []byte(fromBob), Origin: "node 1 bob"},
				{Text: []byte(`{"type":"error","code":"peer-unavailable"}`)},
				{Text: []byte("what is no message"), Origin: "node 2 bob"},
			}})
			f.wantEvents(t, "claim alice", "release alice")
			if want := []string{"node 1 bob peer-unavailable"}; !slices.Equal(f.returned, want) {
				t.Errorf("given back was %q, want %q", f.returned, want)
			}
		})
	}
}
