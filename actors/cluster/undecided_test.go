package cluster

import (
	"testing"
	"time"
)

// Somebody else asks for a login, at the node to which its client comes back at the same time.
func TestAResumeBehindAClaimOfSomebodyElseMovesTheSession(t *testing.T) {
	for _, wrong := range []string{"", "a-secret-of-nobody-here"} {
		in(t, 2, func(t *testing.T, nodes []*memNode) {
			_, first := nodes[0].keep(t, "bob", firstSecret, 0)
			nodes[0].network.store.set(func(f *fakeStore) { f.delay = 100 * time.Millisecond })
			other, bob := nodes[1].comeBack("bob", wrong), nodes[1].comeBack("bob", first.Resume)
			bob.wantNext(t, `"resumed":true`)
			other.wantNext(t, "login-taken")
		})
	}
}
