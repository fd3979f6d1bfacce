package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func (p *page) theme() string {
	p.t.Helper()
	return eval[string](p, "document.documentElement.dataset.bsTheme")
}

func (p *page) untilTheme(want string) {
	p.t.Helper()
	p.until("it is "+want, func(context.Context) (bool, error) { return p.theme() == want, nil })
}

func TestThePageIsDarkAsTheSystemIsUntilToldOtherwise(t *testing.T) {
	t.Parallel()
	s := startService(t)
	p := newPage(t, "alice", s.url())
	p.view(900, 700, "dark")
	p.untilTheme("dark")
	p.view(900, 700, "light")
	p.untilTheme("light")
	p.click("button", "Settings")
	p.click("switch", "Dark mode")
	p.untilTheme("dark")
	p.navigate(s.url())
	p.untilTheme("dark")
	p.view(900, 700, "light")
	p.click("button", "Settings")
	p.click("switch", "Dark mode")
	p.untilTheme("light")
	p.view(900, 700, "dark")
	p.find("dialog", "Settings")
	if p.theme() != "light" {
		t.Error("the page follows the system although it was told otherwise")
	}
}

func TestThePageSpeaksFrenchWhenToldAndAChatWorksInIt(t *testing.T) {
	t.Parallel()
	s := startService(t)
	bob := s.peer("bob")
	p := newPage(t, "alice", s.url())
	p.click("button", "Settings")
	p.pick("combobox", "Language", "fr")
	p.find("dialog", "Réglages")
	p.press(kb.Escape)
	p.navigate(s.url())
	p.find("button", "Rejoindre")
	if lang := eval[string](p, "document.documentElement.lang"); lang != "fr" {
		t.Errorf("the page says that its language is %q", lang)
	}
	p.fill("Identifiant", "alice")
	p.click("button", "Rejoindre")
	p.fill("Autre identifiant", "personne")
	p.click("button", "Appeler")
	p.shows("alert", "", "personne n’est pas là")
	p.fill("Autre identifiant", "bob")
	p.press(kb.Enter)
	p.find("button", "Raccrocher avec bob")
	p.fill("Votre message", "Salut !")
	p.press(kb.Enter)
	if got := bob.accept().hears(); got != "Salut !" {
		t.Errorf("bob got %q", got)
	}
	p.shows("log", "Fil de la discussion", "remis")
	p.click("button", "Réglages")
	p.pick("combobox", "Langue", "en")
	p.find("dialog", "Settings")
	p.press(kb.Escape)
	// What was noted in one language is said in the other.
	p.shows("log", "Discussion", "Connected to bob")
	p.connected("bob")
}

// fakeNotifications stands in for the browser's, which headless browsers do not show.
const fakeNotifications = `globalThis.asked = 0; globalThis.shown = [];
	globalThis.Notification = class {
		static permission = "default";
		static async requestPermission() { asked++; return (Notification.permission = globalThis.answer ?? "granted"); }
		constructor(title, options) { shown.push(title + " " + JSON.stringify(options)); globalThis.latest = this; }
		close() {}
	};
	globalThis.away = false;
	document.hasFocus = () => !globalThis.away;`

func TestNotificationsAreAskedForOnlyWhenTurnedOnAndSayWhoAndNotWhat(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := newPage(t, "alice", s.url()+"icon.svg")
	alice.beforeEachLoad(fakeNotifications)
	alice.navigate(s.url())
	alice.join("alice")
	bob := s.open("bob")
	bob.meets(alice)
	away := func(away bool) {
		t.Helper()
		event := map[bool]string{true: "blur", false: "focus"}[away]
		eval[bool](alice, `(globalThis.away = `+map[bool]string{true: "true", false: "false"}[away]+`, dispatchEvent(new Event("`+event+`")))`)
	}
	shown := func() []string { return eval[[]string](alice, "shown") }
	title := func() string { return eval[string](alice, "document.title") }

	away(true)
	bob.say("first secret")
	alice.until("the title counts", func(context.Context) (bool, error) { return title() == "(1) P2P Messaging", nil })
	if asked := eval[int](alice, "asked"); asked != 0 || len(shown()) != 0 {
		t.Errorf("nobody wanted notifications, and the page has asked %d times and shown %q", asked, shown())
	}
	away(false)
	alice.until("the title counts no more", func(context.Context) (bool, error) { return title() == "P2P Messaging", nil })

	alice.click("button", "Settings")
	alice.click("switch", "Notifications")
	alice.until("they are on", func(context.Context) (bool, error) {
		return eval[bool](alice, `document.getElementById("setting-notifications").checked`), nil
	})
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	bob.say("second secret")
	alice.hears("bob", "second secret")
	if len(shown()) != 0 {
		t.Errorf("while the page is in front it shows %q", shown())
	}
	away(true)
	bob.say("third secret")
	alice.until("a notification", func(context.Context) (bool, error) { return len(shown()) == 1, nil })
	if text := shown()[0]; !strings.HasPrefix(text, "bob ") || strings.Contains(text, "secret") {
		t.Errorf("the notification is %q, want who has written, and not what", text)
	}
	s.peer("carol").call("alice").say(1, "hello")
	alice.until("a notification of carol", func(context.Context) (bool, error) { return len(shown()) == 2, nil })
	eval[bool](alice, `(latest.onclick(), true)`)
	alice.connected("carol")
}

func TestNotificationsThatAreRefusedOrMissingAreSaidInWords(t *testing.T) {
	t.Parallel()
	s := startService(t)
	for want, script := range map[string]string{
		"Notifications are blocked for this page":     fakeNotifications + `globalThis.answer = "denied"`,
		"This browser cannot show notifications here": `delete globalThis.Notification`,
	} {
		p := newPage(t, "alice", s.url()+"icon.svg")
		p.beforeEachLoad(script)
		p.navigate(s.url())
		p.click("button", "Settings")
		p.click("switch", "Notifications")
		p.shows("dialog", "Settings", strings.TrimSuffix(want, " here"))
		if eval[bool](p, `document.getElementById("setting-notifications").checked`) {
			t.Errorf("%s, and the switch is on", want)
		}
	}
}
