package transport

import (
	"testing"
	"testing/synctest"

	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/rawws"
)

// anotherLoop is a socket whose loop is none of those under test.
type anotherLoop struct{ descriptor }

func (anotherLoop) Post(t epoll.Task) { go t.Run() }

// A client that reads the answer to its close frame may log in again at once, on another connection.
func TestAClientHearsOfTheEndWhenItsSessionHasHeard(t *testing.T) {
	for how, end := range map[string]func(*outboxCase){
		"a close frame":         func(c *outboxCase) { _, _ = c.far.Write(rawws.CloseFrame(1000, "")) },
		"a frame at fault":      func(c *outboxCase) { _, _ = c.far.Write([]byte{0xFF, 0xFF, 0xFF, 0xFF}) },
		"the end of the stream": func(c *outboxCase) { _ = c.far.CloseWrite() },
	} {
		eachOutbox(t, how, 1<<20, func(t *testing.T, c *outboxCase) {
			client, err := rawws.Open(c.far, "")
			if err != nil {
				t.Fatal(err)
			}
			heard := make(chan struct{})
			go func() {
				_, _, _, _ = client.ReadClose()
				close(heard)
			}()
			write, leave := make(chan struct{}), make(chan struct{})
			c.leaves = func() { <-leave }
			c.tap.mu.Lock()
			c.tap.fault = func(size int) (int, error) {
				c.tap.fault = nil
				<-write
				return size, nil
			}
			c.tap.mu.Unlock()
			elsewhere := &looped{conn: conn{server: c.server}, socket: anotherLoop{}}
			c.deliver(c.link, "other", 1, 10, elsewhere)
			synctest.Wait() // the flusher is in its write
			end(c)
			synctest.Wait() // the session is told
			close(write)
			synctest.Wait()
			select {
			case <-heard:
				t.Error("the client hears of the end while its session is still being told")
			default:
			}
			close(leave)
			<-heard
			c.ends(t)
		})
	}
}

// The bytes before a close frame that is held are not the last, or TLS would end the sending direction behind them.
func TestACloseFrameThatIsHeldComesLast(t *testing.T) {
	b := &box{T: t}
	b.sends("a", nil, true)
	b.wants(b.begin(scheduled))(stepWrite, text("a"), false)
	if !b.hold(70) || b.hold(90) || b.seal(&b.pool, []byte("\x03\xe9"), 90) {
		t.Error("an outbox is held or sealed once")
	}
	if taken, start, _ := b.put(&b.pool, frame.Text, nil, nil); taken || start {
		t.Error("an outbox whose close frame is held takes a frame")
	}
	b.wants(b.next())(stepWrite, text("a"), false)
	if rest, last := b.shorten(&b.pool, 0); string(rest) != text("a") || last {
		t.Errorf("%q is left, the last: %t; want the whole frame, and one more behind it", rest, last)
	}
	b.wrote(&b.pool, len(text("a")))
	b.wants(b.next())(stepDone, "", false)
	b.is(idle, never)
	if !b.complete(&b.pool, []byte("\x03\xe8")) || b.complete(&b.pool, []byte("\x03\xe9")) {
		t.Error("a flusher is to be started once")
	}
	b.wants(b.begin(scheduled))(stepWrite, closing("\x03\xe8"), true)
	b.wrote(&b.pool, len(closing("\x03\xe8")))
	b.wants(b.next())(stepFinish, "", false)
}

func TestWhoseCloseFrameIsCompletedDuringAWriteNeedsNoOtherFlusher(t *testing.T) {
	for _, payload := range [][]byte{[]byte("\x03\xe8"), nil} {
		b := &box{T: t}
		b.sends("a", nil, true)
		b.begin(scheduled)
		b.hold(70)
		if b.complete(&b.pool, payload) {
			t.Error("a second flusher is started")
		}
		b.wants(b.next())(stepWrite, text("a"), payload == nil)
		b.wrote(&b.pool, len(text("a")))
		if payload != nil {
			b.wants(b.next())(stepWrite, closing("\x03\xe8"), true)
			b.wrote(&b.pool, len(closing("\x03\xe8")))
		}
		b.wants(b.next())(stepFinish, "", false)
	}
}

// A kept session abandons the connection when it is told that the client has gone.
func TestAnAbandonedOutboxStillHasTheCloseFrameThatIsHeld(t *testing.T) {
	for _, writes := range []bool{false, true} {
		b := &box{T: t}
		b.sends("a", senderName("alice"), true)
		rest := ""
		if writes {
			b.begin(scheduled)
			b.wrote(&b.pool, 1)
			b.sends("b", senderName("alice"), false)
			rest = text("a")[1:]
		}
		b.hold(70)
		if b.abandon(&b.pool, []byte("\x10\x04"), 90) {
			t.Error("an outbox whose close frame is held is open")
		}
		if writes {
			if left, last := b.shorten(&b.pool, 0); string(left) != rest || last {
				t.Errorf("%q is left, the last: %t; want %q, and the close frame behind it", left, last, rest)
			}
			b.wrote(&b.pool, len(rest))
			b.wants(b.next())(stepDone, "", false)
		} else {
			b.wants(b.begin(scheduled))(stepDone, "", false)
		}
		if !b.complete(&b.pool, []byte("\x03\xe8")) {
			t.Error("no flusher is started")
		}
		b.wants(b.begin(scheduled))(stepWrite, closing("\x03\xe8"), true)
		if n := b.waiting.Load(); n != int64(len(closing("\x03\xe8"))) || len(b.back) > 0 {
			t.Errorf("%d bytes wait and %q came back, want the close frame alone", n, b.back)
		}
	}
}

func TestAnOutboxThatIsCutWhileItsCloseFrameIsHeldSendsNone(t *testing.T) {
	b := &box{T: t}
	b.sends("a", senderName("alice"), true)
	b.begin(scheduled)
	b.hold(70)
	b.wrote(&b.pool, len(text("a")))
	b.wants(b.next())(stepDone, "", false)
	b.cut(func() {})
	if !b.complete(&b.pool, []byte("\x03\xe8")) {
		t.Error("no flusher is started")
	}
	b.wants(b.begin(scheduled))(stepLose, "", false)
	b.lose(&b.pool, 80, b.handBack)
	b.is(lingering, 80)
	if n := b.waiting.Load(); n != 0 {
		t.Errorf("%d bytes wait, want none", n)
	}
}
