package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// startOwnership returns the ownership of a node with a lease, and what it has been told.
func startOwnership(t *testing.T, store *fakeStore) *ownership {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	began := time.Now()
	o := newOwnership(ctx, store, "n1-a", func() time.Duration { return time.Since(began) + time.Hour }, func() {})
	lease, err := store.Grant(ctx, 24*time.Hour, Node{Address: "n1-a"})
	if err != nil {
		t.Fatal(err)
	}
	o.own(lease)
	return o
}

// ask claims a login and returns the outcome when there is one.
func (o *ownership) ask(key string) <-chan actors.Claimed {
	outcome := make(chan actors.Claimed, 1)
	o.claim(key, "", func(c actors.Claimed, _ string) { outcome <- c })
	return outcome
}

func want(t *testing.T, outcome <-chan actors.Claimed, want actors.Claimed) {
	t.Helper()
	if got := <-outcome; got != want {
		t.Errorf("a claim ended with %d, want %d", got, want)
	}
}

func TestOneOfTwoNodesGetsALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		o := startOwnership(t, store)
		want(t, o.ask("alice"), actors.Granted)
		store.keys["bob"] = fakeKey{"n2-b 1", 99}
		want(t, o.ask("bob"), actors.Taken)
		freed := make(chan struct{})
		o.release("alice", func() { close(freed) })
		<-freed
		if owner := store.owner("alice"); owner != "" {
			t.Errorf("a login that was given up belongs to %q", owner)
		}
		o.release("bob", func() {})
		synctest.Wait()
		if owner := store.owner("bob"); owner != "n2-b 1" {
			t.Errorf("the login of another node belongs to %q", owner)
		}
	})
}

func TestManyClaimsGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		steps, most := 0, 0
		store.delay = 10 * time.Millisecond
		store.onDo = func(operations []Operation) { steps, most = steps+1, max(most, len(operations)) }
		o := startOwnership(t, store)
		const logins = 10_000
		outcomes := make(chan actors.Claimed, logins)
		for i := range logins {
			o.claim(fmt.Sprint("login", i), "", func(c actors.Claimed, _ string) { outcomes <- c })
		}
		for range logins {
			want(t, outcomes, actors.Granted)
		}
		if most > batch || steps > logins/batch+2*flights {
			t.Errorf("%d steps of %d operations at most; want few of %d at most", steps, most, batch)
		}
		if held, waiting := o.counts(); held != logins || waiting != 0 {
			t.Errorf("%d logins are held, and %d requests wait; want %d and none", held, waiting, logins)
		}
	})
}

// Etcd refuses a request that is too long, with everybody's operations in it.
func TestLongKeysDoNotGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requestBytes = 3 << 19 // 1.5 MiB
		store := &countingStore{fakeStore: newFakeStore()}
		store.delay = 10 * time.Millisecond // everything else is in the queue by the first answer
		o := startOwnership(t, store.fakeStore)
		o.store = store
		var steps atomic.Int32
		store.fails = func(operations []Operation) bool {
			bytes := 0
			for _, o := range operations {
				if bytes += len(o.Login); o.Kind != Find {
					bytes += 2 * len(o.Login)
				}
			}
			steps.Add(1)
			return bytes > requestBytes
		}
		outcomes := make(chan actors.Claimed, 4*batch)
		for i := range 4 * batch {
			long := strings.Repeat("x", messages.MaxKeyBytes-10) + fmt.Sprintf("%010d", i)
			o.find(long, func(_ string, err error) {
				if err != nil {
					t.Errorf("the owner of a long key was not found: %v", err)
				}
			})
			key := fmt.Sprint("login", i)
			if i%2 == 0 {
				key = long
			}
			o.claim(key, "", func(c actors.Claimed, _ string) { outcomes <- c })
		}
		for range 4 * batch {
			want(t, outcomes, actors.Granted)
		}
		if retries := o.retries.Load(); retries > 0 {
			t.Errorf("%d operations were done again, want none", retries)
		}
		if least := 4 * batch * 5 / 2 * messages.MaxKeyBytes / batchBytes; int(steps.Load()) > 2*least {
			t.Errorf("there were %d steps, want not many more than %d", steps.Load(), least)
		}
	})
}

func TestTheStoreIsNotAskedForAKeyThatNobodyCanHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		o := startOwnership(t, store)
		asked := 0
		store.onDo = func(operations []Operation) { asked += len(operations) }
		for i, key := range []string{strings.Repeat("x", messages.MaxKeyBytes), strings.Repeat("x", messages.MaxKeyBytes+1)} {
			owner, err := "none", errUndecided
			o.find(key, func(o string, e error) { owner, err = o, e })
			synctest.Wait()
			if owner != "" || err != nil {
				t.Errorf("the owner of a key of %d bytes is %q, %v", len(key), owner, err)
			}
			if asked != 1 {
				t.Errorf("after key %d the store was asked %d times, want once for the shorter one", i, asked)
			}
		}
		want(t, o.ask(strings.Repeat("x", messages.MaxKeyBytes+1)), actors.Undecided)
	})
}

// A claim's answer is lost. The claim is done again, and finds its own value.
func TestAnUnknownOutcomeIsFoundOut(t *testing.T) {
	for _, patient := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			store := newFakeStore()
			o := startOwnership(t, store)
			store.set(func(f *fakeStore) { f.mute = true })
			outcome := o.ask("alice")
			if patient {
				time.Sleep(answerTimeout / 2)
			} else {
				want(t, outcome, actors.Undecided)
			}
			if owner := store.owner("alice"); owner == "" {
				t.Fatal("the store has not done what it has not answered")
			}
			store.set(func(f *fakeStore) { f.mute = false })
			again := o.ask("alice") // waits for what became of the first claim
			if patient {
				want(t, outcome, actors.Granted)
			}
			time.Sleep(2 * answerTimeout)
			synctest.Wait()
			// The first claim's login was given up if nobody waited for it any more. Either way this node gets the second.
			want(t, again, actors.Granted)
			if len(store.keys) != 1 {
				t.Errorf("the store has %v, want one login", store.keys)
			}
		})
	}
}

func TestALateClaimIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		o := startOwnership(t, store)
		store.set(func(f *fakeStore) { f.silent = true })
		want(t, o.ask("alice"), actors.Undecided)
		store.set(func(f *fakeStore) { f.silent = false })
		time.Sleep(2 * answerTimeout)
		synctest.Wait()
		if owner := store.owner("alice"); owner != "" {
			t.Errorf("a login that nobody waits for belongs to %q", owner)
		}
		if held, waiting := o.counts(); held != 0 || waiting != 0 {
			t.Errorf("%d logins are held, and %d requests wait; want none", held, waiting)
		}
	})
}

// The lease is lost while claims and releases are in flight. All are told, and nothing that comes later counts.
func TestTheLossOfALeaseEndsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		o := startOwnership(t, store)
		want(t, o.ask("alice"), actors.Granted)
		store.set(func(f *fakeStore) { f.delay = time.Second })
		bob := o.ask("bob")
		freed := make(chan struct{})
		o.release("alice", func() { close(freed) })
		synctest.Wait()
		o.disown()
		want(t, bob, actors.Undecided)
		<-freed
		want(t, o.ask("carol"), actors.Undecided)
		time.Sleep(2 * time.Second)
		if held, waiting := o.counts(); held != 0 || waiting != 0 {
			t.Errorf("%d logins are held, and %d requests wait; want none", held, waiting)
		}
		// What the old lease still has in the store is the node's own to replace.
		store.set(func(f *fakeStore) { f.delay = 0 })
		o.own(store.next)
		want(t, o.ask("bob"), actors.Granted)
	})
}

func TestALeaseThatTheStoreHasForgottenIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		o := startOwnership(t, store)
		ended := make(chan struct{}, 10)
		o.leaseEnded = func() { ended <- struct{}{} }
		store.set(func(f *fakeStore) { f.revoke(f.next) })
		outcome := o.ask("alice")
		<-ended
		o.disown()
		want(t, outcome, actors.Undecided)
	})
}

// frozenStore is a store whose member answers to the first batch when thaws is closed. By then it has forgotten the lease.
type frozenStore struct {
	*fakeStore
	first sync.Once
	thaws chan struct{}
}

func (s *frozenStore) Do(ctx context.Context, lease int64, operations []Operation) (owners []string, err error) {
	frozen := false
	s.first.Do(func() { frozen = true })
	if frozen {
		<-s.thaws
		return nil, errLeaseEnded
	}
	return s.fakeStore.Do(ctx, lease, operations)
}

func TestWhatTheStoreSaysOfTheLeaseBeforeDoesNotEndTheFreshOne(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := &frozenStore{fakeStore: newFakeStore(), thaws: make(chan struct{})}
			o := startOwnership(t, store.fakeStore)
			o.store = store
			ended := 0
			o.leaseEnded = func() { ended++ }
			alice := o.ask("alice")
			synctest.Wait()
			if fresh {
				o.disown()
				want(t, alice, actors.Undecided)
				lease, _ := store.Grant(t.Context(), time.Hour, Node{Address: "n1-a"})
				o.own(lease)
			}
			close(store.thaws)
			synctest.Wait()
			if (ended > 0) == fresh {
				t.Errorf("with a fresh lease: %t, the end of a lease was reported %d times", fresh, ended)
			}
			want(t, o.ask("bob"), actors.Granted)
		})
	}
}

// countingStore counts how many calls of Do are under way.
type countingStore struct {
	*fakeStore
	now, most atomic.Int32
	fails     func(operations []Operation) bool
}

func (s *countingStore) Do(ctx context.Context, lease int64, operations []Operation) ([]string, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	if s.fails != nil && s.fails(operations) {
		return nil, errSilent
	}
	return s.fakeStore.Do(ctx, lease, operations)
}

// The more claims are under way, the longer a renewal takes in the store. But a batch that a frozen member has must hold nobody up.
func TestFewClaimsAreUnderWayUnlessTheStoreIsSlow(t *testing.T) {
	for _, c := range []struct {
		name        string
		delay       time.Duration
		least, most int32
	}{{"quick", slowAnswer - time.Millisecond, flights, flights}, {"slow", 5 * slowAnswer, 5 * flights, mostFlights}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &countingStore{fakeStore: newFakeStore()}
				o := startOwnership(t, store.fakeStore)
				o.store = store
				store.delay = c.delay
				outcomes := make(chan actors.Claimed, 100*batch)
				for i := range 100 * batch {
					o.claim(fmt.Sprint(i), "", func(outcome actors.Claimed, _ string) { outcomes <- outcome })
				}
				for range 100 * batch {
					if outcome := <-outcomes; outcome != actors.Granted {
						t.Fatalf("a claim ended with %d", outcome)
					}
				}
				if most := store.most.Load(); most < c.least || most > c.most {
					t.Errorf("%d batches were under way at once; wanted %d to %d", most, c.least, c.most)
				}
				synctest.Wait()
				if o.flying != 0 || o.slow != 0 {
					t.Errorf("at the end %d batches are under way, and %d are slow", o.flying, o.slow)
				}
			})
		})
	}
}

func TestAClaimWaitsLongerWhileTheStoreAnswersOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		until  time.Duration
		others bool
		want   actors.Claimed
	}{
		{"others are answered", mostPatience - time.Second, true, actors.Granted},
		{"others are answered, for too long", mostPatience + time.Second, true, actors.Undecided},
		{"nobody is", mostPatience - time.Second, false, actors.Undecided},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				store := &countingStore{fakeStore: newFakeStore()}
				o := startOwnership(t, store.fakeStore)
				o.store = store
				store.fails = func(operations []Operation) bool {
					return time.Since(began) < c.until && slices.ContainsFunc(operations, func(o Operation) bool { return o.Login == "alice" })
				}
				alice := o.ask("alice")
				for i := 0; c.others && time.Since(began) < c.until; i++ {
					time.Sleep(retryPause / 2)
					o.find(fmt.Sprint(i), func(string, error) {})
				}
				want(t, alice, c.want)
				time.Sleep(2 * mostPatience)
				if owned := store.owner("alice") != ""; owned != (c.want == actors.Granted) {
					t.Errorf("in the end the login has an owner: %t", owned)
				}
			})
		})
	}
}

func TestTheNodeOfALoginIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		c := &Cluster{ownership: startOwnership(t, store)}
		want(t, c.ownership.ask("alice"), actors.Granted)
		store.keys["bob"] = fakeKey{"n2-with-hyphens-B 1", 99}
		for login, want := range map[string]string{"alice": "", "bob": "n2-with-hyphens", "nobody": ""} {
			if node, err := c.NodeOf(login); node != want || err != nil {
				t.Errorf("%s is at %q, %v; wanted %q", login, node, err, want)
			}
		}
		store.set(func(f *fakeStore) { f.silent = true })
		if node, err := c.NodeOf("bob"); node != "" || err == nil {
			t.Errorf("without the store bob is at %q, %v", node, err)
		}
		if node, err := (*Cluster)(nil).NodeOf("bob"); node != "" || err != nil {
			t.Errorf("without a cluster bob is at %q, %v", node, err)
		}
	})
}
