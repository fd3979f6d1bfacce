package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func TestAMessageIsReadOnceItsConversationIsInFront(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	carol := s.open("carol")
	carol.connectTo("alice")
	carol.connected("alice")
	carol.say("hello")
	alice.shows("list", "Conversations", "1 unread message")
	carol.shows("log", "Discussion", "delivered")
	// bob's is in front, and what he sends after it is read: so carol's should have been by now, if it were going to be.
	bob.say("and hello")
	bob.shows("log", "Discussion", "read")
	if got := carol.read("log", "Discussion"); strings.Contains(got, "read") {
		t.Errorf("carol's page says %q of what nobody has looked at", got)
	}
	alice.bringUp("carol")
	carol.shows("log", "Discussion", "read")
}

func TestWhoTypesIsShownAsLongAsItIsSo(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	typing := func(want bool) {
		t.Helper()
		alice.until("whether bob types", func(context.Context) (bool, error) {
			return eval[bool](alice, `document.body.innerText.includes("bob is typing")`) == want, nil
		})
	}
	bob.fill("Message", "I am just")
	typing(true)
	bob.fill("Message", "")
	typing(false)
	bob.fill("Message", "there you are")
	typing(true)
	bob.press(kb.Enter)
	alice.hears("bob", "there you are")
	typing(false)
}
