package actors

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"p2p-messaging/messages"
)

// holds returns an Authenticate for which the token "fresh" holds for that long, "endless" for ever, and no other.
func holds(d time.Duration) Authenticate {
	return func(q Question, decide func(Verdict)) {
		switch q.Token {
		case "fresh":
			decide(Verdict{Ends: time.Now().Add(d)})
		case "endless":
			decide(Verdict{})
		default:
			decide(Verdict{Refusal: "No."})
		}
	}
}

// checks is an Authenticate whose decisions the test makes.
type checks struct {
	logins []messages.Login
	decide []func(Verdict)
}

func (c *checks) authenticate(q Question, decide func(Verdict)) {
	c.logins, c.decide = append(c.logins, q.Login), append(c.decide, decide)
}

func (c *checks) next() func(Verdict) {
	decide := c.decide[0]
	c.decide = c.decide[1:]
	return decide
}

func wantClosed(t testing.TB, who *peer, want messages.CloseCode) {
	t.Helper()
	if code, reason := who.link.closedWith(); code != want {
		t.Fatalf("%s was closed with %d (%s), want %d", who.login, code, reason, want)
	}
}

func withToken(token string) string { return fmt.Sprintf(`,"token":%q`, token) }

func TestALoginNeedsATokenThatHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Hour)})
		p := connect(s)
		p.login = "alice"
		for _, tt := range []struct {
			members string
			code    messages.Code
		}{
			{``, messages.CodeAuthRequired},
			{`,"token":5`, messages.CodeAuthRequired},
			{`,"token":null`, messages.CodeAuthRequired},
			{`,"Token":"fresh"`, messages.CodeAuthRequired},
			{`,"token":""`, messages.CodeAuthFailed},
			{`,"token":"stale"`, messages.CodeAuthFailed},
		} {
			p.send(t, `{"type":"login","login":"alice"`+tt.members+`}`)
			wantRefused(t, p.link.next(t), tt.code)
			if s.Sessions() != 0 {
				t.Fatalf("%s has a session", tt.members)
			}
		}
		p.send(t, `{"type":"login","login":"alice","token":"fresh"}`)
		if got := p.link.next(t); got != `{"type":"login","success":true}` {
			t.Fatal(got)
		}
	})
}

func TestAServiceWithoutTokensKnowsNothingOfThem(t *testing.T) {
	s := keepSystem(t)
	p := connect(s)
	p.send(t, `{"type":"token","token":"fresh"}`)
	wantError(t, p.link.next(t), messages.CodeUnknownType, "")
	p.send(t, `{"type":"login","login":"bob","token":5}`)
	p.link.next(t)
	p.send(t, `{"type":"token","token":"fresh"}`)
	wantError(t, p.link.next(t), messages.CodeUnknownType, "")
	alice, _ := keep(t, s, "alice", "")
	alice.send(t, `{"type":"token","token":"fresh"}`)
	wantError(t, alice.link.next(t), messages.CodeUnknownType, "")
	alice.send(t, `{"type":"ping","received":0}`)
	wantTexts(t, alice, `{"type":"pong","received":1}`)
	if s.tokens.count.Load() != 0 || s.tokens.timer != nil {
		t.Error("something is stored for tokens")
	}
	if size := unsafe.Sizeof(session{}); size != 64 {
		t.Errorf("a session takes %d bytes, want one cache line", size)
	}
}

func TestATokenBeforeTheLoginIsRefused(t *testing.T) {
	s := newTestSystem(t, Options{Authenticate: holds(time.Hour)})
	p := connect(s)
	p.send(t, `{"type":"token","token":"fresh"}`)
	wantError(t, p.link.next(t), messages.CodeNotLoggedIn, "")
}

func TestTheNextMessageWaitsForTheCheck(t *testing.T) {
	var c checks
	s := newTestSystem(t, Options{Authenticate: c.authenticate, ResumeWindow: window})
	p := connect(s)
	if p.Receive(decoded(t, `{"type":"login","login":"Alice","keep":true,"token":"a"}`)) {
		t.Fatal("the reader does not wait")
	}
	if c.logins[0] != (messages.Login{Shown: "Alice", Key: "alice"}) {
		t.Errorf("the login is %v", c.logins[0])
	}
	wantResumed(t, p.link, 0)
	c.next()(Verdict{})
	wantResumed(t, p.link, 1)
	p.link.awaitResume()
	p.link.next(t)
	if p.Receive(decoded(t, `{"type":"token","token":"a"}`)) {
		t.Fatal("the reader does not wait")
	}
	if c.logins[1] != c.logins[0] {
		t.Errorf("the login is %v", c.logins[1])
	}
	c.next()(Verdict{Ends: time.Unix(1_900_000_000, 5e8)})
	wantResumed(t, p.link, 1)
	wantTexts(t, p, `{"type":"token","success":true,"expires":1900000000}`)
}

func TestAConnectionThatEndsDuringTheCheckLeavesNothing(t *testing.T) {
	for name, v := range map[string]Verdict{"holds": {}, "does not hold": {Refusal: "No."}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c checks
				s := newTestSystem(t, Options{Authenticate: c.authenticate})
				p := connect(s)
				p.Receive(decoded(t, `{"type":"login","login":"alice","token":"a"}`))
				p.Closed(false)
				c.next()(v)
				time.Sleep(longestDelay)
				synctest.Wait()
				if n := s.Sessions(); n != 0 {
					t.Fatalf("%d sessions are left", n)
				}

				// A session does not wait for the check of a fresh token.
				p = connect(s)
				p.Receive(decoded(t, `{"type":"login","login":"alice","token":"a"}`))
				c.next()(Verdict{})
				p.link.awaitResume()
				p.Receive(decoded(t, `{"type":"token","token":"a"}`))
				p.Closed(false)
				if n := s.Sessions(); n != 0 {
					t.Fatalf("%d sessions are left before the check has ended", n)
				}
				c.next()(v)
				time.Sleep(longestDelay)
				synctest.Wait()
			})
		})
	}
}

func TestACheckMayEndAfterTheService(t *testing.T) {
	var c checks
	s := NewSystem(Options{Authenticate: c.authenticate})
	login, renewal := connect(s), connect(s)
	renewal.Receive(decoded(t, `{"type":"login","login":"bob","token":"a"}`))
	c.next()(Verdict{Ends: time.Now().Add(time.Hour)})
	login.Receive(decoded(t, `{"type":"login","login":"alice","token":"a"}`))
	renewal.Receive(decoded(t, `{"type":"token","token":"a"}`))
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.next()(Verdict{})
	c.next()(Verdict{})
	wantClosed(t, login, messages.CloseGoingAway)
	wantClosed(t, renewal, messages.CloseGoingAway)
}

func TestTokensThatDoNotHoldAreAnsweredLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Hour)})
		p := connect(s)
		began := time.Now()
		for want := firstDelay; p.refusals < refusalLimit; want = min(2*want, longestDelay) {
			before := time.Now()
			p.send(t, `{"type":"login","login":"alice","token":"stale"}`)
			if took := time.Since(before); took != want {
				t.Fatalf("refusal %d took %v, want %v", p.refusals, took, want)
			}
		}
		wantClosed(t, p, messages.ClosePolicyViolation)
		if took := time.Since(began); took < 15*time.Second {
			t.Errorf("twenty tries took %v", took)
		}

		// So it is for a session, and a token that holds begins the count anew.
		p = connect(s)
		p.send(t, `{"type":"login","login":"alice","token":"fresh"}`)
		for range 2 {
			for range refusalLimit - 1 {
				p.send(t, `{"type":"token","token":"stale"}`)
			}
			p.send(t, `{"type":"token","token":"fresh"}`)
		}
		wantClosed(t, p, 0)
		for range refusalLimit {
			p.send(t, `{"type":"token","token":"stale"}`)
		}
		wantClosed(t, p, messages.ClosePolicyViolation)
	})
}

func TestTheEndOfItsTokenEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Minute)})
		alice, bob := connect(s), connect(s)
		alice.login, bob.login = "alice", "bob"
		alice.send(t, `{"type":"login","login":"alice","token":"fresh"}`)
		bob.send(t, `{"type":"login","login":"bob","token":"endless"}`)
		bob.link.next(t)
		time.Sleep(59 * time.Second)
		wantClosed(t, alice, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		wantClosed(t, alice, messages.CloseTokenEnded)
		if n := s.Sessions(); n != 1 {
			t.Fatalf("there are %d sessions, want bob's", n)
		}
		alice.send(t, alice.offer("bob", 1)) // read before
		wantTexts(t, bob)
		bob.send(t, bob.offer("alice", 1))
		wantError(t, bob.link.next(t), messages.CodePeerUnavailable, "alice")
		alice.Closed(false)
		time.Sleep(24 * time.Hour)
		wantClosed(t, bob, 0)
	})
}

func TestAFreshTokenKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Minute), ResumeWindow: window})
		alice, _ := keep(t, s, "alice", withToken("fresh"))
		for range 10 {
			time.Sleep(50 * time.Second)
			alice.send(t, `{"type":"token","token":"fresh"}`)
			if got, want := alice.link.next(t), fmt.Sprintf(`{"type":"token","success":true,"expires":%d}`, time.Now().Add(time.Minute).Unix()); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
		time.Sleep(50 * time.Second)
		alice.send(t, `{"type":"token","token":"stale"}`)
		wantTexts(t, alice, `{"type":"token","success":false,"code":"auth-failed","message":"No."}`)
		alice.send(t, `{"type":"ping","received":11}`)
		wantTexts(t, alice, `{"type":"pong","received":11}`)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantClosed(t, alice, messages.CloseTokenEnded) // the old one still counts

		alice, reply := keep(t, s, "bob", withToken("fresh"))
		alice.send(t, `{"type":"token","token":"endless"}`)
		wantTexts(t, alice, `{"type":"token","success":true}`)
		time.Sleep(time.Hour)
		wantClosed(t, alice, 0)
		if !reply.Success || s.tokens.count.Load() != 0 {
			t.Error("something is stored for a token that does not end")
		}
	})
}

func TestAKeptSessionOutlivesItsTokenForTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Minute), ResumeWindow: window})
		bob := connect(s)
		bob.login = "bob"
		bob.send(t, `{"type":"login","login":"bob","token":"endless"}`)
		bob.link.next(t)
		alice, reply := keep(t, s, "alice", withToken("fresh"))
		bob.send(t, bob.offer("alice", 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		wantClosed(t, alice, messages.CloseTokenEnded)
		alice.send(t, alice.offer("bob", 1)) // too late
		alice.Closed(false)
		bob.send(t, bob.offer("alice", 2))
		wantTexts(t, bob)

		// The token is looked at first. A refused login changes nothing, although its secret holds.
		other := connect(s)
		other.login = "alice"
		for _, token := range []string{"stale", ""} {
			if got := other.keep(t, resumes(reply.Resume, 0)+withToken(token)); got.Code != string(messages.CodeAuthFailed) {
				t.Fatalf("the reply is %+v", got)
			}
		}
		if got := other.keep(t, resumes(reply.Resume, 99)); got.Code != string(messages.CodeAuthRequired) {
			t.Fatalf("the reply is %+v", got)
		}
		time.Sleep(window - 2*time.Second)
		back, again := keep(t, s, "alice", resumes(reply.Resume, 1)+withToken("fresh"))
		wantReply(t, again, "true", 0)
		wantTexts(t, back, bob.offer("alice", 2))

		// So it is while the connection is alive.
		if got := other.keep(t, resumes(again.Resume, 2)+withToken("stale")); got.Code != string(messages.CodeAuthFailed) {
			t.Fatalf("the reply is %+v", got)
		}
		wantClosed(t, back, 0)

		time.Sleep(time.Minute + window)
		synctest.Wait()
		wantClosed(t, back, messages.CloseTokenEnded)
		if n := s.Sessions(); n != 1 {
			t.Errorf("there are %d sessions, want bob's", n)
		}
	})
}

func TestATokenThatEndsWithoutAConnectionChangesNoWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Minute), ResumeWindow: window})
		alice, reply := keep(t, s, "alice", withToken("fresh"))
		time.Sleep(50 * time.Second)
		alice.Closed(false)
		time.Sleep(window - time.Millisecond)
		_, again := keep(t, s, "alice", resumes(reply.Resume, 0)+withToken("endless"))
		wantReply(t, again, "true", 0)
		time.Sleep(time.Hour)
		if n := s.Sessions(); n != 1 {
			t.Errorf("there are %d sessions, want 1", n)
		}
	})
}

func TestAFreshTokenThatComesAsTheOldOneEndsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: holds(time.Minute), ResumeWindow: window})
		for _, token := range []string{"fresh", "endless"} {
			alice, reply := keep(t, s, token, withToken("fresh"))
			owner := s.directory.owner([]byte(token))
			s.tokens.mu.Lock()
			s.tokens.remove(int(owner.place) - 1)
			owner.place = overdue // the timer has run out, and its message is under way
			s.tokens.count.Add(1)
			s.tokens.mu.Unlock()
			back, _ := keep(t, s, token, resumes(reply.Resume, 0)+withToken(token))
			s.root.Send(owner.pid(), tokenEnded{})
			wantClosed(t, alice, messages.CloseTakenOver)
			wantClosed(t, back, 0)
			back.Closed(true)
		}
		if n := s.tokens.count.Load(); n != 0 {
			t.Errorf("the ends of %d tokens are left", n)
		}
	})
}

func TestTheEndsOfManyTokensAreKeptInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{Authenticate: func(q Question, decide func(Verdict)) {
			d, err := time.ParseDuration(q.Token)
			if err != nil {
				t.Error(err)
			}
			decide(Verdict{Ends: time.Now().Add(d)})
		}})
		random := rand.New(rand.NewPCG(19, 2026))
		began := time.Now()
		ends := map[*peer]time.Duration{}
		token := func() (string, time.Duration) {
			d := time.Duration(1+random.IntN(5000)) * time.Second
			return d.String(), d
		}
		for n := range 3000 {
			p := connect(s)
			p.login = fmt.Sprint("login-", n)
			text, d := token()
			p.send(t, fmt.Sprintf(`{"type":"login","login":%q,"token":%q}`, p.login, text))
			ends[p] = d
		}
		for p := range ends {
			switch random.IntN(3) {
			case 0:
				text, d := token()
				p.send(t, fmt.Sprintf(`{"type":"token","token":%q}`, text))
				ends[p] = d
			case 1:
				p.Closed(false)
				delete(ends, p)
			}
		}
		s.tokens.mu.Lock()
		n := len(s.tokens.ends)
		s.tokens.mu.Unlock()
		if n != len(ends) || s.Sessions() != n {
			t.Fatalf("the ends of %d tokens are stored, want %d", n, len(ends))
		}
		for time.Since(began) < 5001*time.Second {
			time.Sleep(time.Duration(random.IntN(60)) * time.Second)
			synctest.Wait()
			for p, end := range ends {
				want := messages.CloseCode(0)
				if time.Since(began) >= end {
					want = messages.CloseTokenEnded
				}
				if code, _ := p.link.closedWith(); code != want {
					t.Fatalf("after %v, a token for %v: closed with %d, want %d", time.Since(began), end, code, want)
				}
			}
		}
		if s.Sessions() != 0 || s.tokens.count.Load() != 0 || cap(s.tokens.ends) > smallestTokens {
			t.Errorf("%d sessions and %d ends are left, with room for %d", s.Sessions(), s.tokens.count.Load(), cap(s.tokens.ends))
		}
	})
}

func TestAPanicOfACheckEndsItsConnectionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var c checks
		s := newTestSystem(t, Options{Authenticate: c.authenticate, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		p := connect(s)
		p.Receive(decoded(t, `{"type":"login","login":"alice","token":"a-secret"}`))
		p.link.onSend = func(string) { panic("broken") }
		c.next()(Verdict{Refusal: "No."})
		time.Sleep(firstDelay)
		synctest.Wait()
		wantClosed(t, p, messages.CloseInternalError)
		wantResumed(t, p.link, 1)
		if log := logged.String(); !strings.Contains(log, "broken") || strings.Contains(log, "a-secret") {
			t.Errorf("the log is %q", log)
		}
	})
}

// Looking at a token is work, also at one that holds.
func TestFreshTokensOfOneConnectionAreLookedAtOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looked := 0
		s := newTestSystem(t, Options{ResumeWindow: window, Authenticate: func(q Question, decide func(Verdict)) {
			looked++
			holds(time.Hour)(q, decide)
		}})
		bob, _ := keep(t, s, "bob", withToken("fresh"))
		for _, token := range []string{"fresh", "endless", "stale"} {
			alice, _ := keep(t, s, "alice-"+token, withToken("fresh"))
			before, began := looked, time.Now()
			const count = 19 // one less than the refusals that end a connection
			for range count {
				alice.send(t, `{"type":"token",`+withToken(token)[1:]+`}`)
				alice.link.next(t)
			}
			if took := time.Since(began); took < (count-2)*time.Second || took > 2*count*time.Second {
				t.Errorf("%d tokens %q were looked at in %v", count, token, took)
			}
			if looked != before+count {
				t.Errorf("%d tokens were looked at, want %d", looked-before, count)
			}
			alice.send(t, alice.offer("bob", 1)) // nothing is lost, and others do not wait
			bob.link.next(t)
			began = time.Now()
			bob.send(t, `{"type":"token","token":"fresh"}`)
			bob.link.next(t)
			if took := time.Since(began); took > time.Second {
				t.Errorf("another's token took %v", took)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestAConnectionThatEndsWhileItsTokenWaitsHasNoneLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c checks
		s := newTestSystem(t, Options{Authenticate: c.authenticate})
		p := connect(s)
		p.Receive(decoded(t, `{"type":"login","login":"alice","token":"a"}`))
		c.next()(Verdict{})
		p.link.awaitResume()
		p.Receive(decoded(t, `{"type":"token","token":"a"}`))
		c.next()(Verdict{})
		p.link.awaitResume()
		if p.Receive(decoded(t, `{"type":"token","token":"b"}`)) || len(c.decide) != 0 {
			t.Fatalf("%d tokens are looked at, want none yet", len(c.decide))
		}
		p.Closed(false)
		if n := s.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		time.Sleep(2 * time.Second)
		if len(c.decide) != 0 {
			t.Error("the token of a connection that has ended is looked at")
		}
	})
}

func TestAQuestionNamesTheAddressOfItsClient(t *testing.T) {
	var asked []uint64
	s := newTestSystem(t, Options{Authenticate: func(q Question, decide func(Verdict)) {
		asked = append(asked, q.From)
		decide(Verdict{})
	}})
	p := connect(s)
	p.link.address = 7
	p.send(t, `{"type":"login","login":"alice","token":"a"}`)
	p.send(t, `{"type":"token","token":"a"}`)
	if !slices.Equal(asked, []uint64{7, 7}) {
		t.Errorf("the questions name %v", asked)
	}
}
