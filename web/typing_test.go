package web_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused returns the ID of what has the focus, or what kind of element it is.
func (p *page) focused() string {
	p.t.Helper()
	return eval[string](p, `document.activeElement.id || document.activeElement.className || document.activeElement.localName`)
}

// focuses waits until an element has the focus.
func (p *page) focuses(want string) {
	p.t.Helper()
	p.until("the focus on "+want, func(context.Context) (bool, error) { return p.focused() == want, nil })
}

// presses gives a button the focus and presses Enter.
func (p *page) presses(name string) {
	p.t.Helper()
	button := p.untilIt("button", name, "function() { return this.disabled !== true }")
	if _, err := call[chromedp.Void](p.ctx, button, "function() { this.focus() }"); err != nil {
		p.t.Fatalf("%s: focus %q: %v", p.name, name, err)
	}
	p.press(kb.Enter)
}

// composesEnter presses an Enter that belongs to an input method: Safari's comes when the composition has ended.
func (p *page) composesEnter() {
	p.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{
			Type: kind, Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 229,
		}); err != nil {
			p.t.Fatalf("%s: press Enter: %v", p.name, err)
		}
	}
}

func TestNothingTakesTheFocusFromSomebodyWhoTypes(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	zed := s.peer("zed")
	zed.alter = func(map[string]any) bool { return false } // He says nothing yet.
	// types goes on with the login that is being typed, and checks that all of it is there.
	types := func(letter, want string) {
		t.Helper()
		alice.press(letter)
		if got := alice.read("textbox", "Other login"); got != want {
			t.Errorf("the field holds %q, want %q", got, want)
		}
	}
	alice.fill("Other login", "nobody")
	alice.press(kb.Enter)
	alice.shows("alert", "", "nobody is not here")
	alice.phase("open")
	types("1", "nobody1")

	alice.fill("Other login", "zed")
	alice.press(kb.Enter)
	alice.sees("button", "Cancel the call to zed")
	call := eval[string](alice, `testing.sent.findLast(({ type, to }) => type === "offer" && to === "zed").call`)
	types("2", "zed2")
	zed.tell(map[string]any{"type": "bye", "reason": "declined", "from": "zed", "to": "alice", "call": call})
	alice.shows("alert", "", "zed declined")
	types("3", "zed23")

	// Somebody asks, and the dialog opens beside what is typed.
	alice.toggle("Ask before connecting")
	alice.fill("Message", "for bob")
	s.peer("carol").offer("alice")
	alice.sees("dialog", "Incoming request from carol")
	alice.press(" alone")
	alice.writes("for bob alone")
	alice.press(kb.Escape) // It is not for the dialog.
	alice.sees("dialog", "Incoming request from carol")
	alice.click("button", "Decline")
	alice.vanish("dialog", "")
	alice.focuses("message")

	// The call in front ends, and the service goes away.
	alice.fill("Message", "for bob")
	bob.click("button", "Disconnect from alice")
	alice.phase("off")
	s.stop()
	alice.sees("button", "Try now")
	alice.press(", later")
	alice.writes("for bob, later")
	s.start()
	alice.shows("status", "Connection", "connected")
	alice.press("!")
	alice.writes("for bob, later!")
}

func TestWhatIsWrittenToNobodyYetGoesToNobodyWhoCalls(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	alice.fill("Message", "for whom I shall call")
	s.peer("mallory").call("alice")
	alice.sees("list", "Conversations")
	alice.press(kb.Enter)
	alice.shows("alert", "", "Nobody is connected yet")
	alice.writes("for whom I shall call")
	// Now she knows that it is for whoever comes.
	s.peer("bob").call("alice")
	alice.connected("bob")
	alice.writes("for whom I shall call")
}

func TestWhatAPersonDoesByKeyboardLeavesTheFocusSomewhere(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	alice.mayAttach()
	bob.mayAttach()
	alice.connectTo("nobody")
	alice.shows("alert", "", "nobody is not here")
	alice.presses("Dismiss")
	alice.vanish("alert", "")
	alice.focuses("message")

	// What follows on the button that is gone is in the same entry, and a key that is held down does not press it.
	for _, name := range []string{"a.bin", "b.bin"} {
		path, _ := onDisk(t, name, 1_000)
		bob.choose(path)
	}
	alice.presses("Decline a.bin")
	alice.vanish("button", "Decline a.bin")
	alice.focuses("message transfer received")
	alice.presses("Accept b.bin")
	alice.find("link", "Save b.bin")
	alice.focuses("message transfer received")
	alice.press(kb.Tab)
	if name := eval[string](alice, `document.activeElement.ariaLabel`); name != "Save b.bin" {
		t.Errorf("Tab goes on to %q, want the entry's link", name)
	}

	// Of several in a dialog
	alice.presses("Block bob")
	alice.vanish("button", "Disconnect from bob")
	alice.click("button", "Settings")
	alice.untilIt("button", "Unblock bob", `function() { return this.closest("dialog") !== null }`)
	eval[any](alice, `document.querySelector("dialog .blocked button").focus()`)
	alice.press(kb.Enter)
	alice.focuses("dialog-title")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")

	alice.presses("Call bob again")
	alice.connected("bob")
	alice.focuses("message")
	alice.presses("Disconnect from bob")
	alice.vanish("button", "Disconnect from bob")
	alice.focuses("message")
	alice.presses("Delete the conversation with bob")
	alice.presses("Delete")
	alice.vanish("list", "Conversations")
	alice.focuses("other-login")
	alice.presses("Sign out")
	alice.focuses("login")
}

func TestEnterOfAnInputMethodIsNotThePages(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.peer("bob")
	alice := newPage(t, "alice", s.url())
	alice.fill("Login", "alice")
	alice.composesEnter()
	alice.press("!")
	if typed := alice.read("textbox", "Login"); typed != "alice!" || alice.sentOf("login") != 0 {
		t.Errorf("the field holds %q and %d logins were sent, want what is typed and none", typed, alice.sentOf("login"))
	}
	alice.join("alice")
	alice.fill("Other login", "bob")
	alice.composesEnter()
	alice.press(kb.Backspace)
	alice.fill("Other login", "bob")
	alice.absent("button", "Cancel the call to bob")
	alice.press(kb.Enter)
	alice.connected("bob")
	alice.fill("Message", "日本")
	alice.composesEnter()
	alice.press("語")
	alice.writes("日本語")
	alice.press(kb.Enter)
	alice.delivered()
	if texts := alice.texts("alice"); len(texts) != 1 || texts[0] != "日本語" {
		t.Errorf("the texts are %q, want one", texts)
	}
}

func TestWhatWaitsSaysSoAndCanBeCancelled(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := newPage(t, "alice", s.url())
	alice.shows("status", "Connection", "connected")
	for _, way := range []string{"button", "Escape"} {
		eval[any](alice, "testing.hold()")
		alice.fill("Login", "alice")
		alice.press(kb.Enter)
		alice.sees("button", "Joining…")
		alice.shows("status", "", "Waiting for the service")
		if way == "button" {
			alice.presses("Cancel")
		} else {
			alice.press(kb.Escape)
		}
		alice.sees("button", "Join")
		alice.absent("alert", "")
		alice.focuses("login")
		if typed := alice.read("textbox", "Login"); typed != "alice" {
			t.Errorf("after %s the field holds %q, want what was typed", way, typed)
		}
		eval[any](alice, "testing.release()")
	}
	alice.join("alice")

	s.peer("quiet").alter = func(map[string]any) bool { return false }
	alice.fill("Other login", "quiet")
	alice.press(kb.Enter)
	alice.shows("status", "", "quiet")
	alice.press(kb.Escape)
	alice.vanish("button", "Cancel the call to quiet")
	alice.focuses("other-login")
}

func TestAFaultyInviteIsTold(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.peer("bob")
	alice := newPage(t, "alice", s.url()+"#connect=%E0%A4%A")
	alice.shows("alert", "", "This invite link is damaged")
	eval[any](alice, `location.hash = "#connect=bob%E2%80%AEgpj"`)
	alice.shows("main", "", "Join to be connected to bob[U+202E]gpj.")
	alice.fill("Login", s.url()+"#connect=bob")
	alice.press(kb.Enter)
	alice.shows("alert", "", "This link invites you to talk to bob.")
	alice.join("alice")
	alice.connected("bob")
	alice.connectTo("https://other.example/#connect=carol")
	alice.shows("alert", "", "This invite is for another service: other.example.")
	alice.connectTo(s.url() + "#connect=nobody")
	alice.shows("alert", "", "nobody is not here")
}
