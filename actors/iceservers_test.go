package actors

import (
	"sync/atomic"
	"testing"

	"p2p-messaging/messages"
)

func TestICEServersComeWithTheLoginAndWhenAskedFor(t *testing.T) {
	var made atomic.Int64
	s := newTestSystem(t, Options{ICEServers: func(login string) []messages.ICEServer {
		return []messages.ICEServer{{URLs: []string{"stun:s"}}, {URLs: []string{"turn:t", "turns:t"}, Username: login, Credential: string(rune('a' + made.Add(1) - 1))}}
	}})
	c := connect(s)
	want := func(want string) {
		t.Helper()
		if got := c.link.next(t); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	c.send(t, `{"type":"ice-servers"}`)
	wantError(t, c.link.next(t), messages.CodeNotLoggedIn, "")
	c.send(t, `{"type":"login","login":"Zoë"}`)
	want(`{"type":"login","success":true,"iceServers":[{"urls":["stun:s"]},{"urls":["turn:t","turns:t"],"username":"zoë","credential":"a"}]}`)
	c.send(t, `{"type":"ice-servers"}`)
	want(`{"type":"ice-servers","iceServers":[{"urls":["stun:s"]},{"urls":["turn:t","turns:t"],"username":"zoë","credential":"b"}]}`)
	c.send(t, `{"type":"logout","login":"Zoë"}`)
	c.send(t, `{"type":"ice-servers"}`)
	wantError(t, c.link.next(t), messages.CodeNotLoggedIn, "")
	if n := made.Load(); n != 2 {
		t.Errorf("credentials were made %d times, want 2", n)
	}
}

func TestWithoutICEServersTheListIsEmpty(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice := join(t, s, "alice")
	alice.send(t, `{"type":"ice-servers"}`)
	if got := alice.link.next(t); got != `{"type":"ice-servers","iceServers":[]}` {
		t.Errorf("got %s", got)
	}
}
