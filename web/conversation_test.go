package web_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestTwoPagesChat(t *testing.T) {
	t.Parallel()
	for _, place := range []struct {
		name       string
		alice, bob bool // from disk
	}{
		{"from the service", false, false},
		{"from disk", true, true},
		{"one from the service and one from disk", false, true},
	} {
		t.Run(place.name, func(t *testing.T) {
			s := startService(t)
			alice, bob := s.openFrom("alice", place.alice), s.openFrom("bob", place.bob)
			alice.shows("status", "Connection", "connected")

			started := time.Now()
			alice.meets(bob)
			alice.say("Hello Bob")
			bob.hears("alice", "Hello Bob")
			t.Logf("connected and the first message there after %v", time.Since(started).Round(time.Millisecond))
			bob.say("Hello Alice")
			alice.hears("bob", "Hello Alice")
			alice.delivered()
			bob.delivered()
		})
	}
}

// Two windows are opened, join, connect, and one hears the other. connect-ms is the time from the click on Connect to until
// the first message is there.
func BenchmarkTwoPagesConnectAndChat(b *testing.B) {
	s := startService(b)
	var connecting time.Duration
	for b.Loop() {
		alice, bob := s.open("alice"), s.open("bob")
		started := time.Now()
		alice.meets(bob)
		alice.say("Hello Bob")
		bob.hears("alice", "Hello Bob")
		connecting += time.Since(started)

		b.StopTimer()
		for _, p := range []*page{alice, bob} {
			p.click("button", "Sign out")
			p.find("button", "Join")
			p.close()
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(connecting.Milliseconds())/float64(b.N), "connect-ms/op")
}

func TestBothCallInTheSameInstant(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.open("bob")
	rounds := 4 // Each page's offer goes first, and each page ends the call, twice.
	if long() {
		rounds = 15
	}
	for round := range rounds {
		// Neither page hears of the other's call before it has sent its own.
		pages := []*page{alice, bob}
		for _, p := range pages {
			eval[bool](p, "testing.hold() ?? true")
		}
		for i, p := range pages {
			p.connectTo(pages[1-i].name)
		}
		for _, p := range pages {
			p.until("its offer is out", func(context.Context) (bool, error) {
				return eval[int](p, `testing.sent.filter((frame) => frame.type === "offer").length`) == round+1, nil
			})
		}
		for i := range pages {
			eval[bool](pages[(round+i)%2], "testing.release() ?? true")
		}
		alice.connected("bob")
		bob.connected("alice")
		text := fmt.Sprintf("round %d", round)
		alice.say(text)
		bob.say(text)
		bob.hears("alice", text)
		alice.hears("bob", text)

		ending, other := alice, bob
		if round%2 == 1 {
			ending, other = bob, alice
		}
		ending.click("button", "Disconnect from "+other.name)
		other.vanish("button", "Disconnect from "+ending.name)
	}
	for _, p := range []*page{alice, bob} {
		p.absent("alert", "")
	}
}

func TestDisconnectAndConnectAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob, carol := s.open("alice"), s.open("bob"), s.open("carol")
	pairs := [][2]*page{{alice, bob}, {bob, alice}, {alice, bob}, {carol, alice}, {bob, carol}, {bob, alice}}
	for i, pair := range pairs {
		a, b := pair[0], pair[1]
		a.connectTo(b.name)
		a.connected(b.name)
		b.connected(a.name)
		text := fmt.Sprintf("conversation %d", i)
		a.say(text)
		b.hears(a.name, text)
		a.delivered()
		b.click("button", "Disconnect from "+a.name)
		b.vanish("button", "Disconnect from "+a.name)
		a.vanish("button", "Disconnect from "+b.name)
		a.shows("log", "Discussion", b.name+" left")
		a.shows("log", "Discussion", text)
	}
}

func TestDisconnectRightAfterTheLastMessageLosesNothing(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	for i := range 5 {
		text := fmt.Sprintf("last words %d", i)
		alice.say(text)
		alice.click("button", "Disconnect from bob")
		bob.shows("log", "Discussion", "alice left")
		bob.hears("alice", text)
		bob.vanish("button", "Disconnect from alice")
		alice.meets(bob)
	}
	alice.delivered()
	want := []string{"last words 0", "last words 1", "last words 2", "last words 3", "last words 4"}
	if got := bob.texts("alice"); !slices.Equal(got, want) {
		t.Errorf("bob got %q, want %q", got, want)
	}
}

func TestTextStaysTextAndLinksAreLinks(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	markup := `<b>bold</b> <img src=x onerror="document.title='run'"> <script>document.title="run"</script> &amp;`
	alice.say(markup)
	bob.hears("alice", markup)

	alice.fill("Message", "first line")
	alice.press(kb.Enter, chromedp.KeyModifiers(8)) // Shift
	alice.press("second line")
	alice.press(kb.Enter)
	bob.hears("alice", "first line\nsecond line")

	alice.say("see https://example.org/a_(b)?c=d&e, or javascript:alert(1).")
	bob.hears("alice", "see https://example.org/a_(b)?c=d&e, or javascript:alert(1).")
	link := bob.find("link", "https://example.org/a_(b)?c=d&e")
	attributes, err := call[[]string](bob.ctx, link, "function() { return [this.href, this.rel, this.target] }")
	if want := []string{"https://example.org/a_(b)?c=d&e", "noopener noreferrer", "_blank"}; err != nil || !slices.Equal(attributes, want) {
		t.Errorf("the link has %q (%v), want %q", attributes, err, want)
	}
	if links := eval[int](bob, `document.querySelectorAll("[role=log] a").length`); links != 1 {
		t.Errorf("there are %d links, want 1", links)
	}
	for _, p := range []*page{alice, bob} {
		if title := eval[string](p, "document.title"); title != "P2P Messaging" {
			t.Errorf("%s: the title is %q: markup in a message has run", p.name, title)
		}
	}
}

// longLetter returns a text of many lines. It takes one megabyte with P2P_TEST_LONG, and by default a quarter of that, which still takes
// several frames.
func longLetter() string {
	bytes := 1 << 18
	if long() {
		bytes = 1 << 20
	}
	var text strings.Builder
	for i := 0; text.Len() < bytes; i++ {
		fmt.Fprintf(&text, "Line %d of a long letter, with Grüße, 漢字, an 👩🏽‍🚀 and <b>no markup</b>.\n", i)
	}
	return text.String() + "The end."
}

func TestALongTextArrives(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	letter := longLetter()
	alice.paste(letter)
	alice.press(kb.Enter)
	bob.say("meanwhile")
	alice.hears("bob", "meanwhile")
	alice.delivered()
	if got := bob.texts("alice"); len(got) != 1 || got[0] != letter {
		t.Errorf("bob got %d texts of together %d bytes, want one of %d", len(got), len(strings.Join(got, "")), len(letter))
	}
	for _, p := range []*page{alice, bob} {
		p.until("the newest message in view", func(context.Context) (bool, error) { return eval[bool](p, atEnd), nil })
		// Who copies the text gets it as it was sent.
		if shown := eval[string](p, `[...document.querySelectorAll(".bubble")].find((b) => b.textContent.length > 1e5).innerText`); shown != letter {
			t.Errorf("%s: the text is shown with %d bytes, want %d", p.name, len(shown), len(letter))
		}
		if _, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}); err != nil {
			t.Errorf("%s: read the accessibility tree: %v", p.name, err)
		}
	}
	if bytes, ok := bob.largestRenderer(); ok {
		t.Logf("the largest renderer had %d MB", bytes>>20)
		if bytes > maxRendererBytes {
			t.Errorf("a page took %d MB, want %d MB at most", bytes>>20, maxRendererBytes>>20)
		}
	}
}

// maxRendererBytes is what a page with a text of 1 MB, as it has at full length, may take, the accessibility tree of its lines included.
// About 450 MB have been seen.
const maxRendererBytes = 1 << 30

// largestRenderer returns the most memory, in bytes, that any page of the browser has had so far, and false where the
// operating system does not say.
func (p *page) largestRenderer() (int, bool) {
	p.t.Helper()
	info, err := chromedp.CallBrowser(p.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		p.t.Fatalf("%s: list the browser's processes: %v", p.name, err)
	}
	largest := 0
	for _, process := range info.ProcessInfo {
		if process.Type != "renderer" {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.ID))
		if err != nil {
			continue // Its page has been closed meanwhile, or this is not Linux.
		}
		for line := range strings.Lines(string(status)) {
			var kilobytes int
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
				largest = max(largest, kilobytes<<10)
			}
		}
	}
	return largest, largest > 0
}

func TestWhatIsTypedIsNeverLost(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.peer("bob")
	alice.fill("Message", "a long thought")
	alice.press(kb.Enter)
	alice.shows("alert", "", "Nobody is connected")
	if typed := alice.read("textbox", "Message"); typed != "a long thought" {
		t.Errorf("the composer has %q, want what was typed", typed)
	}

	alice.navigate(s.url())
	alice.join("alice")
	alice.shows("textbox", "Message", "a long thought")

	l := bob.call("alice")
	alice.connected("bob")
	alice.shows("textbox", "Message", "a long thought")
	l.send([]byte{frameGoodbye})
	alice.vanish("button", "Disconnect from bob")
	alice.click("button", "Send")
	alice.shows("alert", "", "Nobody is connected")

	l = bob.call("alice")
	alice.connected("bob")
	alice.click("button", "Send")
	if got := l.hears(); got != "a long thought" {
		t.Errorf("bob got %q", got)
	}
	if left := alice.read("textbox", "Message"); left != "" {
		t.Errorf("after sending, the composer has %q, want nothing", left)
	}
	alice.delivered()
}

// atEnd says in JavaScript whether the discussion shows its newest message.
const atEnd = `(() => { const log = document.querySelector("[role=log]");
	return log.scrollTop + log.clientHeight >= log.scrollHeight - 2 })()`

func TestTheMessageFieldIsWrittenInTheDirectionOfItsText(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	for _, c := range []struct{ text, want string }{{"hello", "ltr"}, {"שלום", "rtl"}, {"hello again", "ltr"}} {
		alice.fill("Message", c.text)
		if got := eval[string](alice, `document.getElementById("message").dir`); got != c.want {
			t.Errorf("%q is written %q, want %q", c.text, got, c.want)
		}
	}
}

func TestTheDiscussionFollowsTheNewestUnlessScrolledUp(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	for i := range 20 {
		bob.say(fmt.Sprintf("message %d", i))
	}
	alice.hears("bob", "message 19")
	alice.until("the newest message in view", func(context.Context) (bool, error) { return eval[bool](alice, atEnd), nil })

	eval[int](alice, `document.querySelector("[role=log]").scrollTop = 0`)
	alice.find("button", "Newest messages")
	bob.say("one more")
	alice.hears("bob", "one more")
	if top := eval[float64](alice, `document.querySelector("[role=log]").scrollTop`); top != 0 {
		t.Errorf("the reader was moved from the top to %v", top)
	}
	alice.click("button", "Newest messages")
	alice.until("the newest message in view", func(context.Context) (bool, error) { return eval[bool](alice, atEnd), nil })
	alice.vanish("button", "Newest messages")
}
