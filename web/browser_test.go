package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a test waits for something that ought to happen; only failing tests wait so long.
const patience = 60 * time.Second

// watch is run in every page before its own script. It keeps count of what changes, so that a test can wait for the next
// change instead of asking over and over (a frame that goes out counts as one), what the page sends to the service, and whatever a page must never do; and it
// can hold back what comes from the service.
const watch = `(() => {
	const faults = [];
	addEventListener("securitypolicyviolation", (e) => faults.push("CSP: " + e.violatedDirective + " " + e.blockedURI));
	addEventListener("error", (e) => faults.push("error: " + e.message));
	addEventListener("unhandledrejection", (e) => faults.push("unhandled rejection: " + e.reason));
	for (const level of ["error", "warn"]) {
		const original = console[level];
		console[level] = (...args) => { faults.push("console." + level + ": " + args.join(" ")); original.apply(console, args); };
	}
	const sent = [];
	const send = WebSocket.prototype.send;
	WebSocket.prototype.send = function (data) { sent.push(JSON.parse(data)); changed(); return send.call(this, data); };
	let held;
	const { set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
	Object.defineProperty(WebSocket.prototype, "onmessage", { set(listener) {
		set.call(this, (event) => held ? held.push(() => listener.call(this, event)) : listener.call(this, event));
	} });
	let changes = 0;
	let wake = [];
	const changed = () => { changes++; wake.forEach((f) => f()); wake = []; };
	new MutationObserver(changed).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
	for (const event of ["input", "focusin", "focusout", "scroll", "load"]) addEventListener(event, changed, true);
	globalThis.testing = {
		faults,
		sent,
		hold() { held = []; },
		release() { const waiting = held; held = undefined; waiting.forEach((deliver) => deliver()); },
		get changes() { return changes; },
		after: (n) => new Promise((resolve) => changes > n ? resolve() : wake.push(resolve)),
	};
})()`

// chromium is the one browser that all tests share; each page gets a browser context of its own.
var chromium = sync.OnceValues(startChromium)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range []func(){stopChromium, stopFirefox} {
		if stop != nil {
			stop()
		}
	}
	os.Exit(code)
}

// stopChromium is set once the browser has been started.
var stopChromium func()

var errNoChromium = errors.New("no Chromium in PATH (chromium, chromium-browser or google-chrome)")

func startChromium() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errNoChromium
	}
	allocator, freeAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.Headless,
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		// Together with the microphone's permission (newPage) these let two pages connect on a machine that has no
		// network but loopback.
		chromedp.Flag("allow-loopback-in-peer-connection", true),
		chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns"),
		// Several pages share one machine and one browser: none of them is in the background.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.WindowSize(1100, 800),
	)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		freeAllocator()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	stopChromium = func() {
		_ = chromedp.Cancel(ctx)
		freeAllocator()
	}
	return ctx, nil
}

// page is one tab, found by what a person finds in it: roles and names.
type page struct {
	t    testing.TB
	ctx  context.Context
	name string // for messages
	// gone is set once the tab has been closed or has crashed on purpose.
	gone bool
}

// newPage opens url in a browser context of its own. When the test ends, the page must have broken no rule.
func newPage(t testing.TB, name, url string) *page {
	t.Helper()
	return newPageIn(t, name, url, chromedp.WithNewBrowserContext())
}

// newPageIn opens url in the browser context that the options say; without any it is the browser's own, the one that is on
// disk and not in memory.
func newPageIn(t testing.TB, name, url string, options ...chromedp.ContextOption) *page {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	parent, err := chromium()
	if errors.Is(err, errNoChromium) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx, name: name}
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		c := chromedp.FromContext(ctx)
		if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission:       &browser.PermissionDescriptor{Name: "microphone"},
			Setting:          browser.PermissionSettingGranted,
			BrowserContextID: c.BrowserContextID,
		}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument,
			cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: watch}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	})
	p.navigate(url)
	t.Cleanup(func() {
		if !p.gone {
			p.checkFaults()
		}
	})
	return p
}

func (p *page) navigate(url string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		p.t.Fatalf("%s: open %s: %v", p.name, url, err)
	}
}

func (p *page) checkFaults() {
	p.t.Helper()
	faults, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string]("testing.faults"))
	if err != nil {
		p.t.Errorf("%s: read the page's faults: %v", p.name, err)
	}
	for _, fault := range faults {
		p.t.Errorf("%s: %s", p.name, fault)
	}
}

// do runs f against the tab.
func (p *page) do(f func(ctx context.Context, target *chromedp.Target) error) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Func(f)); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// eval runs a JavaScript expression and returns its value; a promise is awaited.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: evaluate %s: %v", p.name, expression, err)
	}
	return value
}

// element is a node of the accessibility tree.
type element struct {
	role, name string
	node       cdp.BackendNodeID
}

// query returns what the accessibility tree has of a role and a name now; an empty name is any.
func (p *page) query(ctx context.Context, role, name string) ([]element, error) {
	document, err := chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject]("document"))
	if err != nil {
		return nil, err
	}
	result, err := chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		ObjectID: document.ObjectID, Role: role, AccessibleName: name,
	})
	if err != nil {
		return nil, err
	}
	var found []element
	for _, node := range result.Nodes {
		if !node.Ignored {
			found = append(found, element{text(node.Role), text(node.Name), node.BackendDOMNodeID})
		}
	}
	return found, nil
}

func text(value *accessibility.Value) string {
	if value == nil {
		return ""
	}
	var s string
	_ = json.Unmarshal(value.Value, &s) // What is no string has no text.
	return s
}

// until waits, from one change of the page to the next, for condition to hold.
func (p *page) until(what string, condition func(ctx context.Context) (bool, error)) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		changes, err := chromedp.Run(ctx, chromedp.Evaluate[int]("testing.changes"))
		var ok bool
		if err == nil {
			ok, err = condition(ctx)
		}
		if err == nil && ok {
			return
		}
		if err == nil {
			_, err = chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](
				fmt.Sprintf("testing.after(%d)", changes), chromedp.EvalAwaitPromise))
		}
		if ctx.Err() != nil {
			shown, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 2000)"))
			faults, _ := chromedp.Run(p.ctx, chromedp.Evaluate[[]string]("testing.faults"))
			p.t.Fatalf("%s: %s: not within %v. The page shows:\n%s\nfaults: %q", p.name, what, patience, shown, faults)
		}
		// A node may go away between two questions about it: then the tree has changed, and is asked again.
		var protocol *cdp.Error
		if err != nil && !errors.As(err, &protocol) {
			p.t.Fatalf("%s: %s: %v", p.name, what, err)
		}
	}
}

// find waits for the one element of a role and a name.
func (p *page) find(role, name string) element {
	p.t.Helper()
	var found []element
	p.until(fmt.Sprintf("one %s %q", role, name), func(ctx context.Context) (bool, error) {
		var err error
		found, err = p.query(ctx, role, name)
		return len(found) == 1, err
	})
	return found[0]
}

// vanish waits until there is no element of a role and a name.
func (p *page) vanish(role, name string) {
	p.t.Helper()
	p.until(fmt.Sprintf("no %s %q", role, name), func(ctx context.Context) (bool, error) {
		found, err := p.query(ctx, role, name)
		return len(found) == 0, err
	})
}

// absent checks that there is no element of a role and a name now.
func (p *page) absent(role, name string) {
	p.t.Helper()
	found, err := p.query(p.ctx, role, name)
	if err != nil {
		p.t.Fatalf("%s: look for %s %q: %v", p.name, role, name, err)
	}
	if len(found) != 0 {
		p.t.Errorf("%s: there is a %s %q, want none", p.name, role, name)
	}
}

// call calls a JavaScript function on an element.
func call[T any](ctx context.Context, e element, function string, arguments ...any) (T, error) {
	var zero T
	object, err := chromedp.Call(ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: e.node})
	if err != nil {
		return zero, err
	}
	byObject := func(p *runtime.CallFunctionOnParams) { p.ObjectID = object.Object.ObjectID }
	return chromedp.Run(ctx, chromedp.CallFunctionOn[T](function, byObject, arguments...))
}

// read waits for the element and returns its text.
func (p *page) read(role, name string) string {
	p.t.Helper()
	text, err := call[string](p.ctx, p.find(role, name), "function() { return this.value ?? this.innerText }")
	if err != nil {
		p.t.Fatalf("%s: read %s %q: %v", p.name, role, name, err)
	}
	return text
}

// shows waits until the element's text contains want.
func (p *page) shows(role, name, want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s %q with %.100q in it", role, name, want), func(ctx context.Context) (bool, error) {
		found, err := p.query(ctx, role, name)
		for _, e := range found {
			has, err := call[bool](ctx, e, "function(want) { return (this.value ?? this.innerText).includes(want) }", want)
			if has || err != nil {
				return has, err
			}
		}
		return false, err
	})
}

// click clicks in the middle of the element, as a mouse does.
func (p *page) click(role, name string) {
	p.t.Helper()
	x, y := p.position(p.find(role, name))
	p.clickAt(x, y, 1)
}

func (p *page) position(e element) (x, y float64) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: e.node}); err != nil {
		p.t.Fatalf("%s: scroll to %s %q: %v", p.name, e.role, e.name, err)
	}
	quads, err := chromedp.Call(p.ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: e.node})
	if err != nil || len(quads.Quads) == 0 {
		p.t.Fatalf("%s: %s %q has no place on the screen: %v", p.name, e.role, e.name, err)
	}
	q := quads.Quads[0]
	return (q[0] + q[2] + q[4] + q[6]) / 4, (q[1] + q[3] + q[5] + q[7]) / 4
}

func (p *page) clickAt(x, y float64, count int64) {
	p.t.Helper()
	for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
		if _, err := chromedp.Call(p.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: x, Y: y, Button: input.MouseButtonLeft, ClickCount: count,
		}); err != nil {
			p.t.Fatalf("%s: click: %v", p.name, err)
		}
	}
}

// fill puts text into a textbox in place of what it has, as typing or pasting does.
func (p *page) fill(name, text string) {
	p.t.Helper()
	field := p.find("textbox", name)
	if _, err := call[chromedp.Void](p.ctx, field, "function() { this.focus(); this.select() }"); err != nil {
		p.t.Fatalf("%s: focus %q: %v", p.name, name, err)
	}
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatalf("%s: type into %q: %v", p.name, name, err)
	}
}

// press types keys (package kb) into whatever has the focus.
func (p *page) press(keys string, options ...chromedp.KeyOption) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.KeyEvent(keys, options...)); err != nil {
		p.t.Fatalf("%s: press %q: %v", p.name, keys, err)
	}
}

// close closes the tab as a person does.
func (p *page) close() {
	p.t.Helper()
	p.checkFaults()
	p.gone = true
	if _, err := chromedp.Call(p.ctx, cdppage.Close, cdp.Empty{}); err != nil {
		p.t.Fatalf("%s: close the tab: %v", p.name, err)
	}
}

// crash ends the tab's process without a word.
func (p *page) crash() {
	p.t.Helper()
	p.checkFaults()
	p.gone = true
	ctx, cancel := context.WithTimeout(p.ctx, time.Second)
	defer cancel()
	_, _ = chromedp.Call(ctx, cdppage.Crash, cdp.Empty{}) // Who crashes does not answer.
}

// What people do.

func (p *page) join(login string) {
	p.t.Helper()
	p.fill("Login", login)
	p.click("button", "Join")
	p.find("button", "Sign out")
}

func (p *page) connectTo(login string) {
	p.t.Helper()
	p.fill("Other login", login)
	p.click("button", "Connect to")
}

func (p *page) connected(login string) {
	p.t.Helper()
	p.find("button", "Disconnect from "+login)
}

// bringUp brings the conversation with somebody to the front.
func (p *page) bringUp(login string) {
	p.t.Helper()
	p.until("the conversation with "+login+" in the list", func(ctx context.Context) (bool, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`(() => {
			const line = [...document.querySelectorAll(".conversations .line")].find((l) => l.querySelector("strong").textContent === %q);
			line?.click();
			return line !== undefined;
		})()`, login)))
	})
}

func (p *page) say(text string) {
	p.t.Helper()
	p.fill("Message", text)
	p.press(kb.Enter)
}

// hears waits for a message of author with this text.
func (p *page) hears(author, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("a message %.100q by %s", text, author), func(context.Context) (bool, error) {
		for _, m := range p.messages() {
			if m.Author == author && m.Text == text {
				return true, nil
			}
		}
		return false, nil
	})
}

// message is one in the discussion, as it is shown.
type message struct {
	Author, Text, Delivery string
	Own                    bool
}

// shownMessages reads the discussion in JavaScript.
const shownMessages = `[...document.querySelectorAll("[role=log] li.message:not(.transfer)")].map((li) => ({
	author: li.querySelector("strong").textContent,
	text: li.querySelector(".bubble").textContent,
	delivery: li.querySelector(".delivery")?.innerText.trim() ?? "",
	own: li.classList.contains("own"),
}))`

func (p *page) messages() []message {
	p.t.Helper()
	return eval[[]message](p, shownMessages)
}

// texts returns the texts of one author's messages, in order.
func (p *page) texts(author string) []string {
	p.t.Helper()
	var texts []string
	for _, m := range p.messages() {
		if m.Author == author {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// delivered waits until every own message has been delivered; it may have been read, too.
func (p *page) delivered() {
	p.t.Helper()
	p.until("every message delivered", func(context.Context) (bool, error) {
		for _, m := range p.messages() {
			if m.Own && !strings.HasPrefix(m.Delivery, "delivered") {
				return false, nil
			}
		}
		return true, nil
	})
}

// fromDisk is the page's address as a file that talks to the service at address (host:port).
func fromDisk(t testing.TB, file, address string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.ToSlash(path) + "?service=ws://" + address
}
