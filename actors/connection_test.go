package actors

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"p2p-messaging/messages"
)

// occupy keeps the registry busy for another connection until the returned function is called. Call it in a synctest
// bubble.
func occupy(t *testing.T, s *System) (release func()) {
	t.Helper()
	busy, gate := connect(s), make(chan struct{})
	busy.link.onSend = func(string) { <-gate }
	var working sync.WaitGroup
	working.Go(func() { busy.send(t, `{"type":"login","login":"busy"}`) })
	synctest.Wait()
	return func() {
		close(gate)
		working.Wait()
	}
}

// wantResumed fails unless Resume was called n times since the last check.
func wantResumed(t *testing.T, l *fakeLink, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resumed != n {
		t.Errorf("Resume was called %d times, want %d", l.resumed, n)
	}
}

func TestADecisionThatComesAtOnceIsNotWaitedFor(t *testing.T) {
	s := newTestSystem(t, Options{})
	c := connect(s)
	for _, text := range []string{
		`{"type":"login","login":""}`,
		`{"type":"login","login":"alice"}`,
		`{"type":"login","login":"bob"}`,
		`{"type":"logout","login":"bob"}`,
		`{"type":"logout","login":"alice"}`,
		`{"type":"logout","login":"alice"}`,
	} {
		if !c.Receive(decoded(t, text)) {
			t.Errorf("%s is waited for", text)
		}
	}
	wantResumed(t, c.link, 0)
}

func TestADecisionThatTakesItsTimeIsFollowedByOneResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{})
		taken, free := connect(s), connect(s)
		release := occupy(t, s)
		if taken.Receive(decoded(t, `{"type":"login","login":"BUSY"}`)) {
			t.Error("a refusal that has not come is not waited for")
		}
		if free.Receive(decoded(t, `{"type":"login","login":"alice"}`)) {
			t.Error("a login that was not granted yet is not waited for")
		}
		wantResumed(t, taken.link, 0)
		wantResumed(t, free.link, 0)
		release()
		wantResumed(t, taken.link, 1)
		wantResumed(t, free.link, 1)
		wantRefused(t, taken.link.next(t), messages.CodeLoginTaken)
		if got := free.link.rest(); len(got) != 1 || !strings.Contains(got[0], `"success":true`) {
			t.Errorf("got %q, want the login accepted", got)
		}
		free.link.awaitResume()

		// A logout waits for a session that is busy with another client's message.
		gate := make(chan struct{})
		free.link.onSend = func(string) { <-gate }
		sender := join(t, s, "sender")
		var working sync.WaitGroup
		working.Go(func() { sender.send(t, sender.offer("alice", 1)) })
		synctest.Wait()
		if free.Receive(decoded(t, `{"type":"logout","login":"alice"}`)) {
			t.Error("a logout that has not happened is not waited for")
		}
		close(gate)
		working.Wait()
		wantResumed(t, free.link, 1)
		free.link.awaitResume()
		free.link.onSend = nil
		free.link.rest()
		free.mustLogin(t, "alice")
	})
}

func TestTwentyRefusalsInARowEndAConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		before string // what the client does first
		login  string // the login that is refused
		code   messages.Code
	}{
		"a login that is taken":      {"", `"alice"`, messages.CodeLoginTaken},
		"a login that nobody gets":   {"", `"\u200b"`, messages.CodeLoginInvalid},
		"a login beside the own one": {`{"type":"login","login":"bob"}`, `"carol"`, messages.CodeAlreadyLoggedIn},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestSystem(t, Options{})
			join(t, s, "alice")
			c := connect(s)
			refuse := func(times int) {
				t.Helper()
				for range times {
					c.send(t, `{"type":"login","login":`+tt.login+`}`)
					wantRefused(t, c.link.next(t), tt.code)
					c.send(t, `{"type":"ping"}`) // does not break the row
					if got := c.link.next(t); got != `{"type":"pong"}` {
						t.Fatalf("got %s, want a pong", got)
					}
				}
			}
			prepare := func() {
				if tt.before != "" {
					c.send(t, tt.before)
					c.link.next(t)
				}
			}
			prepare()
			for range 3 { // an accepted login begins the count anew
				refuse(refusalLimit - 1)
				if tt.before != "" {
					c.login = "bob"
					c.logout(t)
				}
				c.mustLogin(t, "dave")
				c.logout(t)
				prepare()
			}
			refuse(refusalLimit - 1)
			if code, _ := c.link.closedWith(); code != 0 {
				t.Fatalf("closed with %d before the last refusal", code)
			}
			c.send(t, `{"type":"login","login":`+tt.login+`}`)
			if code, reason := c.link.closedWith(); code != messages.ClosePolicyViolation || reason == "" {
				t.Errorf("closed with %d %q, want 1008", code, reason)
			}
		})
	}
}

func TestALinkIsToldOfALoginBeforeItsClientIs(t *testing.T) {
	s := newTestSystem(t, Options{})
	join(t, s, "alice")
	c := connect(s)
	c.send(t, `{"type":"login","login":"alice"}`)
	wantRefused(t, c.link.next(t), messages.CodeLoginTaken)
	if n := c.link.loggedIn; n != 0 {
		t.Errorf("the link was told %d times of a login that is refused", n)
	}
	before := 0
	c.link.onSend = func(string) { before = c.link.loggedIn }
	c.mustLogin(t, "bob")
	if before != 1 || c.link.loggedIn != 1 {
		t.Errorf("the link was told %d times before the client was, and %d times in all; want once before", before, c.link.loggedIn)
	}
}

func TestALoginGrantedAfterTheConnectionsEndIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{})
		gone, stays := connect(s), connect(s)
		release := occupy(t, s)
		if gone.Receive(decoded(t, `{"type":"login","login":"alice"}`)) {
			t.Error("a login that was not granted yet is not waited for")
		}
		gone.Closed(false)
		release()
		if n := s.Sessions(); n != 1 {
			t.Errorf("%d sessions, want the busy one only", n)
		}
		wantResumed(t, gone.link, 0)
		stays.mustLogin(t, "alice")
	})
}

func TestAConnectionMayEndWhileALogoutIsPending(t *testing.T) {
	for _, login := range []string{"alice", "not hers"} {
		t.Run(login, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Options{})
				alice, sender := join(t, s, "alice"), join(t, s, "sender")
				gate := make(chan struct{})
				alice.link.onSend = func(string) { <-gate }
				var working sync.WaitGroup
				working.Go(func() { sender.send(t, sender.offer("alice", 1)) })
				synctest.Wait()
				if alice.Receive(decoded(t, fmt.Sprintf(`{"type":"logout","login":%q}`, login))) {
					t.Error("a logout that was not decided is not waited for")
				}
				alice.Closed(false)
				close(gate)
				working.Wait()
				if n := s.Sessions(); n != 1 {
					t.Errorf("%d sessions, want the sender's only", n)
				}
				wantResumed(t, alice.link, 0)
			})
		})
	}
}

// Decisions, ends of connections and the end of the service come in all orders. No connection may wait for ever, none may be
// resumed more than once, and no login may stay behind.
func TestNoDecisionIsLostAndNoLoginLeaks(t *testing.T) {
	s := NewSystem(Options{Logger: slog.New(slog.DiscardHandler)})
	const clients, rounds = 16, 300
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() {
			login := fmt.Appendf(nil, `{"type":"login","login":"client%d"}`, n%(clients/2)) // each is wanted twice
			logout := []byte(strings.Replace(string(login), "login", "logout", 1))
			for round := range rounds {
				c := connect(s)
				next := c.Receive(decoded(t, string(login)))
				if round%3 == 0 {
					c.Closed(false)
					continue
				}
				if !next {
					c.link.awaitResume()
				}
				if !c.Receive(decoded(t, string(logout))) {
					c.link.awaitResume()
				}
				c.Closed(false)
				wantResumed(t, c.link, 0)
			}
		})
	}
	running.Wait()
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions are left, want none", n)
	}
}

func TestARegistryThatStopsLeavesNoConnectionWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSystem(Options{})
		c := connect(s)
		release := occupy(t, s)
		if c.Receive(decoded(t, `{"type":"login","login":"alice"}`)) {
			t.Error("a login that was not granted yet is not waited for")
		}
		s.stop.Do(func() { s.root.Stop(s.registry) })
		release()
		wantResumed(t, c.link, 1)
		if code, _ := c.link.closedWith(); code != messages.CloseGoingAway {
			t.Errorf("close code %d, want 1001", code)
		}
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestALinkThatFailsInTheRegistryCostsNobodyElseAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Logger: slog.New(slog.DiscardHandler)})
		failing, next := connect(s), connect(s)
		failing.link.onSend = func(string) { panic("broken") }
		release := occupy(t, s)
		failing.Receive(decoded(t, `{"type":"login","login":"busy"}`)) // will be refused
		next.Receive(decoded(t, `{"type":"login","login":"alice"}`))
		release()
		wantResumed(t, failing.link, 1)
		if code, _ := failing.link.closedWith(); code != messages.CloseInternalError {
			t.Errorf("close code %d, want 1011", code)
		}
		wantResumed(t, next.link, 1)
		if got := next.link.rest(); len(got) != 1 || !strings.Contains(got[0], `"success":true`) {
			t.Errorf("got %q, want the login accepted", got)
		}
		failing.Closed(false)
	})
}

func TestALinkThatCannotBeResumedCostsNobodyElseAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Logger: slog.New(slog.DiscardHandler)})
		link, bob, carol := unresumable{newFakeLink()}, join(t, s, "bob"), join(t, s, "carol")
		alice := s.Connect(link)
		alice.Receive(decoded(t, `{"type":"login","login":"alice"}`))
		gate := make(chan struct{})
		link.onSend = func(string) {
			<-gate
			panic("broken")
		}
		var working sync.WaitGroup
		working.Go(func() { bob.send(t, bob.offer("alice", 1)) })
		synctest.Wait()
		if alice.Receive(decoded(t, `{"type":"logout","login":"alice"}`)) {
			t.Error("a logout that has not happened is not waited for")
		}
		carol.send(t, carol.offer("alice", 2))
		close(gate)
		working.Wait()
		// The session fails on the first message. The two that follow are handed back: the logout, which resumes the link,
		// and the second message.
		wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "alice")
		if got := carol.link.rest(); len(got) != 1 {
			t.Fatalf("carol got %q, want to be told that alice has gone", got)
		}
		join(t, s, "alice")
	})
}

type unresumable struct{ *fakeLink }

func (unresumable) Resume() { panic("resuming is broken") }
