package web_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func TestARefusedLoginIsSaidInWordsAndWhatWasTypedStays(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.robot("alice")
	second := newPage(t, "second", s.url())
	second.fill("Login", "alice")
	second.press(kb.Enter)
	second.shows("alert", "", "alice is already in use")
	if typed := second.read("textbox", "Login"); typed != "alice" {
		t.Errorf("the field has %q, want alice", typed)
	}
	second.fill("Login", "")
	second.click("button", "Join")
	second.shows("alert", "", "Please type the login")
	second.join("second")
	second.absent("alert", "")
}

// JSON lets the first of these through, and I-JSON does not.
func TestALoginThatNobodyCanHaveIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := startService(t)
	p := newPage(t, "nobody", s.url())
	for login, character := range map[string]string{"a\uffff": "U+FFFF", "a\u200bb": "U+200B", "\u0301": "U+0301", "\u0645\u062d\u0640\u0645\u062f": "U+0640"} {
		p.fill("Login", login)
		p.click("button", "Join")
		p.shows("alert", "", character)
		if alert := p.read("alert", ""); strings.Contains(alert, "answer") {
			t.Errorf("joining as %+q ended with %q, want the reason", login, alert)
		}
		if typed := p.read("textbox", "Login"); typed != login {
			t.Errorf("the field has %+q, want %+q", typed, login)
		}
		p.click("button", "Dismiss")
		p.vanish("alert", "")
	}
	p.join("Anna \u2764\ufe0f")
	p.absent("alert", "")
}

func TestThePageFindsAServiceThatIsMountedUnderAPrefix(t *testing.T) {
	t.Parallel()
	s := startService(t)
	mux := http.NewServeMux()
	mux.Handle("/signaling/", http.StripPrefix("/signaling", s.server))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := newPage(t, "alice", server.URL+"/signaling/")
	p.join("alice")
	if title := eval[string](p, "document.title"); title != "P2P Messaging" {
		t.Errorf("the title is %q, want P2P Messaging", title)
	}
}

func TestTwoQuickClicksOnJoinAreOne(t *testing.T) {
	t.Parallel()
	s := startService(t)
	p := newPage(t, "alice", s.url())
	p.fill("Login", "alice")
	x, y := p.position(p.find("button", "Join"))
	p.clickAt(x, y, 1)
	p.clickAt(x, y, 2)
	p.shows("heading", "", "P2P Messaging")
	p.find("button", "Sign out")
	p.absent("alert", "")
	if logins := eval[int](p, `testing.sent.filter((frame) => frame.type === "login").length`); logins != 1 {
		t.Errorf("the page asked for its login %d times, want once", logins)
	}

	// A test's click reaches its button, and nothing else, even if that moves away from where it was.
	eval[any](p, `(() => {
		const button = document.querySelector(".sign-out");
		const measure = button.getClientRects;
		globalThis.moves = 0;
		button.getClientRects = () => {
			const boxes = measure.call(button);
			if (moves < 2) button.style.marginRight = 200 * ++moves + "px";
			return boxes;
		};
		globalThis.clicks = [];
		document.addEventListener("click", (e) => clicks.push(button.contains(e.target)));
	})()`)
	p.click("button", "Sign out")
	p.find("button", "Join")
	if moves, clicks := eval[int](p, "moves"), eval[[]bool](p, "clicks"); moves != 2 || !slices.Equal(clicks, []bool{true}) {
		t.Errorf("the button moved %d times and the page got clicks on it: %v; want 2 and one", moves, clicks)
	}
}

func TestSignOutAndJoinAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	alice.say("before")
	bob.hears("alice", "before")
	alice.click("button", "Sign out")
	alice.find("button", "Join")
	alice.absent("button", "Sign out")
	bob.vanish("button", "Disconnect from alice")
	bob.shows("log", "Discussion", "alice left")

	for _, login := range []string{"alice", "alice", "carol"} {
		alice.join(login)
		bob.connectTo(login)
		bob.connected(login)
		alice.connected("bob")
		bob.say("hello " + login)
		alice.hears("bob", "hello "+login)
		alice.click("button", "Sign out")
		bob.vanish("button", "Disconnect from "+login)
	}
	alice.find("button", "Join")

	// The login is free: anybody may have it.
	s.robot("alice")
}
