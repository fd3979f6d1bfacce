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
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// writeScreenshot makes TestScreenshotOfAChat write the picture that stands in the README.
var writeScreenshot = flag.Bool("screenshot", false, "write testdata/chat.png, the README's picture")

// view sets the size of the screen, in CSS pixels, and light or dark.
func (p *page) view(width, height int64, scheme string) {
	p.t.Helper()
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 2,
		}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

func (p *page) screenshot() []byte {
	p.t.Helper()
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
	alice.view(900, 680, "light")
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

// axe checks the page as it is now against the rules of axe-core.
func (p *page) axe(rules string) {
	p.t.Helper()
	eval[bool](p, rules+"; true")
	violations := eval[[]string](p, `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
		violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.failureSummary + " " + n.html)))`)
	for _, violation := range violations {
		p.t.Errorf("%s: %s", p.name, violation)
	}
}

func TestEveryViewIsAccessible(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skip("axe-core is not installed: run npm ci in web")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, screen := range []struct {
		scheme string
		width  int64
	}{{"light", 360}, {"dark", 1000}, {"light", 1000}} {
		t.Run(fmt.Sprintf("%s %d", screen.scheme, screen.width), func(t *testing.T) {
			s := startService(t)
			p := newPage(t, "alice", s.url())
			p.view(screen.width, 700, screen.scheme)
			look := func(what string) {
				t.Helper()
				p.name = what
				eval[bool](p, "Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => true)")
				p.axe(string(script))
				if h1 := eval[int](p, "document.querySelectorAll('h1').length"); h1 != 1 {
					t.Errorf("%s: %d h1, want one", what, h1)
				}
				if wide := eval[bool](p, "document.documentElement.scrollWidth > innerWidth"); wide {
					t.Errorf("%s: wider than the screen", what)
				}
			}
			p.find("button", "Join")
			look("Join")
			p.click("button", "Join")
			p.find("alert", "")
			look("Join with an alert")
			p.join("alice")
			look("nobody connected")

			s.robot("quiet")
			p.connectTo("quiet")
			p.find("button", "Cancel the call to quiet")
			look("calling")
			p.click("button", "Cancel the call to quiet")

			bob := s.open("bob")
			p.connectTo("bob")
			p.connected("bob")
			chat(p, bob)
			p.connectTo("carol")
			p.find("alert", "")
			look("a chat with an alert")
			bob.click("button", "Sign out")
			bob.find("button", "Join")
			p.shows("log", "Discussion", "bob left")
			look("bob left")
		})
	}
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
