package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// Firefox is driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): JSON over one WebSocket, which Firefox itself
// offers. It speaks no Chrome DevTools Protocol.

// firefox is the one Firefox that all tests share; each page gets a user context of its own.
var firefox = sync.OnceValues(startFirefox)

// stopFirefox is set once the browser has been started.
var stopFirefox func()

var errNoFirefox = errors.New("no Firefox in PATH (firefox-esr or firefox)")

// firefoxPreferences let two pages connect on a machine that has no network but loopback, and have the browser itself ask nothing
// of any network and start no process ahead of need.
const firefoxPreferences = `
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.peerconnection.ice.default_address_only", false);
user_pref("dom.ipc.processPrelaunch.enabled", false);
user_pref("dom.min_background_timeout_value", 4);
user_pref("dom.timeout.enable_budget_timer_throttling", false);
user_pref("widget.windows.window_occlusion_tracking.enabled", false);
user_pref("intl.accept_languages", "en-US, en");
user_pref("ui.prefersReducedMotion", 1);
user_pref("app.normandy.enabled", false);
user_pref("app.update.auto", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutConfig.showWarning", false);
user_pref("browser.region.network.url", "");
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.search.update", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage", "about:blank");
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.startup.page", 0);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.topsites.contile.enabled", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.push.connection.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("geo.enabled", false);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("media.gmp-manager.url", "");
user_pref("messaging-system.rsexperimentloader.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.http.speculative-parallel-limit", 0);
user_pref("network.prefetch-next", false);
user_pref("network.proxy.type", 0);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.enabled", false);
user_pref("toolkit.telemetry.server", "");
user_pref("toolkit.telemetry.unified", false);
`

// foxFocus is run in every page after watch. Only one window of a browser has the focus, and the windows of other tests take it.
// Chromium has a command for this (prepare).
const foxFocus = `
document.hasFocus = () => true;`

func startFirefox() (_ *bidi, err error) {
	path := ""
	for _, name := range []string{"firefox-esr", "firefox"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errNoFirefox
	}
	profile, err := os.MkdirTemp("", "p2p-messaging-firefox-")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}
	process := exec.Command(path, "--headless", "--no-remote", "--profile", profile,
		"--width=1100", "--height=800", "--remote-debugging-port=0", "about:blank")
	process.Env = append(os.Environ(), "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_REMOTE_SETTINGS_DEVTOOLS=1", "HOME="+profile)
	endWithTests(process)
	output, err := process.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}
	if err := process.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}
	b := &bidi{waiting: map[int]chan bidiReply{}, gone: make(chan struct{})}
	ended := make(chan struct{})
	stop := func() {
		if b.socket != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			_, _ = b.send(ctx, "browser.close", map[string]any{}) // It is ended either way.
			cancel()
		}
		late := time.AfterFunc(10*time.Second, func() { _ = process.Process.Kill() })
		if b.socket == nil {
			_ = process.Process.Kill()
		}
		<-ended
		_ = process.Wait() // Its status says nothing about the page.
		late.Stop()
		if b.socket != nil {
			_ = b.socket.NetConn().Close()
			<-b.gone
		}
		_ = os.RemoveAll(profile)
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	address := make(chan string, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if _, found, ok := strings.Cut(lines.Text(), "WebDriver BiDi listening on "); ok {
				address <- found
				break
			}
		}
		_, _ = io.Copy(io.Discard, output) // Until the browser has ended.
	}()
	var url string
	select {
	case url = <-address:
	case <-ended:
		return nil, fmt.Errorf("%s ended before it offered WebDriver BiDi", path)
	case <-time.After(patience):
		return nil, fmt.Errorf("%s did not offer WebDriver BiDi within %v", path, patience)
	}
	socket, _, err := gws.NewClient(b, &gws.ClientOption{
		Addr: url + "/session", ReadMaxPayloadSize: 256 << 20, WriteMaxPayloadSize: 256 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	b.socket = socket
	go socket.ReadLoop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := b.send(ctx, "session.new", map[string]any{"capabilities": map[string]any{}}); err != nil {
		return nil, err
	}
	if _, err := b.send(ctx, "script.addPreloadScript", map[string]any{"functionDeclaration": "() => {" + watch + foxFocus + "}"}); err != nil {
		return nil, err
	}
	stopFirefox = stop
	return b, nil
}

// bidi is the connection to the browser.
type bidi struct {
	gws.BuiltinEventHandler
	socket *gws.Conn
	gone   chan struct{}

	mu      sync.Mutex
	last    int
	waiting map[int]chan bidiReply
}

type bidiReply struct {
	ID      int
	Result  json.RawMessage
	Error   string
	Message string
}

// bidiError is a command that the browser did not carry out.
type bidiError struct{ method, code, message string }

func (e *bidiError) Error() string { return fmt.Sprintf("%s: %s: %.500s", e.method, e.code, e.message) }

var errFirefoxGone = errors.New("the connection to Firefox has ended")

func (b *bidi) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	var reply bidiReply
	if json.Unmarshal(message.Bytes(), &reply) != nil || reply.ID == 0 {
		return // An event; nobody has subscribed to any.
	}
	b.mu.Lock()
	waiting := b.waiting[reply.ID]
	delete(b.waiting, reply.ID)
	b.mu.Unlock()
	if waiting != nil {
		waiting <- reply
	}
}

func (b *bidi) OnClose(*gws.Conn, error) { close(b.gone) }

// send has the browser carry out a command.
func (b *bidi) send(ctx context.Context, method string, parameters map[string]any) (json.RawMessage, error) {
	reply := make(chan bidiReply, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = reply
	b.mu.Unlock()
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": parameters})
	if err != nil {
		return nil, err
	}
	if err := b.socket.WriteMessage(gws.OpcodeText, text); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case r := <-reply:
		if r.Error != "" {
			return nil, &bidiError{method, r.Error, r.Message}
		}
		return r.Result, nil
	case <-b.gone:
		return nil, fmt.Errorf("%s: %w", method, errFirefoxGone)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// foxPage is a page in a window of Firefox.
type foxPage struct {
	person
	browser *bidi
	foxWindow
}

// foxWindow is one window of Firefox, with a user context of its own. It outlives its test, as a tab of Chromium does.
type foxWindow struct {
	user    string // its user context
	context string // its browsing context
	// origins are those whose pages it has shown. It shows no page of them in another test: their data is in the user context still.
	origins map[string]bool
}

// foxWindows are the windows that wait for their next test.
var foxWindows pool[foxWindow]

// newFoxPage opens url in a window with a user context of its own. When the test ends, the page must have broken no rule.
func newFoxPage(t testing.TB, name, url string) *foxPage {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	takeSlot(t)
	browser, err := firefox()
	needBrowser(t, err)
	origin, err := originOf(url)
	if err != nil {
		t.Fatal(err)
	}
	spend(url) // What it keeps stays in its user context.
	p := &foxPage{browser: browser}
	p.person = person{browserTab: p, t: t, ctx: context.Background(), name: name}
	var ok bool
	if p.foxWindow, ok = foxWindows.take(func(w foxWindow) bool { return !w.origins[origin] }); !ok {
		p.openWindow()
	}
	p.origins[origin] = true
	t.Cleanup(p.leave)
	p.navigate(url)
	t.Cleanup(func() {
		if !p.gone {
			p.checkFaults()
		}
	})
	return p
}

// openWindow opens a new window. It is no tab, so that no page is in the background.
func (p *foxPage) openWindow() {
	p.t.Helper()
	p.user = member(p, p.do("browser.createUserContext", map[string]any{}), "userContext")
	p.context = member(p, p.do("browsingContext.create", map[string]any{"type": "window", "userContext": p.user}), "context")
	p.origins = map[string]bool{}
}

// leave leaves the page and gives the window to the next test, or closes it after a test that has failed.
func (p *foxPage) leave() {
	if !p.gone && !p.t.Failed() {
		eval[any](p, "testing.leave()")
		p.navigate(emptyPage())
		foxWindows.put(p.foxWindow)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := p.browser.send(ctx, "browser.removeUserContext", map[string]any{"userContext": p.user}); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
}

// openInFirefox opens the page from the service and joins.
func (s *service) openInFirefox(login string) *foxPage {
	s.t.Helper()
	p := newFoxPage(s.t, login, s.url())
	p.join(login)
	return p
}

func member(p *foxPage, result json.RawMessage, name string) string {
	p.t.Helper()
	var fields map[string]json.RawMessage
	var value string
	if err := json.Unmarshal(result, &fields); err == nil {
		_ = json.Unmarshal(fields[name], &value)
	}
	if value == "" {
		p.t.Fatalf("%s: the browser answered %s, want a %s", p.name, result, name)
	}
	return value
}

// do has the browser carry out a command, which must succeed.
func (p *foxPage) do(method string, parameters map[string]any) json.RawMessage {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := p.browser.send(ctx, method, parameters)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return result
}

func (p *foxPage) navigate(url string) {
	p.t.Helper()
	p.do("browsingContext.navigate", map[string]any{"context": p.context, "url": url, "wait": "complete"})
}

func (p *foxPage) reload() {
	p.t.Helper()
	p.do("browsingContext.reload", map[string]any{"context": p.context, "wait": "complete"})
}

// run calls a JavaScript function, with an element as this if there is one, and returns its value.
func foxRun[T any](ctx context.Context, p *foxPage, element, function string, arguments ...any) (T, error) {
	var value T
	text, err := json.Marshal(arguments)
	if err != nil {
		return value, err
	}
	parameters := map[string]any{
		"functionDeclaration": "async function (arguments) { return JSON.stringify((await (" + function +
			").apply(this, JSON.parse(arguments))) ?? null) }",
		"arguments":    []any{map[string]any{"type": "string", "value": string(text)}},
		"target":       map[string]any{"context": p.context},
		"awaitPromise": true,
	}
	if element != "" {
		parameters["this"] = map[string]any{"sharedId": element}
	}
	answer, err := p.browser.send(ctx, "script.callFunction", parameters)
	if err != nil {
		return value, err
	}
	var result struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return value, err
	}
	if result.Type != "success" {
		return value, &bidiError{"script.callFunction", result.Type, result.ExceptionDetails.Text}
	}
	return value, json.Unmarshal([]byte(result.Result.Value), &value)
}

// evaluate implements browserTab.
func (p *foxPage) evaluate(ctx context.Context, expression string) (json.RawMessage, error) {
	return foxRun[json.RawMessage](ctx, p, "", "() => ("+expression+")")
}

// present implements browserTab.
func (p *foxPage) present(ctx context.Context, role, name string) (int, error) {
	found, err := p.query(ctx, role, name)
	return len(found), err
}

// refused implements browserTab.
func (p *foxPage) refused(err error) bool {
	var refused *bidiError
	return errors.As(err, &refused)
}

// enter implements browserTab.
func (p *foxPage) enter() { p.t.Helper(); p.press(foxEnter) }

// escape implements browserTab.
func (p *foxPage) escape() { p.t.Helper(); p.press(foxEscape) }

// foxElements selects, by role, the elements that HTML gives the role without an attribute
// (https://www.w3.org/TR/html-aam-1.0/#html-element-role-mappings).
var foxElements = map[string]string{
	"alert":       "",
	"alertdialog": "",
	"button":      "button, summary, input:is([type=button], [type=image], [type=reset], [type=submit])",
	"combobox":    "select, input[list]",
	"dialog":      "dialog",
	"group":       "details, fieldset, optgroup",
	"link":        "a[href], area[href]",
	"list":        "menu, ol, ul",
	"log":         "",
	"status":      "output",
	"switch":      "",
	"textbox":     "input, textarea",
}

// query returns the ids of what the accessibility tree has of a role and a name now; an empty name is any. Firefox takes about 0.1 s to
// look at every element of the page, so it looks only at those that can have the role.
func (p *foxPage) query(ctx context.Context, role, name string) ([]string, error) {
	elements, ok := foxElements[role]
	if !ok {
		return nil, fmt.Errorf("foxElements has no role %q", role)
	}
	selector := "[role=" + role + "]"
	if elements != "" {
		selector += ", " + elements
	}
	candidates, err := p.locate(ctx, "css", selector, nil)
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	value := map[string]any{"role": role}
	if name != "" {
		value["name"] = name
	}
	return p.locate(ctx, "accessibility", value, candidates)
}

// locate returns the ids of the elements that a locator finds in the page, or in and below the elements in start.
func (p *foxPage) locate(ctx context.Context, kind string, value any, start []string) ([]string, error) {
	parameters := map[string]any{"context": p.context, "locator": map[string]any{"type": kind, "value": value}}
	if len(start) > 0 {
		var nodes []any
		for _, id := range start {
			nodes = append(nodes, map[string]any{"sharedId": id})
		}
		parameters["startNodes"] = nodes
	}
	answer, err := p.browser.send(ctx, "browsingContext.locateNodes", parameters)
	if err != nil {
		return nil, err
	}
	var result struct{ Nodes []struct{ SharedID string } }
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, err
	}
	var ids []string
	for _, node := range result.Nodes {
		if !slices.Contains(ids, node.SharedID) { // One candidate may be in another.
			ids = append(ids, node.SharedID)
		}
	}
	return ids, nil
}

// find waits for the one element of a role and a name, and returns its id.
func (p *foxPage) find(role, name string) string {
	p.t.Helper()
	var found []string
	p.until(fmt.Sprintf("one %s %q", role, name), func(ctx context.Context) (bool, error) {
		var err error
		found, err = p.query(ctx, role, name)
		return len(found) == 1, err
	})
	return found[0]
}

// read waits for the element and returns its text.
func (p *foxPage) read(role, name string) string {
	p.t.Helper()
	return foxCall[string](p, p.find(role, name), "function () { return this.value ?? this.innerText }")
}

// foxCall calls a JavaScript function on an element, which must succeed.
func foxCall[T any](p *foxPage, element, function string, arguments ...any) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	value, err := foxRun[T](ctx, p, element, function, arguments...)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return value
}

// shows waits until the element's text contains want.
func (p *foxPage) shows(role, name, want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s %q with %.100q in it", role, name, want), func(ctx context.Context) (bool, error) {
		found, err := p.query(ctx, role, name)
		for _, element := range found {
			has, err := foxRun[bool](ctx, p, element, "function (want) { return (this.value ?? this.innerText).includes(want) }", want)
			if has || err != nil {
				return has, err
			}
		}
		return false, err
	})
}

// click clicks in the middle of the element, as a mouse does, once it may be clicked.
func (p *foxPage) click(role, name string) {
	p.t.Helper()
	element := p.find(role, name)
	p.until("enabled", func(ctx context.Context) (bool, error) {
		return foxRun[bool](ctx, p, element, "function () { return this.disabled !== true }")
	})
	foxCall[any](p, element, `function () { this.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" }) }`)
	p.do("input.performActions", map[string]any{"context": p.context, "actions": []any{map[string]any{
		"type": "pointer", "id": "mouse", "actions": []any{
			map[string]any{"type": "pointerMove", "x": 0, "y": 0, "origin": map[string]any{
				"type": "element", "element": map[string]any{"sharedId": element},
			}},
			map[string]any{"type": "pointerDown", "button": 0},
			map[string]any{"type": "pointerUp", "button": 0},
		},
	}}})
}

// Keys by their WebDriver names (https://www.w3.org/TR/webdriver2/#keyboard-actions).
const (
	foxEnter  = "\uE007"
	foxDelete = "\uE017"
	foxEscape = "\uE00C"
)

// press types keys, one a character, into whatever has the focus.
func (p *foxPage) press(keys string) {
	p.t.Helper()
	var actions []any
	for _, key := range keys {
		for _, kind := range []string{"keyDown", "keyUp"} {
			actions = append(actions, map[string]any{"type": kind, "value": string(key)})
		}
	}
	p.do("input.performActions", map[string]any{"context": p.context, "actions": []any{map[string]any{
		"type": "key", "id": "keyboard", "actions": actions,
	}}})
}

// fill puts text into a textbox in place of what it has: a short one key by key, a long one as pasting does.
func (p *foxPage) fill(name, text string) {
	p.t.Helper()
	field := p.find("textbox", name)
	foxCall[any](p, field, "function () { this.focus(); this.select() }")
	switch {
	case text == "":
		p.press(foxDelete)
	case len(text) <= 200:
		p.press(text)
	default:
		foxCall[any](p, field, `function (text) { this.value = text; this.dispatchEvent(new InputEvent("input", { bubbles: true })) }`, text)
	}
}

// setFiles chooses files in a file input, as its dialog does.
func (p *foxPage) setFiles(element string, paths ...string) {
	p.t.Helper()
	p.do("input.setFiles", map[string]any{
		"context": p.context, "element": map[string]any{"sharedId": element}, "files": paths,
	})
}

// close closes the window as a person does.
func (p *foxPage) close() {
	p.t.Helper()
	p.checkFaults()
	p.gone = true
	p.do("browsingContext.close", map[string]any{"context": p.context})
}
