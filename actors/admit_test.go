package actors

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
)

// wantAdmits checks what the link was asked since the last call, and forgets it.
func (l *fakeLink) wantAdmits(t *testing.T, want ...bool) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.admits, want) {
		t.Errorf("Admit was called with %v, want %v", l.admits, want)
	}
	l.admits = nil
}

func TestTheLinkIsAskedOncePerLoginThatResumesNothing(t *testing.T) {
	s := keepSystem(t)
	p := connect(s)
	p.login = "alice"
	for _, text := range []string{`{"type":"login","login":""}`, `{"type":"login","login":"alice"}`} {
		p.send(t, text)
		p.link.next(t)
		p.link.wantAdmits(t, false)
	}
	p.send(t, `{"type":"login","login":"alice"}`) // is answered with already-logged-in
	p.link.next(t)
	p.link.wantAdmits(t)

	for name, row := range map[string]struct {
		members string
		admits  []bool
	}{
		"a kept session without a secret": {"", []bool{false}},
		"what is no secret":               {`,"resume":"short"`, []bool{false}},
		"a secret that nobody has":        {resumes(firstSecret, 0), []bool{true}},
	} {
		kept, reply := keep(t, s, name, row.members)
		if !reply.Success {
			t.Errorf("%s: the reply is %+v", name, reply)
		}
		kept.link.wantAdmits(t, row.admits...)

		again, resumed := keep(t, s, name, resumes(reply.Resume, 0))
		if resumed.Resumed == nil || !*resumed.Resumed {
			t.Errorf("%s: the session was not resumed: %+v", name, resumed)
		}
		again.link.wantAdmits(t)

		wrong, reply := keep(t, s, name, resumes("another-secret-of-somebody", 0))
		if reply.Code != string(messages.CodeLoginTaken) {
			t.Errorf("%s: another secret: %+v", name, reply)
		}
		wrong.link.wantAdmits(t, false)

		lost, reply := keep(t, s, name, resumes(resumed.Resume, 99)) // the count is beyond what was sent
		if reply.Resumed == nil || *reply.Resumed {
			t.Errorf("%s: a count that does not hold: %+v", name, reply)
		}
		lost.link.wantAdmits(t)
	}
}

func TestALoginThatTheLinkRefusesChangesNothing(t *testing.T) {
	s := keepSystem(t)
	_, first := keep(t, s, "alice", resumes(firstSecret, 0))
	for name, row := range map[string]struct {
		login, members string
	}{
		"a login":                      {login: "bob"},
		"a login that nobody may have": {login: ""},
		"a kept session":               {login: "bob", members: `,"keep":true`},
		"a secret that nobody has":     {login: "bob", members: `,"keep":true` + resumes(firstSecret, 0)},
		"a login that is taken":        {login: "alice"},
		"a secret of another":          {login: "alice", members: `,"keep":true` + resumes("another-secret-of-somebody", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(s)
			p.link.refuses = true
			p.send(t, `{"type":"login","login":"`+row.login+`"`+row.members+`}`)
			want := string(messages.AppendLoginRefused(nil, messages.CodeTooMany, ""))
			if got := p.link.next(t); got != want {
				t.Errorf("the answer is %s, want %s", got, want)
			}
			if n := s.Sessions(); n != 1 {
				t.Errorf("there are %d sessions, want one", n)
			}
		})
	}
	p := connect(s)
	p.link.refuses, p.login = true, "alice"
	if reply := p.keep(t, resumes(first.Resume, 0)); reply.Resumed == nil || !*reply.Resumed {
		t.Errorf("the session was not resumed: %+v", reply)
	}
}

func TestLoginsThatTheLinkRefusesCountAmongTheTwenty(t *testing.T) {
	s := keepSystem(t)
	p := connect(s)
	p.link.refuses = true
	for range refusalLimit {
		p.send(t, `{"type":"login","login":"alice"}`)
	}
	if p.link.closed != messages.ClosePolicyViolation {
		t.Errorf("closed with %d, want 1008", p.link.closed)
	}
}

// A secret does not make tries free that are refused before anybody looks at it.
func TestALoginWithASecretCountsIfItIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{ResumeWindow: window, Authenticate: holds(time.Hour)})
		for name, row := range map[string]struct {
			login, members string
			code           messages.Code
			admits         []bool
			counted        int
		}{
			"no login":                {"", withToken("fresh"), messages.CodeLoginInvalid, nil, 1},
			"no token":                {"alice", "", messages.CodeAuthRequired, nil, 1},
			"a token that fails":      {"alice", withToken("stale"), messages.CodeAuthFailed, nil, 1},
			"a token that holds":      {"alice", withToken("fresh"), "", []bool{true}, 0},
			"a token but no secret":   {"bob", withToken("fresh"), "", []bool{false}, 0},
			"neither, with no secret": {"carol", "", messages.CodeAuthRequired, []bool{false}, 0},
		} {
			p, members := connect(s), row.members
			p.login = row.login
			if !strings.Contains(name, "no secret") {
				members += resumes(firstSecret, 0)
			}
			if reply := p.keep(t, members); reply.Code != string(row.code) {
				t.Errorf("%s: the reply is %+v, want the code %q", name, reply, row.code)
			}
			p.link.wantAdmits(t, row.admits...)
			if p.link.counted != row.counted {
				t.Errorf("%s: CountLogin was called %d times, want %d", name, p.link.counted, row.counted)
			}
		}
	})
}

// Looking at a token is work, for this service or for somebody else's endpoint. A secret that somebody has made up must not make it free.
func TestNoTokenIsLookedAtIfTooManyLoginsComeFromTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looked := 0
		s := newTestSystem(t, Options{ResumeWindow: window, Authenticate: func(_ Question, decide func(Verdict)) {
			looked++
			decide(Verdict{})
		}})
		for name, members := range map[string]string{
			"no session":               "",
			"a kept session":           `,"keep":true`,
			"a secret that is made up": `,"keep":true` + resumes(firstSecret, 0),
		} {
			p := connect(s)
			p.link.refuses = true
			p.send(t, `{"type":"login","login":"alice"`+members+withToken("any")+`}`)
			want := string(messages.AppendLoginRefused(nil, messages.CodeTooMany, ""))
			if got := p.link.next(t); got != want || looked > 0 || p.link.counted > 0 {
				t.Errorf("%s: the answer is %s, tokens were looked at %d times, and %d logins counted", name, got, looked, p.link.counted)
			}
		}
	})
}
