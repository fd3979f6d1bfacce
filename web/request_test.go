package web_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// Whoever types or clicks while a request comes in has not decided anything.
func TestARequestIsAcceptedByNobodyWhoWasAboutToDoSomethingElse(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	alice.click("button", "Settings")
	alice.click("switch", "Ask before connecting")
	s.peer("carol").offer("alice")
	alice.sees("dialog", "Incoming request from carol")
	for _, key := range []string{" ", kb.Enter, "x"} {
		alice.press(key)
	}
	alice.sees("dialog", "Incoming request from carol")
	if answers := alice.sentOf("answer") + alice.sentOf("bye"); answers != 0 {
		t.Errorf("the page has sent %d answers, want none yet", answers)
	}

	// A double click is for the first of two. The test holds the timer after which the second takes decisions.
	s.peer("dave").offer("alice")
	alice.untilIt("button", "Accept", "function() { return !this.disabled }")
	eval[bool](alice, `(() => {
		const real = setTimeout;
		const held = [];
		globalThis.setTimeout = (act, delay, ...more) => delay === 500 ? (held.push(act), 0) : real(act, delay, ...more);
		testing.pass500 = () => { globalThis.setTimeout = real; for (const act of held) act(); return held.length; };
		return true;
	})()`)
	x, y := alice.position(alice.find("button", "Accept"))
	alice.clickAt(x, y, 1)
	alice.clickAt(x, y, 2)
	alice.sees("dialog", "Incoming request from dave")
	alice.clickAt(x, y, 1)
	alice.sees("dialog", "Incoming request from dave")
	if held := eval[int](alice, "testing.pass500()"); held != 1 {
		t.Errorf("the page waits %d times before it takes decisions, want once", held)
	}
	alice.click("button", "Decline")
	// What she had opened is still there.
	alice.sees("dialog", "Settings")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	alice.connected("carol")
	if answers := alice.sentOf("answer"); answers != 1 {
		t.Errorf("the page has answered %d offers, want one", answers)
	}
}

func TestOnAPhoneWhatMustBeKnownIsSaidBesideTheList(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, _ := s.pair()
	alice.view(360, 640, "light")
	alice.click("button", "Back to the conversations")
	for login, alert := range map[string]string{"": "Please type the login", "alice": "That is you", "zed": "zed is not here"} {
		alice.connectTo(login)
		alice.shows("alert", "", alert)
		alice.click("button", "Dismiss")
		alice.vanish("alert", "")
	}
}
