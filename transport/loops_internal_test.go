package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// refuseLoops lets a server start the given number of loops. Every further start fails.
func refuseLoops(s *Server, after int) {
	l := s.carriers.(*loops)
	l.mu.Lock() // the server may already be serving
	defer l.mu.Unlock()
	l.new = func() (*epoll.Loop, error) {
		if after--; after < 0 {
			return nil, syscall.EMFILE
		}
		return epoll.New()
	}
}

// serve starts a server on a loopback socket. Its connections get the given sessions, in this order. Dial opens a
// connection to it.
func serve(t *testing.T, log *lockedBuffer, sessions ...session) (s *Server, dial func() *rawws.Conn) {
	t.Helper()
	next := make(chan session, len(sessions))
	for _, s := range sessions {
		next <- s
	}
	o := DefaultOptions()
	o.Logger = log.logger()
	s, err := newServer(connectTo(next), actors.DefaultQueueLimit, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s, func() *rawws.Conn {
		t.Helper()
		socket, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { socket.Close() })
		_ = socket.SetDeadline(time.Now().Add(20 * time.Second))
		c, err := rawws.Open(socket, rawws.Request("/", "service.test"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// wantAnswer checks that the service still answers on a connection.
func wantAnswer(t *testing.T, c *rawws.Conn) {
	t.Helper()
	if _, err := c.Write(rawws.Message("{}")); err != nil {
		t.Fatal(err)
	}
	if text, err := c.ReadText(); err != nil || !strings.Contains(text, "malformed") {
		t.Errorf("received %q, %v; want an error", text, err)
	}
}

func TestAServiceWithoutLoopsIsReadByGoroutines(t *testing.T) {
	for _, loops := range []int{0, 1} {
		log := new(lockedBuffer)
		s, dial := serve(t, log, new(brokenSession), new(brokenSession), new(brokenSession))
		refuseLoops(s, loops)
		for range 3 {
			wantAnswer(t, dial())
		}
		s.connections.each(func(c *conn) {
			if _, looped := c.carrier.(*looped); looped != (loops > 0) {
				t.Errorf("with %d loops a connection is carried by a %T", loops, c.carrier)
			}
		})
		if n := strings.Count(log.String(), "level=WARN"); loops == 0 && n == 0 || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("the log is\n%s\nwant warnings", log)
		}
	}
}

func TestAConnectionThatCannotBeDetachedIsNotAdopted(t *testing.T) {
	log := new(lockedBuffer)
	s, _ := serve(t, log)
	near, _ := loopback(t)
	near.Close()
	if s.carriers.adopt(near) != nil || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("a closed connection was adopted, or the log does not say why not:\n%s", log)
	}
}

// unreadable is a socket that the loop cannot read.
type unreadable struct{ descriptor }

func (unreadable) Open() error { return syscall.ENOSPC }

func TestAConnectionThatCannotBeReadEnds(t *testing.T) {
	log := new(lockedBuffer)
	w := newWitness()
	s, dial := serve(t, log, w, new(brokenSession))
	near, far := loopback(t)
	s.connections.enter(unknown)
	c := s.carriers.adopt(near)
	if c == nil {
		t.Skip("there are no loops here")
	}
	c.socket = unreadable{c.socket}
	s.openLooped(c, unknown, entry{key: sampleKey}, rawws.Message("{}"))
	_ = far.SetDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(far); len(b) > 0 {
		t.Errorf("the client received %q, %v", b, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.connections.wait(ctx); err != nil {
		t.Fatal("the connection does not come to its end")
	}
	wantAnswer(t, dial()) // other connections still work
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != 1 || c.Waiting() != 0 || !strings.Contains(log.String(), "could not be read") {
		t.Errorf("the session was ended %d times, %d bytes wait, and the log says\n%s", w.closed, c.Waiting(), log)
	}
}

// failing is a brokenSession that panics in Undelivered too.
type failing struct{ brokenSession }

func (*failing) Undelivered([]byte, messages.Address, bool) { panic("the cause") }

func TestAPanicOnALoopEndsOneConnection(t *testing.T) {
	log := new(lockedBuffer)
	failing := &failing{brokenSession{receive: "the cause", closed: errors.New("the cause")}}
	s, dial := serve(t, log, new(brokenSession), failing, new(brokenSession))
	loop, err := epoll.New()
	if err != nil {
		t.Skip(err)
	}
	l := s.carriers.(*loops)
	l.mu.Lock()
	l.all, l.started = []*epoll.Loop{loop}, true // one loop carries all connections
	l.mu.Unlock()
	first := dial()
	wantAnswer(t, first)
	c := dial()
	wantAnswer(t, c)
	s.connections.each(func(c *conn) {
		if c.session == failing {
			for range 1000 { // more than the network takes, so that messages are handed back at the end
				c.Deliver(delivery(make([]byte, 60_000), senderName("sender")))
			}
		}
	})
	if _, err := c.Write(append(rawws.Message(`{"type":"login","login":"alice"}`), rawws.Message(`{"type":"login","login":"bob"}`)...)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, first)
	for failing.ended.Load() == 0 {
		wantAnswer(t, first)
	}
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	wantAnswer(t, first)
	wantAnswer(t, dial())
	for n := 3; n > 2; {
		wantAnswer(t, first)
		s.connections.mu.Lock()
		n = s.connections.count
		s.connections.mu.Unlock()
	}
	if n := failing.ended.Load(); n != 1 {
		t.Errorf("the session was ended %d times, want once", n)
	}
}

func TestConnectionsAreSpreadOverTheLoops(t *testing.T) {
	l := loops{started: true, all: []*epoll.Loop{new(epoll.Loop), new(epoll.Loop), new(epoll.Loop)}}
	count := make(map[*epoll.Loop]int)
	for range 30 {
		loop, number := l.take()
		if l.all[number] != loop {
			t.Errorf("loop %d is another one", number)
		}
		count[loop]++
	}
	for _, loop := range l.all {
		if count[loop] != 10 {
			t.Errorf("of 30 connections one of three loops has %d, want 10", count[loop])
		}
	}
}

func TestAConnectionThatCannotBeReadEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := DefaultOptions()
		o.Logger = new(lockedBuffer).logger()
		w := newWitness()
		s, err := newServer(func(actors.Link) session { return w }, actors.DefaultQueueLimit, o)
		if err != nil {
			t.Fatal(err)
		}
		CarryOnLoops(s)
		near, _ := memnet.Pipe(1000)
		s.connections.enter(unknown)
		c := s.carriers.adopt(near)
		c.socket = unreadable{c.socket}
		begun := time.Now()
		s.openLooped(c, unknown, entry{key: sampleKey}, nil)
		_ = s.connections.wait(t.Context())
		if took := time.Since(begun); took > time.Second || w.closed != 1 {
			t.Errorf("it took %v, and the session was ended %d times", took, w.closed)
		}
	})
}
