package transport

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

// box is an outbox. The test is its flusher.
type box struct {
	*testing.T
	outbox
	pool buffers
	back []string // sender and text of each message that was handed back
}

func (b *box) handBack(text []byte, sender messages.Address, _ bool) {
	b.back = append(b.back, sender.GetId()+" "+string(text))
	if !b.mu.TryLock() {
		b.Error("a message was handed back with the outbox's mutex held")
		return
	}
	b.mu.Unlock()
}

func (b *box) sends(text string, sender messages.Address, wantStart bool) {
	b.Helper()
	if taken, start, _ := b.put(&b.pool, frame.Text, []byte(text), delivery(nil, sender)); !taken || start != wantStart {
		b.Errorf("%q is taken: %t, and a flusher is to be started: %t; want true, %t", text, taken, start, wantStart)
	}
}

// wants takes the three results of begin or next. It returns a function that compares them with the wanted results.
func (b *box) wants(do step, written []byte, last bool) func(want step, wantWritten string, wantLast bool) {
	return func(want step, wantWritten string, wantLast bool) {
		b.Helper()
		if do != want || string(written) != wantWritten || last != wantLast {
			b.Errorf("the step is %d with %q, the last: %t; want %d with %q, %t", do, written, last, want, wantWritten, wantLast)
		}
	}
}

func (b *box) is(state writeState, due int64) {
	b.Helper()
	if b.state != state || b.due() != due {
		b.Errorf("the state is %d until %d, want %d until %d", b.state, b.due(), state, due)
	}
}

func text(s string) string { return string(frame.Append(nil, frame.Text, []byte(s))) }
func closing(s string) string {
	return string(frame.Append(nil, frame.Close, []byte(s)))
}

func TestAnOutboxIsWrittenInOneGoAndRestsAgain(t *testing.T) {
	b := &box{T: t}
	b.is(idle, never)
	b.sends("a", senderName("alice"), true)
	b.sends("b", nil, false)
	b.is(scheduled, never)
	if b.schedule() {
		t.Error("two flushers are started")
	}
	b.wants(b.begin(full))(stepDone, "", false) // the write does not belong to the loop
	both := text("a") + text("b")
	b.wants(b.begin(scheduled))(stepWrite, both, false)
	b.wants(b.begin(scheduled))(stepDone, "", false) // a second flusher comes too late
	b.is(flushing, never)
	b.sends("c", nil, false) // a write is under way
	b.wrote(&b.pool, 4)
	if n, want := b.waiting.Load(), int64(len(both)+len(text("c"))-4); n != want {
		t.Errorf("%d bytes wait, want %d", n, want)
	}
	b.wants(b.next())(stepWrite, both[4:], false)
	b.wrote(&b.pool, len(both)-4)
	b.wants(b.next())(stepWrite, text("c"), false)
	b.wrote(&b.pool, len(text("c")))
	b.wants(b.next())(stepDone, "", false)
	b.is(idle, never)
	b.sends("d", nil, true)
	if b.waiting.Load() != int64(len(text("d"))) || len(b.back) > 0 {
		t.Errorf("%d bytes wait and %q came back", b.waiting.Load(), b.back)
	}
}

func TestASealedOutboxEndsWithItsCloseFrame(t *testing.T) {
	b := &box{T: t}
	b.sends("a", senderName("alice"), true)
	b.wants(b.begin(scheduled))(stepWrite, text("a"), false)
	if !b.seal(&b.pool, []byte("\x03\xe8"), 70) || b.seal(&b.pool, nil, 90) {
		t.Error("an outbox is sealed once")
	}
	if taken, start, _ := b.put(&b.pool, frame.Text, nil, nil); taken || start {
		t.Error("a sealed outbox takes a frame")
	}
	b.wants(b.next())(stepWrite, text("a"), false) // not the last bytes: the close frame follows
	b.wrote(&b.pool, len(text("a")))
	b.wants(b.next())(stepWrite, closing("\x03\xe8"), true)
	b.wrote(&b.pool, 2)
	b.wants(b.next())(stepWrite, closing("\x03\xe8")[2:], true)
	b.wrote(&b.pool, 2)
	b.wants(b.next())(stepFinish, "", false)
	if b.remove() {
		t.Error("a connection is removed before its sending direction is closed")
	}
	b.linger(80)
	b.is(lingering, 80)
	if b.schedule() || !b.remove() || b.remove() {
		t.Error("a lingering connection is not removed, once")
	}
	b.is(gone, never)
	b.cut(func() { t.Error("a closed socket is aborted") })
}

// A connection that finishes seals its outbox, then ends its session, and then releases the outbox.
func TestASealedOutboxAtRestWaitsToBeReleased(t *testing.T) {
	b := &box{T: t}
	b.seal(&b.pool, nil, 70)
	b.is(idle, never)
	b.wants(b.begin(scheduled))(stepDone, "", false)
	if !b.schedule() || b.schedule() {
		t.Error("a flusher is to be started once")
	}
	b.wants(b.begin(scheduled))(stepFinish, "", false)
}

func TestAWriteThatMakesNoProgressHasATimeOfItsOwn(t *testing.T) {
	b := &box{T: t}
	b.sends("message", nil, true)
	b.begin(scheduled)
	b.block(false, 100)
	b.is(full, 100)
	b.begin(full)
	b.is(flushing, never) // the loop is writing
	b.block(false, 200)
	b.is(full, 100) // the client has taken nothing, so the deadline stays
	b.begin(full)
	b.wrote(&b.pool, 1)
	b.block(true, 300)
	b.is(full, 300)
	b.seal(&b.pool, nil, 250)
	b.is(full, 250)
	b.begin(full)
	b.wrote(&b.pool, 1)
	b.block(true, 400)
	b.is(full, 250) // the deadline of seal stays
	b.begin(full)
	b.wrote(&b.pool, len(text("message"))-2)
	b.wants(b.next())(stepFinish, "", false)
}

func TestTheNextStallHasItsWholeTime(t *testing.T) {
	b := &box{T: t}
	b.sends("a", nil, true)
	b.begin(scheduled)
	b.block(false, 100)
	b.sends("b", nil, false)
	b.begin(full)
	b.wrote(&b.pool, len(text("a"))) // the end of a write is progress too
	b.wants(b.next())(stepWrite, text("b"), false)
	b.block(false, 200)
	b.is(full, 200)
}

func TestAnOutboxThatIsCutHandsBackWhatHasNotGoneOutWhole(t *testing.T) {
	for _, written := range []int{0, 1, len(text("a")), len(text("a")) + 1, len(text("a") + text("own") + text("b"))} {
		b := &box{T: t}
		b.sends("a", senderName("alice"), true)
		b.sends("own", nil, false)
		b.sends("b", senderName("bob"), false)
		b.begin(scheduled)
		b.sends("c", senderName("alice"), false)
		b.wrote(&b.pool, written)
		aborted := 0
		b.cut(func() { aborted++ })
		if taken, _, _ := b.put(&b.pool, frame.Text, nil, nil); taken || b.seal(&b.pool, nil, 0) || aborted != 1 {
			t.Errorf("an outbox that is cut takes more, or its socket is aborted %d times", aborted)
		}
		b.wants(b.next())(stepLose, "", false)
		b.lose(&b.pool, 90, b.handBack)
		b.is(lingering, 90)
		want := []string{"alice a", "bob b", "alice c"}
		if written >= len(text("a")) {
			want = want[1:]
		}
		if written > len(text("a")+text("own")) {
			want = want[1:]
		}
		if !slices.Equal(b.back, want) || b.waiting.Load() != 0 || b.out != nil || b.queued != nil {
			t.Errorf("after %d bytes %q came back and %d bytes wait, want %q and none", written, b.back, b.waiting.Load(), want)
		}
	}
}

func TestAClientThatIsGivenUpOnGetsTheRestOfAFrameAndACloseFrame(t *testing.T) {
	b := &box{T: t}
	b.put(&b.pool, opRaw, []byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"), nil)
	b.sends("a", senderName("alice"), false)
	_, all, _ := b.begin(scheduled)
	all = bytes.Clone(all)
	b.sends("b", senderName("bob"), false)
	b.wrote(&b.pool, 10) // a part of the response to the handshake
	b.block(true, 100)
	if !b.giveUp(&b.pool, []byte("\x0f\xa0"), 0, 200, b.handBack) || b.giveUp(&b.pool, nil, 0, 300, b.handBack) {
		t.Error("a client is given up on once")
	}
	b.is(full, 200)
	if want := []string{"alice a", "bob b"}; !slices.Equal(b.back, want) {
		t.Errorf("%q came back, want %q", b.back, want)
	}
	rest := string(all[10:bytes.Index(all, []byte("\r\n\r\n"))+4]) + closing("\x0f\xa0")
	if n := b.waiting.Load(); n != int64(len(rest)) {
		t.Errorf("%d bytes wait, want %d", n, len(rest))
	}
	b.wants(b.begin(full))(stepWrite, rest, true)
	b.wrote(&b.pool, len(rest))
	b.wants(b.next())(stepFinish, "", false)
}

// FuzzOutbox does things to an outbox in any order that the tables of outbox allow. Each frame that was taken must be
// written whole or come back, in order.
func FuzzOutbox(f *testing.F) {
	for _, s := range []string{"", "pfwwwd", "pppfwp5wbuwwpwd", "ppfw1bgu9w", "ppf3wpcl", "psrfwww", "pfbc", "ppfbsu5wc", "fpsrfn", "pfhwkfw", "pfhkww", "ppfh3wck", "pfbhukw"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, actions string) {
		b := &box{T: t}
		var taken, network []byte
		var texts []string
		var now, room int64
		started, next := false, []byte(nil)
		flush := func(do step, rest []byte, _ bool) {
			next = nil
			switch do {
			case stepWrite:
				next = rest
			case stepFinish:
				b.linger(now)
			case stepLose:
				b.lose(&b.pool, now, b.handBack)
			}
		}
		for _, a := range actions {
			now++
			flushing := b.state == flushing
			switch {
			case a == 'p':
				message := fmt.Sprint("message ", now)
				ok, start, _ := b.put(&b.pool, frame.Text, []byte(message), delivery(nil, senderName("alice")))
				if ok {
					taken = append(taken, text(message)...)
					texts = append(texts, "alice "+message)
				}
				started = started || start
			case a == 's':
				b.seal(&b.pool, []byte("\x03\xe8"), now)
			case a == 'h':
				b.hold(now)
			case a == 'k' && b.phase() != phaseOpen:
				started = b.complete(&b.pool, []byte("\x03\xe8")) || started
			case a == 'r' && b.phase() != phaseOpen:
				started = b.schedule() || started
			case a == 'c':
				b.cut(func() {})
			case a == 'f' && started:
				started = false
				flush(b.begin(scheduled))
			case a == 'u':
				if b.state == full {
					flush(b.begin(full))
				}
			case !flushing:
				if a == 'g' && b.state == full {
					b.giveUp(&b.pool, []byte("\x0f\xa0"), 0, now, b.handBack)
				}
			case a == 'b':
				next = nil
				b.block(false, now)
			case a == 'g' && b.out != nil:
				b.giveUp(&b.pool, []byte("\x0f\xa0"), 0, now, b.handBack)
				flush(b.next())
			case a >= '0' && a <= '9':
				room = int64(a - '0')
			case a == 'w' && next != nil && b.out != nil:
				n := len(next)
				if room > 0 {
					n = min(n, int(room))
				}
				network = append(network, next[:n]...)
				b.wrote(&b.pool, n)
				flush(b.next())
			case a == 'n':
				flush(b.next())
			}
			if b.waiting.Load() < 0 {
				t.Fatalf("less than nothing waits after %q", actions)
			}
		}
		// At the end the outbox is cut, in any state.
		b.cut(func() {})
		if b.schedule() || started {
			b.begin(scheduled)
			b.block(false, 0)
		}
		if b.state == full {
			b.begin(full)
		}
		if b.state == flushing {
			b.lose(&b.pool, now, b.handBack)
		}
		if n := b.waiting.Load(); n != 0 || b.state != lingering {
			t.Fatalf("after %q, %d bytes wait in state %d", actions, n, b.state)
		}
		gone, prefix := 0, 0 // messages that were written whole, and their bytes
		for rest := network; len(rest) > 1 && frameSize(rest) <= len(rest); rest = rest[frameSize(rest):] {
			if h, _ := frame.ParseHeader(rest); h.Opcode() == frame.Text {
				gone, prefix = gone+1, prefix+frameSize(rest)
			}
		}
		if !bytes.HasPrefix(taken, network[:prefix]) {
			t.Fatalf("after %q, %q was written of %q", actions, network, taken)
		}
		back := slices.Clone(b.back)
		if n := len(back); n > 1 && gone < len(texts) && back[n-1] == texts[gone] {
			back = append(back[n-1:], back[:n-1]...) // the message that was half written at giveUp comes back last
		}
		if !slices.Equal(back, texts[gone:]) {
			t.Fatalf("after %q, %d frames have gone and %q came back, of %q", actions, gone, b.back, texts)
		}
	})
}
