package transport

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/memnet"
)

// senderName is the address of a sender.
type senderName string

func (senderName) GetAddress() string { return "test" }
func (a senderName) GetId() string    { return string(a) }

// returns is a session that records the messages that are handed back.
type returns struct {
	unkept
	mu    sync.Mutex
	texts []string // sender and text of each message
	fail  any      // if not nil, the next call of Undelivered panics with it
}

func (r *returns) Receive(m *messages.Relay) bool { m.Release(); return true }
func (r *returns) Closed(bool)                    {}
func (r *returns) LoggedIn() bool                 { return true }

func (r *returns) Undelivered(text []byte, sender messages.Address, _ bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts = append(r.texts, sender.GetId()+" "+string(text))
	if cause := r.fail; cause != nil {
		r.fail = nil
		panic(cause)
	}
}

// counted is a TCP connection that counts the bytes that were written to it.
type counted struct {
	*net.TCPConn
	written atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// loopback returns the two ends of a TCP connection with small buffers.
func loopback(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	near, far = s.(*net.TCPConn), c.(*net.TCPConn)
	if err := errors.Join(near.SetWriteBuffer(16<<10), far.SetReadBuffer(16<<10)); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// openWith returns a connection with the given session. The caller is its reader.
func openWith(s *Server, socket net.Conn, session session) *blocking {
	c := newBlocking(s, socket)
	c.session = session
	return c
}

// openOutbox returns a connection over socket. Its reader is the test.
func openOutbox(t *testing.T, socket net.Conn, s session, change ...func(*Options)) *blocking {
	t.Helper()
	o := DefaultOptions()
	for _, f := range change {
		f(&o)
	}
	server, err := newServer(nil, actors.DefaultQueueLimit, o)
	if err != nil {
		t.Fatal(err)
	}
	c := openWith(server, socket, s)
	server.connections.enter(unknown)
	server.connections.add(&c.conn)
	return c
}

// delivery returns a message from sender.
func delivery(text []byte, sender messages.Address) *messages.Deliver {
	return &messages.Deliver{Envelope: messages.Envelope{Text: text}, Sender: sender}
}

// fill delivers messages from several senders, with messages of the service's own between them. Texts are the senders and
// texts of the delivered messages. Ends are the offsets in the stream at which their frames end.
func fill(t *testing.T, c *blocking, frames, size int) (texts []string, ends []int64) {
	t.Helper()
	end := int64(0)
	for i := range frames {
		if i%5 == 0 {
			own := []byte("the service's own")
			c.Send(own)
			end += int64(len(frame.Append(nil, frame.Text, own)))
		}
		text := fmt.Appendf(nil, "frame %0*d", size-6, i)
		sender := senderName(fmt.Sprint("sender ", i%3))
		if !c.Deliver(delivery(text, sender)) {
			t.Fatalf("frame %d was not taken", i)
		}
		end += int64(len(frame.Append(nil, frame.Text, text)))
		texts = append(texts, string(sender)+" "+string(text))
		ends = append(ends, end)
	}
	return texts, ends
}

func TestNothingOfAResetConnectionsOutboxVanishes(t *testing.T) {
	for _, size := range []int{300, 3000, 70_000} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			near, far := loopback(t)
			socket := &counted{TCPConn: near}
			session := new(returns)
			c := openOutbox(t, socket, session)
			texts, ends := fill(t, c, 8<<20/size, size) // more than the network's buffers hold
			_ = far.SetLinger(0)
			far.Close()
			c.finishAndRemove()
			written := socket.written.Load()
			first := slices.IndexFunc(ends, func(end int64) bool { return end > written })
			if first < 0 {
				t.Fatal("the network took everything")
			}
			if !slices.Equal(session.texts, texts[first:]) {
				t.Errorf("%d frames came back, want the last %d, of which the network had not taken all: %d bytes of %d",
					len(session.texts), len(texts)-first, written, ends[len(ends)-1])
			}
			if n := c.Waiting(); n != 0 {
				t.Errorf("%d bytes wait in a connection that has ended", n)
			}
			_ = c.server.connections.wait(t.Context())
		})
	}
}

func TestACutConnectionHandsBackWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 1000
		socket, _ := memnet.Pipe(buffer)
		session := &returns{fail: "a fault"}
		log := new(lockedBuffer)
		c := openOutbox(t, socket, session, func(o *Options) { o.Logger = log.logger() })
		texts, ends := fill(t, c, 50, 300)
		synctest.Wait()
		c.cut()
		c.finishAndRemove()
		first := slices.IndexFunc(ends, func(end int64) bool { return end > buffer })
		if !slices.Equal(session.texts, texts[first:]) {
			t.Errorf("%d frames came back, want the last %d", len(session.texts), len(texts)-first)
		}
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d bytes wait in a connection that has ended", n)
		}
		if log.String() == "" {
			t.Error("a panic was not logged")
		}
		_ = c.server.connections.wait(t.Context())
	})
}

func TestACloseThatFollowsACutWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		socket, _ := memnet.Pipe(100)
		c := openOutbox(t, socket, new(returns))
		c.seal([]byte{})
		c.cut()
		c.release()
		c.finishAndRemove()
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d bytes wait in a connection that has ended", n)
		}
		_ = c.server.connections.wait(t.Context())
	})
}

func TestSendingAllocatesNothingAndABufferKeepsNoSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		socket, far := memnet.Pipe(1 << 10)
		c := openOutbox(t, socket, new(returns))
		b := &buffer{}
		m := delivery([]byte("a message"), senderName("sender"))
		c.outbox.state = scheduled // so no flusher starts and takes the frames
		fill := func() {
			c.outbox.queued = b
			for range 100 {
				c.Deliver(m)
			}
			if len(b.marks) != 100 {
				t.Fatalf("%d senders are kept for 100 messages", len(b.marks))
			}
			c.outbox.waiting.Store(0)
			c.outbox.queued = nil
			c.server.buffers.put(b)
		}
		if n := testing.AllocsPerRun(10, fill); n > 0 {
			t.Errorf("%v allocations for 100 messages, want none", n)
		}
		for i, m := range b.marks[:cap(b.marks)] {
			if m.sender != nil {
				t.Fatalf("a free buffer keeps sender %d", i)
			}
		}
		c.outbox.state = idle
		far.Close()
		c.finishAndRemove()
		_ = c.server.connections.wait(t.Context())
	})
}

// closing reports whether the connection is ending.
func (c *conn) closing() bool { return !c.outbox.isOpen() }
