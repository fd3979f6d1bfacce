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
