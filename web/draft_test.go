package web_test

import (
	"context"
	"strings"
	"testing"
)

// writes checks what is in the field for a message.
func (p *page) writes(want string) {
	p.t.Helper()
	if got := p.read("textbox", "Message"); got != want {
		p.t.Errorf("%s: the field holds %.40q, want %.40q", p.name, got, want)
	}
}

func TestWhatIsTypedForOneWhoDeclinesStandsInNobodyElsesField(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, _ := s.pair()
	zed := s.peer("zed")
	zed.alter = func(map[string]any) bool { return false } // He says nothing yet.
	alice.connectTo("zed")
	alice.sees("button", "Cancel the call to zed")
	alice.fill("Message", "for zed alone")
	call := eval[string](alice, `testing.sent.find(({ type, to }) => type === "offer" && to === "zed").call`)
	zed.tell(map[string]any{"type": "bye", "reason": "declined", "from": "zed", "to": "alice", "call": call})
	alice.shows("alert", "", "zed")
	alice.writes("for zed alone")
	alice.bringUp("bob")
	alice.connected("bob")
	alice.writes("")
	alice.bringUp("zed")
	alice.writes("for zed alone")
}

func TestADraftGoesWithItsConversationAndItsLogin(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, _ := s.pair()
	alice.fill("Message", "to be deleted")
	alice.deletes("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	alice.writes("")
	alice.deletes("bob")

	alice.fill("Message", "for whom I shall call")
	alice.click("button", "Sign out")
	alice.sees("button", "Join")
	alice.join("dave")
	alice.writes("")
}

// A tab that is duplicated begins with a copy of the other's session storage.
func TestACopyOfATabBringsNoDraftBack(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := newPageOnDisk(t, "alice", s.url())
	alice.join("alice")
	l := s.peer("bob").call("alice")
	alice.connected("bob")
	copied := func() string { return eval[string](alice, `JSON.stringify({ ...sessionStorage })`) }
	alice.fill("Message", "half a thought")
	sent := copied()
	alice.say("half a thought, whole")
	l.hears()
	alice.fill("Message", "old")
	old := copied()
	alice.fill("Message", "newer")
	alice.untilStored("the newer draft", func(map[string]int) bool {
		return eval[string](alice, `new Promise((resolve) => {
			const request = indexedDB.open("p2p-messaging");
			request.onsuccess = () => {
				const get = request.result.transaction("conversations").objectStore("conversations").get(["alice", "bob"]);
				get.onsuccess = () => { request.result.close(); resolve(get.result.draft); };
			};
		})`) == "newer"
	})
	alice.click("button", "Sign out")
	alice.find("button", "Join")
	for what, copy := range map[string]struct{ session, draft string }{
		"a draft that was sent":           {sent, "newer"},
		"a draft that was changed":        {old, "newer"},
		"one for nobody":                  {`{"draft":"{\"login\":\"alice\",\"text\":\"for nobody\",\"drafted\":0,\"left\":false}"}`, ""},
		"one that another version stored": {`{"draft":"{\"login\":\"alice\",\"peer\":\"bob\",\"text\":\"of before\"}"}`, "newer"},
	} {
		t.Log(what)
		tab := newPageOnDisk(t, "the copy", s.url()+"icon.svg")
		eval[bool](tab, `(Object.assign(sessionStorage, `+copy.session+`), true)`)
		tab.navigate(s.url())
		tab.join("alice")
		if copy.draft == "" {
			tab.writes("")
		} else {
			tab.bringUp("bob")
			tab.writes(copy.draft)
		}
		tab.click("button", "Sign out")
		tab.find("button", "Join")
	}
}

func TestADraftThatTheBrowserHasNoRoomForIsNotReplacedByAnOlderOne(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, _ := s.pair()
	s.peer("carol").call("alice")
	alice.bringUp("bob")
	eval[any](alice, `(() => {
		const keep = Storage.prototype.setItem;
		Storage.prototype.setItem = function (key, value) {
			if (value.length > 1000) throw new DOMException("no room", "QuotaExceededError");
			keep.call(this, key, value);
		};
	})()`)
	alice.fill("Message", "Hi ")
	long := "Hi " + strings.Repeat("Bob! ", 400)
	alice.fill("Message", long)
	alice.bringUp("carol")
	alice.until("an empty field", func(context.Context) (bool, error) { return alice.read("textbox", "Message") == "", nil })
	alice.bringUp("bob")
	alice.until("bob's field", func(context.Context) (bool, error) { return alice.read("textbox", "Message") != "", nil })
	alice.writes(long)
}
