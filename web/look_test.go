package web_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// writeScreenshot makes TestScreenshotOfAChat write the picture that stands in the README.
var writeScreenshot = flag.Bool("screenshot", false, "write testdata/chat.png, the README's picture")

// screenshots makes TestEveryViewIsAccessibleAndFitsItsScreen keep a picture of each view in a folder.
var screenshots = flag.String("screenshots", "", "a folder for a picture of every view")

// view sets the size of the screen, in CSS pixels, and light or dark.
func (p *page) view(width, height int64, scheme string) {
	p.t.Helper()
	scale := 1.0 // The browser takes less time to draw fewer pixels.
	if *writeScreenshot || *screenshots != "" {
		scale = 2
	}
	p.viewScaled(width, height, scale, scheme)
}

// viewScaled sets, besides, how many pixels of the screen a CSS pixel measures in each direction.
func (p *page) viewScaled(width, height int64, scale float64, scheme string) {
	p.t.Helper()
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: scale,
		}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme},
				// What changes slowly could be looked at half-way.
				{Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		return err
	})
}

// draw has the browser draw the page until the next one is loaded. Whatever looks at what is drawn calls it first. Computed styles do
// not need it.
func (p *page) draw() {
	p.t.Helper()
	eval[any](p, "testing.draw()")
}

func (p *page) screenshot() []byte {
	p.t.Helper()
	p.draw()
	eval[bool](p, "Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => true)")
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("%s: take a screenshot: %v", p.name, err)
	}
	return shot
}

// chat has alice and bob exchange a few messages.
func chat(alice, bob *page) {
	alice.t.Helper()
	alice.say("Hi Bob! Are we still on for Saturday?")
	bob.hears("alice", "Hi Bob! Are we still on for Saturday?")
	bob.say("Of course. The 9:40 train, platform 3.\nI have the tickets already: https://example.org/trip?id=7")
	alice.hears("bob", "Of course. The 9:40 train, platform 3.\nI have the tickets already: https://example.org/trip?id=7")
	alice.say("Wonderful. I bring coffee and the map.")
	bob.hears("alice", "Wonderful. I bring coffee and the map.")
	bob.say("See you there!")
	alice.hears("bob", "See you there!")
	alice.delivered()
	bob.delivered()
}

func TestScreenshotOfAChat(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	alice.viewScaled(900, 680, 2, "light")
	chat(alice, bob)

	shot := alice.screenshot()
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatalf("the screenshot is no PNG: %v", err)
	}
	if size := picture.Bounds().Size(); size.X != 1800 || size.Y != 1360 {
		t.Errorf("the screenshot measures %v, want 1800 by 1360", size)
	}
	colours := map[any]bool{}
	for x := 0; x < picture.Bounds().Dx(); x += 4 {
		for y := 0; y < picture.Bounds().Dy(); y += 4 {
			colours[picture.At(x, y)] = true
		}
	}
	if len(colours) < 16 {
		t.Errorf("the screenshot has %d colours: it shows no page", len(colours))
	}
	if *writeScreenshot {
		if err := os.WriteFile("testdata/chat.png", shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// axeRules returns axe-core's script. It skips the test where that is not installed.
func axeRules(t testing.TB) string {
	t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if errors.Is(err, fs.ErrNotExist) {
		missing(t, "axe-core is not installed: run npm ci in web")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// axe checks the page as it is now against the rules of axe-core.
func (p *page) axe(rules string) {
	p.t.Helper()
	p.draw() // axe compares colours.
	if !eval[bool](p, `"axe" in globalThis`) {
		if err := chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](rules)); err != nil {
			p.t.Fatalf("%s: load axe: %v", p.name, err)
		}
	}
	violations := eval[[]string](p, `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
		violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.failureSummary + " " + n.html)))`)
	for _, violation := range violations {
		p.t.Errorf("%s: %s", p.name, violation)
	}
}

// With a keyboard on the screen a phone has some 370 pixels left, and on its side hardly more.
func TestWhereThereIsLittleRoomThereIsRoomToRead(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	chat(alice, bob)
	// Whom one talks to is there, whatever else is not.
	whole := func() {
		t.Helper()
		if cut := eval[float64](alice, `(() => {
			const name = document.querySelector(".peer .who strong");
			const text = document.createRange();
			text.selectNodeContents(name);
			return text.getBoundingClientRect().width - name.getBoundingClientRect().width;
		})()`); cut > 0.01 {
			t.Errorf("%.1f pixels of the name of whom one talks to are cut off", cut)
		}
	}
	for _, size := range [][2]int64{{360, 370}, {640, 360}} {
		name := fmt.Sprintf("%d×%d", size[0], size[1])
		alice.view(size[0], size[1], "light")
		if height := eval[float64](alice, `document.getElementById("discussion").clientHeight`); height < 140 {
			t.Errorf("%s: the discussion is %.0f high, want 140 at least", name, height)
		}
		for _, button := range []string{"Disconnect from bob", "Send", "Back to the conversations", "Sign out"} {
			alice.sees("button", button)
		}
		alice.say("on " + name)
		bob.hears("alice", "on "+name)
		whole()
		alice.keep("small-" + name)
	}
	// The keyboard comes up for the field that one has touched: that stays.
	alice.view(360, 640, "light")
	eval[any](alice, `document.getElementById("other-login").focus()`)
	alice.view(360, 370, "light")
	if shown := eval[bool](alice, `document.activeElement.id === "other-login" && document.activeElement.checkVisibility()`); !shown {
		t.Error("the field for the other login is gone while somebody is about to type in it")
	}
	alice.sees("status", "Connection")
	// In French there is less room beside it.
	alice.view(360, 640, "light")
	alice.click("button", "Settings")
	alice.pick("combobox", "Language", "fr")
	alice.press(kb.Escape)
	alice.vanish("dialog", "")
	whole()
	alice.keep("small-French")
}

// screens are the screens on which a test looks at every view, each of them light and dark.
var screens = []struct {
	name          string
	width, height int64
	// rules is the scheme in which axe looks, too. It takes a second for each view, so each width and each scheme has it once: both
	// with P2P_TEST_LONG, and otherwise in turns, so that each view has it once.
	rules string
}{
	{"phone", 360, 720, "light"}, {"desk", 1100, 760, "dark"},
}

// TestEveryViewIsAccessibleAndFitsItsScreen goes through all that the page shows. With -screenshots it keeps a picture of each.
func TestEveryViewIsAccessibleAndFitsItsScreen(t *testing.T) {
	t.Parallel()
	rules := axeRules(t)
	for number, screen := range screens {
		t.Run(screen.name, func(t *testing.T) {
			s := startService(t)
			p := newPage(t, "alice", s.url())
			p.view(screen.width, screen.height, "light")
			views := 0
			look := func(what string) {
				t.Helper()
				views++
				schemes := []string{"light", "dark"}
				if views%2 == 0 {
					slices.Reverse(schemes) // The page has the scheme of the view before.
				}
				for _, scheme := range schemes {
					p.name = what + ", " + scheme
					p.view(screen.width, screen.height, scheme)
					p.untilTheme(scheme)
					eval[bool](p, "Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => true)")
					if *screenshots != "" || screen.rules == scheme && (long() || views%len(screens) == number) {
						p.axe(rules)
					}
					if h1 := eval[int](p, "document.querySelectorAll('h1').length"); h1 != 1 {
						t.Errorf("%s: %d h1, want one", p.name, h1)
					}
					if wide := eval[string](p, `[document.documentElement, ...document.querySelectorAll("dialog[open], main, .conversations, #discussion, .peer")]
						.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.tagName + "." + e.className).join()`); wide != "" {
						t.Errorf("%s: wider than its place: %s", p.name, wide)
					}
					p.keep(fmt.Sprintf("%s-%s-%02d-%s", screen.name, scheme, views, strings.ReplaceAll(what, " ", "-")))
				}
			}
			dialog := func(button, what string) {
				t.Helper()
				p.click("button", button)
				p.find("dialog", "")
				look(what)
				p.press(kb.Escape)
				p.vanish("dialog", "")
			}
			p.find("button", "Join")
			look("join")
			dialog("Settings", "settings before joining")
			p.click("button", "Join")
			p.find("alert", "")
			look("join with an alert")
			p.join("alice")
			look("nobody connected")
			dialog("Invite", "invite")

			s.robot("quiet")
			p.connectTo("quiet")
			p.find("button", "Cancel the call to quiet")
			look("calling")
			p.click("button", "Cancel the call to quiet")
			p.back()

			bob := s.open("bob")
			p.connectTo("bob")
			p.connected("bob")
			chat(p, bob)
			look("a chat")
			dialog("Verify bob", "verify")
			p.click("button", "Verify bob")
			p.click("button", "The numbers match: mark as verified")
			dialog("How am I connected?", "how am I connected")
			dialog("Delete the conversation with bob", "a question")
			bob.fill("Message", "I am still")
			p.until("bob types", func(context.Context) (bool, error) {
				return eval[bool](p, `document.querySelector(".typing").textContent.includes("typing")`), nil
			})
			look("the other types")
			p.attachPicture("a picture of the sea.png")
			bob.find("button", "Accept a picture of the sea.png")
			look("a file is offered")
			bob.click("button", "Accept a picture of the sea.png")
			p.shows("log", "Discussion", "Delivered and checked")
			look("a picture has been sent")

			s.peer("carol with a rather long name of her own").call("alice").say(1, "Hello Alice, may I disturb you for a moment?")
			p.until("an unread message", func(context.Context) (bool, error) {
				return eval[bool](p, `document.querySelector(".unread") !== null`), nil
			})
			p.back()
			look("several conversations")
			p.bringUp("carol with a rather long name of her own")
			look("the other conversation")
			p.bringUp("bob")

			p.click("button", "Settings")
			p.click("switch", "Ask before connecting")
			look("settings")
			p.press(kb.Escape)
			p.vanish("dialog", "")
			s.peer("dave").offer("alice")
			p.find("dialog", "Incoming request from dave")
			look("an incoming request")
			p.click("button", "Decline")
			p.vanish("dialog", "")

			bob.click("button", "Sign out")
			bob.find("button", "Join")
			p.shows("log", "Discussion", "bob left")
			look("bob left")
			p.click("button", "Block bob")
			p.click("button", "Settings")
			p.find("button", "Unblock bob")
			look("settings with a blocked login")
			p.click("button", "Unblock bob")
			p.vanish("button", "Unblock bob")
			p.pick("combobox", "Language", "fr")
			p.find("dialog", "Réglages")
			look("settings in French")
			p.press(kb.Escape)
			look("a discussion in French")
			p.click("button", "Réglages")
			p.pick("combobox", "Langue", "en")
			p.press(kb.Escape)
			p.vanish("dialog", "")

			mallory := s.peer("mallory-1")
			l := mallory.offer("alice")
			p.click("button", "Accept")
			p.connected("mallory-1")
			l.send([]byte{frameGoodbye})
			p.vanish("button", "Disconnect from mallory-1")
			mallory.certificate = newCertificate(t)
			mallory.offer("alice")
			p.click("button", "Accept")
			p.find("alertdialog", "The identity of mallory-1 has changed")
			look("a changed identity")
			p.click("button", "Disconnect from mallory-1")
			p.vanish("alertdialog", "")

			s.stop()
			p.until("the service is away", func(context.Context) (bool, error) {
				return !strings.Contains(p.read("status", "Connection"), "connected"), nil
			})
			look("the service is away")
		})
	}
}

// back goes back to the list of conversations, where there is no room for both.
func (p *page) back() {
	p.t.Helper()
	eval[bool](p, `(() => { const back = document.querySelector(".back"); if (back?.checkVisibility()) back.click(); return true })()`)
}

// pick chooses from a list by value.
func (p *page) pick(role, name, value string) {
	p.t.Helper()
	if _, err := call[chromedp.Void](p.ctx, p.find(role, name), `function(value) { this.value = value; this.dispatchEvent(new Event("change")) }`, value); err != nil {
		p.t.Fatalf("%s: choose %q from %q: %v", p.name, value, name, err)
	}
}

// attachPicture drops a small picture onto the conversation.
func (p *page) attachPicture(name string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(async () => {
		const canvas = new OffscreenCanvas(320, 200);
		const paint = canvas.getContext("2d");
		const sky = paint.createLinearGradient(0, 0, 0, 200);
		sky.addColorStop(0, "#8ec5ff");
		sky.addColorStop(0.55, "#fff0d8");
		sky.addColorStop(0.56, "#2b6ca3");
		sky.addColorStop(1, "#173f66");
		paint.fillStyle = sky;
		paint.fillRect(0, 0, 320, 200);
		const data = new DataTransfer();
		data.items.add(new File([await canvas.convertToBlob()], %q, { type: "image/png" }));
		document.querySelector(".conversation").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
		return true;
	})()`, name))
}

func TestStrictContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	s := startService(t)
	response, err := http.Get(s.url())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	header := response.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(header, want) {
			t.Errorf("the service sends the policy %q, want %q in it", header, want)
		}
	}
	for _, url := range []string{s.url(), fromDisk(t, "index.html", s.address)} {
		p := newPage(t, "alice", url)
		p.join("alice")
		for _, attack := range []string{
			`document.body.innerHTML = "<img src=x onerror='document.title = 1'>"`,
			`(() => { const s = document.createElement("script"); s.textContent = "document.title = 1"; document.body.append(s) })()`,
			`setTimeout("document.title = 1")`,
		} {
			if refused := eval[bool](p, `(() => { try { `+attack+`; return false } catch { return true } })()`); !refused {
				t.Errorf("%s: the browser let %s pass", url, attack)
			}
		}
		if loaded := eval[bool](p, `new Promise((resolve) => {
			const image = new Image();
			image.onload = () => resolve(true);
			image.onerror = () => resolve(false);
			image.src = "http://127.0.0.1:1/x.png";
		})`); loaded {
			t.Errorf("%s: the browser loads from other hosts", url)
		}
		if faults := eval[[]string](p, "testing.faults.splice(0)"); len(faults) < 4 {
			t.Errorf("%s: %d violations were reported (%q), want one for each attack", url, len(faults), faults)
		}
		p.click("button", "Sign out")
		p.find("button", "Join")
	}
}
