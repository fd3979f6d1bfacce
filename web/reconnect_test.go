package web_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/pion/webrtc/v4"
)

// gate is a UDP socket through which nothing passes while it is shut.
type gate struct {
	net.PacketConn
	shut atomic.Bool
}

func (g *gate) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := g.PacketConn.ReadFrom(b)
		if err != nil || !g.shut.Load() {
			return n, from, err
		}
	}
}

func (g *gate) WriteTo(b []byte, to net.Addr) (int, error) {
	if g.shut.Load() {
		return len(b), nil
	}
	return g.PacketConn.WriteTo(b, to)
}

// behindGate makes the peer's calls from now on go through one socket.
func (p *peer) behindGate() *gate {
	p.t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	g := &gate{PacketConn: socket}
	settings := peerSettings()
	mux := webrtc.NewICEUDPMux(nil, g)
	settings.SetICEUDPMux(mux)
	p.api = webrtc.NewAPI(webrtc.WithSettingEngine(settings))
	p.t.Cleanup(func() { _ = mux.Close() })
	return g
}

func TestAConnectionThatDropsIsRestoredAndNothingIsLost(t *testing.T) {
	mostlyWaits(t)
	t.Parallel()
	for browser, open := range map[string]func(s *service) *person{
		"Chromium": func(s *service) *person { return &s.open("alice").person },
		"Firefox":  func(s *service) *person { return &s.openInFirefox("alice").person },
	} {
		t.Run(browser, func(t *testing.T) {
			s := startService(t)
			alice, robot := open(s), s.peer("robot")
			gate := robot.behindGate()
			alice.connectTo("robot")
			l := robot.accept()
			alice.connected("robot")
			alice.say("before")
			if got := l.hears(); got != "before" {
				t.Errorf("the robot got %q", got)
			}
			gate.shut.Store(true)
			alice.phase("reconnecting")
			alice.connected("robot") // It can be ended meanwhile.
			alice.say("meanwhile")
			gate.shut.Store(false)
			alice.phase("open")
			select {
			case l = <-robot.incoming: // Where Firefox had no way for 5 s, it has ended the channel, and the page has called anew.
			default:
			}
			if got := l.hears(); got != "meanwhile" {
				t.Errorf("the robot got %q", got)
			}
			alice.delivered()
			l.say(1, "after")
			alice.hears("robot", "after")
			if discussion := alice.read("log", "Discussion"); browser == "Chromium" && strings.Contains(discussion, "left") {
				t.Errorf("the discussion shows %q, want no end in it", discussion)
			}
		})
	}
}

func TestWhoDoesNotAnswerARestartIsCalledAgainUntilThePersonEndsIt(t *testing.T) {
	mostlyWaits(t)
	t.Parallel()
	s := startService(t)
	alice, robot := s.open("alice"), s.peer("robot")
	gate := robot.behindGate()
	l := robot.call("alice")
	alice.connected("robot")
	robot.alter = func(map[string]any) bool { return false }
	gate.shut.Store(true)
	alice.phase("reconnecting")
	alice.shows("log", "Discussion", "The connection to robot was lost")
	l.ended()
	alice.phase("reconnecting")
	alice.untilSent("offer", 2) // The first one was to restart.
	alice.click("button", "Disconnect from robot")
	alice.phase("off")
	if discussion := alice.read("log", "Discussion"); strings.Contains(discussion, "left") {
		t.Errorf("the discussion shows %q, but nobody knows that the robot has left", discussion)
	}
}

func TestTheOtherSideMayRestart(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, robot := s.open("alice"), s.peer("robot")
	l := robot.call("alice")
	alice.connected("robot")
	before := l.connection.RemoteDescription().SDP
	if err := l.restart(); err != nil {
		t.Fatal(err)
	}
	l.settled()
	if after := l.connection.RemoteDescription().SDP; ufrag(after) == ufrag(before) {
		t.Error("the page has not restarted ICE")
	}
	alice.say("still here")
	if got := l.hears(); got != "still here" {
		t.Errorf("the robot got %q", got)
	}
}

func TestBothRestartInTheSameInstant(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.pair()
	for _, p := range []*page{alice, bob} {
		p.hold()
	}
	for _, p := range []*page{alice, bob} {
		p.networkChanged()
	}
	for _, p := range []*page{alice, bob} {
		p.untilSent("offer", map[*page]int{alice: 2, bob: 1}[p])
	}
	for _, p := range []*page{alice, bob} {
		p.release()
	}
	// Who called goes on; the other takes its own offer back.
	bob.untilSent("answer", 2)
	alice.say("one")
	bob.hears("alice", "one")
	bob.say("two")
	alice.hears("bob", "two")
	if n := alice.sentOf("answer"); n != 0 {
		t.Errorf("alice has answered %d offers, want none", n)
	}
	alice.connected("bob")
	bob.connected("alice")
}

func TestAPageWhoseNetworkWasAwayTakesTheCallUpAgain(t *testing.T) {
	mostlyWaits(t)
	t.Parallel()
	s := startService(t)
	cable := s.cable()
	alice := newPage(t, "alice", cable.url())
	alice.join("alice")
	robot := s.peer("robot")
	gate := robot.behindGate()
	alice.connectTo("robot")
	l := robot.accept()
	alice.connected("robot")
	cable.set(true)
	gate.shut.Store(true)
	alice.phase("reconnecting")
	alice.find("button", "Try now")
	alice.say("meanwhile")
	gate.shut.Store(false)
	cable.set(false)
	alice.hurries()
	alice.phase("open")
	if got := l.hears(); got != "meanwhile" {
		t.Errorf("the robot got %q", got)
	}
	alice.delivered()
}

// pairLost opens two pages whose conversation has been lost: alice has no network any more.
func (s *service) pairLost() (alice, bob *page, cable *cable) {
	s.t.Helper()
	cable = s.cable()
	alice = newPage(s.t, "alice", cable.url())
	alice.join("alice")
	alice.loses(false) // Only connections made after this one can be made to lose anything.
	bob = s.open("bob")
	bob.meets(alice)
	cable.set(true)
	alice.loses(true)
	bob.shows("log", "Discussion", "The connection to alice was lost")
	return alice, bob, cable
}

func TestACallThatWasLostIsMadeAgain(t *testing.T) {
	mostlyWaits(t)
	t.Parallel()
	alice, bob, cable := startService(t).pairLost()
	for _, p := range []*page{alice, bob} {
		p.phase("reconnecting")
	}
	alice.say("meanwhile")
	bob.say("meanwhile, too")
	alice.loses(false)
	cable.set(false)
	alice.hurries()
	bob.hears("alice", "meanwhile")
	alice.hears("bob", "meanwhile, too")
	bob.connected("alice")
	alice.phase("open")
	alice.delivered()
	bob.say("welcome back")
	alice.hears("bob", "welcome back")
	alice.absent("alert", "")
}

func TestWhoHangsUpMeanwhileIsNotCalledAgain(t *testing.T) {
	mostlyWaits(t)
	t.Parallel()
	alice, bob, cable := startService(t).pairLost()
	cable.set(false)
	// With the service but without a way to bob: she calls him, and neither gets any further.
	alice.hurries()
	alice.untilSent("offer", 1)
	alice.shows("log", "Discussion", "The connection to bob was lost")
	alice.phase("reconnecting")
	alice.click("button", "Disconnect from bob")
	alice.phase("off")
	bob.shows("log", "Discussion", "alice left")
	bob.phase("off")
	offers := alice.sentOf("offer")

	alice.loses(false)
	bob.connectTo("alice")
	bob.connected("alice")
	alice.say("welcome back")
	bob.hears("alice", "welcome back")
	if n := alice.sentOf("offer"); n != offers {
		t.Errorf("alice has called %d times after she hung up, want none", n-offers)
	}
}

// hold keeps back what comes from the service.
func (p *page) hold() { eval[chromedp.Void](p, "testing.hold()") }

func (p *page) release() { eval[chromedp.Void](p, "testing.release()") }

// networkChanged tells the page what a browser tells when the device has another network.
func (p *page) networkChanged() { eval[chromedp.Void](p, `void dispatchEvent(new Event("online"))`) }

// sentOf counts the frames of a type that the page has sent to the service.
func (p *page) sentOf(kind string) int {
	return eval[int](p, `testing.sent.filter(({ type }) => type === "`+kind+`").length`)
}

func (p *page) untilSent(kind string, count int) {
	p.t.Helper()
	p.until("frames of type "+kind, func(context.Context) (bool, error) { return p.sentOf(kind) >= count, nil })
}

// loses lets no packet of a call come or go, or lets them pass again.
func (p *page) loses(all bool) {
	p.t.Helper()
	loss := 0.0
	if all {
		loss = 100
	}
	p.marked = true
	p.do(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		// An empty pattern means connections between pages, too.
		_, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: 1e9, UploadThroughput: 1e9, PacketQueueLength: 10_000, PacketLoss: loss}},
		})
		return err
	})
}

func ufrag(sdp string) string {
	for line := range strings.Lines(sdp) {
		if value, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// restart looks for a way to the page anew.
func (l *line) restart() error {
	offer, err := l.connection.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return err
	}
	if err := l.connection.SetLocalDescription(offer); err != nil {
		return err
	}
	<-webrtc.GatheringCompletePromise(l.connection)
	l.signal(map[string]any{"type": "offer", "offer": map[string]any{"type": "offer", "sdp": l.connection.LocalDescription().SDP}})
	return nil
}

// settled waits until no offer is out.
func (l *line) settled() {
	l.t.Helper()
	stable := make(chan struct{}, 1)
	l.connection.OnSignalingStateChange(func(state webrtc.SignalingState) {
		if state == webrtc.SignalingStateStable {
			select {
			case stable <- struct{}{}:
			default:
			}
		}
	})
	if l.connection.SignalingState() == webrtc.SignalingStateStable {
		return
	}
	select {
	case <-stable:
	case <-time.After(patience):
		l.t.Fatalf("%s: %s did not answer the offer within %v", l.peer.login, l.other, patience)
	}
}
