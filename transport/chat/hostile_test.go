package chat

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"p2p-messaging/transport/client"
)

func TestWhatActsOnATerminalIsShownAsText(t *testing.T) {
	t.Parallel()
	service := serve(t)
	mallory, bob := join(t, service, "mallory"), join(t, service, "bob")
	mallory.meets(bob)
	for text, want := range map[string]string{
		"\x1b[2J\x1b[H":             "<U+001B>[2J<U+001B>[H",
		"\x1b]52;c;aGk=\x07":        "<U+001B>]52;c;aGk=<U+0007>",
		"\u009b31mred":              "<U+009B>31mred",
		"a\rb":                      "a<U+000D>b",
		"a\bb\x00\x7f":              "a<U+0008>b<U+0000><U+007F>",
		"\u202egnp.exe":             "<U+202E>gnp.exe",
		"\u2066x\u2069\u200f\u061c": "<U+2066>x<U+2069><U+200F><U+061C>",
		"a\u2028b\ufeff\U000e0041":  "a<U+2028>b<U+FEFF><U+E0041>",
		"👩\u200d👩\u200d👧 नमस्ते\tend": "👩\u200d👩\u200d👧 नमस्ते    end",
		"one\ncarol: two\r\nthree":    "one\nmallory: carol: two\nmallory: three",
	} {
		mallory.do(func() { mallory.c.conversations["bob"].say(text) })
		if got := bob.shows("mallory: "); got != "mallory: "+want {
			t.Errorf("%q is shown as %q, want %q", text, got, "mallory: "+want)
		}
	}
	if got := said("bob: hi", "x"); got != `"bob: hi": x` {
		t.Errorf("a login with a colon is shown as %q", got)
	}
}

func TestWhoSpeaksNonsenseIsLeft(t *testing.T) {
	t.Parallel()
	service := serve(t)
	bob := join(t, service, "bob")
	size := int64(1)
	number := 0
	for what, act := range map[string]func(l *call){
		"a frame without a kind":     func(l *call) { _ = l.texts.SendText("") },
		"text where a frame belongs": func(l *call) { _ = l.texts.SendText("hello") },
		"a text of unknown flags":    func(l *call) { l.post([]byte{frameText, 2, 0, 0, 0, 1, 'x'}) },
		"chunks of two texts":        func(l *call) { l.post(textFrame(1, false, "a")); l.post(textFrame(2, true, "b")) },
		"an empty chunk":             func(l *call) { l.post(textFrame(1, false, "")) },
		"a text that is not UTF-8":   func(l *call) { l.post(textFrame(1, true, "\xff")) },
		"a short receipt":            func(l *call) { l.post([]byte{frameReceipt, 1}) },
		"a hello that is not JSON":   func(l *call) { l.post([]byte{frameHello, 'x'}) },
		"a short fingerprint":        func(l *call) { l.post([]byte{frameNext, 'x'}) },
		"a file frame without type":  func(l *call) { l.post([]byte{frameFile, 'x'}) },
		"a file that was not sent":   func(l *call) { l.post(fileMessage{File: "received", ID: 9}.frame()) },
		"bytes that nobody wants":    func(l *call) { _ = l.bulk.Send(fileChunk(1, []byte("x"))) },
		"two files of one id": func(l *call) {
			l.post(fileMessage{File: "offer", ID: 1, Name: "a", Size: &size}.frame())
			other := size + 1
			l.post(fileMessage{File: "offer", ID: 1, Name: "a", Size: &other}.frame())
		},
	} {
		t.Run(what, func(t *testing.T) {
			number++
			mallory := join(t, service, fmt.Sprintf("mallory %d", number))
			bob := bob.within(t)
			mallory.meets(bob)
			l := mallory.call("bob")
			mallory.do(func() { act(l) })
			bob.shows(mallory.c.me.Shown + " sent something that makes no sense")
			mallory.end()
			_ = mallory.ends() // it was cancelled
		})
	}
	// Nothing of this harms others.
	alice := join(t, service, "alice")
	alice.meets(bob)
	alice.types("hello")
	bob.shows("alice: hello")
}

func TestAReceiptForWhatWasNotSentConfirmsNothing(t *testing.T) {
	t.Parallel()
	service := serve(t)
	mallory, bob := join(t, service, "mallory"), join(t, service, "bob")
	mallory.meets(bob)
	mallory.do(func() {
		l := mallory.c.conversations["bob"].call
		l.post(idFrame(frameReceipt, 1000))
		l.post(idFrame(frameRead, 1000))
	})
	mallory.types("one")
	bob.shows("mallory: one")
	if shown := bob.all(); strings.Contains(shown, "✓") {
		t.Errorf("bob, who has sent nothing, sees\n%s", shown)
	}
	bob.types("two")
	mallory.shows("bob: two")
	bob.shows("✓ delivered")
}

func TestWhoAsksWithoutEndAndReadsNoAnswerIsLeft(t *testing.T) {
	service := serve(t)
	mallory, bob := join(t, service, "mallory"), join(t, service, "bob")
	var s webrtc.SettingEngine
	s.SetSCTPMaxReceiveBufferSize(8 << 10) // then few answers fill it
	mallory.do(func() { mallory.c.api = webrtc.NewAPI(webrtc.WithSettingEngine(s)) })
	mallory.meets(bob)
	l := mallory.call("bob")
	reading := make(chan struct{})
	defer close(reading)
	mallory.do(func() { l.texts.OnMessage(func(webrtc.DataChannelMessage) { <-reading }) })
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	// Few pings wait at mallory, so that the processors have time for bob's answers.
	const most = 8 << 10
	low := make(chan struct{}, 1)
	l.texts.SetBufferedAmountLowThreshold(most / 2)
	l.texts.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	asking.Go(func() {
		for ctx.Err() == nil {
			_ = l.texts.Send([]byte{framePing}) // bob may have ended the call
			if l.texts.BufferedAmount() > most {
				select {
				case <-low:
				case <-ctx.Done():
				}
			}
		}
	})
	bob.shows("mallory sent something that makes no sense")
}

func TestTheSendBufferIsBoundedInFramesAndHonestSidesNeverFillIt(t *testing.T) {
	t.Parallel()
	var q queue
	for range 10 * maxQueued { // one that is read slowly, but is read
		q.add(7, 7*maxQueued/4)
	}
	if q.full() {
		t.Error("a side that reads is taken for one that does not")
	}
	q = queue{}
	for n := range uint64(maxQueued) {
		q.add(1, n+1)
	}
	if q.full() {
		t.Error("fewer frames than the bound are too many")
	}
	q.add(1, maxQueued+1)
	q.add(1, maxQueued+2)
	if !q.full() {
		t.Error("nothing bounds the frames that nobody reads")
	}
}

func TestNothingIsLeftOfStrangersWhoNeverGotIn(t *testing.T) {
	t.Parallel()
	service := serve(t)
	inbox := start(t, flags(t, service, "inbox"), false)
	for i := range 5 {
		login := fmt.Sprint("stranger ", i)
		stranger, err := client.Dial(t.Context(), service+"/ws")
		if err != nil {
			t.Fatal(err)
		}
		if err := stranger.Login(t.Context(), login); err != nil {
			t.Fatal(err)
		}
		offer := fmt.Sprintf(`{"type":"offer","from":%q,"to":"inbox","call":%[1]q,"offer":{"type":"offer","sdp":"nonsense"}}`, login)
		if err := stranger.SendText(t.Context(), []byte(offer)); err != nil {
			t.Fatal(err)
		}
		inbox.shows("the call with " + login)
		_ = stranger.Close() // nothing more is expected of it
	}
	inbox.do(func() {
		if n := len(inbox.c.conversations); n > 0 {
			t.Errorf("the chat remembers %d of them", n)
		}
	})
}

func TestCandidatesThatComeBeforeTheirCallAreBounded(t *testing.T) {
	t.Parallel()
	c := &chat{calls: map[string]*call{}}
	sends := func(call, candidate string) {
		payload := fmt.Sprintf(`{"candidate":%q}`, candidate)
		text := fmt.Sprintf(`{"type":"ice-candidate","from":"mallory","call":%q,"ice-candidate":%s}`, call, payload)
		c.takeSignal(client.Message{Type: "ice-candidate", From: "mallory", Payload: []byte(payload), Text: []byte(text)})
	}
	for call := range 2 * maxEarly {
		for range 4 {
			sends(fmt.Sprint(call), strings.Repeat("x", 60_000))
		}
		for range 2 * maxEarlyEach {
			sends(fmt.Sprint(call), strings.Repeat("x", 200))
		}
	}
	bytes := 0
	for _, candidates := range c.early.all {
		for _, candidate := range candidates {
			bytes += len(candidate.Candidate)
		}
	}
	if most := maxEarly * maxEarlyEach * 200; bytes == 0 || bytes > most {
		t.Errorf("%d bytes of candidates are kept, want %d at most", bytes, most)
	}
}
