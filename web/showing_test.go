package web_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// emulate sets the medium, such as "print", and features of the screen.
func (p *page) emulate(medium string, features ...*emulation.MediaFeature) {
	p.t.Helper()
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: features})
		return err
	})
}

// keep keeps a picture of the page if -screenshots asks for it.
func (p *page) keep(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), p.screenshot(), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// A text is shown by what it costs to lay it out, and a reader of older messages stays at them.
func TestWhatIsShownHasBounds(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	alice.draw()
	l := s.peer("bob").call("alice")
	alice.connected("bob")

	id := uint32(0)
	say := func(text string) {
		id++
		l.say(id, text)
	}
	// Each of these costs a browser more than a second.
	for _, text := range []string{
		strings.Repeat("😀😁😂", 400_000),
		"a" + strings.Repeat("\u0301", 1_000_000),
		strings.Repeat("\n", 1_000_000) + "end",
		strings.Repeat("ภาษาไทยไม่มีช่องว่าง", 30_000),
		strings.Repeat("https://a.example/b ", 100_000),
		strings.Repeat("aא", 500_000),
	} {
		id++
		for rest := []byte(text); len(rest) > 0; {
			part := rest[:min(len(rest), 60_000)]
			rest = rest[len(part):]
			l.send(textFrame(id, len(rest) == 0, part))
		}
		l.confirmed(id)
		alice.until("the beginning of the text", func(context.Context) (bool, error) {
			return eval[int](alice, `document.querySelectorAll(".rest").length`) == int(id), nil
		})
		shown := alice.messages()[id-1].Text
		if shown == "" || len(shown) > len(text)/2 || !strings.HasPrefix(text, shown) {
			t.Errorf("of the text %.10q of %d bytes, %d are shown", text, len(text), len(shown))
		}
	}
	alice.keep("long-text")
	// The reader stays where the text went on.
	before := len(alice.messages()[0].Text)
	eval[any](alice, `document.querySelector(".rest button").scrollIntoView()`)
	top := eval[float64](alice, `document.querySelector("[role=log]").scrollTop`)
	eval[any](alice, `document.querySelector(".rest button").click()`)
	alice.until("more of the first text", func(context.Context) (bool, error) { return len(alice.messages()[0].Text) > before, nil })
	if now := eval[float64](alice, `document.querySelector("[role=log]").scrollTop`); now != top {
		t.Errorf("the reader was moved from %v to %v", top, now)
	}
	eval[bool](alice, `(() => {
		const create = URL.createObjectURL;
		URL.createObjectURL = (blob) => { globalThis.saved = blob.size; return create.call(URL, blob); };
		HTMLAnchorElement.prototype.click = () => {};
		[...document.querySelector(".rest").querySelectorAll("button")].at(-1).click();
		return true;
	})()`)
	if saved := eval[int](alice, "saved"); saved != 4*3*400_000 {
		t.Errorf("%d bytes are saved, want the whole text", saved)
	}

	// Whoever reads stays there, however many others come.
	eval[any](alice, `document.getElementById("message").focus()`)
	alice.click("button", "Newest messages")
	for n := range 250 {
		say(fmt.Sprintf("message %d", n))
	}
	alice.hears("bob", "message 249")
	eval[int](alice, `document.querySelector("[role=log]").scrollTop -= 1000`)
	alice.find("button", "Newest messages")
	place := eval[string](alice, `(() => {
		const log = document.querySelector("[role=log]").getBoundingClientRect();
		globalThis.read = [...document.querySelectorAll("[role=log] li")].find((li) => li.getBoundingClientRect().top >= log.top);
		return read.querySelector(".bubble").textContent + " " + Math.round(read.getBoundingClientRect().top);
	})()`)
	for n := 250; n < 700; n++ {
		say(fmt.Sprintf("message %d", n))
	}
	l.confirmed(id)
	alice.until("a hint at 450 messages", func(context.Context) (bool, error) {
		return eval[string](alice, `document.querySelector(".newest").innerText`) == "Newest messages · 450 new", nil
	})
	alice.find("button", "Show later messages")
	if now := eval[string](alice, `read.isConnected ? read.querySelector(".bubble").textContent + " " + Math.round(read.getBoundingClientRect().top) : "gone"`); now != place {
		t.Errorf("the reader looked at %q and sees %q now", place, now)
	}
	alice.keep("reading")
	if n := eval[int](alice, `document.querySelectorAll("[role=log] li").length`); n > 400 {
		t.Errorf("%d messages are laid out", n)
	}
	alice.click("button", "Show later messages")
	alice.hears("bob", "message 500")
	alice.click("button", "Newest messages")
	alice.hears("bob", "message 699")
	alice.until("the newest message in view", func(context.Context) (bool, error) { return eval[bool](alice, atEnd), nil })

	if long() { // A browser takes seconds to print so much.
		alice.prints(8)
	}
}

// prints checks that the discussion is printed on so many pages at least, light, and whole.
func (p *page) prints(least int) {
	p.t.Helper()
	printed, err := chromedp.Call(p.ctx, cdppage.PrintToPDF, cdppage.PrintToPDFParams{})
	if err != nil {
		p.t.Fatalf("%s: print: %v", p.name, err)
	}
	if *screenshots != "" {
		if err := os.WriteFile(filepath.Join(*screenshots, "printed.pdf"), printed.Data, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	if pages := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(bytes.TrimSpace(printed.Data), -1)); pages < least {
		p.t.Errorf("%s: the discussion is printed on %d pages, want %d at least", p.name, pages, least)
	}
}

func TestTheDiscussionIsReadableOnEveryMedium(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	chat(alice, bob)
	messages, lines := 8, 8
	if long() {
		messages, lines = 40, 1
	}
	for n := range messages {
		alice.say(strings.Repeat(fmt.Sprintf("A line with some words in it, of message %d.\n", n), lines))
	}
	alice.delivered()

	// On paper there is all of it, dark mode or not.
	alice.view(900, 700, "dark")
	alice.untilTheme("dark")
	alice.prints(2)
	alice.emulate("print", &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"})
	alice.keep("print")
	if dark := eval[[]string](alice, `[...document.querySelectorAll("body, #discussion, .bubble, .meta, .delivery, .peer, .brand")].filter((e) => {
		const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
		const { color, backgroundColor } = getComputedStyle(e);
		const [r, g, b, alpha = 1] = channels(backgroundColor);
		return Math.min(...channels(color).slice(0, 3)) > 110 || (alpha > 0 && Math.min(r, g, b) < 200);
	}).map((e) => e.className || e.tagName)`); len(dark) > 0 {
		t.Errorf("these are not dark on light: %q", dark)
	}
	if cut := eval[bool](alice, `(() => { const log = document.getElementById("discussion"); return log.scrollHeight > log.clientHeight + 1 || log.clientHeight < 1500 })()`); cut {
		t.Error("the discussion is cut off on paper")
	}
	for _, selector := range []string{".composer", ".side", ".tools", ".sign-out"} {
		if eval[bool](alice, fmt.Sprintf(`document.querySelector(%q).checkVisibility()`, selector)) {
			t.Errorf("%s is printed", selector)
		}
	}
	alice.emulate("")

	// WCAG 2.2, 1.4.10: 1280 by 1024 pixels at 400 %.
	for _, size := range [][2]int64{{320, 256}, {320, 480}} {
		alice.view(size[0], size[1], "light")
		fits := func(view string) {
			t.Helper()
			name := fmt.Sprintf("%s %d×%d", view, size[0], size[1])
			alice.keep("reflow " + name)
			for _, fault := range eval[[]string](alice, reflow) {
				t.Errorf("%s: %s", name, fault)
			}
		}
		dialog := func(button string) {
			t.Helper()
			alice.click("button", button)
			alice.find("dialog", "")
			fits(button)
			alice.press(kb.Escape)
			alice.vanish("dialog", "")
		}
		fits("conversation")
		dialog("Settings")
		dialog("Verify bob")
		dialog("How am I connected?")
		dialog("Delete the conversation with bob")
		alice.click("button", "Back to the conversations")
		fits("list")
		dialog("Invite")
		alice.bringUp("bob")
		alice.click("button", "Settings")
		alice.pick("combobox", "Language", "fr")
		alice.find("dialog", "Réglages")
		fits("settings in French")
		alice.press(kb.Escape)
		alice.vanish("dialog", "")
		fits("conversation in French")
		alice.click("button", "Réglages")
		alice.pick("combobox", "Langue", "en")
		alice.press(kb.Escape)
		alice.vanish("dialog", "")
	}

	// Forced colours take backgrounds away.
	alice.view(900, 700, "light")
	alice.emulate("", &emulation.MediaFeature{Name: "forced-colors", Value: "active"})
	alice.keep("forced")
	if same := eval[bool](alice, `(() => {
		const look = (selector) => { const { borderStyle, borderWidth, borderInlineEndWidth } = getComputedStyle(document.querySelector(selector)); return borderStyle + borderWidth + borderInlineEndWidth; };
		return look(".own .bubble") === look(".received .bubble");
	})()`); same {
		t.Error("own messages look as received ones where colours are forced")
	}
	alice.click("button", "Settings")
	alice.find("dialog", "Settings")
	alice.keep("forced-settings")
}

// reflow says in JavaScript what has no room on a small screen.
const reflow = `(() => {
	const faults = [];
	const scope = document.querySelector("dialog[open]") ?? document.getElementById("app");
	const root = document.documentElement;
	for (const e of [root, scope, ...scope.querySelectorAll("*")]) {
		const { overflowX } = getComputedStyle(e);
		if (e.scrollWidth > e.clientWidth + 1 && (e === root || overflowX === "auto" || overflowX === "scroll") && e.tagName !== "TEXTAREA") faults.push(e.tagName + "." + e.className + " scrolls sideways: " + e.scrollWidth);
	}
	const shown = [...scope.querySelectorAll("button, a, input:not([type=file]), select, textarea, .who, .line strong, h2, label")].filter((e) => e.checkVisibility() && e.closest(".visually-hidden") === null);
	const boxes = shown.map((e) => ({ e, r: e.getBoundingClientRect(), name: e.getAttribute("aria-label") || e.id || e.textContent.trim().slice(0, 30) }));
	const log = scope.querySelector("#discussion");
	const inside = (e) => log?.contains(e) === true;
	for (const { e, r, name } of boxes) {
		if (r.width < 20 || r.height < 16) faults.push(name + " measures " + r.width + " by " + r.height);
		if (r.right > root.clientWidth + 1 || r.left < -1) faults.push(name + " is outside of the screen");
		const scrolls = (e) => e !== null && ((e.scrollHeight > e.clientHeight + 1 && (e === root || getComputedStyle(e).overflowY === "auto")) || scrolls(e.parentElement));
		if (r.bottom > innerHeight + 1 && !scrolls(e)) faults.push(name + " cannot be reached");
	}
	const fields = boxes.filter(({ e }) => e.tagName !== "LABEL");
	for (const a of fields) for (const b of fields) {
		if (a.e.contains(b.e) || b.e.contains(a.e) || inside(a.e) !== inside(b.e) || a.e.closest(".dialog-head") !== b.e.closest(".dialog-head")) continue;
		if (Math.min(a.r.right, b.r.right) - Math.max(a.r.left, b.r.left) > 1 && Math.min(a.r.bottom, b.r.bottom) - Math.max(a.r.top, b.r.top) > 1) faults.push(a.name + " is over " + b.name);
	}
	const name = scope.querySelector(".who strong");
	if (name?.checkVisibility() && name.getBoundingClientRect().width < 20) faults.push("the name has no room");
	if (log?.checkVisibility() && (log.clientHeight < 100 || log.clientWidth < 200)) faults.push("the discussion measures " + log.clientWidth + " by " + log.clientHeight);
	return faults;
})()`
