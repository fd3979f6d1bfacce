package chat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestTwoWhoCallInTheSameInstantHaveOneCall(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	// Both have called before either has heard of the other's call.
	begun := make(chan struct{})
	bob.c.post(func() {
		bob.c.typed("/call alice")
		<-begun
	})
	alice.do(func() { alice.c.typed("/call bob") })
	close(begun)
	alice.shows("connected to bob")
	bob.shows("connected to alice")
	alice.types("one")
	bob.types("two")
	bob.shows("alice: one")
	alice.shows("bob: two")
	for _, s := range []*somebody{alice, bob} {
		s.do(func() {
			if len(s.c.calls) != 1 {
				t.Errorf("%s has %d calls", s.c.me.Shown, len(s.c.calls))
			}
		})
	}
}

func TestAConnectionThatBreaksComesBackAndEachTextArrivesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	const count = 60
	for i := range count {
		alice.types(fmt.Sprintf("text %02d.", i))
		if i%20 == 10 { // with texts under way
			alice.do(func() {
				if l := alice.c.conversations["bob"].call; l != nil {
					_ = l.connection.Close() // it was open
				}
			})
		}
	}
	bob.shows(fmt.Sprintf("text %02d.", count-1))
	var texts []string
	for line := range strings.Lines(bob.all()) {
		if text, is := strings.CutPrefix(strings.TrimSpace(line), "alice: "); is {
			texts = append(texts, text)
		}
	}
	if len(texts) != count {
		t.Errorf("bob gets %d texts, want %d", len(texts), count)
	}
	for i, text := range texts {
		if text != fmt.Sprintf("text %02d.", i) {
			t.Fatalf("text %d is %q", i, text)
		}
	}
	if strings.Count(bob.all(), "wants to connect") != 1 {
		t.Error("bob is asked again about a call that is restored")
	}
}

func TestACallGoesOnWhenTheOtherSideRestartsICE(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	before := bob.call("alice")
	restarted := make(chan struct{})
	l := alice.call("bob")
	alice.do(func() {
		l.connection.OnSignalingStateChange(func(state webrtc.SignalingState) {
			if state == webrtc.SignalingStateStable {
				close(restarted)
			}
		})
		offer, err := l.connection.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
		if err == nil {
			l.signal(map[string]any{"type": "offer", "offer": offer})
			err = l.connection.SetLocalDescription(offer)
		}
		if err != nil {
			t.Error(err)
		}
	})
	<-restarted
	alice.types("after the restart")
	bob.shows("alice: after the restart")
	bob.types("indeed")
	alice.shows("bob: indeed")
	if bob.call("alice") != before || alice.call("bob") != l {
		t.Error("there is another call")
	}
}

func TestWhoHasLeftIsNotCalledAgain(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	// The connection breaks, and bob does not want it back.
	bob.do(func() {
		l := bob.c.conversations["alice"].call
		l.finish(endLost)
		bob.c.typed("/bye")
	})
	alice.shows("bob left")
	bob.do(func() {
		if w := bob.c.conversations["alice"]; w.call != nil || w.loss != nil {
			t.Errorf("bob's conversation is %s", w.state())
		}
	})
	alice.meets(bob)
}

func TestACallInFrontOfAnOpenOneIsRefusedWhileItsEndReplies(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.meets(bob)
	// The service, or somebody by way of it, claims that alice calls anew.
	alice.do(func() {
		sdp := alice.c.conversations["bob"].call.connection.LocalDescription().SDP
		alice.c.send("bob", map[string]any{"type": "offer", "offer": map[string]any{"type": "offer", "sdp": sdp}, "call": "another"})
	})
	bob.do(func() {})
	alice.types("still the same")
	bob.shows("alice: still the same")
	bob.types("indeed")
	alice.shows("bob: indeed")
	if strings.Contains(bob.all(), "again") || strings.Contains(bob.all(), "interrupted") {
		t.Errorf("bob sees\n%s", bob.all())
	}
}

func TestAClientOfTheOriginalProtocolIsToldSo(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice, bob := join(t, service, "alice"), join(t, service, "bob")
	alice.do(func() {
		alice.c.send("bob", map[string]any{"type": "offer", "offer": map[string]any{"type": "offer", "sdp": "v=0\r\n"}})
	})
	bob.shows("alice uses a client that this one cannot talk to")
}

func TestCommandsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	alice := join(t, serve(t), "alice")
	for _, c := range []struct{ line, says string }{
		{"/call", "say whom"}, {"/call ALICE", "that is you"}, {"/call a\x1b[2J", "is no login"}, {"/accept", "nothing waits"},
		{"/accept 7", "nothing waits"}, {"/send", "say which file"}, {"/send x", "not connected"}, {"/safety", "not connected"},
		{"/verify", "not connected"}, {"/bye", "not connected"}, {"/who", "no conversations"}, {"/wow", "there is no /wow"},
		{"/help", "/send FILE"}, {"hello", "nobody to write to"}, {"/call bob", "bob is not there"}, {"hello", "bob is not connected"},
		{"/send /dev/null", "is no file"},
	} {
		alice.types(c.line)
		alice.shows(c.says)
	}
	if strings.Contains(alice.all(), "\x1b") {
		t.Error("an escape sequence that was typed is shown as one")
	}
	alice.types("/quit")
	if err := alice.ends(); err != nil {
		t.Error(err)
	}
}
