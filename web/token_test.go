package web_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport/auth"
)

// admission knows which token holds. A token ends at once if the page is to see that.
type admission struct {
	mu    sync.Mutex
	holds string
	ends  time.Time
}

func (a *admission) wants(token string, ends time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds, a.ends = token, ends
}

func (a *admission) authenticate(q actors.Question, decide func(actors.Verdict)) {
	a.mu.Lock()
	holds, ends := a.holds, a.ends
	a.mu.Unlock()
	if q.Token != holds {
		decide(actors.Verdict{Refusal: "The token does not hold."})
		return
	}
	decide(actors.Verdict{Ends: ends})
}

// opens has a person open another link in the page's tab.
func (p *page) opens(fragment string) {
	p.t.Helper()
	eval[bool](p, `(location.hash = "`+fragment+`", true)`)
	p.until("the token taken out of the address", func(ctx context.Context) (bool, error) {
		return evaluate[bool](ctx, &p.person, `!location.href.includes("token")`)
	})
}

func TestThePageLogsInByTheTokenOfItsLink(t *testing.T) {
	t.Parallel()
	never := time.Time{}
	admission := &admission{holds: "first-token"}
	s := startServiceWith(t, actors.Options{ResumeWindow: actors.DefaultResumeWindow, Authenticate: admission.authenticate})
	p := newPage(t, "alice", s.url())
	p.fill("Login", "mallory")
	p.click("button", "Join")
	p.shows("alert", "", "admits only people with a token")

	// A token may be stale. An invitation beside it stays.
	p.navigate(s.url() + "icon.svg")
	p.navigate(s.url() + "#token=e30.eyJzdWIiOiJhbGljZSJ9.stale-token&connect=robot")
	if address := eval[string](p, "location.href"); address != s.url()+"#connect=robot" {
		t.Errorf("the page is at %q", address)
	}
	if proposed := p.read("textbox", "Login"); proposed != "alice" {
		t.Errorf("the login that the token is for is not proposed, but %q", proposed)
	}
	p.click("button", "Join")
	p.shows("alert", "", "does not accept your token")
	p.opens("#token=first-token")
	p.vanish("alert", "")
	p.join("alice")
	p.shows("alert", "", "robot is not here")
	p.click("button", "Dismiss")

	// A fresh one renews the session, and one that does not hold changes nothing.
	admission.wants("second-token", never)
	p.opens("#token=bad-token")
	p.shows("alert", "", "does not accept your token")
	p.opens("#token=second-token")
	p.vanish("alert", "")
	// The service looks at one token a second of a connection. The tab keeps a token once it is accepted.
	p.until("the fresh token kept", func(ctx context.Context) (bool, error) {
		return evaluate[bool](ctx, &p.person, `JSON.stringify({ ...sessionStorage }).includes("second-token")`)
	})
	for _, place := range []string{"document.documentElement.outerHTML", "JSON.stringify({ ...localStorage })", "location.href"} {
		if kept := eval[string](p, place); strings.Contains(kept, "-token") {
			t.Errorf("%s has a token: %s", place, kept)
		}
	}
	p.click("button", "Invite")
	if link := p.read("textbox", "Link"); link != s.url()+"#connect=alice" {
		t.Errorf("the invite link is %q", link)
	}
	p.escape()

	// The tab keeps it over a reload.
	p.navigate(eval[string](p, "location.href"))
	p.sees("button", "Sign out")
	p.shows("status", "Connection", "connected")

	// Its end is said. The page comes back by a fresh one.
	admission.wants("brief-token", time.Now())
	p.opens("#token=brief-token")
	p.shows("status", "Connection", "offline: Your token has expired. Open a fresh link")
	p.view(360, 740, "light")
	if covered := eval[bool](p, `document.querySelector(".brand span").getBoundingClientRect().right > document.querySelector(".account .btn-icon").getBoundingClientRect().left`); covered {
		t.Error("on a phone, what is said covers the bar")
	}
	admission.wants("", never)
	p.click("button", "Connect again")
	p.shows("status", "Connection", "offline: The service does not accept your token.")
	admission.wants("third-token", never)
	p.opens("#token=third-token")
	p.shows("status", "Connection", "connected")

	p.click("button", "Sign out")
	p.click("button", "Join")
	p.shows("alert", "", "admits only people with a token")
	if kept := eval[string](p, "JSON.stringify({ ...sessionStorage })"); strings.Contains(kept, "-token") {
		t.Errorf("the tab keeps a token after Sign out: %s", kept)
	}
	if logged := s.log.String(); strings.Contains(logged, "-token") {
		t.Errorf("the service has logged a token:\n%s", logged)
	}

	// So it is with the tokens that the program makes, and that a service checks by its secret.
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("secret", 8)), 0o600); err != nil {
		t.Fatal(err)
	}
	checked, err := auth.New(auth.Options{Logger: slog.New(slog.DiscardHandler), SecretFile: secret})
	if err != nil {
		t.Fatal(err)
	}
	jwt := func(login string) string {
		var token strings.Builder
		command := auth.Command{Login: login, Count: 1, SecretFile: secret, TTL: time.Hour}
		if err := command.Execute(t.Context(), &token, nil); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(token.String())
	}
	s.stop()
	s.sessions = actors.Options{ResumeWindow: actors.DefaultResumeWindow, Authenticate: checked.Func()}
	s.start()
	p.opens("#token=" + jwt("Zoë"))
	if proposed := p.read("textbox", "Login"); proposed != "Zoë" {
		t.Errorf("the login that the token is for is not proposed, but %q", proposed)
	}
	p.fill("Login", "alice")
	p.click("button", "Join")
	p.shows("alert", "", "does not accept your token")
	own := jwt("alice")
	p.opens("#token=" + own)
	p.vanish("alert", "")
	p.join("alice")
	if shown := eval[string](p, "document.documentElement.outerHTML + location.href"); strings.Contains(shown, own) {
		t.Error("the page shows the token")
	}
	p.opens("#token=" + jwt("Zoë")) // it does not renew the session
	p.shows("alert", "", "does not accept your token")
	p.opens("#token=" + jwt("Alice"))
	p.vanish("alert", "")
	p.shows("status", "Connection", "connected")
}
