package web_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestARobotTalksWithThePage(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, robot := s.open("alice"), s.peer("robot")
	l := robot.call("alice")
	alice.connected("robot")
	l.say(1, "Hello Alice")
	alice.hears("robot", "Hello Alice")
	l.confirmed(1)
	alice.say("Hello robot")
	if got := l.hears(); got != "Hello robot" {
		t.Errorf("the robot got %q", got)
	}
	alice.delivered()
	l.send([]byte{frameGoodbye})
	alice.shows("log", "Discussion", "robot left")

	alice.connectTo("robot")
	l = robot.accept()
	alice.connected("robot")
	alice.say("Again")
	if got := l.hears(); got != "Again" {
		t.Errorf("the robot got %q", got)
	}
}

// The pages see a service and a channel that are as they should be; only the fingerprints differ.
func TestOneInTheMiddleCanPassOnWhatTwoPagesSay(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, bob := s.open("alice"), s.open("bob")
	toAlice, toBob := s.peer("Bob2"), s.peer("Alice2")
	toAlice.mute, toBob.mute = true, true
	a := toAlice.call("alice")
	b := toBob.call("bob")
	a.forward(b)
	b.forward(a)
	alice.connected("Bob2")
	bob.connected("Alice2")
	alice.say("between us")
	bob.hears("Alice2", "between us")
	alice.delivered()
}

// mallory calls alice with a hello of her own and nothing else by herself.
func malloryCalls(mallory *peer, instance string) *line {
	mallory.t.Helper()
	mallory.mute = true
	l := mallory.call("alice")
	l.send(helloFrame(instance))
	l.await(frameHello)
	return l
}

// undisturbed shows that the page works as if nothing had been.
func undisturbed(alice *page, friend *peer) {
	alice.t.Helper()
	l := friend.call("alice")
	alice.connected(friend.login)
	text := fmt.Sprintf("are you well? (%d)", friend.calls)
	l.say(uint32(friend.calls), text)
	alice.hears(friend.login, text)
	l.confirmed(uint32(friend.calls))
	alice.say("well")
	if got := l.hears(); got != "well" {
		alice.t.Errorf("the friend got %q", got)
	}
	l.send([]byte{frameGoodbye})
	alice.vanish("button", "Disconnect from "+friend.login)
	if title := eval[string](alice, "document.title"); strings.Contains(title, "run") {
		alice.t.Errorf("the title is %q: something has run", title)
	}
}

func TestFramesOfUnknownKindsAreIgnored(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory := s.open("alice"), s.peer("mallory")
	l := malloryCalls(mallory, "page")
	for kind := range 256 {
		if kind == 0 || kind > 16 {
			l.send([]byte{byte(kind)})
			l.send(append([]byte{byte(kind)}, make([]byte, 4096)...))
		}
	}
	l.say(1, "still here")
	alice.hears("mallory", "still here")
	l.confirmed(1)
	alice.connected("mallory")
}

func TestWhatCannotBeReadEndsThatConversationAndNothingElse(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory, friend := s.open("alice"), s.peer("mallory"), s.peer("friend")
	long := make([]byte, 17<<20)
	for i := range long {
		long[i] = 'x'
	}
	for i, c := range []struct {
		name string
		send func(l *line)
	}{
		{"an empty frame", func(l *line) { l.send(nil) }},
		{"a text without an id", func(l *line) { l.send([]byte{frameText, 1, 0, 0}) }},
		{"a text with unknown flags", func(l *line) { l.send([]byte{frameText, 0xff, 0, 0, 0, 1, 'a'}) }},
		{"a text that is not UTF-8", func(l *line) { l.send(textFrame(1, true, []byte{0xff, 0xfe})) }},
		{"a receipt cut short", func(l *line) { l.send([]byte{frameReceipt, 0, 0}) }},
		{"a message of text instead of bytes", func(l *line) { _ = l.channel.SendText("hello") }},
		{"chunks of two texts mixed", func(l *line) {
			l.send(textFrame(1, false, []byte("one ")))
			l.send(textFrame(2, false, []byte("two ")))
			l.send(textFrame(1, true, []byte("one")))
		}},
		{"a text of 17 MB", func(l *line) {
			for part := range slices.Chunk(long, 16*1024-6) {
				l.send(textFrame(1, false, part))
			}
		}},
	} {
		l := malloryCalls(mallory, fmt.Sprintf("page %d", i))
		c.send(l)
		l.ended()
		alice.vanish("button", "Disconnect from mallory")
		if got := alice.texts("mallory"); len(got) != 0 {
			t.Errorf("%s: the discussion shows %.100q", c.name, got)
		}
	}
	alice.shows("log", "Discussion", "their page sent something that could not be read")
	undisturbed(alice, friend)
}

func TestATextBeforeTheHelloEndsTheCall(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory, friend := s.open("alice"), s.peer("mallory"), s.peer("friend")
	mallory.mute = true
	for _, hello := range [][]byte{nil, {frameHello}, []byte("\x01null"), []byte("\x01{}"), []byte("\x01{\"instance\":7}"), []byte("\x01[[[[")} {
		l := mallory.call("alice")
		if hello != nil {
			l.send(hello)
		}
		l.say(1, "too early")
		l.ended()
	}
	alice.vanish("button", "Cancel the call to mallory")
	if got := alice.texts("mallory"); len(got) != 0 {
		t.Errorf("the discussion shows %q", got)
	}
	undisturbed(alice, friend)
}

func TestHalfATextIsNotShown(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory := s.open("alice"), s.peer("mallory")
	l := malloryCalls(mallory, "page")
	l.send(textFrame(1, false, []byte("half a ")))
	l.send([]byte{frameGoodbye})
	alice.shows("log", "Discussion", "mallory left")

	// And it is no part of the next one.
	l = malloryCalls(mallory, "page")
	l.say(1, "whole")
	alice.hears("mallory", "whole")
	if got, want := alice.texts("mallory"), []string{"whole"}; !slices.Equal(got, want) {
		t.Errorf("the discussion shows %q, want %q", got, want)
	}
}

func TestReceiptsForWhatWasNeverSentConfirmNothing(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory := s.open("alice"), s.peer("mallory")
	mallory.mute = true
	l := mallory.call("alice")
	l.send([]byte("\x01" + `{"version":1,"instance":"page","received":{"instance":"another","id":4294967295}}`))
	alice.connected("mallory")
	for _, id := range []uint32{0, 1, 7, 1<<32 - 1} {
		l.send(receiptFrame(id))
		l.send(readFrame(id))
	}
	l.say(1, "the receipts are there")
	alice.hears("mallory", "the receipts are there")
	alice.say("really?")
	text := l.await(frameText)
	for _, m := range alice.messages() {
		if m.Own && m.Delivery != "sending" {
			t.Errorf("before its receipt the message is shown as %q", m.Delivery)
		}
	}
	l.send(receiptFrame(binary.BigEndian.Uint32(text[2:])))
	alice.delivered()
}

func TestALoginWithMarkupIsShownAsText(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice := s.open("alice")
	for _, login := range []string{
		`<img src=x onerror="document.title='run'">`, `<b>bold</b>`, `"><script>document.title="run"</script>`, `${document.title="run"}`, "\u05e9\u05dc\u05d5\u05dd <i>",
	} {
		p := s.peer(login)
		l := p.call("alice")
		alice.connected(login)
		l.say(1, "who am I?")
		alice.hears(login, "who am I?")
		alice.connected(login)
		l.send([]byte{frameGoodbye})
		alice.shows("log", "Discussion", login+" left")
		alice.vanish("button", "Disconnect from "+login)
		alice.connectTo(login)
		p.accept().send([]byte{frameGoodbye})
		alice.vanish("button", "Disconnect from "+login)
	}
	if elements := eval[int](alice, `document.querySelectorAll("[role=log] :is(img, b, i, script)").length`); elements != 0 {
		t.Errorf("the discussion has %d elements made of logins", elements)
	}
	if title := eval[string](alice, "document.title"); strings.Contains(title, "run") {
		t.Errorf("the title is %q: a login has run", title)
	}
}

// Every seed is one conversation; what is sent in it is the same in every run.
func TestRandomFramesBreakNothing(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory, friend := s.open("alice"), s.peer("mallory"), s.peer("friend")
	seeds := uint64(4)
	if long() {
		seeds = 12
	}
	for seed := range seeds {
		l := malloryCalls(mallory, fmt.Sprintf("page %d", seed))
		random := rand.New(rand.NewPCG(seed, 11))
		for range 200 {
			frame := make([]byte, random.IntN(40))
			for i := range frame {
				frame[i] = byte(random.Uint32())
			}
			if len(frame) > 0 && seed%2 == 0 {
				frame[0] = byte(1 + random.IntN(10))
			}
			l.send(frame)
			if random.IntN(8) == 0 {
				l.sendBulk(frame)
			}
		}
		// Some frame was empty at the latest now.
		l.send(nil)
		l.ended()
	}
	alice.vanish("button", "Disconnect from mallory")
	undisturbed(alice, friend)
}

// What people type is taken before what still waits, but nothing that a test does is: so this is the longest that anything waits.
func TestAFloodOfMessagesLeavesThePageAnsweringAndOthersConnected(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory, friend := s.open("alice"), s.peer("mallory"), s.peer("friend")
	quiet := friend.call("alice")
	alice.connected("friend")
	l := malloryCalls(mallory, "page")
	flood := uint32(2_500)
	if long() {
		flood = 20_000
	}
	started := time.Now()
	for id := range flood {
		l.say(id+1, fmt.Sprintf("message %d", id))
		l.send(typingFrame(id%2 == 0))
	}
	quiet.say(1, "is it only me?")
	alice.hears("friend", "is it only me?")
	quiet.confirmed(1)
	alice.say("no")
	if got := quiet.hears(); got != "no" {
		t.Errorf("the friend got %q", got)
	}
	t.Logf("in the flood, a friend has waited for an answer for %v", time.Since(started).Round(time.Millisecond))
	l.confirmed(flood)
	t.Logf("all %d messages were confirmed after %v", flood, time.Since(started).Round(time.Millisecond))

	// The same where everybody looks at it.
	alice.click("button", "Disconnect from friend")
	quiet.ended()
	l.drop()
	second := s.peer("mallet")
	second.mute = true
	l = second.call("alice")
	l.send(helloFrame("page"))
	alice.connected("mallet")
	for id := range flood / 4 {
		l.say(id+1, fmt.Sprintf("message %d", id))
		l.send(typingFrame(id%2 == 0))
	}
	l.confirmed(flood / 4)
	alice.hears("mallet", fmt.Sprintf("message %d", flood/4-1))
	alice.say("stop")
	if got := l.hears(); got != "stop" {
		t.Errorf("mallet got %q", got)
	}
	alice.click("button", "Disconnect from mallet")
	l.ended()
	undisturbed(alice, friend)
}

func TestHalfAFileIsNeverTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	s := startService(t)
	alice, mallory, friend := s.open("alice"), s.peer("mallory"), s.peer("friend")
	part := func(l *line, data []byte) {
		l.sendBulk(append([]byte{0, 0, 0, 1}, data...))
	}
	offered := func(instance, name string, size int) *line {
		l := malloryCalls(mallory, instance)
		for !strings.Contains(string(l.await(frameFile)), `"limit"`) {
		}
		l.send(fileFrame(map[string]any{"file": "limit", "bytes": 1 << 40}))
		l.send(fileFrame(map[string]any{"file": "offer", "id": 1, "name": name, "size": size, "type": "text/html"}))
		alice.click("button", "Accept "+name)
		for !strings.Contains(string(l.await(frameFile)), `"accept"`) {
		}
		return l
	}
	refused := func(l *line, name string) {
		for !strings.Contains(string(l.await(frameFile)), `"damaged"`) {
		}
		alice.shows("log", "Discussion", "It did not arrive as it was sent.")
		alice.absent("link", "Save "+name)
		l.send([]byte{frameGoodbye})
		alice.vanish("button", "Disconnect from mallory")
	}
	empty := fmt.Sprintf("%x", sha256.Sum256(nil))
	half := fmt.Sprintf("%x", sha256.Sum256([]byte("<script>half")))

	l := offered("page 1", "half.html", 24)
	part(l, []byte("<script>half"))
	part(l, nil)
	l.send(fileFrame(map[string]any{"file": "done", "id": 1, "sha256": half}))
	refused(l, "half.html")

	l = offered("page 2", "more.html", 4)
	part(l, []byte("<script>more"))
	refused(l, "more.html")

	l = offered("page 3", "none.html", 4)
	part(l, nil)
	l.send(fileFrame(map[string]any{"file": "done", "id": 1, "sha256": empty}))
	refused(l, "none.html")

	l = offered("page 4", "gone.html", 24)
	part(l, []byte("<script>half"))
	l.send([]byte{frameGoodbye})
	alice.shows("log", "Discussion", "Interrupted")
	alice.absent("link", "Save gone.html")
	l = malloryCalls(mallory, "page 5")
	l.send(fileFrame(map[string]any{"file": "limit", "bytes": 1 << 40}))
	alice.shows("log", "Discussion", "the transfer cannot continue")
	l.send([]byte{frameGoodbye})
	l.ended()
	undisturbed(alice, friend)
}
