package web_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// openFromDisk opens the page from disk and joins. A page from disk is the same to its browser whatever service it talks to: it
// has the same identity and contacts with each.
func (s *service) openFromDisk(login string) *page {
	s.t.Helper()
	p := newPage(s.t, login, fromDisk(s.t, "index.html", s.address))
	p.join(login)
	return p
}

// safetyNumber reads the number that two people compare.
func (p *page) safetyNumber(other string) string {
	p.t.Helper()
	p.click("button", "Verify "+other)
	p.find("dialog", "Verify "+other)
	number := strings.Join(strings.Fields(p.read("group", "Safety number")), " ")
	p.press(kb.Escape)
	p.vanish("dialog", "Verify "+other)
	if len(strings.ReplaceAll(number, " ", "")) != 60 {
		p.t.Errorf("%s: the safety number is %q, want 60 digits", p.name, number)
	}
	return number
}

// inTheMiddle is what a service does that puts itself between alice, whom it serves at one address, and bob, whom it serves at
// another one: it ends WebRTC on both sides, and passes on what the pages say.
func inTheMiddle(atAlice, atBob *service, alice, bob string) (fromAlice, fromBob *line) {
	toAlice, toBob := atAlice.peer(bob), atBob.peer(alice)
	toAlice.mute, toBob.mute = true, true
	a, b := toAlice.call(alice), toBob.call(bob)
	a.forward(b)
	b.forward(a)
	return a, b
}

func TestAServiceThatPutsItselfBetweenTwoWhoKnowEachOtherIsSeenBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	honest, other := startService(t), startService(t)
	alice, bob := honest.openFromDisk("alice"), honest.openFromDisk("bob")
	alice.meets(bob)
	alice.say("hello")
	bob.hears("alice", "hello")
	if mine, theirs := alice.safetyNumber("bob"), bob.safetyNumber("alice"); mine != theirs {
		t.Errorf("the safety number is %q for alice and %q for bob", mine, theirs)
	}
	alice.click("button", "Verify bob")
	alice.click("button", "The numbers match: mark as verified")
	alice.shows("log", "Discussion", "You have verified bob")

	// From now on the service swaps fingerprints.
	bob.navigate(fromDisk(t, "index.html", other.address))
	bob.join("bob")
	alice.vanish("button", "Disconnect from bob")
	fromAlice, fromBob := inTheMiddle(honest, other, "alice", "bob")
	alice.find("alertdialog", "The identity of bob has changed")
	alice.shows("alertdialog", "The identity of bob has changed", "You had verified bob")
	bob.find("alertdialog", "The identity of alice has changed")
	for name, l := range map[string]*line{"alice": fromAlice, "bob": fromBob} {
		l.mu.Lock()
		if l.texts != 0 {
			t.Errorf("%s's page has sent %d frames of hers before she decided", name, l.texts)
		}
		l.mu.Unlock()
	}
	// The dialog cannot be passed over.
	alice.press(kb.Escape)
	alice.find("alertdialog", "The identity of bob has changed")
	alice.click("button", "Disconnect from bob")
	alice.vanish("alertdialog", "")
	alice.vanish("button", "Disconnect from bob")
	bob.vanish("alertdialog", "")
}

func TestAServiceThatIsInTheMiddleFromTheFirstCallOnShowsInTheSafetyNumbers(t *testing.T) {
	t.Parallel()
	one, two := startService(t), startService(t)
	carol, dave := one.open("carol"), two.open("dave")
	inTheMiddle(one, two, "carol", "dave")
	carol.connected("dave")
	dave.connected("carol")
	carol.say("is it you?")
	dave.hears("carol", "is it you?")
	if mine, theirs := carol.safetyNumber("dave"), dave.safetyNumber("carol"); mine == theirs {
		t.Errorf("both see %q: nobody would notice who is between them", mine)
	}
}

func TestWhoHasBeenVerifiedStaysSoOverAReloadAndANewIdentityIsTold(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	number := alice.safetyNumber("bob")
	alice.click("button", "Verify bob")
	alice.click("button", "The numbers match: mark as verified")
	alice.find("button", "Disconnect from bob")

	for _, reloads := range []*page{bob, alice} {
		reloads.navigate(s.url())
		reloads.join(reloads.name)
		bob.meets(alice)
		alice.until("bob is shown as verified", func(context.Context) (bool, error) {
			return eval[bool](alice, `document.querySelector(".peer .verified") !== null`), nil
		})
		if again := alice.safetyNumber("bob"); again != number {
			t.Errorf("after %s has loaded the page again the safety number is %q, want %q", reloads.name, again, number)
		}
	}
	alice.absent("alertdialog", "")

	bob.click("button", "Settings")
	bob.click("button", "New identity")
	bob.find("dialog", "New identity")
	bob.click("button", "New identity")
	bob.vanish("dialog", "")
	bob.vanish("button", "Disconnect from alice")
	bob.connectTo("alice")
	alice.find("alertdialog", "The identity of bob has changed")
	alice.click("button", "Continue anyway")
	alice.vanish("alertdialog", "")
	alice.say("all right")
	bob.hears("alice", "all right")
	if eval[bool](alice, `document.querySelector(".peer .verified") !== null`) {
		t.Error("bob counts as verified under a new identity")
	}
	// Bob knows alice as before.
	bob.absent("alertdialog", "")
}

func TestWhatWaitedForSomebodyGoesToNobodyElseUnasked(t *testing.T) {
	mostlyWaits(t)
	s := startService(t)
	alice, bob := s.pair()
	alice.say("hello")
	bob.hears("alice", "hello")
	bob.crash()
	alice.say("for bob's eyes only")
	t.Parallel() // It takes up to half a minute.
	alice.vanish("button", "Disconnect from bob")

	mallory := s.peer("bob")
	l := mallory.call("alice")
	alice.find("alertdialog", "The identity of bob has changed")
	// What mallory says comes; an answer to her hello is not all that would.
	l.say(1, "it is me")
	alice.hears("bob", "it is me")
	l.mu.Lock()
	for _, frame := range l.frames {
		if frame[0] == frameText {
			t.Errorf("mallory was sent %q", frame)
		}
	}
	l.mu.Unlock()
	alice.click("button", "Disconnect from bob")
	alice.vanish("alertdialog", "")
}

// A QR code has room for 2,331 bytes. The link goes without one if the page's own address is longer.
func TestALongAddressIsInvitedToWithoutACode(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := newPage(t, "alice", s.url()+"?from="+strings.Repeat("x", 3000))
	alice.join("alice")
	alice.click("button", "Invite")
	if link := alice.read("textbox", "Link"); !strings.HasSuffix(link, "#connect=alice") {
		t.Errorf("the link is %.3100q", link)
	}
	alice.absent("image", "The link as a QR code")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
}

func TestALinkOfSomebodysConnectsToThem(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("Zoë & co")
	alice.click("button", "Invite")
	link := alice.read("textbox", "Link")
	alice.find("image", "The link as a QR code")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")

	bob := newPage(t, "bob", link)
	bob.find("button", "Join")
	bob.join("bob")
	bob.connected("Zoë & co")
	alice.connected("bob")
	if hash := eval[string](bob, "location.hash"); hash != "" {
		t.Errorf("the address still ends with %q: a reload would call again", hash)
	}

	// A link that is opened in a page that is there already, and ones that say nothing.
	carol := s.open("carol")
	for _, nonsense := range []string{"#connect=", "#connect=%E0%A4%A", "#other=alice", "#connect=carol"} {
		eval[string](carol, fmt.Sprintf("location.hash = %q", nonsense))
	}
	eval[string](carol, fmt.Sprintf("location.hash = %q", link[strings.Index(link, "#"):]))
	carol.connected("Zoë & co")
}

func TestReceiptsSayDeliveredThenReadAndWhoTypesIsSeen(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	s.peer("carol").call("bob")
	bob.bringUp("carol")
	bob.connected("carol")

	alice.say("are you there?")
	alice.delivered()
	if m := alice.messages(); m[0].Delivery != "delivered" {
		t.Errorf("while bob looks at another conversation the message is %q, want delivered", m[0].Delivery)
	}
	bob.bringUp("alice")
	alice.until("bob has read it", func(context.Context) (bool, error) {
		m := alice.messages()
		return strings.HasSuffix(m[0].Delivery, "read"), nil
	})

	types := func(p *page) bool {
		return eval[string](p, `document.querySelector(".typing").textContent.trim()`) != ""
	}
	bob.fill("Message", "I am th")
	alice.until("bob types", func(context.Context) (bool, error) { return types(alice), nil })
	bob.fill("Message", "I am here")
	bob.press(kb.Enter)
	alice.hears("bob", "I am here")
	alice.until("bob types no longer", func(context.Context) (bool, error) { return !types(alice), nil })

	// Who does not want to be seen reading does not see others read either.
	bob.click("button", "Settings")
	bob.click("switch", "Read receipts")
	bob.press(kb.Escape)
	bob.vanish("dialog", "")
	alice.say("and now?")
	bob.hears("alice", "and now?")
	bob.say("unseen")
	alice.hears("bob", "unseen")
	for name, p := range map[string]*page{"alice": alice, "bob": bob} {
		p.delivered()
		m := p.messages()
		for i := len(m) - 1; i >= 0; i-- {
			if m[i].Own {
				if m[i].Delivery != "delivered" {
					t.Errorf("%s's last message is %q, want delivered", name, m[i].Delivery)
				}
				break
			}
		}
	}
}

func TestAWholeChatByKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := startService(t)
	bob := s.open("bob")
	alice := newPage(t, "alice", s.url())
	// tab goes on until what has the focus has a name.
	tab := func(name string) {
		t.Helper()
		for range 40 {
			alice.press(kb.Tab)
			if eval[string](alice, `(() => { const e = document.activeElement;
				return e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent?.trim() ?? e.textContent.trim() })()`) == name {
				return
			}
		}
		t.Fatalf("%q is not reached by Tab", name)
	}
	alice.find("textbox", "Login")
	alice.press("alice")
	alice.press(kb.Enter)
	alice.find("button", "Sign out")
	alice.press("bob") // The focus is where one goes on.
	alice.press(kb.Enter)
	alice.connected("bob")
	bob.connected("alice")
	alice.until("the focus is in the message", func(context.Context) (bool, error) {
		return eval[string](alice, "document.activeElement.id") == "message", nil
	})
	alice.press("hello")
	alice.press(kb.Enter)
	bob.hears("alice", "hello")

	tab("Settings")
	alice.press(kb.Enter)
	alice.find("dialog", "Settings")
	tab("Dark mode")
	alice.press(" ")
	alice.until("dark", func(context.Context) (bool, error) {
		return eval[string](alice, "document.documentElement.dataset.bsTheme") == "dark", nil
	})
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	if name := eval[string](alice, `document.activeElement.getAttribute("aria-label")`); name != "Settings" {
		t.Errorf("after the dialog the focus is on %q, want where it was", name)
	}
	tab("Verify bob")
	alice.press(kb.Enter)
	alice.find("dialog", "Verify bob")
	alice.press(kb.Escape)
	tab("Disconnect from bob")
	alice.press(kb.Enter)
	alice.vanish("button", "Disconnect from bob")
	bob.vanish("button", "Disconnect from alice")
}

func TestWhoseNextCertificateTheOldOneHasVouchedForIsTheSame(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	bob := s.peer("bob")
	first := bob.call("alice")
	alice.connected("bob")
	alice.click("button", "Verify bob")
	alice.click("button", "The numbers match: mark as verified")
	verified := func() bool { return eval[bool](alice, `document.querySelector(".peer .verified") !== null`) }
	next := newCertificate(t)
	fingerprints, err := next.GetFingerprints()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := hex.DecodeString(strings.ReplaceAll(fingerprints[0].Value, ":", ""))
	if err != nil || fingerprints[0].Algorithm != "sha-256" {
		t.Fatalf("the fingerprint is %v: %v", fingerprints[0], err)
	}
	first.send([]byte{frameGoodbye})
	alice.vanish("button", "Disconnect from bob")
	// He says so before the page can have found out who he is.
	bob.mute = true
	again := bob.offer("alice")
	again.open()
	again.send(helloFrame("bob's page"))
	again.send(append([]byte{frameNext}, fingerprint...))
	bob.mute = false
	alice.connected("bob")
	again.say(1, "I shall have another one")
	again.confirmed(1)
	again.send([]byte{frameGoodbye})
	alice.vanish("button", "Disconnect from bob")
	eval[bool](alice, `new Promise((resolve) => {
		indexedDB.open("p2p-messaging").onsuccess = ({ target: { result: database } }) => {
			const look = () => {
				database.transaction("contacts").objectStore("contacts").get(["alice", "bob"]).onsuccess = ({ target: { result: contact } }) =>
					contact?.next === undefined ? look() : (database.close(), resolve(true));
			};
			look();
		};
	})`)
	alice.navigate(s.url()) // What was vouched for is kept.
	alice.join("alice")

	bob.certificate = next
	second := bob.call("alice")
	alice.connected("bob")
	second.say(2, "here it is")
	alice.hears("bob", "here it is")
	alice.absent("alertdialog", "")
	alice.until("bob is still verified", func(context.Context) (bool, error) { return verified(), nil })

	// Nobody has vouched for this one.
	second.send([]byte{frameGoodbye})
	alice.vanish("button", "Disconnect from bob")
	bob.certificate = newCertificate(t)
	bob.call("alice")
	alice.find("alertdialog", "The identity of bob has changed")
}
