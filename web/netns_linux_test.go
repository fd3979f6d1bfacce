package web_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"

	"p2p-messaging/actors"
)

// networksAtOnce is how many networks there are at most. In each of them two browsers run.
const networksAtOnce = 6

// trouble is what happens to the network of alice and bob, who are in a call.
type trouble struct {
	name  string
	lasts time.Duration
	begin func(s *scene) error
	// end undoes it, besides mending the paths that are cut. It is nil if nothing is left to do.
	end func(s *scene) error
	// bobStands: bob's browser does nothing meanwhile.
	bobStands bool
	// withoutCall: nothing passes between the two. withoutService names those who do not reach the service.
	withoutCall    bool
	withoutService []string
	// offline names those whose browser knows that it has no network.
	offline []string
	// forgets: the service ends the sessions, so that the other is not here until their page has come back.
	forgets bool
	// everyday: it is tried without P2P_TEST_LONG, too.
	everyday bool
}

// troubles returns them with the longest first.
func troubles() []trouble {
	everything := func(s *scene) error { return s.network.cut(s.network.all()...) }
	both := []string{"alice", "bob"}
	stand := func(s *scene) error { return s.network.bob.freeze() }
	goOn := func(s *scene) error { return s.network.bob.thaw() }
	aliceOff := func(s *scene) error { return s.network.cut(s.network.of(s.network.alice)...) }
	aliceMoves := func(s *scene) error { return s.network.alice.move() }
	return []trouble{
		{name: "both are cut off for 70 s", lasts: 70 * time.Second, begin: everything, withoutCall: true, withoutService: both},
		{name: "bob's browser stands still for 45 s", lasts: 45 * time.Second, begin: stand, end: goOn, bobStands: true, withoutCall: true},
		{name: "both are cut off for 30 s", lasts: 30 * time.Second, begin: everything, withoutCall: true, withoutService: both},
		{name: "alice is cut off for 30 s", lasts: 30 * time.Second, begin: aliceOff, withoutCall: true, withoutService: both[:1]},
		{name: "the path between them is cut for 30 s", lasts: 30 * time.Second,
			begin:       func(s *scene) error { return s.network.cut(hostPair{s.network.alice, s.network.bob}) },
			withoutCall: true},
		{name: "the service is cut off for 30 s", lasts: 30 * time.Second,
			begin:          func(s *scene) error { return s.network.cut(s.network.of(s.network.service)...) },
			withoutService: both},
		{name: "alice is not heard for 30 s", lasts: 30 * time.Second,
			begin:       func(s *scene) error { return s.network.mute(s.network.alice) },
			withoutCall: true, withoutService: both[:1]},
		{name: "bob's browser stands still for 20 s", lasts: 20 * time.Second, begin: stand, end: goOn, bobStands: true, withoutCall: true},
		{name: "the service does not run for 20 s", lasts: 20 * time.Second,
			begin:          func(s *scene) error { s.service.stop(); return nil },
			end:            func(s *scene) error { s.service.start(); return nil },
			withoutService: both, forgets: true},
		{name: "alice's link is down for 10 s", lasts: 10 * time.Second,
			begin:       func(s *scene) error { return s.network.alice.unplug() },
			end:         func(s *scene) error { return s.network.alice.plug() },
			withoutCall: true, withoutService: both[:1], offline: both[:1]},
		{name: "both are cut off for 10 s", lasts: 10 * time.Second, begin: everything, withoutCall: true, withoutService: both},
		{name: "alice's address changes while she is cut off for 6 s", lasts: 6 * time.Second, begin: aliceOff, end: aliceMoves,
			withoutCall: true, withoutService: both[:1]},
		{name: "alice's address changes", lasts: time.Second, begin: aliceMoves, withoutCall: true, withoutService: both[:1]},
		{name: "bob's address changes", lasts: time.Second,
			begin:       func(s *scene) error { return s.network.bob.move() },
			withoutCall: true, withoutService: both[1:]},
		{name: "the addresses of both change", lasts: time.Second,
			begin:       func(s *scene) error { return errors.Join(s.network.alice.move(), s.network.bob.move()) },
			withoutCall: true, withoutService: both},
		{name: "both are cut off for 4 s", lasts: 4 * time.Second, begin: everything, withoutCall: true, withoutService: both, everyday: true},
	}
}

// scene is alice and bob in a call, in a network of their own.
type scene struct {
	t          *testing.T
	network    *internetwork
	service    *service
	alice, bob *page
	// said are the texts of each, in order.
	said map[*page][]string
}

func TestACallOutlivesTroubleInTheNetwork(t *testing.T) {
	long := long()
	if !long { // All scenes at once leave the browsers of other tests too little time.
		t.Parallel()
	}
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	needNamespaces(t)
	// Networks wait here for the next scene. nil is room for a new one.
	networks := make(chan *internetwork, networksAtOnce)
	for range networksAtOnce {
		networks <- nil
	}
	// This test counts as one among those that run in parallel, and takes no slot, because its scenes mostly wait.
	var scenes sync.WaitGroup
	for _, trouble := range troubles() {
		if !long && !trouble.everyday {
			continue
		}
		n := <-networks
		scenes.Go(func() {
			ok := t.Run(trouble.name, func(t *testing.T) {
				if n == nil {
					var err error
					n, err = newInternetwork()
					needBrowser(t, err)
				}
				play(t, n, trouble)
			})
			if n != nil && !ok { // It may be in any state.
				n.close()
				n = nil
			}
			networks <- n
		})
	}
	scenes.Wait()
	for range networksAtOnce {
		if n := <-networks; n != nil {
			n.close()
		}
	}
}

// needNamespaces skips the test where network namespaces cannot be made. Where CI runs as root, they must be.
func needNamespaces(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for program, name := range map[string]string{"ip": "iproute2", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, fmt.Sprintf("%v (Debian's package %s has it)", err, name))
		}
	}
	n := new(internetwork)
	defer n.close()
	if err := n.route(); err != nil {
		missing(t, fmt.Sprintf("no network namespaces here: %v", err))
	}
}

// play has alice and bob talk before, during and after a trouble.
func play(t *testing.T, n *internetwork, trouble trouble) {
	s := &scene{t: t, network: n, said: map[*page][]string{}}
	s.service = startServiceAt(t, n.service.ownAddress()+":0", n.service.Listen, actors.Options{ResumeWindow: actors.DefaultResumeWindow})
	s.alice = openWithDiary(t, n.alice.browser, "alice", s.service.url(), browser.PermissionSettingGranted)
	s.bob = openWithDiary(t, n.bob.browser, "bob", s.service.url(), browser.PermissionSettingPrompt)
	if trouble.bobStands { // A page that stands still cannot be asked for its diary, nor closed.
		t.Cleanup(func() { s.must(n.bob.thaw()) })
	}
	s.alice.join("alice")
	s.bob.join("bob")
	s.alice.meets(s.bob)
	both := []*page{s.alice, s.bob}
	for _, p := range both {
		s.says(p, p.name+", before")
	}
	s.agree()

	began := time.Now()
	s.must(trouble.begin(s))
	awake := both
	if trouble.bobStands {
		awake = both[:1]
	}
	for i, at := range []time.Duration{0, trouble.lasts / 2, trouble.lasts - time.Second} {
		<-time.After(time.Until(began.Add(at)))
		for _, p := range awake {
			s.says(p, fmt.Sprintf("%s, meanwhile, %d", p.name, i))
		}
	}
	<-time.After(time.Until(began.Add(trouble.lasts)))
	if trouble.lasts >= noticedWithin {
		for _, p := range awake {
			s.knows(p, trouble)
		}
	}
	if trouble.end != nil {
		s.must(trouble.end(s))
	}
	s.must(n.mend())
	ended := time.Now()
	s.agree()
	back := time.Since(ended)
	for _, p := range both {
		p.loggedIn()
	}
	t.Logf("the call was back %.1f s after the network, and both logins %.1f s", back.Seconds(), time.Since(ended).Seconds())
	if long() && back > backWithin {
		t.Errorf("the call was back %.1f s after the network, want %v at most", back.Seconds(), backWithin)
	}
	for _, p := range both {
		s.says(p, p.name+", after")
	}
	s.agree()
	for _, p := range both {
		p.delivered()
		s.readOnlyTruth(p, trouble)
	}

	// Both can be called again.
	s.alice.click("button", "Disconnect from bob")
	s.bob.vanish("button", "Disconnect from alice")
	s.bob.meets(s.alice)
}

// loggedIn waits until the page is logged in, and says so.
func (p *page) loggedIn() {
	p.t.Helper()
	p.until("logged in", func(ctx context.Context) (bool, error) {
		return evaluate[bool](ctx, &p.person, `document.querySelector("[role=status]").dataset.state === "connected" && diary.loggedIn`)
	})
}

// backWithin is how soon after the network the call must be back.
const backWithin = 15 * time.Second

// noticedWithin is the longest that a page may say that something works that does not.
const noticedWithin = 20 * time.Second

// knows checks that the page says neither of the call nor of the service that it is there if it is not, nor the other way round.
func (s *scene) knows(p *page, trouble trouble) {
	s.t.Helper()
	phase := eval[string](p, `document.querySelector(".peer").dataset.phase`)
	if (phase == "open") == trouble.withoutCall {
		s.t.Errorf("%s's call is shown as %q after %v", p.name, phase, trouble.lasts)
	}
	state := eval[string](p, `document.querySelector("[role=status]").dataset.state`)
	if (state == "connected") == slices.Contains(trouble.withoutService, p.name) {
		s.t.Errorf("%s's connection to the service is shown as %q after %v", p.name, state, trouble.lasts)
	}
}

// readOnlyTruth checks what somebody has read all the time. The other person has never left, nor hung up, nor been busy; and nobody
// else has had the login.
func (s *scene) readOnlyTruth(p *page, trouble trouble) {
	s.t.Helper()
	for _, entry := range p.diary() {
		if !slices.Contains(readKinds, entry.Kind) || entry.Text == "" {
			continue
		}
		// A session in its window counts as online (messages/PROTOCOL.md, "Presence"), so the other's is unless the service forgets it.
		presence := entry.Kind == "list" && (entry.Text == "online" || trouble.forgets && entry.Text == "not here")
		if !presence && !trueAnyway.MatchString(entry.Text) {
			s.t.Errorf("%s has read a %s that is not known to be true: %q", p.name, entry.Kind, entry.Text)
		}
		if strings.Contains(entry.Text, "offline") && !slices.Contains(trouble.offline, p.name) {
			s.t.Errorf("%s has read %q", p.name, entry.Text)
		}
	}
}

// trueAnyway matches what may be read in any trouble. Numbers are written as N.
var trueAnyway = regexp.MustCompile(`^(` + strings.Join([]string{
	`Connection (connected|connecting…|connecting again in N s|offline, connecting…|offline, connecting again in N s)` +
		// Where the machine has no time for the browser, the page says that its storage is slow, and it is.
		`( \| (Waiting for the service…|This browser is slow to open the data of this page\..*|` +
		`((Connected|Connecting|Reconnecting|Not connected) to|Calling) (alice|bob)( …)?))?`,
	`(Connected|Connecting|Reconnecting|Calling|Not connected) to (alice|bob)( …)?`,
	`Calling (alice|bob) …`,
	`Connected to (alice|bob)`,
	`The connection to (alice|bob) was lost`,
	`The connection to (alice|bob) is back`,
	`Enter sends, Shift\+Enter breaks the line\.`,
	`Connect to somebody to send messages\. What you type is kept\.`,
	`Waiting for (alice|bob) to answer\. What you type is kept\.`,
	`Reconnecting\. Your messages are sent when the connection is back\.`,
}, "|") + `)$`)

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// says has somebody write a text.
func (s *scene) says(p *page, text string) {
	s.t.Helper()
	p.say(text)
	if left := p.read("textbox", "Message"); left != "" {
		s.t.Errorf("%s could not send %q", p.name, left)
		return
	}
	s.said[p] = append(s.said[p], text)
}

// agree waits until both are connected, and each has all texts of the other, once and in order.
func (s *scene) agree() {
	s.t.Helper()
	for _, pair := range [][2]*page{{s.alice, s.bob}, {s.bob, s.alice}} {
		reader, writer := pair[0], pair[1]
		reader.until("a call with all texts of "+writer.name, func(ctx context.Context) (bool, error) {
			return evaluate[bool](ctx, &reader.person, fmt.Sprintf(`document.querySelector(".peer")?.dataset.phase === "open" &&
				[...document.querySelectorAll("[role=log] li.message.received")].length >= %d`, len(s.said[writer])))
		})
		for _, p := range pair {
			if got := p.texts(writer.name); !slices.Equal(got, s.said[writer]) {
				s.t.Errorf("%s's page has %q of %s, want %q", p.name, got, writer.name, s.said[writer])
			}
		}
	}
}
