package actors

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
)

// wantPresence fails unless the next text is a presence with these logins.
func wantPresence(t testing.TB, p *peer, online, offline string) {
	t.Helper()
	list := func(logins string) string {
		b, _ := json.Marshal(strings.Fields(logins))
		return string(b)
	}
	if got, want := p.link.next(t), `{"type":"presence","online":`+list(online)+`,"offline":`+list(offline)+`}`; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// passes lets time pass, in which the watchers are told.
func passes() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func TestAWatchTellsWhoIsThereAndWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "Bob")
		alice := join(t, s, "alice")
		alice.send(t, `{"type":"watch","logins":["carol","bob","BOB","alice","\u0000","carol","b\u006fb"," "]}`)
		if got, want := alice.link.next(t), `{"type":"presence","online":["bob","alice"],"offline":["carol","\u0000"," "]}`; got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		carol := join(t, s, "Carol")
		alice.send(t, alice.offer("carol", 1)) // who is there can be sent to before it is told
		passes()
		wantPresence(t, alice, "carol", "")
		carol.Closed(false)
		bob.logout(t)
		passes()
		wantPresence(t, alice, "", "carol bob")
		join(t, s, "bob").Closed(false) // went and came back in between
		passes()
		wantTexts(t, alice)

		alice.send(t, `{"type":"watch","logins":["dave"]}`)
		wantPresence(t, alice, "", "dave")
		join(t, s, "carol")
		dave := join(t, s, "dave")
		passes()
		wantPresence(t, alice, "dave", "")
		alice.send(t, `{"type":"watch","logins":[]}`)
		wantPresence(t, alice, "", "")
		dave.logout(t)
		passes()
		wantTexts(t, alice)
		if n := s.presence.count.Load(); n != 0 || len(s.presence.watches)+len(s.presence.watchers) > 0 {
			t.Errorf("after an empty watch, %d watches are left", n)
		}
	})
}

func TestAWatchLivesAsLongAsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, reply := keep(t, s, "alice", "")
		alice.send(t, `{"type":"watch","logins":["bob","carol"]}`)
		wantPresence(t, alice, "bob", "carol")
		alice.Closed(false)
		bob.send(t, bob.offer("alice", 1))
		bob.Closed(false)
		passes()
		alice, _ = keep(t, s, "alice", resumes(reply.Resume, 0))
		if got, want := alice.link.next(t), bob.offer("alice", 1); got != want {
			t.Errorf("got %s, want what was missed first", got)
		}
		wantPresence(t, alice, "", "bob carol")
		passes()
		wantTexts(t, alice)
		join(t, s, "carol")
		passes()
		wantPresence(t, alice, "carol", "")
		alice.logout(t)
		if n := s.presence.count.Load(); n != 0 {
			t.Errorf("the session has ended, and %d watches are left", n)
		}
	})
}

func TestASessionInItsWindowIsOnlineAndATakeoverIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		watcher := join(t, s, "watcher")
		watcher.send(t, `{"type":"watch","logins":["alice"]}`)
		wantPresence(t, watcher, "", "alice")
		_, reply := keep(t, s, "alice", "")
		passes()
		wantPresence(t, watcher, "alice", "")
		_, again := keep(t, s, "alice", resumes(reply.Resume, 0))
		alice, fresh := keep(t, s, "alice", resumes(again.Resume, 9))
		wantReply(t, fresh, "false", 0)
		alice.Closed(false)
		time.Sleep(window - time.Second)
		synctest.Wait()
		wantTexts(t, watcher)
		time.Sleep(time.Second)
		passes()
		wantPresence(t, watcher, "", "alice")
	})
}

func TestASlowReaderIsToldTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{})
		alice, bob := join(t, s, "alice"), join(t, s, "bob")
		alice.send(t, `{"type":"watch","logins":["bob","carol"]}`)
		wantPresence(t, alice, "bob", "carol")
		alice.link.setStuck(true)
		alice.link.Send(make([]byte, s.QueueLimit()/2))
		alice.link.next(t)
		join(t, s, "carol")
		passes()
		bob.logout(t)
		passes()
		wantTexts(t, alice)
		alice.link.setStuck(false)
		passes()
		wantPresence(t, alice, "carol", "bob")
	})
}

func TestAWatchCostsAFrameForEveryEightLogins(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice := join(t, s, "alice")
	var logins []string
	for n := range messages.MaxWatched {
		logins = append(logins, fmt.Sprintf("%q", fmt.Sprint("n", n)))
	}
	alice.send(t, `{"type":"watch","logins":[`+strings.Join(logins, ",")+`]}`)
	alice.link.next(t)
	if alice.link.charged != messages.MaxWatched/8 {
		t.Errorf("a watch of 256 logins cost %d frames more, want 32", alice.link.charged)
	}
	logins = append(logins, `"one more"`)
	if _, err := messages.NewRelay([]byte(`{"type":"watch","logins":[` + strings.Join(logins, ",") + `]}`)); err == nil {
		t.Error("a watch of 257 logins was accepted")
	}
}

func TestPresenceCanBeOff(t *testing.T) {
	s := newTestSystem(t, Options{NoPresence: true})
	alice := join(t, s, "alice")
	alice.send(t, `{"type":"watch","logins":[]}`)
	wantError(t, alice.link.next(t), messages.CodeUnknownType, "")
}

func TestManyWatchersOfOneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{})
		watchers := make([]*peer, 10_000)
		for i := range watchers {
			watchers[i] = join(t, s, fmt.Sprint("n", i))
			watchers[i].send(t, `{"type":"watch","logins":["alice"]}`)
			wantPresence(t, watchers[i], "", "alice")
		}
		alice := join(t, s, "alice")
		passes()
		for _, w := range watchers {
			wantTexts(t, w, `{"type":"presence","online":["alice"],"offline":[]}`)
		}
		wantTexts(t, alice)
	})
}

func TestAWatchOfLoginsBeyondASCIICostsWhatComparingThemDoes(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice := join(t, s, "alice")
	before := alice.link.charged
	alice.send(t, `{"type":"watch","logins":["ζωηζωηζωηζωηζωη"]}`)
	if got := alice.link.charged - before; got < 3 {
		t.Errorf("the watch cost %d frames, want what comparing costs besides", got)
	}
}
