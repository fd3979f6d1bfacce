package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
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
// can hold back what comes from the service. A wait ends after a second too: the accessibility tree changes a little
// later than the document.
//
// But for its dialogs the page is laid out and not drawn until draw is called. To draw takes a tenth of the tests' processor time,
// and few tests look at a picture.
const watch = `(() => {
	const { setTimeout } = globalThis;
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
	const undrawn = new CSSStyleSheet();
	undrawn.replaceSync("@media screen { :root { opacity: 0 } }");
	document.adoptedStyleSheets.push(undrawn);
	let leaving = false;
	addEventListener("beforeunload", (e) => leaving && e.stopImmediatePropagation());
	let changes = 0;
	let wake = [];
	const changed = () => { changes++; wake.forEach((f) => f()); wake = []; };
	new MutationObserver(changed).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
	// To set a language or a direction again makes the browser compute the styles of all that is inside. The page did that in each rendering.
	new MutationObserver((records) => {
		for (const { target, attributeName, oldValue } of records) {
			if (oldValue === target.getAttribute(attributeName)) faults.push(target.nodeName + "." + attributeName + " is set again to " + oldValue);
		}
	}).observe(document, { subtree: true, attributeFilter: ["lang", "dir"], attributeOldValue: true });
	// Browsers replace a title even by the same.
	new MutationObserver((records) => {
		for (const { target, removedNodes: [before], addedNodes: [after] } of records) {
			if (target.nodeName === "TITLE" && before !== undefined && before.data === after?.data) faults.push("the title is set again to " + after.data);
		}
	}).observe(document, { subtree: true, childList: true });
	for (const event of ["input", "focusin", "focusout", "scroll", "load"]) addEventListener(event, changed, true);
	globalThis.testing = {
		faults,
		sent,
		hold() { held = []; },
		draw() { document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== undrawn); },
		leave() { leaving = true; },
		release() { const waiting = held; held = undefined; waiting.forEach((deliver) => deliver()); },
		changed,
		get changes() { return changes; },
		after: (n) => new Promise((resolve) => {
			if (changes > n) return resolve(changes);
			wake.push(() => resolve(changes));
			setTimeout(() => resolve(changes), 1_000);
		}),
	};
})()`

// chromium is the one browser that all tests share; each page gets a browser context of its own.
var chromium = sync.OnceValues(startChromium)

// long reports whether tests have their full length, as they do in .ci/run.
func long() bool { return os.Getenv("P2P_TEST_LONG") != "" }

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(parallel())); err != nil {
		panic(err) // Package testing has this flag. It reads the command line later.
	}
	code := m.Run()
	for _, stop := range []func(){stopChromium, stopFirefox} {
		if stop != nil {
			stop()
		}
	}
	os.Exit(code)
}

// disabledFeatures are features of Chromium that no test needs.
var disabledFeatures = []string{
	// It would hide the addresses of this machine from other pages.
	"WebRtcHideLocalIpsWithMdns",
	// A process for the next page is started ahead of time, although a test may need none.
	"SpareRendererForSitePerProcess",
	// A thread in each process would watch whether the others hang.
	"EnableHangWatcher",
	// Parts of the browser's own window are pages. They would take a fifth of the time that the tests take.
	"InitialWebUI", "PreloadTopChromeWebUI", "WebUIToolbar", "WebUIReloadButton",
	"WebUIOmniboxPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxAimPopup",
}

// stopChromium is set once the browser has been started.
var stopChromium func()

var errNoChromium = errors.New("no Chromium in PATH (chromium, chromium-browser or google-chrome)")

// whole names Chromium, the browser that people have.
var whole = []string{"chromium", "chromium-browser", "google-chrome"}

// shell names Chromium without its own windows, which shows pages in the same way. The tests take a quarter less processor time in it.
var shell = []string{"chromium-headless-shell", "chrome-headless-shell"}

func startChromium() (context.Context, error) {
	// Together with the microphone's permission (newPage) this lets two pages connect on a machine that has no network but
	// loopback.
	ctx, stop, err := launchChromium(slices.Concat(shell, whole), chromedp.Flag("allow-loopback-in-peer-connection", true))
	if err != nil {
		return nil, err
	}
	stopChromium = stop
	return ctx, nil
}

// launchChromium starts the first Chromium of these names that is installed. stop ends it.
func launchChromium(names []string, more ...chromedp.ExecAllocatorOption) (ctx context.Context, stop func(), err error) {
	path := ""
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, nil, errNoChromium
	}
	allocator, freeAllocator := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.Headless,
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		// The shell puts no page aside unless it is told so.
		chromedp.Flag("enable-bfcache", true),
		// What moves takes many frames.
		chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// Otherwise a page takes no input until something of it has been drawn, or half a second has passed.
		chromedp.Flag("allow-pre-commit-input", true),
		chromedp.Flag("disable-dev-shm-usage", !hasSharedMemory()),
		chromedp.Flag("disable-features", strings.Join(disabledFeatures, ",")),
		// Several pages share one machine and one browser: none of them is in the background.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.WindowSize(1100, 800),
	}, more...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		freeAllocator()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, func() {
		_ = chromedp.Cancel(ctx)
		freeAllocator()
	}, nil
}

// tabs are the tabs that wait for their next test.
var tabs pool[*tab]

// page is a page in a tab of Chromium.
type page struct {
	person
	tab *tab
	// marked is set once a test has changed the tab in a way that the next test would see.
	marked bool
	// large is set once the page may keep files, which take much memory in the browser.
	large bool
	// opened are the origins whose pages it has shown in this test.
	opened map[string]bool
	// document is the page's document. It is nil if the browser must be asked for it.
	document *runtime.RemoteObject
}

// newPage opens url in a tab with a browser context of its own. When the test ends, the page must have broken no rule.
func newPage(t testing.TB, name, url string) *page {
	t.Helper()
	parent := needChromium(t)
	origin, err := originOf(url)
	if err != nil {
		t.Fatal(err)
	}
	tab, ok := freeTab(origin)
	if !ok {
		if tab, err = openTab(parent, chromedp.WithNewBrowserContext()); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, tab, name, url, func(p *page) {
		if p.gone || p.marked || t.Failed() {
			tab.end()
			return
		}
		if err := tab.clear(p.large); err != nil {
			t.Logf("%s: this tab is not used again: %v", name, err)
			tab.end()
			return
		}
		tabs.put(tab)
	})
}

// newPageOnDisk opens url in the browser's own context, whose data is on disk and not in memory.
func newPageOnDisk(t testing.TB, name, url string) *page {
	t.Helper()
	tab, err := openTab(needChromium(t))
	if err != nil {
		t.Fatal(err)
	}
	spend(url) // What it keeps stays in the context.
	return open(t, tab, name, url, func(*page) { tab.end() })
}

// needChromium returns the browser, or skips the test where there is none.
func needChromium(t testing.TB) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	takeSlot(t)
	ctx, err := chromium()
	needBrowser(t, err)
	return ctx
}

// needBrowser skips the test where a browser could not be started because it is not installed. Any other error ends the test.
func needBrowser(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoChromium) || errors.Is(err, errNoFirefox) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// missing skips a test that needs what this machine does not have. CI must have it.
func missing(t testing.TB, what any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// open opens url in tab, and calls done with the page when the test ends.
func open(t testing.TB, tab *tab, name, url string, done func(*page)) *page {
	t.Helper()
	ctx, cancel := context.WithCancel(tab.ctx)
	p := &page{tab: tab, opened: map[string]bool{}}
	p.person = person{browserTab: p, t: t, ctx: ctx, name: name}
	t.Cleanup(func() {
		cancel()
		done(p)
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
	p.document = nil
	origin, err := originOf(url)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if p.tab.origins[origin] && !p.opened[origin] { // An earlier test has shown a page of it.
		if err := p.tab.forget(ctx, origin); err != nil {
			p.t.Fatalf("%s: delete what earlier tests have kept: %v", p.name, err)
		}
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		p.t.Fatalf("%s: open %s: %v", p.name, url, err)
	}
	p.opened[origin], p.tab.origins[origin] = true, true
	p.tab.fromDisk = origin == filesOrigin
}

// do runs f against the tab.
func (p *page) do(f func(ctx context.Context, target *chromedp.Target) error) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Func(f)); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// evaluate implements browserTab.
func (p *page) evaluate(ctx context.Context, expression string) (json.RawMessage, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[json.RawMessage]("(async () => (await ("+expression+")) ?? null)()", chromedp.EvalAwaitPromise))
}

// present implements browserTab.
func (p *page) present(ctx context.Context, role, name string) (int, error) {
	found, err := p.query(ctx, role, name)
	return len(found), err
}

// refused implements browserTab.
func (p *page) refused(err error) bool {
	var protocol *cdp.Error
	return errors.As(err, &protocol)
}

// enter implements browserTab.
func (p *page) enter() { p.t.Helper(); p.press(kb.Enter) }

// escape implements browserTab.
func (p *page) escape() { p.t.Helper(); p.press(kb.Escape) }

// element is a node of the accessibility tree.
type element struct {
	role, name string
	node       cdp.BackendNodeID
}

// query returns what the accessibility tree has of a role and a name now; an empty name is any.
func (p *page) query(ctx context.Context, role, name string) ([]element, error) {
	result, err := p.queryTree(ctx, role, name)
	if p.document != nil && err != nil && p.refused(err) { // the page has been loaded again meanwhile
		p.document = nil
		result, err = p.queryTree(ctx, role, name)
	}
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

// queryTree asks the accessibility tree below the page's document.
func (p *page) queryTree(ctx context.Context, role, name string) (result accessibility.QueryAXTreeResult, err error) {
	if p.document == nil {
		if p.document, err = chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject]("document")); err != nil {
			return result, err
		}
	}
	return chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		ObjectID: p.document.ObjectID, Role: role, AccessibleName: name,
	})
}

func text(value *accessibility.Value) string {
	if value == nil {
		return ""
	}
	var s string
	_ = json.Unmarshal(value.Value, &s) // What is no string has no text.
	return s
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

// untilIt waits until there is one element of a role and a name of which a JavaScript function says true, and returns it.
func (p *page) untilIt(role, name, function string) element {
	p.t.Helper()
	var found []element
	p.until(fmt.Sprintf("one %s %q as it should be", role, name), func(ctx context.Context) (bool, error) {
		var err error
		found, err = p.query(ctx, role, name)
		if err != nil || len(found) != 1 {
			return false, err
		}
		return call[bool](ctx, found[0], function)
	})
	return found[0]
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

// aim is called on the element that the next click is for. It returns a place in the element, or nothing if the element cannot be
// clicked now. The page may move before the click comes: a click that would reach something else reaches nothing then, and
// testing.hit says so.
const aim = `function () {
	this.scrollIntoViewIfNeeded();
	const [box] = this.getClientRects();
	if (this.disabled || box === undefined) return null;
	testing.hit = false;
	testing.aimed?.abort();
	testing.aimed = new AbortController();
	for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) addEventListener(type, (e) => {
		if (testing.hit) return; // What the page clicks on by itself.
		if (this.contains(e.target)) {
			testing.hit = type === "click";
		} else {
			e.preventDefault();
			e.stopImmediatePropagation();
		}
	}, { capture: true, signal: testing.aimed.signal });
	return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}`

// click clicks in the middle of the element, as a mouse does, once it may be clicked.
func (p *page) click(role, name string) {
	p.t.Helper()
	p.until(fmt.Sprintf("a click on one %s %q", role, name), func(ctx context.Context) (bool, error) {
		found, err := p.query(ctx, role, name)
		if err != nil || len(found) != 1 {
			return false, err
		}
		at, err := call[*struct{ X, Y float64 }](ctx, found[0], aim)
		if err != nil || at == nil {
			return false, err
		}
		p.clickAt(at.X, at.Y, 1)
		// A miss counts as a change, so that the next try follows at once. Another document is where the click has led.
		hit, err := evaluate[bool](ctx, &p.person, `(testing.aimed?.abort(), testing.hit ?? true) || (testing.changed(), false)`)
		if p.refused(err) {
			return true, nil
		}
		return hit, err
	})
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

// fromDisk is the page's address as a file that talks to the service at address (host:port).
func fromDisk(t testing.TB, file, address string) string {
	t.Helper()
	url, err := fileURL(file)
	if err != nil {
		t.Fatal(err)
	}
	return url + "?service=ws://" + address
}

// fileURL is the address of a file in this folder.
func fileURL(file string) (string, error) {
	path, err := filepath.Abs(file)
	return filesOrigin + filepath.ToSlash(path), err
}
