package transport

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/rawws"
)

const loginMessage = `{"type":"login","login":"alice"}`

// look wakes the reader of a connection on a loop. A connection may be woken at any time.
func (c *outboxCase) look() {
	if l, ok := c.carrier.(*looped); ok {
		l.wake()
	}
	synctest.Wait()
}

// ends closes the connection while the client reads to the end. It checks that no message was lost.
func (c *outboxCase) ends(t *testing.T) {
	t.Helper()
	c.reads()
	c.Close(messages.CloseNormal, "")
	_ = c.server.connections.wait(t.Context())
	c.witness.check(t, c.link, c.tap)
}

// drains lets the client read until no more bytes arrive.
func (c *outboxCase) drains() {
	for synctest.Wait(); ; synctest.Wait() {
		if state, _, _ := c.far.State(); !state.Readable {
			return
		}
		_, _ = c.far.Read(make([]byte, 4096))
	}
}

func TestAStalledConnectionThatIsClosedEndsItsSessionAtOnce(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.sends(20)
		synctest.Wait()
		c.Close(messages.CloseNormal, "")
		synctest.Wait()
		c.witness.mu.Lock()
		closed := c.closed
		c.witness.mu.Unlock()
		if closed != 1 {
			t.Errorf("the session was ended %d times, want once", closed)
		}
		c.ends(t)
	})
}

func TestNothingIsTakenAfterACut(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.sends(1)
		synctest.Wait()
		c.cut()
		if c.Send([]byte("late")) || c.deliver(c.link, "late", 1, 1, nil) {
			t.Error("a message was taken after the cut")
		}
		c.ends(t)
	})
}

func TestAReaderWaitsForItsOwnDecisionOnly(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		received := 0
		c.decide = func() bool { received++; return false }
		c.drains()
		_, _ = c.far.Write(append(rawws.Message(loginMessage), rawws.Message(loginMessage)...))
		for want := 1; want <= 2; want++ {
			synctest.Wait()
			c.look()
			if received != want {
				t.Errorf("%d messages were acted on, want %d", received, want)
			}
			if want == 1 {
				c.link.Resume()
			}
		}
		// The reader still waits after the outbox has filled and emptied again.
		c.sends(20)
		c.drains()
		_, _ = c.far.Write(rawws.Message(loginMessage))
		synctest.Wait()
		c.look()
		if received != 2 {
			t.Errorf("%d messages were acted on, want 2", received)
		}
		c.ends(t)
	})
}

func TestAReaderThatIsSlowedDownReadsNothingMeanwhile(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.server.limits.Store(&limits{pace: pace{frame: int64(time.Minute)}})
		c.drains()
		ping := rawws.Frame{Opcode: rawws.Ping}.Append(nil)
		_, _ = c.far.Write(append(ping, ping...))
		synctest.Wait()
		c.look()
		if c.inbox.state() != awaitingRate {
			t.Error("the reader goes on before its time")
		}
		c.ends(t)
	})
}

func TestAReaderThatWaitedLongIsNotTakenForDead(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.decide = func() bool { return false }
		_, _ = c.far.Write(rawws.Message(loginMessage))
		go func() { _, _ = io.Copy(io.Discard, c.far) }()
		time.Sleep(5 * time.Minute)
		c.link.Resume()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if c.closing() {
			t.Error("the client is taken for dead before it has had the time to show a sign of life")
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if !c.closing() {
			t.Error("the client is not taken for dead")
		}
		c.far.Close()
		_ = c.server.connections.wait(t.Context())
	})
}

func TestEachStallHasItsOwnTime(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.drains()
		c.sends(20)
		c.drains()
		time.Sleep(20 * time.Second)
		c.drains()
		c.Send(bytes.Repeat([]byte("x"), 996)) // with a header of 4 bytes, this is all that the network takes
		synctest.Wait()
		c.Send([]byte("more"))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if c.closing() {
			t.Error("the client was given up on before its time")
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if !c.closing() {
			t.Error("the client was not given up on")
		}
		c.ends(t)
	})
}

func TestWhoseAnswersStillCrowdIsNotRead(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.drains()
		received := 0
		c.decide = func() bool { received++; return true }
		c.server.queueLimit = 2000
		c.sends(20)
		for range 2 {
			_, _ = c.far.Write(rawws.Message(loginMessage))
		}
		for range 3 {
			synctest.Wait()
			c.look()
			if received != 1 {
				t.Errorf("%d messages were acted on while %d bytes wait, want one", received, c.Waiting())
			}
			_, _ = c.far.Read(make([]byte, 300))
		}
		c.ends(t)
	})
}

// watchful is a socket on a loop that checks how it is used. After Close, only Post is allowed. Watch is allowed only
// after Open.
type watchful struct {
	descriptor
	t        *testing.T
	posts    atomic.Int32 // anybody may post
	opened   bool
	closed   bool
	writable bool
}

func (w *watchful) used(as string) {
	if w.closed {
		w.t.Errorf("%s on a descriptor that may be another's by now", as)
	}
}

func (w *watchful) Post(t epoll.Task) { w.posts.Add(1); w.descriptor.Post(t) }
func (w *watchful) Open() error       { w.opened = true; return w.descriptor.Open() }
func (w *watchful) CloseWrite() error { w.used("CloseWrite"); return w.descriptor.CloseWrite() }
func (w *watchful) Shutdown()         { w.used("Shutdown"); w.descriptor.Shutdown() }
func (w *watchful) Close()            { w.used("Close"); w.closed = true; w.descriptor.Close() }

func (w *watchful) Write(b []byte, last bool) (int, error) {
	w.used("Write")
	return w.descriptor.Write(b, last)
}

func (w *watchful) Watch(readable, writable bool) {
	if !w.opened || w.closed {
		w.t.Error("a socket is watched that the loop does not know")
	}
	w.writable = writable
	w.descriptor.Watch(readable, writable)
}

// onLoop runs a test with an open connection on a loop in memory. Room is that of eachOutbox.
func onLoop(t *testing.T, room int, test func(*testing.T, *outboxCase, *looped, *watchful)) {
	eachOutbox(t, "", room, func(t *testing.T, c *outboxCase) {
		l, ok := c.carrier.(*looped)
		if !ok {
			c.ends(t)
			return
		}
		synctest.Wait()
		w := &watchful{descriptor: l.socket, t: t, opened: true}
		l.socket = w
		test(t, c, l, w)
	})
}

func TestADescriptorIsNotUsedOnceItIsClosed(t *testing.T) {
	onLoop(t, 1000, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		c.sends(20)
		c.ends(t)
		synctest.Wait()
		if !w.closed {
			t.Error("the descriptor was not closed")
		}
		l.cut()
		l.Close(messages.CloseNormal, "")
		l.press()
		l.release()
		l.Resume()
		l.wake()
		synctest.Wait()
		if n := l.Waiting(); n != 0 {
			t.Errorf("%d bytes wait", n)
		}
	})
}

func TestRoomIsWatchedForOnlyWhileItIsNeeded(t *testing.T) {
	onLoop(t, 1000, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		c.sends(20)
		synctest.Wait()
		if !w.writable {
			t.Error("nobody waits for room, though the network is full")
		}
		c.drains()
		c.decide = func() bool { return false }
		_, _ = c.far.Write(rawws.Message(loginMessage))
		synctest.Wait()
		if w.writable {
			t.Error("the loop is told of room for ever, which nobody needs")
		}
		c.ends(t)
	})
}

func TestWhatOneReadBringsIsWrittenByItsLoop(t *testing.T) {
	onLoop(t, 1<<20, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		other := new(looped)
		other.server = l.server
		posted := &watchful{descriptor: w.descriptor, t: t}
		other.socket = posted
		w.posts.Store(0)
		c.deliver(l, "other", 1, 10, other)
		if posted.posts.Load() != 1 || w.posts.Load() != 0 {
			t.Errorf("%d tasks for the sender's loop and %d for the own, want one and none", posted.posts.Load(), w.posts.Load())
		}
		synctest.Wait()
		c.ends(t)
	})
}

func TestMuchIsWrittenAtOnce(t *testing.T) {
	onLoop(t, 1<<20, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		done := make(chan struct{})
		l.wake()
		l.socket.Post(task(func() { // during this task the loop does nothing else
			defer close(done)
			for n := range 200 {
				c.deliver(l, "other", n, 1000, nil)
				if waits := l.Waiting(); waits > pressSize+2000 {
					t.Errorf("%d bytes wait though the network takes them", waits)
				}
			}
		}))
		<-done
		synctest.Wait()
		c.ends(t)
	})
}

// TestAFlushThatComesTooLateDoesNothing runs a flushTask after its frames have been written. The connection is sealed, and
// its session has not ended yet.
func TestAFlushThatComesTooLateDoesNothing(t *testing.T) {
	onLoop(t, 1<<20, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		done := make(chan struct{})
		l.socket.Post(task(func() {
			defer close(done)
			before := len(c.tap.bytes)
			l.seal(frame.AppendClose(nil, uint16(messages.CloseNormal), ""))
			(*flushTask)(l).Run()
			if len(c.tap.bytes) != before || l.outbox.state != idle {
				t.Error("the close frame went out before its time")
			}
			l.endSession()
			l.inbox.become(dropping)
			l.release()
		}))
		<-done
		c.ends(t)
	})
}

func TestRoomIsNoReasonToWriteBesideAnother(t *testing.T) {
	onLoop(t, 1<<20, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		done := make(chan struct{})
		l.socket.Post(task(func() {
			defer close(done)
			before := len(c.tap.bytes)
			l.Send(nil)
			l.outbox.begin(scheduled) // another loop becomes the flusher
			c.deliver(l, "other", 1, 10, nil)
			l.Writable()
			if len(c.tap.bytes) != before {
				t.Error("two write at once")
			}
			l.outbox.state = full
			l.Writable() // in the state full, the connection's own loop may write
		}))
		<-done
		c.ends(t)
	})
}
