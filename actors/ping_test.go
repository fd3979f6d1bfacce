package actors

import (
	"fmt"
	"slices"
	"testing"

	"p2p-messaging/messages"
)

func TestAPingIsAnsweredWithItsIDWithAndWithoutALogin(t *testing.T) {
	s := newTestSystem(t, Options{})
	c := connect(s)
	wantPongs := func() {
		t.Helper()
		for _, id := range []string{``, `,"id":7`, `,"id":-1.50e+3`, `,"id":""`, `,"id":"a\u0041\/"`} {
			if !c.Receive(decoded(t, `{"type":"ping","received":"x"`+id+`}`)) {
				t.Errorf("a ping with %q is waited for", id)
			}
			if got, want := c.link.next(t), `{"type":"pong"`+id+`}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
	wantPongs()
	c.mustLogin(t, "alice")
	wantPongs()
	c.send(t, `{"type":"login","login":"bob"}`)
	wantRefused(t, c.link.next(t), messages.CodeAlreadyLoggedIn)
	wantPongs()
	c.logout(t)
	wantPongs()
}

// A client that has its pong knows that the service has acted on everything that it sent before.
func TestAPongStandsBehindTheAnswersToWhatCameBefore(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob, carol := join(t, s, "alice"), join(t, s, "bob"), join(t, s, "carol")
	release := bob.busy(t, alice)
	var want []string
	for n := range 3 {
		want = append(want, bob.offer("carol", n))
		bob.send(t, want[n])
		bob.send(t, bob.offer("nobody", n))
		bob.send(t, fmt.Sprintf(`{"type":"ping","id":%d}`, n))
	}
	release()
	if got := carol.link.rest(); !slices.Equal(got, want) {
		t.Errorf("carol got %q, want %q", got, want)
	}
	if got, want := bob.link.next(t), alice.offer("bob", -1); got != want {
		t.Errorf("bob got %s, want %s", got, want)
	}
	for n := range 3 {
		wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "nobody")
		if got, want := bob.link.next(t), fmt.Sprintf(`{"type":"pong","id":%d}`, n); got != want {
			t.Errorf("bob got %s, want %s", got, want)
		}
	}
}
