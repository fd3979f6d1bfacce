package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// keepDiary is run in a page before its own script. It writes down what a person can read about the connection whenever that changes, and
// what passes below: frames, sockets, ICE, and the browser's events.
const keepDiary = `(() => {
	const entries = [];
	const write = (kind, text) => {
		entries.push({ at: Date.now(), kind, text });
		testing.changed();
	};
	const brief = (data) => {
		const { type, to, from, call, code, reason, success } = JSON.parse(data);
		return Object.entries({ type, to, from, call: call?.slice(0, 6), code, reason, success }).filter(([, v]) => v !== undefined).map(([k, v]) => k === "type" ? v : k + "=" + v).join(" ");
	};
	const send = WebSocket.prototype.send;
	WebSocket.prototype.send = function (data) { write("sent", brief(data)); return send.call(this, data); };
	let sockets = 0;
	let newest;
	globalThis.WebSocket = class extends WebSocket {
		constructor(...options) {
			super(...options);
			newest = this;
			this.name = "socket " + ++sockets;
			this.loggedIn = false;
			write(this.name, "new");
			this.addEventListener("open", () => write(this.name, "open"));
			this.addEventListener("close", ({ code, reason }) => {
				this.loggedIn = false;
				write(this.name, "closed " + code + " " + reason);
			});
			this.addEventListener("message", ({ data }) => {
				const { type, success } = JSON.parse(data);
				this.loggedIn ||= type === "login" && success;
				write("got", brief(data));
			});
		}
		close(...options) {
			this.loggedIn = false;
			write(this.name, "close() " + options.join(" "));
			super.close(...options);
		}
	};
	let connections = 0;
	globalThis.RTCPeerConnection = class extends RTCPeerConnection {
		constructor(...options) {
			super(...options);
			const name = "connection " + ++connections + " ";
			write("ice", name + "new");
			for (const state of ["connectionState", "iceConnectionState", "signalingState"])
				this.addEventListener(state.toLowerCase() + "change", () => write("ice", name + state + " " + this[state]));
			this.addEventListener("icecandidate", ({ candidate }) => candidate && write("ice", name + candidate.candidate.split(" ").slice(2, 8).join(" ")));
			this.addEventListener("datachannel", () => write("ice", name + "channel"));
		}
		close() { write("ice", "close()"); super.close(); }
	};
	for (const event of ["online", "offline", "pagehide", "resume"]) addEventListener(event, () => write("browser", event), true);
	for (const event of ["freeze", "resume", "visibilitychange"]) document.addEventListener(event, () => write("browser", event), true);
	const shown = new Map();
	const noted = new WeakSet();
	const look = () => {
		const read = (kind, elements) => {
			const text = [...elements].map((e) => ((e.ariaLabel ?? "") + " " + e.innerText).trim()).filter((text) => text !== "").join(" | ").replace(/\d+/g, "N").replace(/\s+/g, " ").trim();
			if (text !== (shown.get(kind) ?? "")) write(kind, text);
			shown.set(kind, text);
		};
		read("alert", document.querySelectorAll("[role=alert]"));
		read("status", document.querySelectorAll("[role=status]"));
		read("heading", document.querySelectorAll(".peer .who"));
		read("hint", document.querySelectorAll("#message-hint"));
		read("list", document.querySelectorAll(".presence"));
		read("dialog", document.querySelectorAll("dialog[open]"));
		for (const note of document.querySelectorAll("[role=log] li.note")) {
			if (noted.has(note)) continue;
			noted.add(note);
			write("note", note.querySelector("span").innerText);
		}
	};
	new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
	globalThis.diary = {
		entries,
		/** Whether the newest socket has logged in. */
		get loggedIn() { return newest?.loggedIn === true; },
	};
})()`

// diaryEntry is a line of a page's diary.
type diaryEntry struct {
	At         int64 // ms since 1970
	Kind, Text string
}

// readKinds are those kinds of entries that a person reads.
var readKinds = []string{"alert", "status", "heading", "hint", "list", "dialog", "note"}

// openWithDiary opens url in a new tab of a browser. Its page keeps a diary.
//
// A page that may use the microphone learns each interface of the device, and looks for a path from each address. Others have one
// socket, which the kernel gives an address, so that ICE does not see another one.
func openWithDiary(t testing.TB, parent context.Context, name, url string, microphone browser.PermissionSetting) *page {
	t.Helper()
	tab, err := openTab(parent, chromedp.WithNewBrowserContext())
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab.ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission:       &browser.PermissionDescriptor{Name: "microphone"},
			Setting:          microphone,
			BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
		}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument,
			cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: keepDiary})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	// A browser that has started only now may not have seen its network yet.
	if _, err := chromedp.Run(tab.ctx, chromedp.Evaluate[bool](
		`navigator.onLine || new Promise((resolve) => addEventListener("online", () => resolve(true), { once: true }))`,
		chromedp.EvalAwaitPromise)); err != nil {
		t.Fatal(err)
	}
	p := open(t, tab, name, url, func(*page) { tab.end() })
	t.Cleanup(func() {
		if t.Failed() && !p.gone {
			p.showDiary()
		}
	})
	return p
}

// showDiary logs the diary.
func (p *page) showDiary() {
	p.t.Helper()
	var lines strings.Builder
	for _, entry := range p.diary() {
		fmt.Fprintf(&lines, "%s %-8s %s\n", time.UnixMilli(entry.At).Format("15:04:05.000"), entry.Kind, entry.Text)
	}
	p.t.Logf("%s's diary:\n%s", p.name, lines.String())
}

func (p *page) diary() []diaryEntry { p.t.Helper(); return eval[[]diaryEntry](p, "diary.entries") }
