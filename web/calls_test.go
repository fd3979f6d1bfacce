package web_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// robot logs a client in that is no browser.
func (s *service) robot(login string) *client.Client {
	s.t.Helper()
	c, err := client.Dial(s.t.Context(), "ws://"+s.address+"/ws")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(s.t.Context(), login); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestAThirdCallerStartsASecondConversationAndDisturbsNobody(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	alice.fill("Message", "half a sent")
	carol := s.peer("carol").call("alice")
	carol.say(1, "may I?")
	alice.shows("list", "Conversations", "1 unread message")
	// Whom alice talks to, and what she writes, has not changed.
	alice.connected("bob")
	if got := alice.read("textbox", "Message"); got != "half a sent" {
		t.Errorf("the field holds %q, want what alice was typing", got)
	}
	bob.say("still here?")
	alice.hears("bob", "still here?")
	if got := alice.texts("carol"); len(got) != 0 {
		t.Errorf("the discussion with bob shows %q of carol", got)
	}

	alice.bringUp("carol")
	alice.connected("carol")
	alice.hears("carol", "may I?")
	if got := alice.read("textbox", "Message"); got != "" {
		t.Errorf("the field holds %q, want nothing: that was for bob", got)
	}
	alice.say("you may")
	if got := carol.hears(); got != "you may" {
		t.Errorf("carol got %q", got)
	}
	alice.bringUp("bob")
	alice.hears("bob", "still here?")
	if got := alice.read("textbox", "Message"); got != "half a sent" {
		t.Errorf("the field holds %q, want what alice was typing to bob", got)
	}
	if got := bob.texts("alice"); len(got) != 0 {
		t.Errorf("bob has %q of alice, want nothing", got)
	}
	for _, p := range []*page{alice, bob} {
		p.absent("alert", "")
	}
	alice.click("button", "Disconnect from bob")
	bob.vanish("button", "Disconnect from alice")
	carol.say(2, "still on")
	alice.bringUp("carol")
	alice.hears("carol", "still on")
}

func TestWhoCannotBeCalledIsSaidInWords(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	for _, try := range []struct{ other, want string }{
		{"nobody", "nobody is not here"},
		{"alice", "That is you"},
		{" ALICE ", "That is you"},
		{"", "Please type the login"},
		{"a\uffff", "a\uffff cannot be a login"},
	} {
		alice.fill("Other login", try.other)
		alice.press(kb.Enter)
		alice.shows("alert", "", try.want)
		if got := alice.read("textbox", "Other login"); got != try.other {
			t.Errorf("after %q was refused the field holds %q: it cannot be corrected", try.other, got)
		}
	}
	// And the page is ready for the next try.
	s.peer("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	alice.absent("alert", "")
	if got := alice.read("textbox", "Other login"); got != "" {
		t.Errorf("once connected the field holds %q, want nothing", got)
	}
}

func TestConnectingTwiceIsOnce(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.peer("bob")
	alice.fill("Other login", "bob")
	for range 3 {
		alice.press(kb.Enter)
	}
	alice.connected("bob")
	l := bob.accept()
	alice.press(kb.Enter)
	alice.absent("alert", "")
	alice.say("only once")
	if got := l.hears(); got != "only once" {
		t.Errorf("bob got %q", got)
	}
	if n := alice.sentOf("offer"); n != 1 {
		t.Errorf("the page has called %d times, want once", n)
	}
}

func TestALongLoginFitsThePage(t *testing.T) {
	t.Parallel()
	s := startService(t)
	long := strings.Repeat("w", 64)
	bob := s.open("bob")
	bob.view(360, 740, "light")
	alice := s.peer(long)
	alice.mute = true // Its own hello would be too long.
	l := alice.call("bob")
	l.send(helloFrame("a page"))
	bob.connected(long)
	l.say(1, "hello")
	bob.hears(long, "hello")
	for _, box := range []string{"#discussion", "html"} {
		if over := eval[int](bob, `(() => { const e = document.querySelector("`+box+`"); return e.scrollWidth - e.clientWidth })()`); over > 0 {
			t.Errorf("%s is %d pixels wider than the screen", box, over)
		}
	}
}

func TestACallThatIsCancelledBeforeItConnectsIsNotSomebodyWhoLeft(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	carol, carla := s.robot("carol"), s.robot("carla")
	// An offer that alice takes, from one that never connects.
	alice.connectTo("carla")
	offer := receive(t, carla, messages.TypeOffer)
	alice.click("button", "Cancel the call to carla")
	alice.shows("log", "Discussion", "You cancelled the call to carla")

	offer["from"], offer["to"], offer["call"] = "carol", "alice", "cancelled"
	sendText(t, carol, offer)
	receive(t, carol, messages.TypeAnswer)
	alice.find("button", "Cancel the call to carol")
	sendText(t, carol, map[string]any{"type": "bye", "reason": "left", "from": "carol", "to": "alice", "call": "cancelled"})
	alice.shows("log", "Discussion", "carol cancelled the call")
	if discussion := alice.read("log", "Discussion"); strings.Contains(discussion, "left") {
		t.Errorf("the discussion shows %q, want nobody to have left", discussion)
	}
}

func TestACallThatNobodyAnswersEnds(t *testing.T) {
	mostlyWaits(t)
	s := startService(t)
	carol := s.robot("carol")
	alice := s.open("alice")
	alice.connectTo("carol")
	alice.find("button", "Cancel the call to carol")
	receive(t, carol, messages.TypeOffer)
	t.Parallel() // It takes 20 s.
	alice.shows("alert", "", "carol did not answer")
	receive(t, carol, messages.TypeBye)

	s.peer("bob")
	alice.connectTo("bob")
	alice.connected("bob")
}

// receive returns the next message, which must be of a type, decoded.
func receive(t *testing.T, c *client.Client, want messages.Type) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("receive %v: %v", want, err)
	}
	if m.Type != want.String() {
		t.Fatalf("received %s, want %v", m.Text, want)
	}
	var fields map[string]any
	if err := json.Unmarshal(m.Text, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func sendText(t *testing.T, c *client.Client, fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendText(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFrameOfACallCarriesItsID(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	bob.click("button", "Disconnect from alice")
	alice.vanish("button", "Disconnect from bob")
	calls := map[string]bool{}
	for _, p := range []*page{alice, bob} {
		for _, call := range eval[[]string](p, `testing.sent.filter((frame) => frame.to).map((frame) => frame.call ?? "none")`) {
			calls[call] = true
		}
		if other := eval[int](p, `testing.sent.filter((frame) => frame.type === "ice-candidate" &&
			(frame["ice-candidate"] === undefined || frame.iceCandidate !== undefined)).length`); other != 0 {
			t.Errorf("%s: %d candidates are not under ice-candidate alone", p.name, other)
		}
	}
	if len(calls) != 1 || calls["none"] {
		t.Errorf("the frames of one call carry the ids %v, want one", calls)
	}
}

// Between the two pages sits one that passes on what they send each other, each answer only after its candidates.
func TestCandidatesThatComeBeforeTheDescriptionWaitForIt(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.open("bob")
	toAlice, toBob := s.robot("left"), s.robot("right")
	alice.connectTo("left")

	pass := func(to *client.Client, from, login string, fields map[string]any) {
		fields["from"], fields["to"] = from, login
		sendText(t, to, fields)
	}
	offer := receive(t, toAlice, messages.TypeOffer)
	pass(toBob, "right", "bob", offer)
	answer := receive(t, toBob, messages.TypeAnswer)
	candidate := receive(t, toBob, messages.TypeICECandidate)
	for !byUDP(candidate) {
		candidate = receive(t, toBob, messages.TypeICECandidate)
	}
	pass(toAlice, "left", "alice", candidate)
	pass(toAlice, "left", "alice", answer)
	alice.connected("left")
	bob.connected("right")
	alice.say("through")
	bob.hears("right", "through")
}

// byUDP reports whether a frame has a candidate by UDP. Chromium has candidates by TCP too, for which it opens no port. Where opening one
// takes long, those come first, and no other browser can connect to them.
func byUDP(frame map[string]any) bool {
	candidate, _ := frame["ice-candidate"].(map[string]any)
	text, _ := candidate["candidate"].(string)
	return strings.Contains(text, " udp ")
}

// A candidate may even overtake the offer of its call.
func TestCandidatesThatComeBeforeTheOfferWaitForIt(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.open("bob")
	toAlice, toBob := s.robot("left"), s.robot("right")
	alice.connectTo("left")
	offer := receive(t, toAlice, messages.TypeOffer)
	call := offer["call"]

	// What the candidate says must be true, so it comes from a call that bob has answered before.
	offer["from"], offer["to"], offer["call"] = "right", "bob", "first"
	sendText(t, toBob, offer)
	receive(t, toBob, messages.TypeAnswer)
	sendText(t, toBob, map[string]any{"type": "bye", "reason": "left", "from": "right", "to": "bob", "call": "first"})
	bob.shows("log", "Discussion", "right cancelled the call")

	sendText(t, toBob, map[string]any{
		"type": "ice-candidate", "from": "right", "to": "bob", "call": call,
		"ice-candidate": map[string]any{"candidate": "candidate:1 1 udp 2113937151 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0},
	})
	offer["call"] = call
	sendText(t, toBob, offer)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		m, err := toBob.Receive(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(m.Text, &fields); err != nil {
			t.Fatal(err)
		}
		if fields["call"] != call {
			continue // what was left of the first call
		}
		fields["from"], fields["to"] = "left", "alice"
		sendText(t, toAlice, fields)
		if m.Type == "ice-candidate" && byUDP(fields) {
			break
		}
	}
	alice.connected("left")
	bob.connected("right")
}

func TestFramesOfCallsThatAreOverAreIgnored(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	mallory := s.robot("mallory")
	for _, call := range []any{"over", nil} {
		for _, fields := range []map[string]any{
			{"type": "answer", "answer": map[string]any{"type": "answer", "sdp": "v=0"}},
			{"type": "answer", "answer": "nonsense"},
			{"type": "offer", "offer": nil},
			{"type": "ice-candidate", "ice-candidate": map[string]any{"candidate": "nonsense"}},
			{"type": "ice-candidate", "iceCandidate": nil},
			{"type": "bye", "reason": "left"},
			{"type": "bye"},
		} {
			fields["from"], fields["to"] = "mallory", "alice"
			if call != nil {
				fields["call"] = call
			}
			sendText(t, mallory, fields)
		}
	}
	// Its place in the order shows that all before it have been dealt with: an answer to a call that alice does not make.
	sendText(t, mallory, map[string]any{"type": "answer", "answer": map[string]any{"type": "answer", "sdp": "v=0"},
		"from": "mallory", "to": "alice", "call": "another"})
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		m, err := mallory.Receive(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		var fields struct{ Call, Reason string }
		if err := json.Unmarshal(m.Text, &fields); err != nil {
			t.Fatal(err)
		}
		if fields.Call == "another" {
			if fields.Reason != "left" {
				t.Errorf("who answers a call that nobody makes got %s, want a bye that says left", m.Text)
			}
			break
		}
	}
	alice.absent("alert", "")
	alice.say("undisturbed")
	bob.hears("alice", "undisturbed")
}

func TestAnOfferThatCannotBeReadEndsThatCallOnly(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	mallory := s.robot("mallory")
	sendText(t, mallory, map[string]any{"type": "offer", "offer": map[string]any{"type": "offer", "sdp": "nonsense"},
		"from": "mallory", "to": "alice", "call": "bad"})
	receive(t, mallory, messages.TypeBye)
	alice.shows("alert", "", "No direct connection to mallory")
	if faults := eval[[]string](alice, "testing.faults.splice(0)"); len(faults) != 1 || !strings.Contains(faults[0], "a call fails") {
		t.Errorf("the console has %q, want why the call failed", faults)
	}
	s.peer("bob").call("alice")
	alice.connected("bob")
}

func TestAClickMeantToConnectNeverHangsUp(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := newPage(t, "alice", s.url()), newPage(t, "bob", s.url())
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"desk", 1000, 700}, {"phone", 360, 640}} {
		t.Run(screen.name, func(t *testing.T) {
			alice.join("alice")
			bob.join("bob")
			alice.view(screen.width, screen.height, "light")
			alice.fill("Other login", "bob")
			x, y := alice.position(alice.find("button", "Connect to"))
			bob.connectTo("alice")
			alice.connected("bob")

			// The click comes late: bob's call is on already.
			alice.clickAt(x, y, 1)
			alice.clickAt(x, y, 2)
			alice.fill("Other login", "bob")
			alice.press(kb.Enter)
			alice.fill("Other login", "carol")
			alice.press(kb.Enter)
			alice.shows("alert", "", "carol is not here")
			alice.clickAt(x, y, 1)
			// Who was not there leaves nothing behind: bob is in front again.
			alice.connected("bob")
			alice.say("still on")
			bob.hears("alice", "still on")
			if x2, y2 := alice.position(alice.find("button", "Connect to")); x2 != x || y2 != y {
				t.Errorf("the button Connect to has moved from %v, %v to %v, %v", x, y, x2, y2)
			}

			// The same, where the button Call of the conversation stood: it gives way to one that ends the call.
			alice.click("button", "Disconnect from bob")
			alice.find("button", "Call bob again")
			eval[any](alice, `globalThis.clicked = "", new MutationObserver((_, observer) => {
				const [button] = [...document.querySelectorAll(".peer button")].filter(({ ariaLabel }) => /^(Cancel the call to|Disconnect from) bob$/.test(ariaLabel));
				if (button === undefined) return;
				observer.disconnect();
				button.click();
				clicked = button.ariaLabel;
			}).observe(document.body, { subtree: true, childList: true, attributes: true })`)
			bob.click("button", "Call alice again")
			alice.connected("bob")
			if eval[string](alice, "clicked") == "" {
				t.Error("nothing stood where the button Call was")
			}
			alice.say("on again")
			bob.hears("alice", "on again")
			// A moment later it takes clicks.
			alice.click("button", "Disconnect from bob")
			bob.find("button", "Call alice again")
			alice.click("button", "Sign out")
			bob.click("button", "Sign out")
			alice.find("button", "Join")
			bob.find("button", "Join")
		})
	}
}
