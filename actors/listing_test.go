package actors

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"p2p-messaging/messages"
)

// list returns all pages of a list, and how often each login is in them.
func list(t *testing.T, s *System, limit int) map[string]int {
	t.Helper()
	listed := map[string]int{}
	for cursor := ""; ; {
		page, next, err := s.List(cursor, limit)
		if err != nil || len(page) > limit || len(page) == 0 && next != "" {
			t.Fatalf("after %q: %d sessions, the cursor %q, %v", cursor, len(page), next, err)
		}
		for _, one := range page {
			listed[one.Login]++
		}
		if cursor = next; cursor == "" {
			return listed
		}
	}
}

func TestEachSessionIsListedOnceWhileOthersComeAndGo(t *testing.T) {
	s := newTestSystem(t, Options{})
	const stays = 400
	for i := range stays {
		join(t, s, fmt.Sprint("Stays ", i))
	}
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				join(t, s, fmt.Sprint("moves ", i)).Closed(true)
			}
		}
	})
	for _, limit := range []int{1, 7, 1000} {
		listed := list(t, s, limit)
		for i := range stays {
			if n := listed[fmt.Sprint("Stays ", i)]; n != 1 {
				t.Errorf("with pages of %d, login %d is listed %d times", limit, i, n)
			}
		}
	}
	close(stop)
	moving.Wait()
}

func TestAListSaysHowASessionIs(t *testing.T) {
	s := keepSystem(t)
	join(t, s, "plain").link.waiting = 7
	keep(t, s, "Ünïcode <b>", "")
	away, _ := keep(t, s, "away", "")
	away.Closed(false)
	for login, want := range map[string]SessionState{
		"PLAIN":       {Login: "plain", Waiting: 7},
		"ünïcode <b>": {Login: "Ünïcode <b>", Kept: true},
		"away":        {Login: "away", Kept: true, Away: true},
	} {
		if got, ok := s.Find(login); !ok || got != want {
			t.Errorf("%s is %+v, %v; want %+v", login, got, ok, want)
		}
	}
	if n := len(list(t, s, 10)); n != 3 {
		t.Errorf("%d sessions are listed, want 3", n)
	}
	for _, login := range []string{"nobody", "", "\x00", string(make([]byte, 10_000))} {
		if _, ok := s.Find(login); ok || s.End(login) {
			t.Errorf("%.20q is found", login)
		}
	}
	for _, cursor := range []string{"!", "=", "AA=="} {
		if _, _, err := s.List(cursor, 1); !errors.Is(err, ErrCursor) {
			t.Errorf("the cursor %q: %v", cursor, err)
		}
	}
}

func TestTheOperatorEndsASession(t *testing.T) {
	s := keepSystem(t)
	bob := join(t, s, "bob")
	present := join(t, s, "present")
	kept, reply := keep(t, s, "kept", "")
	away, _ := keep(t, s, "away", "")
	away.Closed(false)
	bob.send(t, bob.offer("away", 1))
	for _, login := range []string{"Present", "kept", "away"} {
		if !s.End(login) {
			t.Errorf("%s has no session", login)
		}
		if _, ok := s.Find(login); ok || s.End(login) {
			t.Errorf("%s is still there", login)
		}
	}
	for _, p := range []*peer{present, kept} {
		if code, reason := p.link.closedWith(); code != messages.CloseEnded || reason == "" {
			t.Errorf("%s was closed with %d %q, want 4101", p.login, code, reason)
		}
		p.Closed(false)
	}
	wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "away")
	_, fresh := keep(t, s, "kept", resumes(reply.Resume, 0))
	wantReply(t, fresh, "false", 0)
	if n := s.Figures().Ended; n != 3 {
		t.Errorf("%d sessions were ended, want 3", n)
	}
}
