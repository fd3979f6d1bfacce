package web_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

func TestAClosedTabSaysLeft(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	bob.close()
	alice.vanish("button", "Disconnect from bob")
	// Without the goodbye the heartbeat would end the conversation, in other words and seconds later.
	if discussion := alice.read("log", "Discussion"); !strings.Contains(discussion, "bob left\u00a0") && !strings.Contains(discussion, "bob left ") {
		t.Errorf("the discussion shows %q, want bob left", discussion)
	}
}

func TestATabThatCrashesIsNoticedAndWhatItMissedFollowsOnceAndInOrder(t *testing.T) {
	mostlyWaits(t)
	s := startService(t)
	alice, bob := s.pair()
	alice.say("zero")
	bob.hears("alice", "zero")
	alice.delivered()
	bob.crash()
	for _, text := range []string{"one", "two", "three"} {
		alice.say(text)
	}
	alice.shows("log", "Discussion", "sending")
	t.Parallel() // It takes up to half a minute.
	alice.shows("log", "Discussion", "bob left")
	alice.vanish("button", "Disconnect from bob")

	again := s.open("bob")
	alice.connectTo("bob")
	again.connected("alice")
	// A browser context of its own is another browser: alice is told, and decides before anything of hers is sent.
	alice.click("button", "Continue anyway")
	alice.connected("bob")
	alice.say("four")
	again.hears("alice", "four")
	if got, want := again.texts("alice"), []string{"one", "two", "three", "four"}; !slices.Equal(got, want) {
		t.Errorf("bob got %q after the crash, want %q", got, want)
	}
}

// isBusyFor has the page's own thread do nothing else for so long: it waits for a dialog, which takes no processor time. over returns
// when that has ended.
func (p *page) isBusyFor(duration time.Duration) (over func()) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	if _, err := chromedp.Run(ctx, chromedp.WaitEvent(cdppage.JavascriptDialogOpening, nil, chromedp.Func(
		func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, runtime.Evaluate, runtime.EvaluateParams{Expression: "void setTimeout(alert)"})
			return err
		}))); err != nil {
		cancel()
		p.t.Fatalf("%s: keep it busy: %v", p.name, err)
	}
	ended := make(chan error, 1)
	time.AfterFunc(duration, func() {
		_, err := chromedp.Call(ctx, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: true})
		ended <- err
	})
	return func() {
		p.t.Helper()
		defer cancel()
		if err := <-ended; err != nil {
			p.t.Fatalf("%s: end what keeps it busy: %v", p.name, err)
		}
	}
}

func TestAPageThatIsBusyForAWhileIsNotTakenForGone(t *testing.T) {
	mostlyWaits(t)
	s := startService(t)
	alice, bob := s.pair()
	over := bob.isBusyFor(15 * time.Second)
	t.Parallel()
	over()
	alice.say("are you there?")
	bob.hears("alice", "are you there?")
	alice.connected("bob")
	if discussion := alice.read("log", "Discussion"); strings.Contains(discussion, "left") {
		t.Errorf("the discussion shows %q, want bob to be there all the time", discussion)
	}
}

func TestAReloadedPageTakesItsConversationUpAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	bob.navigate(s.url())
	alice.vanish("button", "Disconnect from bob")
	bob.join("bob")
	bob.meets(alice)
	bob.say("back")
	alice.hears("bob", "back")
}

func TestTheServiceRestartsWhileAConversationGoesOn(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	s.stop()
	alice.until("the service is away", func(ctx context.Context) (bool, error) {
		return !strings.Contains(alice.read("status", "Connection"), "connected"), nil
	})
	alice.say("without the service")
	bob.hears("alice", "without the service")
	bob.say("indeed")
	alice.hears("bob", "indeed")

	s.start()
	alice.shows("status", "Connection", "connected")
	bob.shows("status", "Connection", "connected")
	alice.connected("bob")

	// Both have logged in again: they can be called.
	alice.click("button", "Disconnect from bob")
	bob.vanish("button", "Disconnect from alice")
	bob.until("both logged in", func(context.Context) (bool, error) { return s.system.Sessions() == 2, nil })
	bob.meets(alice)
	for _, p := range []*page{alice, bob} {
		p.absent("alert", "")
	}
}

func TestDisconnectingWorksWithoutTheService(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	s.stop()
	bob.click("button", "Disconnect from alice")
	bob.vanish("button", "Disconnect from alice")
	alice.vanish("button", "Disconnect from bob")
	alice.shows("log", "Discussion", "bob left")
	alice.connectTo("bob")
	alice.shows("alert", "", "The service cannot be reached")
}

func TestThePageWaitsForAServiceThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.stop()
	p := newPage(t, "alice", fromDisk(t, "index.html", s.address))
	p.shows("status", "Connection", "onnecting")
	p.find("button", "Try now")
	s.start()
	p.shows("status", "Connection", "connected")
	p.join("alice")
}
