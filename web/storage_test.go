package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// brokenDatabase lets a test break what a page does with IndexedDB: `broken.open` and `broken.get` are functions that fail or wait in
// place of the browser's, which is passed to them.
const brokenDatabase = `globalThis.broken = {};
	for (const [prototype, name] of [[IDBFactory.prototype, "open"], [IDBObjectStore.prototype, "get"], [IDBObjectStore.prototype, "put"]]) {
		const real = prototype[name];
		prototype[name] = function (...args) {
			return broken[name] === undefined ? real.apply(this, args) : broken[name].call(this, () => real.apply(this, args));
		};
	}
	// A request that fails.
	globalThis.failing = (name) => () => {
		const request = new EventTarget();
		for (const type of ["success", "error", "blocked", "upgradeneeded"]) request.addEventListener(type, (event) => request["on" + type]?.(event));
		request.error = new DOMException("no", name);
		queueMicrotask(() => request.dispatchEvent(new Event("error")));
		return request;
	};`

// openBreakable opens the page with a database that the test can break.
func (s *service) openBreakable(name string) *page {
	s.t.Helper()
	p := newPage(s.t, name, s.url()+"icon.svg")
	p.beforeEachLoad(brokenDatabase)
	p.navigate(s.url())
	return p
}

func TestSomebodyWhomTheBrowserCannotReadGetsNothingUntilThePersonDecides(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openBreakable("alice"), s.peer("bob")
	alice.join("alice")
	l := bob.call("alice")
	alice.connected("bob")
	l.say(1, "hello")
	l.confirmed(1)
	alice.click("button", "Verify bob")
	alice.click("button", "The numbers match: mark as verified")
	alice.untilStored("what bob has said", func(stored map[string]int) bool { return stored["entries"] > 1 && stored["contacts"] == 1 })
	l.send([]byte{frameGoodbye})
	alice.vanish("button", "Disconnect from bob")
	alice.fill("Message", "for bob's eyes only")
	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	alice.shows("textbox", "Message", "for bob's eyes only")

	// Somebody has taken bob's login.
	eval[bool](alice, `(broken.get = function (real) { return this.name === "contacts" ? failing("UnknownError")() : real(); }, true)`)
	bob.certificate = newCertificate(t)
	bob.mute = true
	l = bob.call("alice")
	l.send(helloFrame("bob's page"))
	l.say(2, "it is me")
	alice.find("alertdialog", "This page cannot tell whether this is bob")
	alice.shows("alertdialog", "", "This browser could not read what it remembers of bob")
	alice.hears("bob", "it is me")
	alice.press(kb.Escape)
	alice.find("alertdialog", "This page cannot tell whether this is bob")
	l.mu.Lock()
	for _, frame := range l.frames {
		if frame[0] != frameHello && frame[0] != framePing && frame[0] != framePong {
			t.Errorf("the one who may not be bob was sent %q", frame)
		}
		if frame[0] == frameHello && strings.Contains(string(frame), "received") {
			t.Errorf("the one who may not be bob was told %q", frame)
		}
	}
	l.mu.Unlock()

	// It is read again without a click, and the person learns what it says.
	eval[bool](alice, `delete broken.get`)
	alice.find("alertdialog", "The identity of bob has changed")
	alice.shows("alertdialog", "", "You had verified bob")
	alice.click("button", "Disconnect from bob")
	alice.vanish("alertdialog", "")
}

func TestAnIdentityIsNotReplacedBecauseTheDatabaseIsSlow(t *testing.T) {
	mostlyWaits(t)
	t.Parallel()
	s := startService(t)
	alice, bob := s.openBreakable("alice"), s.open("bob")
	alice.join("alice")
	bob.meets(alice)
	alice.untilStored("an identity", func(stored map[string]int) bool { return stored["identity"] == 1 && stored["contacts"] == 1 })
	alice.beforeEachLoad(`broken.open = (real) => {
		const late = new EventTarget();
		for (const type of ["success", "error", "blocked", "upgradeneeded"]) late.addEventListener(type, (event) => late["on" + type]?.(event));
		globalThis.release = () => {
			delete broken.open;
			const request = real();
			request.onsuccess = () => { late.result = request.result; late.dispatchEvent(new Event("success")); };
			return true;
		};
		return late;
	}`)
	alice.navigate(s.url())
	alice.fill("Login", "alice")
	alice.click("button", "Join")
	alice.find("alertdialog", "Your identity cannot be read now")
	alice.shows("alertdialog", "", "This browser is slow to open the data of this page")
	eval[bool](alice, "release()")
	alice.vanish("alertdialog", "")
	alice.find("button", "Sign out")
	alice.connectTo("bob")
	alice.connected("bob")
	bob.connected("alice")
	bob.absent("alertdialog", "")
	alice.absent("alertdialog", "")

	// A person whose browser never recovers is not locked out.
	alice.navigate(s.url())
	alice.fill("Login", "alice")
	alice.click("button", "Join")
	alice.click("button", "Join without it")
	alice.find("button", "Sign out")
	alice.connectTo("bob")
	bob.find("alertdialog", "The identity of alice has changed")
	alice.find("alertdialog", "This page cannot tell whether this is bob")
	alice.click("button", "Continue anyway")
	alice.vanish("alertdialog", "")
	if texts := eval[string](alice, `document.querySelector("main").textContent`); !strings.Contains(texts, "This window works without the stored data of this page") {
		t.Errorf("the page does not say that it keeps nothing: %.500q", texts)
	}
}

func TestWhatThePageHasOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.openBreakable("alice"), s.open("bob")
	alice.join("alice")
	bob.meets(alice)
	chat(alice, bob)
	alice.delivered()
	alice.click("button", "Verify bob")
	alice.click("button", "The numbers match: mark as verified")
	want := alice.messages()
	removed := func() { // Another window deletes it, or the person has the browser delete the page's data.
		eval[bool](alice, `new Promise((resolve) => { indexedDB.deleteDatabase("p2p-messaging").onsuccess = () => resolve(true); })`)
	}
	cleared := func() { // The browser closes the database and deletes it.
		alice.do(func(ctx context.Context, target *chromedp.Target) error {
			origin, err := originOf(s.url())
			if err != nil {
				return err
			}
			return target.Call(ctx, storage.ClearDataForOrigin.Method, storage.ClearDataForOriginParams{Origin: origin, StorageTypes: "indexeddb"}, nil)
		})
	}
	for _, lose := range []func(){removed, cleared} {
		lose()
		alice.untilStored("all that was there", func(stored map[string]int) bool {
			return stored["identity"] == 1 && stored["contacts"] == 1 && stored["conversations"] == 1 && stored["entries"] > len(want)
		})
	}

	// And where it does not come back, the page says so as long as that lasts.
	eval[bool](alice, `(broken.open = failing("UnknownError"), true)`)
	removed()
	noted := func() bool {
		return eval[bool](alice, `[...document.querySelectorAll("main [role=status]")].some((one) => one.textContent.includes("cannot store new messages"))`)
	}
	alice.until("the page says so", func(context.Context) (bool, error) { return noted(), nil })
	alice.say("written where nothing is kept")
	bob.hears("alice", "written where nothing is kept")
	alice.click("button", "Settings")
	alice.shows("dialog", "Settings", "This browser cannot store new messages and changes now")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	alice.click("button", "Verify bob")
	alice.click("button", "Mark as not verified")
	alice.click("button", "The numbers match: mark as verified")
	alice.until("it is said how long bob is verified", func(context.Context) (bool, error) {
		return eval[string](alice, `document.querySelector(".peer .verified")?.textContent ?? ""`) == "verified until you close this page", nil
	})
	eval[bool](alice, `delete broken.open`)
	alice.until("the page says so no more", func(context.Context) (bool, error) { return !noted(), nil })
	alice.untilStored("all that was there", func(stored map[string]int) bool {
		return stored["identity"] == 1 && stored["contacts"] == 1 && stored["entries"] > len(want)+1
	})
	alice.until("bob is verified for good", func(context.Context) (bool, error) {
		return eval[string](alice, `document.querySelector(".peer .verified")?.textContent ?? ""`) == "verified", nil
	})

	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	alice.hears("alice", "written where nothing is kept")
	alice.connectTo("bob")
	alice.connected("bob")
	bob.connected("alice")
	for _, p := range []*page{alice, bob} {
		p.absent("alertdialog", "")
	}
	alice.until("bob is still verified", func(context.Context) (bool, error) {
		return eval[bool](alice, `document.querySelector(".peer .verified") !== null`), nil
	})
}
