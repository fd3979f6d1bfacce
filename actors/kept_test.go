package actors

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
)

// window is the resume window of the tests.
const window = 30 * time.Second

// loginReply is the reply to a login, as a client reads it.
type loginReply struct {
	Type     string  `json:"type"`
	Success  bool    `json:"success"`
	Login    string  `json:"login"`
	Resume   string  `json:"resume"`
	Window   int     `json:"window"`
	Resumed  *bool   `json:"resumed"`
	Received *uint64 `json:"received"`
	Code     string  `json:"code"`
}

// keep logs in and asks for a kept session. Members are what the login has besides, such as `,"resume":"…"`.
func keep(t testing.TB, s *System, login, members string) (*peer, loginReply) {
	t.Helper()
	p := connect(s)
	p.login = login
	return p, p.keep(t, members)
}

func (p *peer) keep(t testing.TB, members string) loginReply {
	t.Helper()
	p.send(t, fmt.Sprintf(`{"type":"login","login":%q,"keep":true%s}`, p.login, members))
	var reply loginReply
	text := p.link.next(t)
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Type != "login" {
		t.Fatalf("a login was answered with %s", text)
	}
	return reply
}

// resumes returns the members of a login that brings a secret.
func resumes(secret string, received int) string {
	return fmt.Sprintf(`,"resume":%q,"received":%d`, secret, received)
}

// keepSystem starts a system that keeps sessions.
func keepSystem(t testing.TB) *System { return newTestSystem(t, Options{ResumeWindow: window}) }

const firstSecret = "the-first-secret-of-all"

func wantTexts(t testing.TB, who *peer, want ...string) {
	t.Helper()
	if got := who.link.rest(); !slices.Equal(got, want) {
		t.Fatalf("%s got\n%s\nwant\n%s", who.login, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantReply(t testing.TB, got loginReply, resumed string, received int) {
	t.Helper()
	is := "missing"
	if got.Resumed != nil {
		is = fmt.Sprint(*got.Resumed)
	}
	if !got.Success || is != resumed || len(got.Resume) < messages.MinSecretCharacters || got.Window != int(window/time.Second) {
		t.Fatalf("the reply is %+v, resumed: %s; want resumed: %s", got, is, resumed)
	}
	if (got.Received != nil) != (resumed == "true") || got.Received != nil && *got.Received != uint64(received) {
		t.Fatalf("the reply is %+v, want received %d", got, received)
	}
}

func TestAKeptSessionOutlivesItsConnectionAndGivesWhatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, reply := keep(t, s, "Alice", "")
		wantReply(t, reply, "missing", 0)
		if reply.Login != "Alice" {
			t.Errorf("the login is %q, want it as it was spelled", reply.Login)
		}
		bob.send(t, bob.offer("alice", 1))
		wantTexts(t, alice, bob.offer("alice", 1))
		alice.send(t, alice.offer("bob", 1))
		alice.send(t, alice.offer("nobody", 2))
		if text := alice.link.next(t); !strings.Contains(text, "peer-unavailable") {
			t.Fatal(text)
		}
		alice.Closed(false)
		bob.send(t, bob.offer("alice", 2))
		bob.send(t, bob.offer("alice", 3))
		wantTexts(t, bob, alice.offer("bob", 1))
		time.Sleep(window - time.Millisecond)

		back, again := keep(t, s, "ALICE", resumes(reply.Resume, 1))
		wantReply(t, again, "true", 2)
		if again.Login != "Alice" || again.Resume == reply.Resume {
			t.Errorf("the reply is %+v, want the spelling of the session and another secret", again)
		}
		texts := back.link.rest()
		if len(texts) != 3 || !strings.Contains(texts[0], "peer-unavailable") || texts[1] != bob.offer("alice", 2) || texts[2] != bob.offer("alice", 3) {
			t.Errorf("what was missed is %q", texts)
		}
		if n := s.Sessions(); n != 2 {
			t.Errorf("there are %d sessions, want 2", n)
		}
		time.Sleep(2 * window)
		bob.send(t, bob.offer("alice", 4))
		wantTexts(t, back, bob.offer("alice", 4))
	})
}

func TestAKeptSessionEndsWhenItsWindowHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, reply := keep(t, s, "alice", "")
		alice.Closed(false)
		bob.send(t, bob.offer("alice", 1))
		wantTexts(t, bob)
		time.Sleep(window + time.Millisecond)
		synctest.Wait()
		wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "alice")
		if n := s.Sessions(); n != 1 {
			t.Errorf("%d sessions are left, want bob's alone", n)
		}
		next, fresh := keep(t, s, "alice", resumes(reply.Resume, 0))
		wantReply(t, fresh, "false", 0)
		wantTexts(t, next)
	})
}

func TestATakeoverEndsTheOldConnectionAtOnce(t *testing.T) {
	s := keepSystem(t)
	bob := join(t, s, "bob")
	old, reply := keep(t, s, "alice", "")
	bob.send(t, bob.offer("alice", 1))
	old.send(t, old.offer("bob", 1))
	young, again := keep(t, s, "alice", resumes(reply.Resume, 0))
	wantReply(t, again, "true", 1)
	if code, _ := old.link.closedWith(); code != messages.CloseTakenOver {
		t.Errorf("the old connection was closed with %d, want 4100", code)
	}
	for _, text := range []string{old.offer("bob", 2), `{"type":"ping"}`, `{"type":"logout","login":"alice"}`, `{"type":"watch","logins":["bob"]}`} {
		old.send(t, text)
	}
	old.Refuse(&messages.DecodeError{Code: messages.CodeMalformed})
	old.Closed(true)
	wantTexts(t, bob, old.offer("bob", 1))
	bob.send(t, bob.offer("alice", 2))
	wantTexts(t, young, bob.offer("alice", 1), bob.offer("alice", 2))
	_, third := keep(t, s, "alice", resumes(again.Resume, 2))
	wantReply(t, third, "true", 1)
}

func TestWhichSecretsHold(t *testing.T) {
	taken := func(t *testing.T, s *System, members string) {
		t.Helper()
		if _, reply := keep(t, s, "alice", members); reply.Success || reply.Code != string(messages.CodeLoginTaken) {
			t.Errorf("a login with %s was answered with %+v, want login-taken", members, reply)
		}
	}
	t.Run("the first, brought again until the next is shown", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		_, first := keep(t, s, "alice", resumes(firstSecret, 0))
		wantReply(t, first, "false", 0)
		bob.send(t, bob.offer("alice", 1))
		alice, again := keep(t, s, "alice", resumes(firstSecret, 77))
		wantReply(t, again, "false", 0)
		if again.Resume != first.Resume {
			t.Error("the same secret was answered with another next one")
		}
		wantTexts(t, alice, bob.offer("alice", 1))
		alice.send(t, `{"type":"ping"}`)
		alice.link.next(t)
		taken(t, s, resumes(firstSecret, 0))
	})
	t.Run("a later one, brought again until the next is shown by bringing it", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		_, first := keep(t, s, "alice", "")
		bob.send(t, bob.offer("alice", 1))
		bob.send(t, bob.offer("alice", 2))
		_, second := keep(t, s, "alice", resumes(first.Resume, 1))
		alice, again := keep(t, s, "alice", resumes(first.Resume, 0))
		wantReply(t, again, "true", 0)
		if again.Resume != second.Resume {
			t.Error("the same secret was answered with another next one")
		}
		wantTexts(t, alice, bob.offer("alice", 1), bob.offer("alice", 2))
		alice, _ = keep(t, s, "alice", resumes(second.Resume, 1))
		wantTexts(t, alice, bob.offer("alice", 2))
		taken(t, s, resumes(first.Resume, 1))
	})
	t.Run("none that is not one", func(t *testing.T) {
		s := keepSystem(t)
		_, first := keep(t, s, "alice", "")
		for _, members := range []string{"", `,"resume":""`, `,"resume":"short"`, `,"resume":7`, resumes(firstSecret, 0), resumes(first.Resume+"A", 0), resumes(strings.ToLower(first.Resume), 0)} {
			taken(t, s, members)
		}
		p := connect(s)
		p.send(t, fmt.Sprintf(`{"type":"login","login":"alice","resume":%q,"received":0}`, first.Resume))
		wantRefused(t, p.link.next(t), messages.CodeLoginTaken)
		p = connect(s)
		p.send(t, fmt.Sprintf(`{"type":"login","login":"alice","keep":"true","resume":%q,"received":0}`, first.Resume))
		wantRefused(t, p.link.next(t), messages.CodeLoginTaken)
	})
	t.Run("none where the session is not kept", func(t *testing.T) {
		s := keepSystem(t)
		join(t, s, "alice")
		taken(t, s, resumes(firstSecret, 0))
	})
}

func TestGuessesCountAmongTheRefusals(t *testing.T) {
	s := keepSystem(t)
	keep(t, s, "alice", "")
	mallory := connect(s)
	mallory.login = "alice"
	for range refusalLimit {
		mallory.keep(t, resumes(firstSecret, 0))
	}
	if code, _ := mallory.link.closedWith(); code != messages.ClosePolicyViolation {
		t.Errorf("after %d guesses the connection was closed with %d, want 1008", refusalLimit, code)
	}
}

func TestACountThatDoesNotHoldBeginsANewSession(t *testing.T) {
	for name, received := range map[string]string{
		"missing": ``, "beyond": `,"received":3`, "let go": `,"received":0`, "negative": `,"received":-1`, "a fraction": `,"received":1.0`,
		"an exponent": `,"received":1e0`, "a string": `,"received":"1"`, "null": `,"received":null`, "huge": `,"received":18446744073709551617`,
	} {
		t.Run(name, func(t *testing.T) {
			s := keepSystem(t)
			bob := join(t, s, "bob")
			old, reply := keep(t, s, "alice", "")
			bob.send(t, bob.offer("alice", 1))
			bob.send(t, bob.offer("alice", 2))
			old.send(t, `{"type":"ping","received":1}`)
			old.link.rest()
			young, fresh := keep(t, s, "alice", fmt.Sprintf(`,"resume":%q`, reply.Resume)+received)
			wantReply(t, fresh, "false", 0)
			wantTexts(t, young)
			wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "alice")
			wantTexts(t, bob)
			if code, _ := old.link.closedWith(); code != messages.CloseTakenOver {
				t.Errorf("the old connection was closed with %d, want 4100", code)
			}
			old.send(t, old.offer("bob", 1))
			old.Closed(false)
			young.send(t, young.offer("bob", 2))
			wantTexts(t, bob, young.offer("bob", 2))
			if n := s.Sessions(); n != 2 {
				t.Errorf("there are %d sessions, want 2", n)
			}
		})
	}
}

func TestWhatEndsAKeptSession(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *System, *peer){
		"the connection ends with a fault of the client's": func(_ *testing.T, _ *System, p *peer) { p.Closed(true) },
		"logout": func(t *testing.T, _ *System, p *peer) { p.logout(t) },
		"too many errors that the client does not confirm": func(t *testing.T, s *System, p *peer) {
			for range 2*s.QueueLimit()/100 + 100 {
				p.send(t, p.offer("nobody", 1))
			}
			if code, _ := p.link.closedWith(); code != messages.ClosePolicyViolation {
				t.Errorf("closed with %d, want 1008", code)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := keepSystem(t)
			bob := join(t, s, "bob")
			alice, reply := keep(t, s, "alice", "")
			bob.send(t, bob.offer("alice", 1))
			end(t, s, alice)
			if n := s.Sessions(); n != 1 {
				t.Fatalf("%d sessions are left, want bob's alone", n)
			}
			if name == "logout" {
				wantTexts(t, bob)
				alice.Undelivered([]byte(bob.offer("alice", 1)), bob.session, true) // it was queued, and did not go out
			}
			wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "alice")
			_, fresh := keep(t, s, "alice", resumes(reply.Resume, 0))
			wantReply(t, fresh, "false", 0)
		})
	}
}

func TestWhatDidNotGoOutIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		then     func(*testing.T, *peer) // with an offer to alice queued
		retained bool
		told     int
	}{
		"by a session that retains it":      {func(*testing.T, *peer) {}, true, 0},
		"before a logout":                   {func(t *testing.T, p *peer) { p.logout(t) }, true, 1},
		"before another session that keeps": {func(t *testing.T, p *peer) { p.link.rest(); p.logout(t); p.keep(t, "") }, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := keepSystem(t)
			bob := join(t, s, "bob")
			alice, _ := keep(t, s, "alice", "")
			bob.send(t, bob.offer("alice", 1))
			c.then(t, alice)
			alice.Undelivered([]byte(bob.offer("alice", 1)), bob.session, c.retained)
			if got := bob.link.rest(); len(got) != c.told {
				t.Errorf("bob was told %q, want %d errors", got, c.told)
			}
		})
	}
	t.Run("a logout behind the connection's end", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", "")
		bob.send(t, bob.offer("alice", 1))
		alice.Undelivered([]byte(bob.offer("alice", 1)), bob.session, true)
		wantTexts(t, bob)
		alice.logout(t)
		wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "alice")
		wantTexts(t, bob)
	})
}

func TestWhatCounts(t *testing.T) {
	s := keepSystem(t)
	join(t, s, "bob")
	p, reply := keep(t, s, "alice", "")
	for i, c := range []struct {
		text            string
		in, out         uint64
		cannotBeDecoded bool
	}{
		{text: p.offer("bob", 1), in: 1},
		{text: p.offer("nobody", 1), in: 1, out: 1},
		{text: `{"type":"offer","from":"bob","to":"bob"}`, in: 1, out: 1},
		{text: `{"type":"ping"}`},
		{text: `{"type":"ping","id":[]}`, out: 1, cannotBeDecoded: true},
		{text: `{"type":"login","login":"carol"}`},
		{text: `{"type":"login"}`, out: 1, cannotBeDecoded: true},
		{text: `{"type":"logout","login":"carol"}`, in: 1, out: 1},
		{text: `{"type":"logout"}`, in: 1, out: 1, cannotBeDecoded: true},
		{text: `{"type":"ice-servers"}`, in: 1, out: 1},
		{text: `{"type":"watch","logins":[]}`, in: 1},
		{text: `{"type":"watch"}`, in: 1, out: 1, cannotBeDecoded: true},
		{text: `{"type":"pong"}`, out: 1, cannotBeDecoded: true},
		{text: `{"type":"presence"}`, out: 1, cannotBeDecoded: true},
		{text: `{"type":"later"}`, in: 1, out: 1, cannotBeDecoded: true},
		{text: `{}`, in: 1, out: 1, cannotBeDecoded: true},
		{text: `no object`, in: 1, out: 1, cannotBeDecoded: true},
		{text: `{"type":"ping","type":"ping"}`, in: 1, out: 1, cannotBeDecoded: true},
		{text: `{"type":"login","login":"\ud800"}`, in: 1, cannotBeDecoded: true},
	} {
		k := p.kept.Load()
		in, out := k.received, k.sent
		if m, err := messages.NewRelay([]byte(c.text)); (err != nil) != c.cannotBeDecoded {
			t.Errorf("case %d: decoding %s: %v", i, c.text, err)
		} else if err != nil {
			p.Refuse(err.(*messages.DecodeError))
		} else if !p.Receive(m) {
			p.link.awaitResume()
		}
		if k.received-in != c.in || k.sent-out != c.out {
			t.Errorf("%s counted %d, and %d for its answer; want %d and %d", c.text, k.received-in, k.sent-out, c.in, c.out)
		}
	}
	_, again := keep(t, s, "alice", resumes(reply.Resume, 0))
	if again.Received == nil || *again.Received != 13 {
		t.Errorf("the service counted %v messages, want 13", again.Received)
	}
}

func TestWhatConfirms(t *testing.T) {
	held := func(p *peer) int {
		if q := p.kept.Load().retained; q != nil {
			return q.len()
		}
		return 0
	}
	t.Run("a ping", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", "")
		for n := range 4 {
			bob.send(t, bob.offer("alice", n))
		}
		alice.link.rest()
		for _, c := range []struct {
			received string
			left     int
		}{
			{`1`, 3}, {`0`, 3}, {`5`, 3}, {`-1`, 3}, {`2.0`, 3}, {`2e0`, 3}, {`"2"`, 3}, {`null`, 3}, {`[2]`, 3}, {`true`, 3}, {`3`, 1}, {`4`, 0},
		} {
			alice.send(t, `{"type":"ping","id":1,"received":`+c.received+`}`)
			if got, want := alice.link.next(t), `{"type":"pong","id":1,"received":0}`; got != want {
				t.Errorf("received %s was answered with %s, want %s", c.received, got, want)
			}
			if n := held(alice); n != c.left {
				t.Errorf("after received %s, %d messages are retained, want %d", c.received, n, c.left)
			}
		}
		if alice.kept.Load().retained != nil {
			t.Error("nothing is unconfirmed, and yet something is retained")
		}
	})
	t.Run("the answer to a WebSocket ping, until a ping has received", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", "")
		bob.send(t, bob.offer("alice", 1))
		count, ok := alice.Queued()
		bob.send(t, bob.offer("alice", 2))
		alice.Pong(count)
		if !ok || held(alice) != 1 {
			t.Errorf("%d messages are retained, want 1", held(alice))
		}
		alice.send(t, `{"type":"ping","received":0}`)
		count, _ = alice.Queued()
		alice.Pong(count)
		if held(alice) != 1 {
			t.Error("the browser of a page that is frozen has confirmed for it")
		}
		if _, ok := bob.Queued(); ok {
			t.Error("a session that is not kept counts")
		}
		bob.Pong(1)
	})
	t.Run("no answer to a ping to the session before", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", "")
		bob.send(t, bob.offer("alice", 1))
		count, _ := alice.Queued()
		alice.send(t, `{"type":"logout","login":"alice"}`)
		alice.link.rest()
		alice.keep(t, "")
		bob.send(t, bob.offer("alice", 2))
		alice.Pong(count)
		if held(alice) != 1 {
			t.Error("a message was let go by the answer to a ping before it")
		}
	})
	t.Run("nothing, while a secret that was brought holds", func(t *testing.T) {
		s := keepSystem(t)
		bob := join(t, s, "bob")
		_, first := keep(t, s, "alice", "")
		bob.send(t, bob.offer("alice", 1))
		alice, _ := keep(t, s, "alice", resumes(first.Resume, 1))
		count, _ := alice.Queued()
		alice.Pong(count)
		if held(alice) != 1 {
			t.Error("a message was let go, although the reply may be lost")
		}
		alice.send(t, `{"type":"ping"}`)
		if held(alice) != 0 {
			t.Error("the count of the login confirms nothing, although the client has the next secret")
		}
	})
}

func TestWhatIsUnconfirmedIsBounded(t *testing.T) {
	s := newTestSystem(t, Options{ResumeWindow: window, QueueLimit: MinQueueLimit})
	bob := join(t, s, "bob")
	alice, first := keep(t, s, "alice", "")
	text := offerOf(bob, "alice", 1000)
	fits := MinQueueLimit / len(text)
	for range fits {
		bob.send(t, text)
	}
	wantTexts(t, bob)
	if len(alice.link.pings) == 0 {
		t.Error("the service did not ask the client to confirm before it refuses a message")
	}
	bob.send(t, text)
	wantError(t, bob.link.next(t), messages.CodePeerOverloaded, "alice")
	count, _ := alice.Queued()
	alice.Pong(count)
	bob.send(t, text)
	wantTexts(t, bob)
	back, again := keep(t, s, "alice", resumes(first.Resume, fits))
	wantReply(t, again, "true", 0)
	wantTexts(t, back, text)
}

// offerOf returns an offer of at least size bytes.
func offerOf(p *peer, to string, size int) string {
	return fmt.Sprintf(`{"type":"offer","offer":%q,"from":%q,"to":%q}`, strings.Repeat("x", size), p.login, to)
}

func TestRoomForSessionsThatAreAwayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		s.away.most, s.away.mostBytes = 100, 1<<20
		bob := join(t, s, "bob")
		away := func(login string) {
			p, _ := keep(t, s, login, "")
			p.Closed(false)
		}
		for n := range 100 {
			away(fmt.Sprint("n", n))
		}
		bob.send(t, bob.offer("n0", 1))
		wantTexts(t, bob)
		away("one more")
		wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "n0")
		text := offerOf(bob, "n1", 60_000)
		for n := range 1<<20/len(text) + 1 {
			bob.send(t, offerOf(bob, fmt.Sprint("n", n/4+1), 60_000))
		}
		if got := bob.link.rest(); len(got) != 4 {
			t.Errorf("%d senders were told that a session ended, want the 4 messages of the one that was longest away", len(got))
		}
		if n := s.Sessions(); n != 100 {
			t.Errorf("there are %d sessions, want 100", n)
		}
		time.Sleep(window + time.Millisecond)
		synctest.Wait()
		if n := s.Sessions(); n != 1 {
			t.Errorf("after the window there are %d sessions, want bob's alone", n)
		}
		if s.away.count != 0 || s.away.bytes != 0 || s.away.pending {
			t.Errorf("after the window %d sessions and %d bytes are counted as away", s.away.count, s.away.bytes)
		}
	})
}

func TestAFloodOfResumesLeavesNothingBehind(t *testing.T) {
	s := keepSystem(t)
	bob := join(t, s, "bob")
	alice, reply := keep(t, s, "alice", "")
	for n := range 100 {
		bob.send(t, offerOf(bob, "alice", 1000+n))
	}
	held := alice.kept.Load().bytes.Load()
	for range 1000 {
		before := alice
		alice, reply = keep(t, s, "alice", resumes(reply.Resume, 0))
		wantReply(t, reply, "true", 0)
		if got := alice.link.rest(); len(got) != 100 {
			t.Fatalf("alice got %d messages, want the 100 that she has not confirmed", len(got))
		}
		before.Closed(false)
	}
	k := alice.kept.Load()
	if n := k.bytes.Load(); n != held || k.retained.len() != 100 {
		t.Errorf("%d bytes in %d messages are retained, want %d in 100", n, k.retained.len(), held)
	}
	if s.away.count != 0 || s.away.pending || s.Sessions() != 2 {
		t.Errorf("%d sessions are away and %d there, want none and 2", s.away.count, s.Sessions())
	}
}

func TestWithoutAWindowNothingIsKept(t *testing.T) {
	s := newTestSystem(t, Options{})
	p := connect(s)
	p.send(t, `{"type":"login","login":"alice","keep":true,"resume":"`+firstSecret+`","received":0}`)
	if got, want := p.link.next(t), `{"type":"login","success":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.send(t, `{"type":"ping","received":0}`)
	if got, want := p.link.next(t), `{"type":"pong"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.Closed(false)
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions are left, want none", n)
	}
}

func TestAReplyThatFindsNoConnectionIsADrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		_, first := keep(t, s, "alice", resumes(firstSecret, 0))
		release := occupy(t, s)
		gone := connect(s)
		if gone.Receive(decoded(t, fmt.Sprintf(`{"type":"login","login":"alice","keep":true%s}`, resumes(first.Resume, 0)))) {
			t.Fatal("the login was decided at once")
		}
		gone.Closed(false)
		release()
		_, again := keep(t, s, "alice", resumes(first.Resume, 0))
		wantReply(t, again, "true", 0)
	})
}

func TestACountBehindOneThatWasShownBeginsANewSession(t *testing.T) {
	for _, more := range []int{0, 1} { // messages behind the count that was shown
		synctest.Test(t, func(t *testing.T) {
			s := keepSystem(t)
			bob := join(t, s, "bob")
			_, first := keep(t, s, "alice", resumes(firstSecret, 0))
			_, second := keep(t, s, "alice", resumes(first.Resume, 0))
			for i := range 2 + more {
				bob.send(t, bob.offer("alice", i))
			}
			_, third := keep(t, s, "alice", resumes(second.Resume, 2))
			wantReply(t, third, "true", 0)
			// It shows the secret that the login with 2 was answered with. So 2 is confirmed, and 1 does not hold.
			_, fourth := keep(t, s, "alice", resumes(third.Resume, 1))
			wantReply(t, fourth, "false", 0)
		})
	}
}

func TestARefusedLoginShowsThatTheNextSecretHasArrived(t *testing.T) {
	s := keepSystem(t)
	alice, first := keep(t, s, "alice", resumes(firstSecret, 0))
	alice.send(t, `{"type":"login","login":"alice"}`)
	alice.link.rest()
	if _, reply := keep(t, s, "alice", resumes(firstSecret, 0)); reply.Success {
		t.Error("a secret holds, although the client has shown that it has the next")
	}
	_, again := keep(t, s, "alice", resumes(first.Resume, 0))
	wantReply(t, again, "true", 0)
}

func TestTheServiceAsksBeforeItRefuses(t *testing.T) {
	t.Run("a message of almost the limit", func(t *testing.T) {
		s := newTestSystem(t, Options{ResumeWindow: window, QueueLimit: MinQueueLimit})
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", "")
		bob.send(t, offerOf(bob, "alice", MinQueueLimit/3))
		if len(alice.link.pings) == 0 {
			t.Error("the service did not ask, and the next long message would be refused")
		}
	})
	t.Run("once the answer can confirm", func(t *testing.T) {
		s := newTestSystem(t, Options{ResumeWindow: window, QueueLimit: MinQueueLimit})
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", resumes(firstSecret, 0))
		text := offerOf(bob, "alice", MinQueueLimit/4)
		for range 4 { // the last is refused
			bob.send(t, text)
		}
		count, _ := alice.Queued()
		alice.Pong(count) // confirms nothing: the first secret still holds
		alice.send(t, `{"type":"ping"}`)
		if len(alice.link.pings) == 0 {
			t.Error("the service did not ask")
		}
		count, _ = alice.Queued()
		alice.Pong(count)
		bob.link.rest()
		bob.send(t, text)
		wantTexts(t, bob)
	})
}

// Of short messages, their texts are the smallest part.
func TestRoomForShortMessagesToSessionsThatAreAwayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keepSystem(t)
		const most = 128 << 10 // less than one session may hold
		s.away.mostBytes = most
		bob := join(t, s, "bob")
		alice, _ := keep(t, s, "alice", "")
		alice.Closed(false)
		const sent = most/heldBytes + 1
		for range sent {
			bob.send(t, `{"type":"bye","from":"bob","to":"alice"}`)
		}
		synctest.Wait()
		if got := len(bob.link.rest()); got != sent {
			t.Errorf("%d messages were told to have been lost, want all %d", got, sent)
		}
		if n := s.Sessions(); n != 1 {
			t.Errorf("there are %d sessions, want bob's alone", n)
		}
	})
}
