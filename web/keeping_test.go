package web_test

import (
	"strings"
	"testing"
	"time"

	"p2p-messaging/actors"
)

// quiet checks that nothing in a discussion says that the other has left.
func (p *page) quiet() {
	p.t.Helper()
	if discussion := p.read("log", "Discussion"); strings.Contains(discussion, " left") {
		p.t.Errorf("%s: the discussion shows %q, but nobody has left", p.name, discussion)
	}
}

func TestAReloadAndADropKeepTheLoginAndWhatIsOpen(t *testing.T) {
	t.Parallel()
	s := startKeepingService(t, actors.DefaultResumeWindow)
	cable := s.cable()
	alice := newPage(t, "alice", cable.url())
	alice.join("alice")
	bob := s.open("bob")

	// The network drops in the middle of a call's set-up.
	bob.toggle("Ask before connecting")
	alice.connectTo("bob")
	bob.find("dialog", "Incoming request from alice")
	cable.set(true)
	alice.find("button", "Try now")
	bob.click("button", "Accept")
	bob.untilSent("answer", 1)
	cable.set(false)
	alice.hurries()
	alice.connected("bob")
	bob.connected("alice")
	alice.greets(bob)

	for _, who := range []string{"the one who was called", "the one who called"} {
		t.Log(who + " loads the page again")
		loads, stays := bob, alice
		if who == "the one who called" {
			loads, stays = alice, bob
		}
		loads.fill("Message", "half a thought of "+loads.name)
		loads.navigate(eval[string](loads, "location.href"))
		stays.shows("log", "Discussion", loads.name+" has closed or reloaded the page")
		stays.say("meanwhile")
		loads.connected(stays.name)
		stays.connected(loads.name)
		loads.hears(stays.name, "meanwhile")
		loads.writes("half a thought of " + loads.name)
		stays.phase("open")
		stays.quiet()
		loads.absent("alert", "")
		loads.say("back")
		stays.hears(loads.name, "back")
		stays.delivered()
	}

	// After Sign out nothing is left to go on with.
	bob.click("button", "Sign out")
	bob.find("button", "Join")
	alice.shows("log", "Discussion", "bob left")
	bob.navigate(s.url())
	bob.find("button", "Join")
	bob.join("bob")
}

func TestATabThatIsDuplicatedLeavesTheLoginToItsOriginal(t *testing.T) {
	t.Parallel()
	s := startKeepingService(t, actors.DefaultResumeWindow)
	alice := newPageOnDisk(t, "alice", s.url())
	alice.join("alice")
	s.peer("robot").call("alice")
	alice.connected("robot")
	session := eval[string](alice, "JSON.stringify({ ...sessionStorage })")

	tab := newPageOnDisk(t, "the copy", s.url()+"icon.svg")
	eval[bool](tab, "(Object.assign(sessionStorage, "+session+"), true)")
	tab.navigate(s.url())
	tab.shows("alert", "", "in use in another window")
	tab.find("button", "Join")
	tab.click("button", "Join")
	tab.shows("alert", "", "alice is already in use")
	tab.join("carol")
	alice.phase("open")
	alice.shows("status", "Connection", "connected")
	alice.click("button", "Sign out")
}

func TestWhoClosesTheTabHasLeftWhenTheSessionHasEnded(t *testing.T) {
	t.Parallel()
	s := startKeepingService(t, time.Second)
	alice, bob := s.pair()
	bob.close()
	alice.shows("log", "Discussion", "bob has closed or reloaded the page")
	alice.phase("off")
	alice.shows("log", "Discussion", "bob left")
	alice.absent("alert", "")
}
