package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// stored counts what the device keeps, by store of the database (src/conversation/schema.ts). It is nothing without a database.
func (p *page) stored() map[string]int {
	p.t.Helper()
	return eval[map[string]int](p, `new Promise((resolve, reject) => {
		const request = indexedDB.open("p2p-messaging");
		request.onupgradeneeded = () => request.transaction.abort(); // There is none, and this makes none.
		request.onerror = () => request.error.name === "AbortError" ? resolve({}) : reject(request.error);
		request.onsuccess = () => {
			const database = request.result;
			const stores = [...database.objectStoreNames];
			const counts = {};
			const transaction = database.transaction(stores);
			for (const store of stores) transaction.objectStore(store).count().onsuccess = (e) => (counts[store] = e.target.result);
			transaction.oncomplete = () => { database.close(); resolve(counts); };
		};
	})`)
}

// untilStored waits until the device keeps what condition asks for.
func (p *page) untilStored(what string, condition func(stored map[string]int) bool) {
	p.t.Helper()
	// From now on what is written counts as a change. What is being written now is found by counting, which waits for it.
	eval[any](p, `testing.writes ??= (() => {
		const begin = IDBDatabase.prototype.transaction;
		IDBDatabase.prototype.transaction = function (stores, mode, ...rest) {
			const transaction = begin.call(this, stores, mode, ...rest);
			if (mode === "readwrite") transaction.addEventListener("complete", testing.changed);
			return transaction;
		};
		return true;
	})()`)
	p.until(what, func(context.Context) (bool, error) { return condition(p.stored()), nil })
}

// beforeEachLoad has a script run in the page before its own, from its next load on.
func (p *page) beforeEachLoad(script string) {
	p.t.Helper()
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		added, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		p.tab.scripts = append(p.tab.scripts, added.Identifier)
		return err
	})
}

func TestConversationsSurviveAReload(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	chat(alice, bob)
	s.peer("carol").call("alice").say(1, "unread")
	alice.shows("list", "Conversations", "1 unread message")
	alice.untilStored("both discussions", func(stored map[string]int) bool { return stored["entries"] >= 7 })
	alice.fill("Message", "half a thought")
	want := alice.messages()

	alice.navigate(s.url())
	if login := alice.read("textbox", "Login"); login != "alice" {
		t.Errorf("after a reload the field for the login holds %q, want alice", login)
	}
	alice.join("alice")
	alice.shows("list", "Conversations", "1 unread message")
	alice.bringUp("bob")
	alice.until("the discussion is back", func(context.Context) (bool, error) { return len(alice.messages()) == len(want), nil })
	if got := alice.messages(); !slices.Equal(got, want) {
		t.Errorf("after a reload the discussion is %+v, want %+v", got, want)
	}
	alice.shows("textbox", "Message", "half a thought")
	alice.bringUp("carol")
	alice.hears("carol", "unread")

	// Another login on the same device has nothing to do with all that.
	alice.click("button", "Sign out")
	alice.find("button", "Join")
	alice.join("dave")
	alice.absent("list", "Conversations")
}

func TestWhatWasNotDeliveredBeforeAReloadIsDeliveredAfterItOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	bob := s.peer("bob")
	bob.mute = true
	l := bob.call("alice")
	l.send(helloFrame("bob's page"))
	instance := l.instance()
	alice.connected("bob")
	alice.say("one")
	l.hears()
	l.send(receiptFrame(1))
	alice.delivered()
	// These arrive, and the page does not hear of it; the last does not arrive either.
	alice.say("two")
	l.hears()
	alice.say("three")
	l.hears()
	alice.untilStored("three messages", func(stored map[string]int) bool { return stored["entries"] >= 4 })
	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	alice.shows("log", "Discussion", "three")
	if m := alice.messages(); len(m) != 3 || m[2].Delivery != "sending" {
		t.Fatalf("after the reload there is %+v, want three messages of which the last is being sent", m)
	}
	again := bob.call("alice")
	again.send(helloFrameAfter("bob's page", instance, 2))
	if text := again.hears(); text != "three" {
		t.Errorf("after the reload %q comes first, want three, since one and two are here", text)
	}
	again.send(receiptFrame(again.lastText))
	alice.delivered()
	alice.say("four")
	if text := again.hears(); text != "four" {
		t.Errorf("then %q comes, want four", text)
	}
}

func TestEarlierMessagesAreShownOnDemand(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	bob := s.peer("bob")
	l := bob.call("alice")
	alice.connected("bob")
	const texts = 450
	for i := 1; i <= texts; i++ {
		l.say(uint32(i), fmt.Sprintf("message %d", i))
	}
	alice.hears("bob", fmt.Sprintf("message %d", texts))
	alice.untilStored("all of them", func(stored map[string]int) bool { return stored["entries"] > texts })
	if n := len(alice.messages()); n > 200 {
		t.Errorf("%d messages are shown at first, want 200 at most", n)
	}
	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	alice.hears("bob", fmt.Sprintf("message %d", texts))
	for n := 0; ; n++ {
		if found, err := alice.query(alice.ctx, "button", "Show earlier messages"); err != nil || len(found) == 0 || n > 5 {
			break
		}
		before := len(alice.messages())
		alice.click("button", "Show earlier messages")
		alice.until("more messages", func(context.Context) (bool, error) { return len(alice.messages()) > before, nil })
	}
	var want []string
	for i := 1; i <= texts; i++ {
		want = append(want, fmt.Sprintf("message %d", i))
	}
	if got := alice.texts("bob"); !slices.Equal(got, want) {
		t.Errorf("there are %d messages, want %d in order", len(got), texts)
	}
}

func TestAHistoryOfTheVersionBeforeStaysInItsOrder(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := newPage(t, "alice", s.url()+"icon.svg")
	// The entries had their times as keys. Several have the same one, and the conversation with carol was the last that was on.
	const texts = 420
	eval[bool](alice, fmt.Sprintf(`new Promise((resolve, reject) => {
		const request = indexedDB.open("p2p-messaging", 1);
		request.onerror = () => reject(request.error);
		request.onupgradeneeded = () => ["identity", "contacts", "conversations", "entries"].forEach((s) => request.result.createObjectStore(s));
		request.onsuccess = () => {
			const t = request.result.transaction(["contacts", "conversations", "entries"], "readwrite");
			const put = (store, key, value) => t.objectStore(store).put(value, key);
			for (const [key, active] of [["bob", 1], ["carol", 3], ["dora", 2]]) {
				put("conversations", ["alice", key], { peer: key, key, me: "alice", draft: "for " + key, unread: 0, active: new Date(active),
					correspondence: { instance: key, waiting: [], received: undefined } });
			}
			for (let i = %d; i >= 1; i--) {
				const time = 1_700_000_000_000 + Math.floor(i / 4);
				const id = String(i).padStart(8, "0") + "x";
				put("entries", ["alice", "bob", time, id], { id, time: new Date(time), kind: "received", author: "bob", text: "message " + i });
			}
			// A final sigma was no sigma: these are one person now, who has been verified under one of the spellings.
			const contact = (fingerprint, verified) => ({ fingerprint, verified, since: new Date(5), next: undefined });
			for (const [key, active, verified] of [["γιώργος", -1, true], ["γιώργοσ", -2, false]]) {
				put("contacts", ["alice", key], contact(key, verified));
				put("conversations", ["alice", key], { peer: key, key, me: "alice", draft: "draft for " + key, unread: 2, active: new Date(active),
					correspondence: { instance: key, waiting: [{ id: 1, text: "to " + key, was: [] }], received: undefined } });
				const add = (time, entry) => put("entries", ["alice", key, time, key + time], { id: key + time, time: new Date(time), ...entry });
				for (const time of [7 + active, 20 + active]) add(time, { kind: "received", author: key, text: time + " from " + key });
				add(30 + active, { kind: "own", author: "alice", text: "to " + key, delivery: "sending", letter: 1 });
			}
			for (const key of ["carol", "dora"]) put("entries", ["alice", key, 1, "a"], { id: "a", time: new Date(1), kind: "received", author: key, text: key });
			t.oncomplete = () => { request.result.close(); resolve(true); };
		};
	})`, texts))
	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	alice.hears("bob", fmt.Sprintf("message %d", texts))
	alice.writes("for bob")
	list := eval[[]string](alice, `[...document.querySelectorAll(".conversations strong")].map((e) => e.textContent)`)
	if !slices.Equal(list, []string{"carol", "dora", "bob", "γιώργος"}) {
		t.Errorf("the conversations are listed as %q, want carol's first, then dora's, then bob's", list)
	}
	s.peer("bob").call("alice").say(1, "and now")
	alice.hears("bob", "and now")
	for range 2 {
		before := len(alice.messages())
		alice.click("button", "Show earlier messages")
		alice.until("more messages", func(context.Context) (bool, error) { return len(alice.messages()) > before, nil })
	}
	alice.vanish("button", "Show earlier messages")
	var want []string
	for i := 1; i <= texts; i++ {
		want = append(want, fmt.Sprintf("message %d", i))
	}
	if got := alice.texts("bob"); !slices.Equal(got, append(want, "and now")) {
		t.Errorf("there are %d messages, want %d in order", len(got), texts+1)
	}
	alice.shows("list", "Conversations", "4 unread messages")
	alice.bringUp("γιώργος")
	alice.hears("γιώργος", "19 from γιώργος")
	want = []string{"5 from γιώργοσ", "6 from γιώργος", "18 from γιώργοσ", "19 from γιώργος", "to γιώργοσ", "to γιώργος"}
	var got []string
	for _, m := range alice.messages() {
		got = append(got, m.Text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("of the two who are one now there is %q, want %q", got, want)
	}
	alice.writes("draft for γιώργοσ\ndraft for γιώργος")
	if kept := eval[[]string](alice, `new Promise((resolve) => {
		indexedDB.open("p2p-messaging").onsuccess = (opened) => {
			const contacts = opened.target.result.transaction("contacts").objectStore("contacts");
			contacts.getAllKeys().onsuccess = (keys) => contacts.get(["alice", "γιώργοσ"]).onsuccess = (contact) => {
				opened.target.result.close();
				resolve([...keys.target.result.map(([, other]) => other), String(contact.target.result.verified)]);
			};
		};
	})`); !slices.Equal(kept, []string{"bob", "γιώργοσ", "false"}) {
		t.Errorf("the contacts are %q, want one person who is not verified, because two certificates were known", kept)
	}
	l := s.peer("γιώργος").call("alice")
	alice.find("alertdialog", "The identity of γιώργος has changed")
	alice.click("button", "Continue anyway")
	sent := []string{l.hears(), l.hears()}
	slices.Sort(sent)
	if !slices.Equal(sent, []string{"to γιώργος", "to γιώργοσ"}) {
		t.Errorf("%q has been sent, want what waited in both conversations", sent)
	}
	l.send(receiptFrame(l.lastText))
	alice.delivered()
}

// chooses chooses a file for Import.
func (p *page) chooses(content string) {
	p.t.Helper()
	p.click("button", "Settings")
	p.find("button", "Import")
	quoted, err := json.Marshal(content)
	if err != nil {
		p.t.Fatal(err)
	}
	eval[bool](p, `(() => {
		const input = document.getElementById("import-file");
		const chosen = new DataTransfer();
		chosen.items.add(new File([`+string(quoted)+`], "history.json"));
		input.files = chosen.files;
		input.dispatchEvent(new Event("change", { bubbles: true }));
		return true;
	})()`)
}

func TestHistoryIsImportedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	l := s.peer("bob").call("alice")
	alice.connected("bob")
	l.say(1, "said here")
	alice.hears("bob", "said here")
	document := `{"format":"p2p-messaging-history/1","exported":"2026-01-01T00:00:00.000Z","conversations":[{"own":"alice","other":"bob","entries":[
		{"time":"2026-01-01T12:00:00.000Z","author":"bob","own":false,"text":"one"},
		{"time":"2026-01-01T11:00:00.000Z","author":"alice","own":true,"text":"two, with the clock set back","delivery":"read"},
		{"time":"2026-01-01T12:00:00.000Z","author":"bob","own":false,"file":{"name":"notes.pdf","size":7,"type":"application/pdf","state":"done"}}
	]},{"own":"dave","other":"bob","entries":[]}]}`
	alice.chooses(document)
	alice.shows("dialog", "Import", "2 conversations and 3 messages are in the file. 3 messages are new here.")
	alice.click("button", "Cancel")
	alice.vanish("dialog", "")
	if got := alice.texts("bob"); !slices.Equal(got, []string{"said here"}) {
		t.Errorf("after Cancel there is %q", got)
	}
	alice.chooses(document)
	alice.shows("dialog", "Import", "You see them when you join as alice, dave.")
	alice.click("button", "Import")
	alice.shows("dialog", "Import", "3 messages have been imported.")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	alice.hears("bob", "one")
	l.say(2, "and goes on")
	alice.hears("bob", "and goes on")
	for range 2 {
		if got := alice.texts("bob"); !slices.Equal(got, []string{"one", "said here", "and goes on"}) {
			t.Errorf("bob's texts are %q", got)
		}
		if got := alice.texts("alice"); !slices.Equal(got, []string{"two, with the clock set back"}) {
			t.Errorf("alice's texts are %q", got)
		}
		alice.shows("log", "Discussion", "notes.pdf")
		alice.chooses(document)
		alice.shows("dialog", "Import", "All of them are here already.")
		alice.absent("dialog", "Settings")
		alice.navigate(s.url())
		alice.join("alice")
		alice.bringUp("bob")
		alice.hears("bob", "and goes on")
	}
	for content, why := range map[string]string{
		"hello":                                 "This file was not saved by Export.",
		document[:len(document)-9]:              "This file is incomplete.",
		`{"format":"p2p-messaging-history/99"}`: "newer version",
	} {
		alice.chooses(content)
		alice.shows("dialog", "Import", why)
		alice.shows("dialog", "Import", "Nothing was imported.")
		alice.press(kb.Escape)
		alice.vanish("dialog", "")
	}
}

func TestHistoryIsExportedAndDeleted(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	chat(alice, bob)
	alice.untilStored("the chat", func(stored map[string]int) bool { return stored["entries"] >= 5 })

	eval[bool](alice, `(() => {
		const create = URL.createObjectURL;
		URL.createObjectURL = (blob) => { globalThis.saved = blob.text(); return create.call(URL, blob); };
		globalThis.exported = new Promise((resolve) => HTMLAnchorElement.prototype.click = function () { resolve(saved); });
		return true;
	})()`)

	// A browser's strings end somewhere.
	eval[bool](alice, `(() => {
		const { stringify } = JSON;
		JSON.stringify = (value, ...more) => {
			if (value?.format === undefined) return stringify(value, ...more);
			JSON.stringify = stringify;
			throw new RangeError("Invalid string length");
		};
		return true;
	})()`)
	alice.click("button", "Settings")
	alice.click("button", "Export")
	alice.shows("alert", "", "This browser could not read, store or delete data of this page. Please try again.")
	alice.click("button", "Dismiss")
	alice.vanish("dialog", "")

	alice.click("button", "Settings")
	alice.click("button", "Export")
	text := eval[string](alice, "exported")
	var document struct {
		Format, Exported string
		Conversations    []struct {
			Own, Other string
			Entries    []struct {
				Time, Author, Text, Delivery string
				Own                          bool
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("what is exported is no JSON: %v", err)
	}
	if document.Format != "p2p-messaging-history/1" || len(document.Conversations) != 1 {
		t.Fatalf("exported: %s", text)
	}
	c := document.Conversations[0]
	if c.Own != "alice" || c.Other != "bob" || len(c.Entries) != 4 || !c.Entries[0].Own || c.Entries[3].Text != "See you there!" {
		t.Errorf("exported: %+v", c)
	}
	alice.press(kb.Escape)
	alice.vanish("dialog", "")

	alice.deletes("bob")
	bob.vanish("button", "Disconnect from alice")
	alice.untilStored("no message", func(stored map[string]int) bool { return stored["entries"] == 0 && stored["conversations"] == 0 })

	alice.connectTo("bob")
	alice.connected("bob")
	alice.say("once more")
	bob.hears("alice", "once more")
	alice.click("button", "Settings")
	alice.click("switch", "Dark mode")
	alice.click("button", "Delete everything")
	alice.find("dialog", "Delete everything")
	alice.click("button", "Delete")
	alice.find("button", "Join")
	bob.vanish("button", "Disconnect from alice")
	alice.untilStored("nothing", func(stored map[string]int) bool {
		return stored["entries"]+stored["conversations"]+stored["contacts"]+stored["identity"] == 0
	})
	alice.until("nothing else either", func(context.Context) (bool, error) {
		return eval[bool](alice, `localStorage.length + sessionStorage.length === 0 && document.getElementById("login").value === ""`), nil
	})
	// The page goes on, as somebody else.
	alice.join("alice")
	alice.connectTo("bob")
	bob.find("alertdialog", "The identity of alice has changed")
}

func TestWhatTheDeviceCannotDoIsSaid(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	const texts = 250 // more than are read at once
	l := s.peer("bob").call("alice")
	for i := 1; i <= texts; i++ {
		l.say(uint32(i), fmt.Sprintf("message %d", i))
	}
	alice.hears("bob", fmt.Sprintf("message %d", texts))
	alice.untilStored("all of them", func(stored map[string]int) bool { return stored["entries"] > texts })
	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	eval[any](alice, `["openCursor", "getAll", "delete", "clear"].forEach((name) => IDBObjectStore.prototype[name] = () => { throw new DOMException("no", "UnknownError") })`)
	settings := func(button string) func() {
		return func() {
			alice.click("button", "Settings")
			alice.click("button", button)
		}
	}
	for _, attempt := range []struct {
		what    string
		do      func()
		confirm string
	}{
		{"read earlier messages", func() { alice.click("button", "Show earlier messages") }, ""},
		{"export", settings("Export"), ""},
		{"start afresh", settings("New identity"), "New identity"},
		{"delete a conversation", func() { alice.click("button", "Delete the conversation with bob") }, "Delete"},
		{"delete everything", settings("Delete everything"), "Delete"},
	} {
		t.Log(attempt.what)
		attempt.do()
		if attempt.confirm != "" {
			alice.shows("dialog", "", "?")
			alice.click("button", attempt.confirm)
		}
		alice.shows("alert", "", "This browser could not read, store or delete data of this page. Please try again.")
		alice.vanish("dialog", "")
		alice.click("button", "Dismiss")
		alice.vanish("alert", "")
	}
}

func TestOffTheRecordNothingIsWrittenDown(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.peer("bob")
	alice.click("button", "Settings")
	alice.click("switch", "Off the record")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	alice.fill("Message", "a secret draft")
	alice.connectTo("bob")
	alice.connected("bob")
	l := bob.accept()
	alice.say("between us")
	if got := l.hears(); got != "between us" {
		t.Errorf("bob got %q", got)
	}
	alice.delivered()
	stored := alice.stored()
	if stored["entries"]+stored["conversations"]+stored["contacts"] != 0 {
		t.Errorf("off the record the device keeps %v", stored)
	}
	alice.click("button", "Settings")
	alice.click("switch", "Off the record")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	alice.say("for the record")
	if got := l.hears(); got != "for the record" {
		t.Errorf("bob got %q", got)
	}
	alice.untilStored("what is said now", func(stored map[string]int) bool { return stored["entries"] > 0 })
	alice.navigate(s.url())
	alice.join("alice")
	alice.bringUp("bob")
	alice.shows("log", "Discussion", "for the record")
	if got := alice.texts("alice"); slices.Contains(got, "between us") {
		t.Errorf("after a reload there is %q: it was off the record", got)
	}
}

func TestThePageWorksWhereTheBrowserKeepsNothingOrNonsense(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"nothing is kept": `Object.defineProperty(globalThis, "indexedDB", { value: { open() { throw new DOMException("no", "SecurityError"); } } });
			Object.defineProperty(globalThis, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } });
			Object.defineProperty(globalThis, "sessionStorage", { get() { throw new DOMException("no", "SecurityError"); } });`,
		"nonsense is kept": `{
			localStorage.setItem("settings", '{"language":7,"blocked":[1,null],"darkMode":"x"}');
			sessionStorage.setItem("draft", "{");
			const request = indexedDB.open("p2p-messaging", 1);
			request.onupgradeneeded = () => ["identity", "contacts", "conversations", "entries"].forEach((s) => request.result.createObjectStore(s));
			request.onsuccess = () => {
				const t = request.result.transaction(["identity", "contacts", "conversations", "entries"], "readwrite");
				const put = (store, key, value) => t.objectStore(store).put(value, key);
				put("contacts", ["alice", "bob"], { fingerprint: 7 });
				put("conversations", ["alice", "x"], null);
				put("conversations", ["alice", "bob"], { peer: "bob", key: "bob", me: "alice", correspondence: { instance: 1 } });
				put("conversations", ["alice", "carol"], { peer: "carol", key: "carol", me: "alice", unread: "many",
					correspondence: { instance: "a", waiting: [], received: { instance: 1, id: {} } } });
				put("entries", ["alice", "carol", 1, "a"], 7);
				put("entries", ["alice", "carol", 2, "b"], { id: "b", time: new Date(), kind: "own", text: 1 });
				put("entries", ["alice", "carol", 3, "c"], { id: "c", time: new Date(), kind: "note", phrase: { key: "gone", args: [1] } });
				put("entries", ["alice", "carol", 4, "d"], { id: "d", time: new Date(), kind: "received", author: "carol", text: "this is one" });
				t.oncomplete = () => request.result.close();
			};
		}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := startService(t)
			alice := newPage(t, "alice", s.url()+"icon.svg")
			alice.beforeEachLoad(script)
			alice.navigate(s.url())
			alice.find("button", "Join")
			bob := s.peer("bob")
			alice.join("alice")
			if name == "nonsense is kept" {
				alice.bringUp("carol")
				alice.hears("carol", "this is one")
			} else {
				alice.click("button", "Settings")
				alice.shows("dialog", "Settings", "This browser stores nothing for this page")
				alice.press(kb.Escape)
				alice.vanish("dialog", "")
			}
			alice.connectTo("bob")
			if name == "nonsense is kept" {
				alice.shows("alertdialog", "This page cannot tell whether this is bob", "What this browser remembers of bob is damaged")
				alice.click("button", "Continue anyway")
				alice.vanish("alertdialog", "")
			}
			alice.connected("bob")
			alice.say("all the same")
			if got := bob.accept().hears(); got != "all the same" {
				t.Errorf("bob got %q", got)
			}
			alice.delivered()
		})
	}
}
