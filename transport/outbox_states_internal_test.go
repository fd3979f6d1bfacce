package transport

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// outboxCase is one connection in memory. Its outbox is under test.
type outboxCase struct {
	*witness
	*conn
	link   actors.Link
	server *Server
	far    *memnet.Conn
	tap    *stream
	log    *lockedBuffer
	sent   int
}

// sends delivers n messages of 300 bytes. After every fourth it sends a message of the service's own.
func (c *outboxCase) sends(n int) {
	for range n {
		c.deliver(c.link, fmt.Sprint("sender", c.sent%3), c.sent, 300, nil)
		if c.sent++; c.sent%4 == 0 {
			c.Send([]byte("the service's own"))
		}
	}
}

// eachOutbox runs a test for each carrier, in a bubble of testing/synctest. The network takes room bytes from the
// connection before the client reads.
func eachOutbox(t *testing.T, name string, room int, test func(*testing.T, *outboxCase)) {
	eachCarrier(t, name, func(t *testing.T, carry func(*Server)) {
		synctest.Test(t, func(t *testing.T) {
			c := &outboxCase{witness: newWitness(), tap: new(stream), log: new(lockedBuffer)}
			o := DefaultOptions()
			o.Logger = c.log.logger()
			var err error
			c.server, err = newServer(func(l actors.Link) session { c.link = l; return c.witness }, actors.DefaultQueueLimit, o)
			if err != nil {
				t.Fatal(err)
			}
			carry(c.server)
			var near *memnet.Conn
			near, c.far = memnet.Pipe(room)
			c.server.connections.enter(unknown)
			if l := c.server.carriers.adopt(near); l != nil {
				l.socket = tappedSocket{l.socket, c.tap}
				c.server.openLooped(l, unknown, entry{key: sampleKey}, nil)
				c.conn = &l.conn
			} else {
				c.server.openBlocking(tappedConn{near, c.tap}, unknown, entry{key: sampleKey}, nil)
				c.conn = &c.link.(*blocking).conn
			}
			test(t, c)
		})
	})
}

// reads makes the client read to the end and then close its side. It does not wait for that.
func (c *outboxCase) reads() { go func() { _, _ = io.Copy(io.Discard, c.far); c.far.Close() }() }

// outboxStates bring a connection into each state in which its end may come. The network takes 1,000 bytes, or only 30, so
// that even the response to the handshake waits.
var outboxStates = map[string]func(*testing.T, *outboxCase){
	"at rest":                 func(*testing.T, *outboxCase) {},
	"about to write":          func(_ *testing.T, c *outboxCase) { synctest.Wait(); c.sends(2) },
	"about to write too much": func(_ *testing.T, c *outboxCase) { synctest.Wait(); c.sends(50) },
	"more than 32 KiB queued": func(_ *testing.T, c *outboxCase) { synctest.Wait(); c.sends(300) },
	"full":                    func(_ *testing.T, c *outboxCase) { c.sends(20); synctest.Wait() },
	"full, and more queued":   func(_ *testing.T, c *outboxCase) { c.sends(20); synctest.Wait(); c.sends(200) },
	"full and closing": func(_ *testing.T, c *outboxCase) {
		c.sends(20)
		synctest.Wait()
		c.Close(messages.CloseNormal, "")
		synctest.Wait()
	},
	"closing": func(_ *testing.T, c *outboxCase) { c.sends(20); c.Close(messages.CloseNormal, "") },
	"sealed by the client's close frame": func(_ *testing.T, c *outboxCase) {
		c.sends(20)
		_, _ = c.far.Write(rawws.CloseFrame(1000, ""))
	},
	"half closed by the client": func(_ *testing.T, c *outboxCase) {
		c.sends(20)
		_ = c.far.CloseWrite()
		synctest.Wait()
	},
	"given up on": func(t *testing.T, c *outboxCase) {
		c.sends(20)
		time.Sleep(13 * time.Second)
		synctest.Wait()
		if !c.closing() {
			t.Error("a stalled client is not given up on")
		}
	},
	"cut for its silence": func(*testing.T, *outboxCase) { time.Sleep(75 * time.Second) },
	"lingering": func(_ *testing.T, c *outboxCase) {
		c.Close(messages.CloseNormal, "")
		go func() { _, _ = io.Copy(io.Discard, c.far) }()
		synctest.Wait()
	},
	"waiting for a decision": func(_ *testing.T, c *outboxCase) {
		c.decide = func() bool { return false }
		_, _ = c.far.Write(append(rawws.Message(`{"type":"login","login":"alice"}`), rawws.Message("{}")...))
		synctest.Wait()
		c.sends(20)
	},
	"crowded by its own answers": func(_ *testing.T, c *outboxCase) {
		c.server.queueLimit = 500
		_, _ = c.far.Write(rawws.Message("{}"))
		synctest.Wait()
		c.sends(20)
		for range 3 {
			_, _ = c.far.Write(rawws.Message("{}"))
			synctest.Wait()
		}
	},
	"slowed down": func(_ *testing.T, c *outboxCase) {
		c.server.limits.Store(&limits{pace: pace{frame: int64(time.Hour)}})
		_, _ = c.far.Write(rawws.Join(rawws.Frame{Opcode: rawws.Ping}, rawws.Frame{Opcode: rawws.Ping}))
		synctest.Wait()
		c.sends(20)
	},
	"in the middle of a frame": func(_ *testing.T, c *outboxCase) {
		_, _ = c.far.Write(rawws.Message("{}")[:3])
		c.sends(20)
		synctest.Wait()
	},
	"in the middle of a message": func(_ *testing.T, c *outboxCase) {
		_, _ = c.far.Write(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{")}.Append(nil))
		c.sends(20)
		synctest.Wait()
	},
	"a write about to fail": func(_ *testing.T, c *outboxCase) {
		synctest.Wait()
		c.tap.mu.Lock()
		c.tap.fault = func(size int) (int, error) { return size / 2, net.ErrClosed }
		c.tap.mu.Unlock()
		c.sends(10)
		runtime.Gosched()
		c.sends(10)
	},
}

// outboxEnds end the connection in each possible way.
var outboxEnds = map[string]func(*testing.T, *outboxCase){
	"cut": func(_ *testing.T, c *outboxCase) { c.cut() },
	"cut by two": func(_ *testing.T, c *outboxCase) {
		go c.cut()
		c.cut()
	},
	"closed, cut": func(_ *testing.T, c *outboxCase) { c.Close(messages.CloseNormal, ""); c.cut() },
	"closed":      func(_ *testing.T, c *outboxCase) { c.Close(messages.CloseNormal, "") },
	"closed, then read": func(_ *testing.T, c *outboxCase) {
		c.Close(messages.CloseNormal, "")
		c.reads()
	},
	"reset": func(_ *testing.T, c *outboxCase) { c.far.Close() },
	"closed and reset": func(_ *testing.T, c *outboxCase) {
		c.Close(messages.CloseNormal, "")
		c.far.Close()
	},
	"the end of what the client sends": func(_ *testing.T, c *outboxCase) { _ = c.far.CloseWrite() },
	"the end, then read": func(_ *testing.T, c *outboxCase) {
		_ = c.far.CloseWrite()
		c.reads()
		time.Sleep(15 * time.Second)
		c.far.Close() // a reader that waits on purpose does not see the end of the stream
	},
	"violated": func(_ *testing.T, c *outboxCase) {
		go func() { _, _ = c.far.Write([]byte{0xFF, 0xFF, 0xFF, 0xFF}) }()
	},
	"shut down": func(t *testing.T, c *outboxCase) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		_ = c.server.Shutdown(ctx)
		if took := time.Since(begun); took > 7*time.Second {
			t.Errorf("Shutdown took %v, want no more than the 5 s it had, and a little", took)
		}
		if c.server.connections.count != 0 {
			t.Error("Shutdown left a connection")
		}
	},
	"left alone, then reset": func(_ *testing.T, c *outboxCase) {
		time.Sleep(15 * time.Second)
		c.far.Close()
	},
}

// TestNothingThatWasTakenVanishesInAnyState ends a connection in each way in each state. Every second call of Undelivered
// panics.
func TestNothingThatWasTakenVanishesInAnyState(t *testing.T) {
	for state, begin := range outboxStates {
		for end, finish := range outboxEnds {
			for _, room := range []int{1000, 30} {
				eachOutbox(t, fmt.Sprintf("%s/%s/%d", state, end, room), room, func(t *testing.T, c *outboxCase) {
					failing := true
					c.panics = func() bool { failing = !failing; return failing }
					begin(t, c)
					finish(t, c)
					// No end may take longer than the idle timeout and one more timeout for each direction.
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
					defer cancel()
					if err := c.server.connections.wait(ctx); err != nil {
						t.Error("the connection does not come to its end")
						c.cut()
						c.far.Close()
						_ = c.server.connections.wait(t.Context())
					}
					c.far.Close()
					synctest.Wait()
					codes := c.witness.check(t, c.link, c.tap)
					if len(codes) > 1 {
						t.Errorf("close frames with %v were sent", codes)
					}
					if log := c.log.String(); strings.Contains(log, "level=ERROR") && !strings.Contains(log, "a fault of the session's") {
						t.Errorf("the log says %s", log)
					}
				})
			}
		}
	}
}

func TestAConnectionThatIsClosedWhileItStallsHasItsWholeTime(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		c.sends(20)
		time.Sleep(9 * time.Second) // one second before the service would give up on the client
		c.Close(messages.CloseNormal, "")
		time.Sleep(8 * time.Second) // two seconds before the client's time is over
		c.reads()
		synctest.Wait()
		_ = c.server.connections.wait(t.Context())
		if codes := c.witness.check(t, c.link, c.tap); len(codes) != 1 || codes[0] != 1000 || len(c.back) > 0 {
			t.Errorf("the close frames %v were sent and messages of %d senders came back, want 1000 and none", codes, len(c.back))
		}
	})
}

// TestAReaderGoesOnOnceItsAnswersCrowdNoMore delivers messages from others as fast as the client reads. So frames wait for
// the client all the time, but soon fewer bytes than the queue limit.
func TestAReaderGoesOnOnceItsAnswersCrowdNoMore(t *testing.T) {
	eachOutbox(t, "", 1000, func(t *testing.T, c *outboxCase) {
		synctest.Wait()
		buffer := make([]byte, 300)
		c.server.queueLimit = 2000
		c.sends(10)
		received := 0
		c.decide = func() bool { received++; return true }
		for range 2 { // after the first message the reader stops, because more bytes wait than the limit
			_, _ = c.far.Write(rawws.Message(`{"type":"login","login":"alice"}`))
		}
		synctest.Wait()
		if received != 1 {
			t.Errorf("%d messages were acted on while the client does not read, want one", received)
		}
		for range 100 {
			_, _ = c.far.Read(buffer)
			synctest.Wait()
			for c.Waiting() < 1000 {
				c.sends(1)
			}
		}
		if received != 2 {
			t.Error("the reader still waits, though little waits to be written")
		}
		c.reads()
		c.Close(messages.CloseNormal, "")
		_ = c.server.connections.wait(t.Context())
		c.witness.check(t, c.link, c.tap)
	})
}

// TestAMessageThatCameByAServerThatIsGoneIsWritten has two servers, as if they shared one system of actors. A message came
// over a connection of the first server. That server has been shut down since then.
func TestAMessageThatCameByAServerThatIsGoneIsWritten(t *testing.T) {
	w := newWitness()
	var servers [2]*Server
	var connections [2]*looped
	var clients [2]*net.TCPConn
	for i := range servers {
		s, err := newServer(func(actors.Link) session {
			if i == 0 {
				return newWitness()
			}
			return w
		}, actors.DefaultQueueLimit, DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		var near *net.TCPConn
		near, clients[i] = loopback(t)
		s.connections.enter(unknown)
		connections[i] = s.carriers.adopt(near)
		if connections[i] == nil {
			t.Skip("there are no loops here")
		}
		s.openLooped(connections[i], unknown, entry{key: sampleKey}, nil)
		servers[i] = s
	}
	alice, bob := connections[0], connections[1]
	clients[0].Close()
	if err := servers[0].Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c, err := rawws.Open(clients[1], "")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	w.deliver(bob, "alice", 1, 10, alice)
	if text, err := c.ReadText(); err != nil || !strings.HasPrefix(text, "alice 1") {
		t.Errorf("received %q, %v", text, err)
	}
	clients[1].Close()
	if err := servers[1].Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
