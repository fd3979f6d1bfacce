package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// networksAtOnce is how many networks there are at most. In each of them two browsers run.
const networksAtOnce = 6

// trouble is what happens to the network of alice and bob, who are in a call.
type trouble struct {
	name  string
	lasts time.Duration
	begin func(n *internetwork) error
	// end undoes it, besides mending the paths that are cut.
	end func(s *scene) error
	// bobStands: bob's browser does nothing meanwhile.
	bobStands bool
	// everyday: it is tried without P2P_TEST_LONG, too.
	everyday bool
}

func troubles() []trouble {
	nothing := func(*scene) error { return nil }
	cut := func(paths func(n *internetwork) []hostPair) func(n *internetwork) error {
		return func(n *internetwork) error { return n.cut(paths(n)...) }
	}
	everything := cut(func(n *internetwork) []hostPair { return n.all() })
	stand := func(n *internetwork) error { return n.bob.freeze() }
	goOn := func(s *scene) error { return s.network.bob.thaw() }
	return []trouble{
		{name: "both are cut off for 70 s", lasts: 70 * time.Second, begin: everything, end: nothing},
		{name: "bob's browser stands still for 45 s", lasts: 45 * time.Second, begin: stand, end: goOn, bobStands: true},
		{name: "both are cut off for 30 s", lasts: 30 * time.Second, begin: everything, end: nothing},
		{name: "alice is cut off for 30 s", lasts: 30 * time.Second, begin: cut(func(n *internetwork) []hostPair { return n.of(n.alice) }), end: nothing},
		{name: "the path between them is cut for 30 s", lasts: 30 * time.Second, begin: cut(func(n *internetwork) []hostPair { return []hostPair{{n.alice, n.bob}} }), end: nothing},
		{name: "the service is cut off for 30 s", lasts: 30 * time.Second, begin: cut(func(n *internetwork) []hostPair { return n.of(n.service) }), end: nothing},
		{name: "bob's browser stands still for 20 s", lasts: 20 * time.Second, begin: stand, end: goOn, bobStands: true},
		{name: "alice is without a link for 10 s", lasts: 10 * time.Second,
			begin: func(n *internetwork) error { return n.alice.unplug() },
			end:   func(s *scene) error { return s.network.alice.plug() }},
		{name: "both are cut off for 10 s", lasts: 10 * time.Second, begin: everything, end: nothing},
		{name: "alice's address changes while she is cut off for 6 s", lasts: 6 * time.Second,
			begin: cut(func(n *internetwork) []hostPair { return n.of(n.alice) }),
			end:   func(s *scene) error { return s.network.alice.move() }},
		{name: "alice's address changes", lasts: 2 * time.Second,
			begin: func(n *internetwork) error { return n.alice.move() }, end: nothing},
		{name: "both are cut off for 4 s", lasts: 4 * time.Second, begin: everything, end: nothing, everyday: true},
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
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	needNamespaces(t)
	long := os.Getenv("P2P_TEST_LONG") != ""
	// Networks wait here for the next scene. nil is room for a new one.
	networks := make(chan *internetwork, networksAtOnce)
	for range networksAtOnce {
		networks <- nil
	}
	// This test counts as one among those that run in parallel, because its scenes mostly wait.
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
					if n, err = newInternetwork(); err != nil {
						t.Fatal(err)
					}
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
	complain := t.Skip
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if os.Getenv("CI") == "true" {
		complain = t.Fatal
	}
	for program, name := range map[string]string{"ip": "iproute2", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			complain(fmt.Sprintf("%v (Debian's package %s has it)", err, name))
		}
	}
	n := new(internetwork)
	defer n.close()
	err := n.route()
	if err != nil {
		complain(fmt.Sprintf("no network namespaces here: %v", err))
	}
}

// play has alice and bob talk before, during and after a trouble.
func play(t *testing.T, n *internetwork, trouble trouble) {
	s := &scene{t: t, network: n, said: map[*page][]string{}}
	s.service = startServiceAt(t, n.service.ownAddress()+":0", n.service.listen)
	s.alice = openWithDiary(t, n.alice.browser, "alice", s.service.url())
	s.bob = openWithDiary(t, n.bob.browser, "bob", s.service.url())
	t.Cleanup(func() { s.showDiaries() })
	s.alice.join("alice")
	s.bob.join("bob")
	s.alice.meets(s.bob)
	both := []*page{s.alice, s.bob}
	for _, p := range both {
		s.says(p, p.name+", before")
	}
	s.agree()

	began := time.Now()
	s.must(trouble.begin(n))
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
	s.must(trouble.end(s))
	s.must(n.mend())
	ended := time.Now()
	s.agree()
	t.Logf("the call was back %.1f s after the network", time.Since(ended).Seconds())
	for _, p := range both {
		s.says(p, p.name+", after")
	}
	s.agree()
	s.alice.delivered()
	s.bob.delivered()
}

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

// agree waits until both are connected and each has all texts of the other, once and in order.
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

// showDiaries logs the diaries if something is wrong.
func (s *scene) showDiaries() {
	if !s.t.Failed() && os.Getenv("P2P_DIARY") == "" {
		return
	}
	for _, p := range []*page{s.alice, s.bob} {
		s.t.Logf("%s's diary:\n%s", p.name, p.diary())
	}
}
