package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestFirefoxAndChromiumChat(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"Firefox", "Chromium"} {
		t.Run(first+" calls", func(t *testing.T) {
			s := startService(t)
			alice, bob := s.openInFirefox("alice"), s.open("bob")
			if first == "Firefox" {
				alice.meets(bob)
			} else {
				bob.meets(alice)
			}
			alice.greets(bob)
		})
	}
}

func TestTwoFirefoxPagesChat(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.openInFirefox("bob")
	alice.meets(bob)
	alice.greets(bob)
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
	p.enter()
	p.sees("button", "Sign out")
	p.connectTo("nobody")
	p.shows("alert", "", "nobody is not here")
}

func TestFirefoxDisconnectsAndConnectsAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	people := map[string]*person{"alice": &s.openInFirefox("alice").person, "bob": &s.open("bob").person}
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
	alice.meets(bob)
	alice.say("going")
	bob.hears("alice", "going")
	alice.close()
	bob.shows("log", "Discussion", "alice left")
	bob.vanish("button", "Disconnect from alice")

	carol := s.openInFirefox("carol")
	bob.meets(carol)
	bob.close()
	carol.shows("log", "Discussion", "bob left")
	carol.vanish("button", "Disconnect from bob")
}

func TestALongTextPassesBetweenFirefoxAndChromium(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.open("bob")
	alice.meets(bob)
	letter := longLetter()
	alice.say(letter)
	bob.hears("alice", letter)
	alice.delivered()
	bob.paste(letter)
	bob.enter()
	alice.hears("bob", letter)
	bob.delivered()
}

func TestFirefoxShowsWhatWasReadAndWhoTypes(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.open("bob")
	alice.meets(bob)
	bob.fill("Message", "I am just")
	alice.until("bob is typing", func(context.Context) (bool, error) {
		return eval[bool](alice, `document.body.innerText.includes("bob is typing")`), nil
	})
	alice.fill("Message", "so am I")
	bob.until("alice is typing", func(context.Context) (bool, error) {
		return eval[bool](bob, `document.body.innerText.includes("alice is typing")`), nil
	})
	alice.enter()
	alice.shows("log", "Discussion", "read")
	bob.enter()
	alice.hears("bob", "I am just")
	bob.shows("log", "Discussion", "read")
}

func TestFirefoxKeepsItsIdentityAndHistoryOverAReload(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openInFirefox("alice"), s.open("bob")
	number := func(p *person, other string) string {
		p.click("button", "Verify "+other)
		p.sees("dialog", "Verify "+other)
		digits := strings.Join(strings.Fields(p.read("group", "Safety number")), "")
		if len(digits) != 60 {
			t.Errorf("the safety number has %d digits, want 60: %s", len(digits), digits)
		}
		p.escape()
		p.vanish("dialog", "Verify "+other)
		return digits
	}
	var first string
	for visit := range 2 {
		alice.meets(bob)
		text := fmt.Sprintf("visit %d", visit)
		alice.say(text)
		bob.hears("alice", text)
		bob.say("yes, " + text)
		alice.hears("bob", "yes, "+text)
		alice.delivered()
		mine, theirs := number(&alice.person, "bob"), number(&bob.person, "alice")
		if mine != theirs {
			t.Errorf("visit %d: Firefox shows %s, Chromium %s", visit, mine, theirs)
		}
		if first == "" {
			first = mine
		} else if mine != first {
			t.Errorf("after a reload the safety number is %s, want %s", mine, first)
		}
		if visit == 0 {
			alice.reload()
			bob.shows("log", "Discussion", "alice left")
			alice.until("the form, or joined already", func(ctx context.Context) (bool, error) {
				form, err := alice.present(ctx, "button", "Join")
				if form == 1 || err != nil {
					return form == 1, err
				}
				joined, err := alice.present(ctx, "button", "Sign out")
				return joined == 1, err
			})
			// A page that was about to log in again when it was reloaded leaves that to the next one.
			if joined, err := alice.present(t.Context(), "button", "Sign out"); err != nil || joined == 0 {
				alice.join("alice")
			}
		}
	}
	bob.absent("alertdialog", "")
	for _, text := range []string{"visit 0", "yes, visit 0", "visit 1", "yes, visit 1"} {
		alice.shows("log", "Discussion", text)
	}
}

// Firefox tells nothing of a connection that is closed, and the page has to restore it: the other one has come back meanwhile, and calls anew.
func TestFirefoxTakesTheCallOfWhoHasComeBack(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, robot := s.openInFirefox("alice"), s.peer("robot")
	gate := robot.behindGate()
	robot.call("alice")
	alice.connected("robot")
	gate.shut.Store(true)
	robot.api = nil // the next call goes through other sockets
	again := robot.call("alice")
	alice.shows("log", "Discussion", "The connection to robot is back")
	alice.say("still here")
	if got := again.hears(); got != "still here" {
		t.Errorf("the robot got %q", got)
	}
}

func TestFirefoxIsDarkAndFrenchWhenToldAndStaysSo(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.openInFirefox("alice")
	alice.click("button", "Settings")
	before := eval[string](alice, "getComputedStyle(document.body).backgroundColor")
	alice.click("switch", "Dark mode")
	alice.until("another background", func(context.Context) (bool, error) {
		return eval[string](alice, "getComputedStyle(document.body).backgroundColor") != before, nil
	})
	dark := eval[string](alice, "getComputedStyle(document.body).backgroundColor")
	foxCall[any](alice, alice.find("combobox", "Language"), `function () {
		this.value = "fr";
		this.dispatchEvent(new Event("change", { bubbles: true }));
	}`)
	alice.sees("switch", "Mode sombre")
	alice.reload()
	alice.sees("textbox", "Identifiant")
	if got := eval[string](alice, "document.documentElement.lang"); got != "fr" {
		t.Errorf("the page's language is %q, want fr", got)
	}
	if got := eval[string](alice, "getComputedStyle(document.body).backgroundColor"); got != dark {
		t.Errorf("after a reload the background is %s, want %s", got, dark)
	}
}
