package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// foxAndChromium are pages that talk to each other: alice's and carol's are in Firefox, and bob's is in Chromium.
type foxAndChromium struct {
	alice, carol *foxPage
	bob          *page
}

// The cases share the pages. Each takes the pages as the one before it leaves them.
func TestFirefoxTalks(t *testing.T) {
	t.Parallel()
	s := startService(t)
	f := &foxAndChromium{s.openInFirefox("alice"), newFoxPage(t, "carol", s.url()), s.open("bob")}
	inTurn(t, func(t testing.TB) { s.t, f.alice.t, f.carol.t, f.bob.t = t, t, t, t }, []sharing{
		{"with Chromium, which it calls", func(*testing.T) { f.alice.meets(f.bob); f.alice.greets(f.bob) }},
		{"of what was read and of who types", f.showsWhatWasReadAndWhoTypes},
		{"again after a disconnection", f.disconnectsAndConnectsAgain},
		{"with Chromium, which calls it", func(*testing.T) { f.bob.meets(f.alice); f.bob.greets(f.alice) }},
		{"in a long text", f.passesALongText},
		{"under a login that is free, to who is there", f.saysThatALoginIsInUseAndThatNobodyIsThere},
		{"with Firefox", func(*testing.T) { f.alice.meets(f.carol); f.alice.greets(f.carol) }},
	})
}

func (f *foxAndChromium) showsWhatWasReadAndWhoTypes(*testing.T) {
	f.bob.fill("Message", "I am just")
	f.alice.until("bob is typing", func(context.Context) (bool, error) {
		return eval[bool](f.alice, `document.body.innerText.includes("bob is typing")`), nil
	})
	f.alice.fill("Message", "so am I")
	f.bob.until("alice is typing", func(context.Context) (bool, error) {
		return eval[bool](f.bob, `document.body.innerText.includes("alice is typing")`), nil
	})
	f.alice.enter()
	f.alice.wasRead("so am I")
	f.bob.enter()
	f.alice.hears("bob", "I am just")
	f.bob.wasRead("I am just")
}

func (f *foxAndChromium) passesALongText(*testing.T) {
	letter := longLetter()
	f.alice.say(letter)
	f.bob.hears("alice", letter)
	f.alice.delivered()
	f.bob.paste(letter)
	f.bob.enter()
	f.alice.hears("bob", letter)
	f.bob.delivered()
	// Whoever reads the discussion would read the letters each time.
	f.bob.click("button", "Disconnect from alice")
	f.alice.vanish("button", "Disconnect from bob")
	f.alice.deletes("bob")
	f.bob.deletes("alice")
}

// Each conversation but the first begins with a call.
func (f *foxAndChromium) disconnectsAndConnectsAgain(*testing.T) {
	people := map[string]*person{"alice": &f.alice.person, "bob": &f.bob.person}
	for i, pair := range [][2]string{{"alice", "bob"}, {"bob", "alice"}, {"alice", "bob"}, {"alice", "bob"}, {"bob", "alice"}} {
		a, b := people[pair[0]], people[pair[1]]
		if i > 0 {
			a.connectTo(pair[1])
			a.connected(pair[1])
			b.connected(pair[0])
		}
		text := fmt.Sprintf("conversation %d", i)
		a.say(text)
		b.hears(pair[0], text)
		before := a.departures(pair[1])
		b.click("button", "Disconnect from "+pair[0])
		b.vanish("button", "Disconnect from "+pair[0])
		a.vanish("button", "Disconnect from "+pair[1])
		a.until("another departure of "+pair[1], func(context.Context) (bool, error) { return a.departures(pair[1]) == before+1, nil })
	}
}

func (f *foxAndChromium) saysThatALoginIsInUseAndThatNobodyIsThere(t *testing.T) {
	f.carol.fill("Login", "alice")
	f.carol.click("button", "Join")
	f.carol.shows("alert", "", "alice is already in use")
	if typed := f.carol.read("textbox", "Login"); typed != "alice" {
		t.Errorf("the field has %q, want what was typed", typed)
	}
	f.carol.fill("Login", "carol")
	f.carol.enter()
	f.carol.sees("button", "Sign out")
	f.carol.connectTo("nobody")
	f.carol.shows("alert", "", "nobody is not here")
}

// departures returns how often somebody has left, as the discussion in front shows it.
func (p *person) departures(login string) int {
	p.t.Helper()
	return strings.Count(p.read("log", "Discussion"), login+" left")
}

// wasRead waits until an own message has been read.
func (p *person) wasRead(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q read", text), func(context.Context) (bool, error) {
		return slices.ContainsFunc(p.messages(), func(m message) bool {
			return m.Own && m.Text == text && strings.HasSuffix(m.Delivery, "read")
		}), nil
	})
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
