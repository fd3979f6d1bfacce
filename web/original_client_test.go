package web_test

import (
	"context"
	"testing"
)

// original opens a page that speaks the original protocol and nothing else.
func (s *service) original(login string) *page {
	s.t.Helper()
	p := newPage(s.t, login, fromDisk(s.t, "testdata/original-client.html", s.address))
	eval[bool](p, "login('"+login+"').then(() => true)")
	p.shown("login: true")
	return p
}

// shown waits for a line of the original client.
func (p *page) shown(line string) {
	p.t.Helper()
	p.until("the line "+line, func(ctx context.Context) (bool, error) {
		for _, shown := range eval[[]string](p, `[...document.querySelectorAll("p")].map((line) => line.textContent)`) {
			if shown == line {
				return true, nil
			}
		}
		return false, nil
	})
}

func TestOriginalClientCalls(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, seed := s.open("alice"), s.original("seed")
	eval[bool](seed, "connect('alice').then(() => true)")
	alice.connected("seed")
	exchange(alice, seed)
}

func TestOriginalClientIsCalled(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, seed := s.open("alice"), s.original("seed")
	alice.connectTo("seed")
	alice.connected("seed")
	exchange(alice, seed)
}

// exchange has both sides write, and the page end the conversation.
func exchange(alice, seed *page) {
	alice.t.Helper()
	alice.say("Hello from the page")
	seed.shown("message: Hello from the page")
	alice.shows("log", "Discussion", "sent")
	eval[bool](seed, "channel.send('Hello from the original client') ?? true")
	alice.hears("seed", "Hello from the original client")
	alice.click("button", "Disconnect from seed")
	alice.vanish("button", "Disconnect from seed")
	seed.shown("closed: closed")
}

// Such a client says no goodbye and has no heartbeat: the browser notices by ICE's consent checks (RFC 7675).
func TestOriginalClientThatGoesIsNoticed(t *testing.T) {
	mostlyWaits(t)
	s := startService(t)
	alice, seed := s.open("alice"), s.original("seed")
	alice.connectTo("seed")
	alice.connected("seed")
	seed.close()
	t.Parallel() // It takes half a minute.
	alice.shows("log", "Discussion", "seed left")
	alice.vanish("button", "Disconnect from seed")
}
