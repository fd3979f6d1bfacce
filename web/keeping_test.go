package web_test

import (
	"context"
	"fmt"
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

// goes has a person go back or forward in the tab's history, until arrived holds. While the browser changes pages nobody answers.
func (p *page) goes(delta int, arrived string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, err := p.evaluate(ctx, fmt.Sprintf("history.go(%d)", delta))
	for there := false; !there || err != nil; {
		if ctx.Err() != nil {
			p.t.Fatalf("%s: go %d in the history: not there within %v, %v", p.name, delta, patience, err)
		}
		there, err = evaluate[bool](ctx, &p.person, arrived)
	}
	p.document = nil
}

// Chromium puts a page aside when another is opened in its tab, and gives it back as it was (the back/forward cache).
func TestAPageThatWasPutAsideOrCrashedGoesOn(t *testing.T) {
	t.Parallel()
	s := startKeepingService(t, actors.DefaultResumeWindow)
	alice, bob := s.pair()
	restored := func(loaded string) {
		t.Helper()
		alice.connected("bob")
		bob.connected("alice")
		bob.say("after " + loaded)
		alice.hears("bob", "after "+loaded)
		alice.absent("alert", "")
		bob.quiet()
	}
	// The browser puts no page aside whose connections are still open. This page closes its own once bob's page has heard that it goes,
	// which is too late on a busy machine.
	for try := 1; ; try++ {
		eval[bool](alice, "(globalThis.first = true)")
		alice.navigate(s.url() + "icon.svg")
		bob.shows("log", "Discussion", "alice has closed or reloaded the page")
		alice.goes(-1, `location.pathname === "/" && document.querySelector(".sign-out") !== null`)
		restored(fmt.Sprintf("Back, %d", try))
		if eval[bool](alice, "globalThis.first === true") {
			break
		}
		if try == 10 {
			t.Fatalf("the browser has not put the page aside, so that this shows nothing: %s",
				eval[string](alice, `JSON.stringify(performance.getEntriesByType("navigation")[0].notRestoredReasons)`))
		}
	}

	// Another page in the tab has gone on with the session. So this one, which comes back as it was, makes place for a new one.
	alice.navigate(s.url() + "icon.svg")
	alice.navigate(s.url())
	restored("a new page")
	eval[bool](alice, "(globalThis.second = true)")
	alice.goes(-2, `globalThis.first === undefined && globalThis.second === undefined && document.querySelector(".sign-out") !== null`)
	restored("Back over a new page")

	alice.crash()
	alice.gone = false
	alice.navigate(s.url())
	restored("a crash")
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

	// An old copy that is opened now does not join again.
	tab.click("button", "Sign out")
	tab.navigate(s.url() + "icon.svg")
	eval[bool](tab, "(Object.assign(sessionStorage, "+session+"), true)")
	tab.navigate(s.url())
	tab.find("button", "Join")
	tab.absent("alert", "")
	if session := eval[string](tab, `sessionStorage.getItem("session") ?? ""`); session != "" {
		t.Errorf("the copy keeps the session that was given up: %s", session)
	}
	tab.join("alice")
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
