package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// person is one at a page, in whichever browser.
type person interface {
	join(login string)
	connectTo(login string)
	connected(login string)
	say(text string)
	hears(author, text string)
	delivered()
	messages() []message
	fill(name, text string)
	press(keys string)
	click(role, name string)
	sees(role, name string)
	vanish(role, name string)
	shows(role, name, want string)
	read(role, name string) string
	navigate(url string)
	close()
}

// chromiumPerson is one at a page in Chromium.
type chromiumPerson struct{ *page }

func (p chromiumPerson) press(keys string) { p.t.Helper(); p.page.press(keys) }

func (p chromiumPerson) sees(role, name string) { p.t.Helper(); p.find(role, name) }

var _, _ person = chromiumPerson{}, (*foxPage)(nil)

func TestFirefoxAndChromiumChat(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"Firefox", "Chromium"} {
		t.Run(first+" calls", func(t *testing.T) {
			s := startService(t)
			var alice, bob person = s.openInFirefox("alice"), chromiumPerson{s.open("bob")}
			caller, other := [2]person{alice, bob}, [2]string{"alice", "bob"}
			if first == "Chromium" {
				caller, other = [2]person{bob, alice}, [2]string{"bob", "alice"}
			}
			caller[0].connectTo(other[1])
			alice.connected("bob")
			bob.connected("alice")
			alice.say("Hello Bob, Grüße & <b>text</b>")
			bob.hears("alice", "Hello Bob, Grüße & <b>text</b>")
			bob.say("Hello Alice")
			alice.hears("bob", "Hello Alice")
			alice.delivered()
			bob.delivered()
		})
	}
}

func TestTwoFirefoxPagesChat(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.openInFirefox("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	bob.connected("alice")
	alice.say("Hello Bob")
	bob.hears("alice", "Hello Bob")
	bob.say("Hello Alice")
	alice.hears("bob", "Hello Alice")
	alice.delivered()
	bob.delivered()
}

func TestFirefoxSaysThatALoginIsInUseAndThatNobodyIsThere(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.robot("alice")
	p := newFoxPage(t, "alice", s.url())
	p.fill("Login", "alice")
	p.click("button", "Join")
	p.shows("alert", "", "alice is already in use")
	if typed := p.read("textbox", "Login"); typed != "alice" {
		t.Errorf("the field has %q, want what was typed", typed)
	}
	p.fill("Login", "alina")
	p.press(foxEnter)
	p.sees("button", "Sign out")
	p.connectTo("nobody")
	p.shows("alert", "", "nobody is not here")
}

func TestFirefoxDisconnectsAndConnectsAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	people := map[string]person{"alice": s.openInFirefox("alice"), "bob": chromiumPerson{s.open("bob")}}
	for i, pair := range [][2]string{{"alice", "bob"}, {"bob", "alice"}, {"alice", "bob"}, {"alice", "bob"}} {
		a, b := people[pair[0]], people[pair[1]]
		a.connectTo(pair[1])
		a.connected(pair[1])
		b.connected(pair[0])
		text := fmt.Sprintf("conversation %d", i)
		a.say(text)
		b.hears(pair[0], text)
		b.click("button", "Disconnect from "+pair[0])
		b.vanish("button", "Disconnect from "+pair[0])
		a.vanish("button", "Disconnect from "+pair[1])
		a.shows("log", "Discussion", pair[1]+" left")
	}
}

func TestTheOthersTabClosedSaysLeftInAndFromFirefox(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.open("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	bob.connected("alice")
	alice.say("going")
	bob.hears("alice", "going")
	alice.close()
	bob.shows("log", "Discussion", "alice left")
	bob.vanish("button", "Disconnect from alice")

	carol := s.openInFirefox("carol")
	bob.connectTo("carol")
	carol.connected("bob")
	bob.connected("carol")
	bob.close()
	carol.shows("log", "Discussion", "bob left")
	carol.vanish("button", "Disconnect from bob")
}

func TestATextOfOneMegabytePassesBetweenFirefoxAndChromium(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.open("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	bob.connected("alice")
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		fmt.Fprintf(&text, "Line %d of a long letter, with Grüße, 漢字, an 👩🏽‍🚀 and <b>no markup</b>.\n", i)
	}
	long := text.String() + "The end."
	alice.say(long)
	bob.hears("alice", long)
	alice.delivered()
	bob.fill("Message", "")
	eval[bool](bob, fmt.Sprintf(`(() => {
		document.activeElement.value = %q;
		return document.activeElement.dispatchEvent(new InputEvent("input", { bubbles: true }));
	})()`, long))
	bob.press(kb.Enter)
	alice.hears("bob", long)
	bob.delivered()
}
