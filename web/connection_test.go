package web_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"p2p-messaging/actors"
)

// wireView is what the dialog "How am I connected?" has.
type wireView struct {
	Figures map[string]string
	// Frames are the summaries of what the service saw.
	Frames, Texts []string
}

func (p *page) wire() wireView {
	p.t.Helper()
	return eval[wireView](p, `(() => {
		const dialog = document.querySelector("dialog[open]");
		return {
			figures: Object.fromEntries([...dialog.querySelectorAll("dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent])),
			frames: [...dialog.querySelectorAll("summary")].map((s) => s.textContent.replace(/\s+/g, " ").trim()),
			texts: [...dialog.querySelectorAll("pre")].map((p) => p.textContent),
		};
	})()`)
}

func TestHowOneIsConnectedIsShownAndWhatTheServiceSaw(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	alice.say("nothing of this goes by way of the service")
	alice.delivered()
	alice.click("button", "How am I connected?")
	alice.find("dialog", "How am I connected?")
	alice.until("the figures", func(context.Context) (bool, error) {
		return strings.HasSuffix(alice.wire().Figures["Round trip"], " ms"), nil
	})
	figures := alice.wire().Figures
	for name, want := range map[string]string{"Path": "direct", "Protocol": "UDP"} {
		if figures[name] != want {
			t.Errorf("%s is shown as %q, want %q", name, figures[name], want)
		}
	}
	for _, name := range []string{"This end", "Other end"} {
		if figures[name] != "host" && figures[name] != "prflx" {
			t.Errorf("%s is shown as %q, want host or prflx", name, figures[name])
		}
	}
	// They go on while the page shows something new all the time, as during a file.
	received := figures["Received"]
	eval[any](alice, `globalThis.news = setInterval(() => dispatchEvent(new Event("storage")), 100)`)
	bob.say(strings.Repeat("more ", 1_000))
	alice.until("more bytes received", func(context.Context) (bool, error) { return alice.wire().Figures["Received"] != received, nil })
	eval[any](alice, "clearInterval(news)")

	alice.find("list", "What the service saw")
	journal := alice.wire()
	kinds := map[string]int{}
	for i, frame := range journal.Frames {
		kind, rest, _ := strings.Cut(frame, " ")
		direction, _, _ := strings.Cut(rest, " ")
		kinds[kind+" "+direction]++
		if want := fmt.Sprintf(`"type":"%s"`, kind); !strings.Contains(journal.Texts[i], want) {
			t.Errorf("the text of %q is %.200q, want the frame as it was", frame, journal.Texts[i])
		}
		if strings.Contains(journal.Texts[i], "nothing of this") {
			t.Errorf("a message went by way of the service: %.200q", journal.Texts[i])
		}
		if !strings.HasSuffix(frame, " bytes") {
			t.Errorf("a frame is shown as %q, want its size, too", frame)
		}
	}
	if kinds["offer sent"] != 1 || kinds["answer received"] != 1 || kinds["ice-candidate sent"] == 0 || kinds["ice-candidate received"] == 0 {
		t.Errorf("the service saw %v, want an offer, an answer and candidates of both", kinds)
	}
	// The frames are those that the page has sent to the service, to the letter.
	sent := eval[string](alice, `JSON.stringify(testing.sent.find(({ type }) => type === "offer"))`)
	if journal.Texts[0] != sent {
		t.Errorf("the offer is shown as %.300q, want %.300q", journal.Texts[0], sent)
	}

	if rules, err := os.ReadFile("node_modules/axe-core/axe.min.js"); err == nil {
		alice.axe(string(rules))
	}
	alice.press(kb.Escape)
	alice.vanish("dialog", "How am I connected?")
	if name := eval[string](alice, "document.activeElement.ariaLabel"); name != "How am I connected?" {
		t.Errorf("the focus is on %q after the dialog, want the button that opened it", name)
	}
}

// count makes the page count the connections that it makes from now on.
func (p *page) count() {
	p.t.Helper()
	eval[chromedp.Void](p, `void (() => {
		const original = RTCPeerConnection;
		testing.connections = 0;
		globalThis.RTCPeerConnection = class extends original {
			constructor(configuration) {
				super(configuration);
				testing.connections++;
				testing.configuration = configuration;
			}
		};
	})()`)
}

func (p *page) connections() int {
	p.t.Helper()
	return eval[int](p, "testing.connections")
}

// toggle turns a switch of the settings.
func (p *page) toggle(name string) {
	p.t.Helper()
	p.click("button", "Settings")
	p.click("switch", name)
	p.press(kb.Escape)
	p.vanish("dialog", "Settings")
}

func TestWhoWantsToBeAskedIsAskedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.open("bob")
	bob.toggle("Ask before connecting")
	bob.count()

	alice.connectTo("bob")
	bob.find("dialog", "Incoming request from alice")
	if n := bob.connections(); n != 0 {
		t.Errorf("%d connections are made before Accept, want none", n)
	}
	for _, kind := range []string{"answer", "ice-candidate"} {
		if n := bob.sentOf(kind); n != 0 {
			t.Errorf("%d frames of type %s leave before Accept, want none", n, kind)
		}
	}
	if rules, err := os.ReadFile("node_modules/axe-core/axe.min.js"); err == nil {
		bob.axe(string(rules))
	}
	bob.click("button", "Decline")
	bob.vanish("dialog", "Incoming request from alice")
	alice.shows("alert", "", "bob declined.")

	// The caller hangs up: there is nothing to ask about any more.
	alice.connectTo("bob")
	bob.find("dialog", "Incoming request from alice")
	alice.click("button", "Cancel the call to bob")
	bob.vanish("dialog", "Incoming request from alice")

	alice.connectTo("bob")
	bob.find("dialog", "Incoming request from alice")
	bob.click("button", "Accept")
	alice.connected("bob")
	bob.connected("alice")
	alice.say("thank you")
	bob.hears("alice", "thank you")
	if n := bob.connections(); n != 1 {
		t.Errorf("%d connections are made, want one", n)
	}
}

func TestSeveralRequestsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	s := startService(t)
	bob := s.open("bob")
	bob.toggle("Ask before connecting")
	for _, login := range []string{"robot one", "robot two", "robot three"} {
		robot := s.peer(login)
		robot.offer("bob")
		if login == "robot one" {
			bob.find("dialog", "Incoming request from robot one")
		}
	}
	bob.click("button", "Decline")
	bob.find("dialog", "Incoming request from robot two")
	bob.click("button", "Accept")
	bob.find("dialog", "Incoming request from robot three")
	// At first the dialog takes no key, because a key may be meant for something else.
	bob.untilIt("button", "Accept", "function() { return !this.disabled }")
	bob.press(kb.Escape)
	bob.vanish("dialog", "Incoming request from robot three")
	bob.connected("robot two")
}

func TestABlockedLoginFindsNobody(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, robot := s.open("alice"), s.peer("robot")
	l := robot.call("alice")
	alice.connected("robot")
	alice.click("button", "Block robot")
	l.ended()
	alice.vanish("button", "Disconnect from robot")
	alice.shows("log", "Discussion", "You have blocked robot")
	alice.sees("button", "Unblock robot")

	sent := eval[int](alice, "testing.sent.length")
	robot.offer("alice")
	// What comes after it shows that the offer has been there.
	bob := s.peer("bob").call("alice")
	alice.connected("bob")
	alice.say("is somebody here?")
	if got := bob.hears(); got != "is somebody here?" {
		t.Errorf("bob got %q", got)
	}
	if to := eval[[]string](alice, fmt.Sprintf("testing.sent.slice(%d).map(({ to }) => to)", sent)); strings.Contains(strings.Join(to, " "), "robot") {
		t.Errorf("the page has sent frames to %q, want none to robot", to)
	}
	alice.connectTo("robot")
	alice.shows("alert", "", "You have blocked robot")

	alice.click("button", "Settings")
	alice.click("button", "Unblock robot")
	alice.press(kb.Escape)
	robot.call("alice")
}

func TestRelayOnlySaysSoWhereThereIsNoRelay(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	alice.toggle("Relay only")
	alice.count()
	alice.connectTo("bob")
	alice.shows("alert", "", "this service offers no relay")
	alice.click("button", "Dismiss")
	bob := s.open("bob")
	bob.connectTo("alice")
	bob.shows("alert", "", "“Relay only” is on there")
	alice.shows("alert", "", "this service offers no relay")
	if n := alice.connections(); n != 0 {
		t.Errorf("%d connections are made, want none", n)
	}
}

func TestTheServersThatTheServiceOffersAreUsed(t *testing.T) {
	t.Parallel()
	f := startFakeService(t)
	f.iceServers = []map[string]any{
		{"urls": []string{"turn:127.0.0.1:9?transport=udp"}, "username": "u", "credential": "c"},
		{"urls": "http://127.0.0.1/"},
	}
	alice, bob := f.open("alice"), f.open("bob")
	_ = bob
	alice.toggle("Relay only")
	alice.count()
	alice.connectTo("bob")
	alice.find("button", "Cancel the call to bob")
	bob.until("an answer", func(context.Context) (bool, error) { return bob.sentOf("answer") == 1, nil })
	got := eval[string](alice, "JSON.stringify([testing.configuration.iceServers, testing.configuration.iceTransportPolicy])")
	if want := `[[{"urls":["turn:127.0.0.1:9?transport=udp"],"username":"u","credential":"c"}],"relay"]`; got != want {
		t.Errorf("the connection is made with %s, want %s", got, want)
	}
	// Nothing answers at that relay: no candidate of this device's own may leave in its place.
	if n := alice.sentOf("ice-candidate"); n != 0 {
		t.Errorf("%d candidates leave, want none", n)
	}
	alice.click("button", "Cancel the call to bob")
}

func TestWhoIsThereIsShownWhereTheServiceTells(t *testing.T) {
	t.Parallel()
	f := startFakeService(t)
	alice, bob := f.open("alice"), f.open("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	alice.until("presence asked for", func(context.Context) (bool, error) { return alice.sentOf("watch") == 1, nil })
	alice.until("the state of bob", func(ctx context.Context) (bool, error) {
		f.frame("alice", map[string]any{"type": "presence", "online": []string{"Bob"}, "offline": []string{"<b>", "carol"}})
		return chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector(".conversations .presence")?.textContent === "online"`))
	})
	bob.close()
	f.frame("alice", map[string]any{"type": "presence", "online": []string{}, "offline": []string{"bob"}})
	alice.until("bob is away", func(ctx context.Context) (bool, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector(".conversations .presence")?.textContent === "not here"`))
	})
	if watch := f.frames("watch")[0]; fmt.Sprint(watch["logins"]) != "[bob]" {
		t.Errorf("the page watches %v, want bob", watch["logins"])
	}
	alice.absent("alert", "")
}

func TestAServiceWithoutPresenceIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := startServiceWith(t, actors.Options{NoPresence: true})
	alice := s.open("alice")
	for _, login := range []string{"robot one", "robot two"} {
		s.peer(login).call("alice")
		alice.until("a conversation with "+login, func(ctx context.Context) (bool, error) {
			found, err := alice.query(ctx, "listitem", "")
			return len(found) > 0, err
		})
	}
	if n := alice.sentOf("watch"); n > 1 {
		t.Errorf("the page has asked %d times for presence, want once at most", n)
	}
	alice.absent("alert", "")
	if n := eval[int](alice, `document.querySelectorAll(".presence").length`); n != 0 {
		t.Errorf("%d logins have a state, want none", n)
	}
}

// A hostile service delivers frames twice, late, out of order, with other contents, and makes some up.
func TestAHostileServiceLosesNothing(t *testing.T) {
	t.Parallel()
	f := startFakeService(t)
	f.relay = func(text string) []string {
		if strings.Contains(text, `"type":"offer"`) {
			return []string{text}
		}
		return []string{text, text}
	}
	alice, bob := f.open("alice"), f.open("bob")
	alice.meets(bob)
	offer, answer := f.frames("offer")[0], f.frames("answer")[0]
	call := offer["call"]
	sdpOf := func(fields map[string]any, kind string) string { return fields[kind].(map[string]any)["sdp"].(string) }
	say := func(fields map[string]any) {
		for key, value := range map[string]any{"from": "bob", "to": "alice"} {
			if fields[key] == nil {
				fields[key] = value
			}
		}
		f.frame("alice", fields)
	}
	describe := func(kind, sdp string, id any) map[string]any {
		return map[string]any{"type": kind, kind: map[string]any{"type": kind, "sdp": sdp}, "call": id}
	}
	other := strings.NewReplacer("sha-256 ", "sha-256 00:").Replace(sdpOf(answer, "answer"))
	real := sdpOf(answer, "answer")
	swapped := real[:strings.Index(real, "a=fingerprint:sha-256 ")] + "a=fingerprint:sha-256 " + strings.TrimSuffix(strings.Repeat("00:", 32), ":") +
		real[strings.Index(real, "a=fingerprint:sha-256 ")+len("a=fingerprint:sha-256 ")+95:]
	for _, fields := range []map[string]any{
		describe("answer", real, call),
		describe("answer", other, call),
		describe("offer", swapped, call),
		describe("offer", other, call),
		describe("offer", real+"a=nonsense\r\nm=\r\n", call),
		describe("offer", "", call),
		describe("answer", "v=0", "unknown"),
		describe("offer", "nonsense", "unknown 2"),
		{"type": "bye", "reason": "left", "call": "unknown 3"},
		{"type": "bye", "reason": "left", "call": "unknown 4", "from": "nobody"},
		{"type": "ice-candidate", "ice-candidate": map[string]any{"candidate": "candidate:nonsense"}, "call": "unknown 5"},
		{"type": "presence", "online": 7, "offline": []any{nil}},
		{"type": "error", "code": 7, "message": map[string]any{}, "to": "nobody"},
	} {
		if fields["call"] == "unknown 2" {
			fields["from"] = "mallory" // From bob it would be a call that takes the other's place.
		}
		say(fields)
	}
	alice.say("one")
	bob.hears("alice", "one")
	bob.say("two")
	alice.hears("bob", "two")
	alice.delivered()
	alice.connected("bob")
	eval[chromedp.Void](alice, "void testing.faults.splice(0)") // It may complain about what cannot be read.
}

func TestAFloodOfOffersMakesAFewConnections(t *testing.T) {
	t.Parallel()
	f := startFakeService(t)
	alice, bob := f.open("alice"), f.open("bob")
	alice.meets(bob)
	alice.count()
	offer := f.frames("offer")[0]
	offers := 100
	if long() {
		offers = 500
	}
	for i := range offers {
		f.frame("alice", map[string]any{
			"type": "offer", "offer": offer["offer"], "from": fmt.Sprintf("mallory %d", i), "to": "alice", "call": fmt.Sprintf("call %d", i),
		})
	}
	alice.untilSent("bye", offers-8)
	if n := alice.connections(); n != 8 {
		t.Errorf("%d connections are made, want 8", n)
	}
	alice.say("still here")
	bob.hears("alice", "still here")
	bob.say("me too")
	alice.hears("bob", "me too")
}
