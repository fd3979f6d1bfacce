package transport

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// stream records the bytes of a connection that the network took. A fault makes a write fail, or take less.
type stream struct {
	mu    sync.Mutex
	bytes []byte
	fault func(size int) (most int, err error) // for a write of size bytes: its error, and the most that it takes then
}

// write calls write with b, or with less if there is a fault, and records the bytes that were taken. One goroutine at a
// time may call it.
func (s *stream) write(b []byte, write func([]byte) (int, error)) (n int, err error) {
	var fault error
	s.mu.Lock()
	if s.fault != nil {
		if n, fault = s.fault(len(b)); fault != nil {
			b = b[:n]
		}
	}
	s.mu.Unlock()
	if n, err = write(b); err == nil {
		err = fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = append(s.bytes, b[:n]...)
	return n, err
}

// tappedSocket is a socket on a loop, and tappedConn is a net.Conn. Both record the bytes that are written to them.
type (
	tappedSocket struct {
		descriptor
		*stream
	}
	tappedConn struct {
		*memnet.Conn
		*stream
	}
)

func (t tappedSocket) Write(b []byte, last bool) (int, error) {
	return t.write(b, func(b []byte) (int, error) { return t.descriptor.Write(b, last) })
}
func (t tappedConn) Write(b []byte) (int, error) { return t.write(b, t.Conn.Write) }

// witness is a session that records which messages the outbox of its connection took, and which came back.
type witness struct {
	unkept
	decide func() (next bool) // returns the result of Receive; nil means true
	panics func() bool        // says whether Undelivered panics; nil means no
	leaves func()             // what Closed does first; nil means nothing

	mu     sync.Mutex
	taken  map[string][]string // by sender
	back   map[string][]string
	closed int
}

func (w *witness) Receive(m *messages.Relay) bool {
	m.Release()
	return w.decide == nil || w.decide()
}

func (w *witness) LoggedIn() bool { return true }

func (w *witness) Closed(bool) {
	if w.leaves != nil {
		w.leaves()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed++
}

func (w *witness) Undelivered(text []byte, sender messages.Address, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back[sender.GetId()] = append(w.back[sender.GetId()], string(text))
	if w.panics != nil && w.panics() {
		panic("a fault of the session's")
	}
}

// deliver delivers message number n of a sender to c, and reports whether c took it. Via is the carrier that brought the
// message, or nil. Only one goroutine may deliver the messages of a sender.
func (w *witness) deliver(c actors.Link, sender string, n, size int, via any) bool {
	text := fmt.Sprintf("%s %d %s", sender, n, strings.Repeat("x", size))
	m := delivery([]byte(text), senderName(sender))
	m.Via = via
	if !c.Deliver(m) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken[sender] = append(w.taken[sender], text)
	return true
}

func newWitness() *witness {
	return &witness{taken: make(map[string][]string), back: make(map[string][]string)}
}

// check checks a connection that has ended. Each message that was taken must be whole in the stream, or have come back to
// its sender, but not both. No other message may be there. The messages in the stream must be a sender's first messages,
// and both groups must be in order. Nothing may follow a close frame in the stream. The result holds the codes of the
// close frames.
func (w *witness) check(t *testing.T, c actors.Link, s *stream) (codes []uint16) {
	t.Helper()
	gone := make(map[string][]string)
	s.mu.Lock()
	b := s.bytes
	s.mu.Unlock()
	if len(b) > 0 && b[0]&0x80 == 0 {
		b = b[min(len(b), frameSize(append(slices.Clip(b), "\r\n\r\n"...))):]
	}
	for len(b) >= 2 && len(b) >= headerSize(b) && len(b) >= frameSize(b) {
		if len(codes) > 0 {
			t.Fatalf("%x came behind a close frame", b)
		}
		payload := framePayload(b)
		switch frame.Opcode(b[0] & 0x0F) {
		case frame.Text:
			sender, _, _ := strings.Cut(string(payload), " ")
			gone[sender] = append(gone[sender], string(payload))
		case frame.Close:
			codes = append(codes, uint16(payload[0])<<8|uint16(payload[1]))
		}
		b = b[frameSize(b):]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for sender, taken := range w.taken {
		got := slices.Concat(gone[sender], w.back[sender])
		if n := len(w.back[sender]); n > 1 {
			// When the service gives up on a client, a half-written message stays in the outbox, because it may still be
			// completed. If it is not completed, it comes back last.
			if half := w.back[sender][n-1]; len(gone[sender]) < len(taken) && taken[len(gone[sender])] == half {
				got = slices.Concat(gone[sender], []string{half}, w.back[sender][:n-1])
			}
		}
		if !slices.Equal(got, taken) {
			t.Errorf("of %d messages of %s's that were taken, %d have gone and %d came back; the first that is wrong is %d",
				len(taken), sender, len(gone[sender]), len(w.back[sender]), differs(got, taken))
		}
	}
	if n := c.Waiting(); n != 0 {
		t.Errorf("%d bytes wait in a connection that has ended", n)
	}
	if w.closed != 1 {
		t.Errorf("the session was ended %d times, want once", w.closed)
	}
	if c.Send([]byte("late")) || w.closed == 1 && c.Deliver(delivery([]byte("late"), senderName("late"))) {
		t.Error("a connection that has ended took a message")
	}
	return codes
}

func differs(a, b []string) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// headerSize returns the number of bytes that frameSize needs. B holds at least 2 bytes of a frame.
func headerSize(b []byte) int {
	switch b[1] {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// openOn opens a connection on a loop. Tap records its stream.
func (s *Server) openOn(t *testing.T, loop *epoll.Loop, near *net.TCPConn, tap *stream) *looped {
	t.Helper()
	fd, err := epoll.Detach(near)
	if err != nil {
		t.Fatal(err)
	}
	c := new(looped)
	c.socket = tappedSocket{loop.Socket(fd, c), tap}
	s.connections.enter(unknown)
	s.openLooped(c, unknown, entry{key: sampleKey}, nil)
	return c
}

// TestNothingThatWasTakenVanishesOnLoops sends messages to a connection from several goroutines and from another
// connection's loop, while the connection ends. Each round picks at random how it ends.
func TestNothingThatWasTakenVanishesOnLoops(t *testing.T) {
	t.Parallel()
	rounds := 300
	switch {
	case testing.Short():
		rounds = 60
	case os.Getenv("P2P_TEST_LONG") == "": // which .ci/run sets
		rounds = 100
	}
	var loops [2]*epoll.Loop
	for i := range loops {
		var err error
		if loops[i], err = epoll.New(); err != nil {
			t.Skip(err)
		}
		defer loops[i].Stop()
	}
	sessions := make(chan session, 2)
	o := DefaultOptions()
	o.Logger = slog.New(slog.DiscardHandler)
	o.WriteTimeout = 50 * time.Millisecond
	o.PingInterval = 100 * time.Millisecond // with these times the sweep runs every 5 ms
	s, err := newServer(func(actors.Link) session { return <-sessions }, actors.DefaultQueueLimit, o)
	if err != nil {
		t.Fatal(err)
	}
	ends := make(map[string]int)
	for round := range rounds {
		random := rand.New(rand.NewPCG(7, uint64(round)))
		ends[oneEnd(t, s, sessions, loops, random)]++
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Log(ends)
}

// oneEnd is one round of TestNothingThatWasTakenVanishesOnLoops. It returns how the connection ended.
func oneEnd(t *testing.T, s *Server, sessions chan session, loops [2]*epoll.Loop, random *rand.Rand) (how string) {
	const senders, each = 3, 60
	near, far := loopback(t)
	defer far.Close()
	aliceNear, aliceFar := loopback(t)
	w, tap := newWitness(), new(stream)
	if random.IntN(4) == 0 {
		w.panics = func() bool { return true }
	}
	switch failAt := random.IntN(100 << 10); random.IntN(3) {
	case 0: // writes take a random part
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		tap.fault = func(size int) (int, error) {
			if own.IntN(2) == 0 {
				return 0, nil
			}
			return own.IntN(size), epoll.ErrFull
		}
	case 1: // writes fail from some byte on
		tap.fault = func(size int) (int, error) {
			if failAt -= size; failAt >= 0 {
				return 0, nil
			}
			return max(0, size+failAt), syscall.EPIPE
		}
	}
	sessions <- newWitness()
	alice := s.openOn(t, loops[0], aliceNear, new(stream))
	sessions <- w
	bob := s.openOn(t, loops[1], near, tap)

	var using sync.WaitGroup
	size, pause := 1+random.IntN(3000), random.IntN(3)
	for i := range senders {
		using.Go(func() {
			for n := range each {
				if !w.deliver(bob, fmt.Sprint("goroutine", i), n, size, nil) {
					return
				}
				if pause > 0 && n%(pause*7) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	using.Go(func() { // delivers on alice's loop
		for n := range each {
			ran := make(chan bool)
			alice.socket.Post(task(func() {
				defer close(ran)
				w.deliver(bob, "alice", 2*n, size, alice)
				w.deliver(bob, "alice", 2*n+1, size, alice)
			}))
			<-ran
		}
	})
	var read atomic.Int64
	reads := func(most int64) {
		using.Go(func() {
			n, err := io.CopyN(io.Discard, far, most)
			read.Add(n)
			if err != nil {
				far.Close() // otherwise the service waits for the client to close its side
			}
		})
	}
	moment := func() {
		for range random.IntN(2000) {
			runtime.Gosched()
		}
	}
	ways := []string{"reset", "closed by the service", "cut", "never reads", "reads a little", "half closed", "closed and cut", "closed and reset", "closed by the client"}
	how = ways[random.IntN(len(ways))]
	switch how {
	case "never reads":
	case "reads a little":
		reads(int64(random.IntN(60_000)))
	default:
		reads(1 << 30)
	}
	moment()
	switch how {
	case "reset", "closed and reset":
		if how != "reset" {
			bob.Close(messages.CloseNormal, "")
		}
		_ = far.SetLinger(0)
		far.Close()
	case "closed by the service":
		bob.Close(messages.CloseNormal, "")
		if bob.Deliver(delivery([]byte("late"), senderName("late"))) {
			t.Error("a message was taken after Close")
		}
	case "cut":
		bob.cut()
	case "never reads", "reads a little": // a write times out
		go func() { // ends the connection if the network took everything
			time.Sleep(4 * s.options.WriteTimeout)
			bob.Close(messages.CloseNormal, "")
			far.Close()
		}()
	case "half closed":
		_ = far.CloseWrite()
	case "closed and cut":
		using.Go(func() { bob.Close(messages.CloseNormal, "") })
		using.Go(bob.cut)
	case "closed by the client":
		_, _ = far.Write(rawws.CloseFrame(1000, ""))
	}
	aliceFar.Close() // her loop still runs
	ended := make(chan struct{})
	go func() {
		using.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.connections.wait(ctx); err != nil {
		t.Fatalf("%s: the connection does not come to its end", how)
	}
	far.Close()
	<-ended
	// When both loops have run these tasks, they have run all tasks that were posted for bob's outbox before.
	for _, l := range loops {
		done := make(chan struct{})
		l.Post(task(func() { close(done) }))
		<-done
	}
	codes := w.check(t, bob, tap)
	if t.Failed() {
		t.Fatalf("it was: %s", how)
	}
	if len(codes) > 0 {
		how += fmt.Sprint(", said ", codes[0])
	}
	return how
}
