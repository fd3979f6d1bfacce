package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const testTTL = DefaultLeaseTTL

// leased is a lease that a test watches.
type leased struct {
	*lease
	owns atomic.Int64 // the lease under which the node owns logins; 0 if none
	stop func()
}

// startLease runs a lease in a bubble, until stop.
func startLease(store Store) *leased {
	began := time.Now()
	l := &leased{}
	l.lease = &lease{
		store: store, ttl: testTTL, node: Node{"n1-a", "127.0.0.1:1"}, logger: slog.New(slog.DiscardHandler), ended: make(chan struct{}, 1),
		now:   func() time.Duration { return time.Since(began) + time.Hour },
		owned: func(id int64) { l.owns.Store(id) },
		lost:  func(int64) { l.owns.Store(0) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	l.stop = func() {
		cancel()
		<-done
	}
	return l
}

func TestALeaseIsRenewedAndRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		l := startLease(store)
		for range 100 {
			time.Sleep(testTTL / 3)
			if !l.Owns() {
				t.Fatal("the lease has ended while the store answers")
			}
		}
		l.stop()
		if len(store.leases) != 0 {
			t.Error("the lease was not revoked")
		}
		if l.Owns() {
			t.Error("a lease that was revoked still holds")
		}
	})
}

// The store stops answering at each instant between two renewals, in three ways. The node stops acting as an owner before the store
// gives its logins to others, and has a fresh lease soon after the store is back.
func TestANodeStopsBeforeTheStoreForgetsItsLease(t *testing.T) {
	ways := map[string]func(*fakeStore){
		"the store is silent":         func(f *fakeStore) { f.silent = true },
		"answers are lost":            func(f *fakeStore) { f.mute = true },
		"answers take a second":       func(f *fakeStore) { f.delay = time.Second },
		"answers take nearly forever": func(f *fakeStore) { f.delay = 3 * time.Second },
		"answers take long, and then there is none": func(f *fakeStore) {
			f.delay = time.Second
			time.AfterFunc(1500*time.Millisecond, func() { f.set(func(f *fakeStore) { f.silent = true }) })
		},
		"the lease is revoked": func(f *fakeStore) { f.revoke(f.next) },
	}
	for name, way := range ways {
		for instant := time.Duration(0); instant < testTTL/renewals+50*time.Millisecond; instant += 25 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore()
				l := startLease(store)
				defer l.stop()
				time.Sleep(testTTL + instant)
				store.set(way)
				for range 300 {
					store.mu.Lock()
					store.sweep()
					id := l.owns.Load()
					_, there := store.leases[id]
					store.mu.Unlock()
					if l.Owns() && !there && name != "the lease is revoked" {
						t.Fatalf("%s at %v: the node acts as an owner, and the store has forgotten its lease", name, instant)
					}
					time.Sleep(25 * time.Millisecond)
				}
				store.set(func(f *fakeStore) { f.silent, f.mute, f.delay = false, false, 0 })
				time.Sleep(testTTL + 2*time.Second)
				if !l.Owns() || l.owns.Load() == 0 {
					t.Errorf("%s at %v: the node has no lease after the store is back", name, instant)
				}
			})
		}
	}
}

// A process that was frozen for longer than its lease does nothing as an owner when it goes on, before any of its timers has run.
func TestAFrozenNodeOwnsNothingWhenItGoesOn(t *testing.T) {
	var slept atomic.Int64
	l := &lease{now: func() time.Duration { return time.Duration(slept.Load()) + time.Hour }}
	l.deadline.Store(int64(time.Hour + testTTL))
	if !l.Owns() {
		t.Fatal("the lease does not hold")
	}
	slept.Store(int64(testTTL))
	if l.Owns() {
		t.Error("the lease holds although its time has passed")
	}
}

func TestTheClockDoesNotGoBack(t *testing.T) {
	now := newClock()
	for before, i := now(), 0; i < 1000; i++ {
		after := now()
		if after < before || after == 0 {
			t.Fatalf("the clock went from %v to %v", before, after)
		}
		before = after
	}
}

func BenchmarkOwns(b *testing.B) {
	l := &lease{now: newClock()}
	l.deadline.Store(1 << 62)
	for b.Loop() {
		if !l.Owns() {
			b.Fatal("the lease does not hold")
		}
	}
}
