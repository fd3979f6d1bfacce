package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

func TestTheEndpointSaysWhoMayLogIn(t *testing.T) {
	soon := in(time.Hour)
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
		ends   int64
	}{
		"204":                 {204, ``, "", 0},
		"200":                 {200, ``, "", 0},
		"an object":           {200, `{}`, "", 0},
		"an object with more": {200, ` {"user":"alice","expires":` + fmt.Sprint(soon) + `}`, "", soon},
		"a fraction":          {200, fmt.Sprintf(`{"expires":%d.75}`, soon), "", soon},
		"an end beyond all":   {200, `{"expires":1e300}`, "", lastEnd.Unix()},
		"ended":               {200, `{"expires":1}`, refusalEnded, 0},
		"ended long ago":      {200, `{"expires":-1e300}`, refusalEnded, 0},
		"401":                 {401, `{}`, refusalEndpoint, 0},
		"403":                 {403, ``, refusalEndpoint, 0},
		"201":                 {201, `{}`, refusalUnchecked, 0},
		"400":                 {400, ``, refusalUnchecked, 0},
		"an end in words":     {200, `{"expires":"tomorrow"}`, refusalUnchecked, 0},
		"an end of null":      {200, `{"expires":null}`, refusalUnchecked, 0},
		"half an object":      {200, `{"expires":`, refusalUnchecked, 0},
		"words":               {200, `ok`, refusalUnchecked, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || string(body) != `{"login":"Zoë","token":"opaque"}` {
					t.Errorf("asked with %s %s", r.Method, body)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			a, log := start(t, Options{URL: s.URL})
			for range 3 { // no answer is remembered
				v := ask(t, a, " Zoë ", "opaque")
				ends := int64(0)
				if !v.Ends.IsZero() {
					ends = v.Ends.Unix()
				}
				if v.Refusal != c.want || ends != c.ends {
					t.Errorf("the verdict is %+v", v)
				}
			}
			if n := s.asked.Load(); n != 3 {
				t.Errorf("asked %d times", n)
			}
			if warned := log.lines() == 1; warned != (c.want == refusalUnchecked) || strings.Contains(log.String(), "opaque") {
				t.Errorf("the log is %q", log)
			}
		})
	}
}

func TestABadEndpointRefusesEverybody(t *testing.T) {
	for name, answer := range bad(t) {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer)
			a, log := start(t, Options{URL: s.URL})
			a.timeOut(soon)
			for range 2 {
				wantRefusal(t, a, "alice", "opaque", refusalUnchecked)
			}
			if log.lines() != 1 {
				t.Errorf("the log is %q, want one line", log)
			}
			a.timeOut(answerTimeout)
			s.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			wantHolds(t, a, "alice", "opaque")
		})
	}
	t.Run("it is down", func(t *testing.T) {
		s := serve(t, hang)
		a, _ := start(t, Options{URL: s.URL})
		s.Close()
		wantRefusal(t, a, "alice", "opaque", refusalUnchecked)
	})
}

// answering is an HTTP client's transport that answers by itself.
type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatAHangingEndpointHoldsUpIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var asked atomic.Int64
		a, log := start(t, Options{URL: "http://endpoint.test"})
		a.by.(*endpoint).client.Transport = answering(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			<-release
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		})
		login := messages.Login{Shown: "alice", Key: "alice"}
		var mu sync.Mutex
		refused, held := 0, 0
		for n := range endpointRequests + longestLine + 100 {
			a.Func()(actors.Question{Login: login, Token: "opaque", From: uint64(n)}, func(v actors.Verdict) {
				mu.Lock()
				defer mu.Unlock()
				switch v.Refusal {
				case "":
					held++
				case refusalBusy:
					refused++
				}
			})
		}
		synctest.Wait()
		if n := asked.Load(); n != endpointRequests || held != 0 || refused != 100 {
			t.Errorf("the endpoint was asked %d times at once, %d were refused, and %d taken", n, refused, held)
		}
		if n := strings.Count(log.String(), "--auth-url answers quickly"); n != 1 {
			t.Errorf("%d lines say that the endpoint is slow, want one: %q", n, log)
		}
		close(release)
		synctest.Wait()
		if held != endpointRequests+longestLine || refused != 100 {
			t.Errorf("%d were taken and %d refused", held, refused)
		}
	})
}

func TestACheckThatHasWaitedTooLongIsRefused(t *testing.T) {
	a, _ := start(t, Options{URL: "http://127.0.0.1:1"})
	var v actors.Verdict
	a.run(&check{decide: func(got actors.Verdict) { v = got }, began: time.Now().Add(-longestWait - time.Second)})
	if v.Refusal != refusalBusy {
		t.Errorf("the verdict is %+v", v)
	}
}

// broken is a judge with a fault.
type broken struct{ judge }

func (*broken) look(*check) (actors.Verdict, bool) { panic("broken by opaque") }

func TestAFaultRefusesTheTokenAndIsLogged(t *testing.T) {
	a, log := start(t, Options{URL: "http://127.0.0.1:1"})
	a.by = &broken{a.by}
	wantRefusal(t, a, "alice", "opaque", refusalUnchecked)
	if log.lines() != 1 || strings.Contains(log.String(), "opaque") {
		t.Errorf("the log is %q", log)
	}
}

func TestTheQuestionIsJSONWhateverTheTokenSays(t *testing.T) {
	token := "a\"b\\\u0000\u2028é"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Login, Token string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Token != token {
			t.Errorf("asked with %+v, %v", asked, err)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	a, _ := start(t, Options{URL: s.URL})
	wantHolds(t, a, "alice", token)
}

// Otherwise whoever brings tokens that do not hold makes this service open a connection for each.
func TestTheEndpointIsAskedOnTheSameConnectionWhateverItAnswers(t *testing.T) {
	for _, status := range []int{200, 401, 403, 404, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var mu sync.Mutex
			connections := map[string]bool{}
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				connections[r.RemoteAddr] = true
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"why":"`+strings.Repeat("because ", 100)+`"}`)
			})
			a, _ := start(t, Options{URL: s.URL})
			for range 5 {
				ask(t, a, "alice", "opaque")
			}
			mu.Lock()
			defer mu.Unlock()
			if len(connections) != 1 {
				t.Errorf("there were %d connections, want one", len(connections))
			}
		})
	}
}

// TestWhatComesInPlainTextIsWarnedOf covers what is asked on the way to which somebody may change an answer or read a token.
func TestWhatComesInPlainTextIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		url    string
		warned bool
	}{
		{"http://id.example.org/keys", true}, {"http://10.0.0.9:8080/", true}, {"http://[2001:db8::1]/", true}, {"http://localhost.example.org/", true},
		{"https://id.example.org/keys", false}, {"http://localhost:8080/", false}, {"http://127.0.0.2/", false}, {"http://[::1]:1/", false},
		{"http://[::ffff:127.0.0.1]/", false},
	} {
		for flag, o := range map[string]Options{"--auth-jwt-jwks": {JWKS: c.url}, "--auth-url": {URL: c.url}} {
			var log bytes.Buffer
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			a, err := New(o)
			if err != nil {
				t.Fatalf("%s %s: %v", flag, c.url, err)
			}
			a.Close()
			if warned := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), flag) && strings.Contains(log.String(), "plain text"); warned != c.warned {
				t.Errorf("%s %s: warned %v; want %v; logged: %s", flag, c.url, warned, c.warned, &log)
			}
		}
	}
	var log bytes.Buffer
	a, err := New(Options{JWKS: "http://user:hidden@id.example.org/keys?key=hidden", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if log.Len() == 0 || strings.Contains(log.String(), "hidden") {
		t.Errorf("logged: %s", &log)
	}
}
