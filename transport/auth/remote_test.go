package auth

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// server is a server of the operator that a test has answer as it likes.
type server struct {
	*httptest.Server
	asked atomic.Int64

	mu     sync.Mutex
	answer http.HandlerFunc
}

func serve(t testing.TB, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		body, _ := io.ReadAll(r.Body) // only then net/http notices that the client has gone
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) answers(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func document(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
}

// hang answers nothing until the client gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// soon is when requests time out whose answers never come.
const soon = 100 * time.Millisecond

// timeOut makes requests time out after d. None is under way.
func (a *Authenticator) timeOut(d time.Duration) {
	switch by := a.by.(type) {
	case *endpoint:
		by.client.Timeout = d
	case *tokens:
		by.keys.(*remoteKeys).client.Timeout = d
	}
}

// pass lets time pass for the keys at a URL.
func (a *Authenticator) pass(d time.Duration) {
	keys := a.by.(*tokens).keys.(*remoteKeys)
	keys.mu.Lock()
	defer keys.mu.Unlock()
	keys.begun = keys.begun.Add(-d)
}

// settle waits until no read of the keys is under way.
func (a *Authenticator) settle() {
	keys := a.by.(*tokens).keys.(*remoteKeys)
	for {
		keys.mu.Lock()
		reading := keys.reading
		keys.mu.Unlock()
		if !reading {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// bad are answers that no server should give, and none may harm the service.
func bad(t testing.TB) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"it hangs": hang,
		"it is slow": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		},
		"it hangs up": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		"it is huge": func(w http.ResponseWriter, r *http.Request) {
			chunk := bytes.Repeat([]byte(" "), 1<<16)
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"its headers are huge": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			_, _ = w.Write([]byte("{}"))
		},
		"it redirects": func(w http.ResponseWriter, r *http.Request) {
			elsewhere := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				t.Error("the redirect was followed")
			})
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"it has a fault":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"it is not there":  http.NotFound,
		"it is overloaded": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"a page":           document([]byte("<!doctype html><title>Log in</title>")),
		"a list":           document([]byte("[]")),
		"null":             document([]byte("null")),
	}
}

func TestKeysRotateAtAURL(t *testing.T) {
	p := pairs()
	first := jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "first"}
	second := jose.JSONWebKey{Key: p.other.Public(), KeyID: "second"}
	s := serve(t, document(jwks(t, first)))
	a, log := start(t, Options{JWKS: s.URL})
	byFirst, bySecond := sign(t, jose.RS256, p.rsa, "first", claimsOf(nil)), sign(t, jose.RS256, p.other, "second", claimsOf(nil))
	if n := s.asked.Load(); n != 0 {
		t.Errorf("the keys were read %d times before anybody needs them", n)
	}
	for range 20 {
		wantHolds(t, a, "alice", byFirst)
	}
	s.answers(document(jwks(t, first, second)))
	for range 20 {
		wantRefusal(t, a, "alice", bySecond, refusalSignature) // the keys were read a moment ago
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the keys were read %d times, want once", n)
	}
	a.pass(renewInterval)
	wantHolds(t, a, "alice", bySecond)
	if n := s.asked.Load(); n != 2 {
		t.Errorf("the keys were read %d times, want twice", n)
	}

	// A key that was removed holds until the keys are read again.
	s.answers(document(jwks(t, second)))
	wantHolds(t, a, "alice", byFirst)
	a.pass(keysAge)
	wantHolds(t, a, "alice", bySecond) // begins the read, and does not wait for it
	a.settle()
	wantRefusal(t, a, "alice", byFirst, refusalSignature)
	s.answers(document(jwks(t, first)))
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	wantHolds(t, a, "alice", byFirst)
	wantRefusal(t, a, "alice", bySecond, refusalSignature)
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("the log is %s", log)
	}
}

func TestABadServerOfKeysHarmsNobody(t *testing.T) {
	p := pairs()
	good := document(jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "good"}))
	token := sign(t, jose.RS256, p.rsa, "good", claimsOf(nil))
	unknown := sign(t, jose.RS256, p.other, "unknown", claimsOf(nil))
	answers := bad(t)
	answers["another document"] = document([]byte(`{"jwks_uri":"https://id.example.org/keys"}`))
	answers["no keys"] = document([]byte(`{"keys":[]}`))
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer)
			a, log := start(t, Options{JWKS: s.URL})
			a.timeOut(soon)
			for range 3 {
				wantRefusal(t, a, "alice", token, refusalUnchecked)
			}
			if log.lines() != 1 || !strings.Contains(log.String(), "WARN") {
				t.Errorf("the log is %q, want one warning", log)
			}
			a.settle()
			a.timeOut(answerTimeout)
			s.answers(good)
			a.pass(renewInterval)
			wantHolds(t, a, "alice", token)
			a.settle()
			a.timeOut(soon)

			// Those who have tokens with known keys do not wait for those who have not.
			s.answers(answer)
			a.pass(keysAge)
			late := make(chan struct{})
			go func() {
				defer close(late)
				wantRefusal(t, a, "alice", unknown, refusalUnchecked)
			}()
			wantHolds(t, a, "alice", token)
			<-late
			a.settle()
			if err := a.Reload(); err == nil || strings.Contains(err.Error(), "http://") {
				t.Errorf("the keys are reloaded with %v", err)
			}
			wantHolds(t, a, "alice", token)
		})
	}
	t.Run("it is down", func(t *testing.T) {
		s := serve(t, good)
		a, log := start(t, Options{JWKS: "http://name:a-password@" + strings.TrimPrefix(s.URL, "http://") + "/keys?key=a-secret"})
		wantHolds(t, a, "alice", token)
		s.Close()
		a.pass(keysAge)
		wantHolds(t, a, "alice", token)
		a.settle()
		wantHolds(t, a, "alice", token)
		if log := log.String(); !strings.Contains(log, "WARN") || strings.Contains(log, "a-password") || strings.Contains(log, "a-secret") {
			t.Errorf("the log is %q", log)
		}
	})
}

func TestManyTokensWithUnknownKeysCauseOneRead(t *testing.T) {
	p := pairs()
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		document(jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "good"}))(w, r)
	})
	a, _ := start(t, Options{JWKS: s.URL})
	token := sign(t, jose.RS256, p.rsa, "good", claimsOf(nil))
	var asking sync.WaitGroup
	for range 100 {
		asking.Go(func() { wantHolds(t, a, "alice", token) })
	}
	for s.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	asking.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the keys were read %d times", n)
	}
}

// The keys may come between the look at a token and the question for them. The token is not refused for that.
func TestATokenIsLookedAtAgainIfTheKeysHaveComeMeanwhile(t *testing.T) {
	p := pairs()
	first := document(jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "first"}))
	both := document(jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "first"}, jose.JSONWebKey{Key: p.other.Public(), KeyID: "second"}))
	for name, c := range map[string]struct {
		before, meanwhile http.HandlerFunc // before is nil where no keys were read
		again             bool
	}{
		"the first keys":     {nil, first, true},
		"others":             {first, both, true},
		"a read that failed": {first, http.NotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.before)
			a, _ := start(t, Options{JWKS: s.URL})
			keys := a.by.(*tokens).keys
			if c.before != nil {
				if err := keys.reload(); err != nil {
					t.Fatal(err)
				}
			}
			seen, _ := keys.get()
			s.answers(c.meanwhile)
			_ = keys.reload()
			looked := make(chan *check, 1)
			again := &check{queue: &queue{workers: 1, run: func(c *check) { looked <- c }}}
			if keys.renew(again, seen) != c.again {
				t.Fatalf("it is %v that the token is looked at again", !c.again)
			}
			if c.again && <-looked != again {
				t.Error("another token is looked at")
			}
		})
	}
}

// Whoever starts the service reads what is wrong, what that means for people, and what to do.
func TestTheFirstReadOfTheKeysThatFailsSaysWhatToDo(t *testing.T) {
	p := pairs()
	good := document(jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "good"}))
	token := sign(t, jose.RS256, p.rsa, "good", claimsOf(nil))
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"not there":     {http.NotFound, "it answers with status 404"},
		"elsewhere":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/a-secret", http.StatusFound) }, "give the URL to which it leads"},
		"a page":        {document([]byte("<html>")), "this is no JWK set"},
		"configuration": {document([]byte(`{"issuer":"https://id.example.org","jwks_uri":"https://id.example.org/keys"}`)), "give the URL that it has in jwks_uri"},
		"no answer":     {hang, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			a, log := start(t, Options{JWKS: s.URL})
			hangs := func() {
				if name == "no answer" {
					a.timeOut(soon)
				}
			}
			hangs()
			wantRefusal(t, a, "alice", token, refusalUnchecked) // a new token would not help
			first := log.String()
			for _, want := range []string{"WARN", "--auth-jwt-jwks: ", c.says, "nobody can log in", "with curl", "tries again"} {
				if !strings.Contains(first, want) {
					t.Errorf("the log does not say %q: %s", want, first)
				}
			}
			if strings.Contains(first, "of before") || strings.Contains(first, "a-secret") {
				t.Errorf("the log is %s", first)
			}
			a.settle()
			a.timeOut(answerTimeout)
			s.answers(good)
			a.pass(renewInterval)
			wantHolds(t, a, "alice", token)
			s.answers(c.answer)
			hangs()
			if err := a.Reload(); err == nil {
				t.Error("the keys are reloaded")
			}
			if last := strings.TrimPrefix(log.String(), first); !strings.Contains(last, "Those of before stay in use") || strings.Contains(last, "nobody can log in") {
				t.Errorf("the log goes on with %s", last)
			}
		})
	}
}
