package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPresenceSpansNodes(t *testing.T) {
	in(t, 3, func(t *testing.T, nodes []*memNode) {
		bob := nodes[1].must(t, "bob", "")
		alice := nodes[0].must(t, "alice", "")
		alice.send(t, `{"type":"watch","logins":["Bob","carol","alice"]}`)
		alice.wantNext(t, `{"type":"presence","online":["Bob","alice"],"offline":["carol"]}`)
		carol := nodes[2].must(t, "carol", "")
		alice.wantNext(t, `{"type":"presence","online":["carol"],"offline":[]}`)
		bob.Closed(false)
		alice.wantNext(t, `{"type":"presence","online":[],"offline":["Bob"]}`)
		carol.send(t, `{"type":"logout","login":"carol"}`)
		alice.wantNext(t, `{"type":"presence","online":[],"offline":["carol"]}`)
		nodes[0].must(t, "bob", "")
		alice.wantNext(t, `{"type":"presence","online":["Bob"],"offline":[]}`)

		// A session that moves is online all the while, and its watch moves with it.
		_, dave := nodes[1].keep(t, "dave", firstSecret, 0)
		alice.send(t, `{"type":"watch","logins":["dave"]}`)
		alice.wantNext(t, `{"type":"presence","online":["dave"],"offline":[]}`)
		first, _ := nodes[1].keep(t, "dave", dave.Resume, 0)
		first.send(t, `{"type":"watch","logins":["alice","nobody"]}`)
		first.wantNext(t, `{"type":"presence","online":["alice"],"offline":["nobody"]}`)
		moved, _ := nodes[2].keep(t, "dave", dave.Resume, 0)
		_ = moved
		time.Sleep(time.Second)
		synctest.Wait()
		if len(alice.texts) != alice.taken {
			t.Errorf("the watcher was told %q", alice.texts[alice.taken:])
		}
		alice.send(t, `{"type":"watch","logins":[]}`)
		alice.wantNext(t, `{"type":"presence","online":[],"offline":[]}`)
	})
}

// The store does not answer for a while, and the changes come all the same. What it could not say is not taken for "offline".
func TestALoginThatTheStoreCouldNotTellOfIsAskedForAgain(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		nodes[1].must(t, "bob", "")
		store := &deafStore{fakeStore: nodes[0].network.store}
		nodes[0].cluster.ownership.store = store
		alice, carol := nodes[0].must(t, "alice", ""), nodes[0].must(t, "carol", "")
		store.deaf.Store(true)
		for _, c := range []*client{alice, carol} {
			c.send(t, `{"type":"watch","logins":["bob","nobody"]}`)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		carol.send(t, `{"type":"watch","logins":[]}`)
		store.deaf.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		alice.wantNext(t, `{"type":"presence","online":[],"offline":["bob","nobody"]}`)
		alice.wantNext(t, `{"type":"presence","online":["bob"],"offline":[]}`)
		alice.silent(t)
		finds := nodes[0].cluster.ownership.finds.Load()
		alice.send(t, `{"type":"watch","logins":[]}`)
		time.Sleep(time.Minute)
		if after := nodes[0].cluster.ownership.finds.Load(); after != finds {
			t.Errorf("the store was asked %d times more for what is known, or not watched", after-finds)
		}
	})
}

// What is known of a login stays when the store cannot tell of it.
func TestAWatchThatTheStoreDoesNotAnswerChangesNothing(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		nodes[1].must(t, "bob", "")
		store := &deafStore{fakeStore: nodes[0].network.store}
		nodes[0].cluster.ownership.store = store
		alice, carol := nodes[0].must(t, "alice", ""), nodes[0].must(t, "carol", "")
		alice.send(t, `{"type":"watch","logins":["bob"]}`)
		alice.wantNext(t, `{"type":"presence","online":["bob"],"offline":[]}`)
		store.deaf.Store(true)
		carol.send(t, `{"type":"watch","logins":["bob"]}`)
		carol.wantNext(t, `{"type":"presence","online":["bob"],"offline":[]}`)
		store.deaf.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		alice.silent(t)
		carol.silent(t)
	})
}

// The store answers slowly. A watch is answered with all that it names, before any change, and so is a resume.
func TestAWatchIsAnsweredBeforeWhatChanges(t *testing.T) {
	in(t, 2, func(t *testing.T, nodes []*memNode) {
		nodes[1].must(t, "bob", "")
		alice, reply := nodes[0].keep(t, "alice", firstSecret, 0)
		carol := nodes[0].must(t, "carol", "")
		carol.Closed(false)
		synctest.Wait()
		store := nodes[0].network.store
		slowly := func() { store.set(func(f *fakeStore) { f.delay = time.Second }) }
		slowly()
		alice.send(t, `{"type":"watch","logins":["bob","carol"]}`)
		synctest.Wait()
		store.set(func(f *fakeStore) { f.delay = 0 })
		carol = nodes[0].must(t, "carol", "")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		alice.wantNext(t, `{"type":"presence","online":["bob","carol"],"offline":[]}`)
		alice.silent(t)

		slowly()
		alice.send(t, `{"type":"watch","logins":["carol","bob"]}`)
		synctest.Wait()
		back, again := nodes[0].keep(t, "alice", reply.Resume, 0)
		again.want(t, true, 2)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		back.wantNext(t, `{"type":"presence","online":["carol","bob"],"offline":[]}`)
		back.silent(t)
		carol.Closed(false)
		back.wantNext(t, `{"type":"presence","online":[],"offline":["carol"]}`)
	})
}
