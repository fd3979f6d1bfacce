package transport

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/locked"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// unkept has what a session needs besides what its test is about. It refuses messages on link, if there is one.
type unkept struct{ link actors.Link }

func (u *unkept) Refuse(err *messages.DecodeError) bool {
	if u.link != nil {
		u.link.Send(messages.AppendError(nil, err.Code, err.Reason, nil))
	}
	return true
}

func (u *unkept) setLink(link actors.Link) { u.link = link }

func (*unkept) Queued() (uint64, bool) { return 0, false }
func (*unkept) Pong(uint64)            {}

// connectTo returns the function that gives the sessions one by one to the links of a server.
func connectTo(sessions <-chan session) func(actors.Link) session {
	return func(link actors.Link) session {
		s := <-sessions
		if fake, ok := s.(interface{ setLink(actors.Link) }); ok {
			fake.setLink(link)
		}
		return s
	}
}

// brokenSession is a session that panics in Receive with receive, and in Closed with closed, if they are not nil.
type brokenSession struct {
	unkept
	receive any
	closed  any
	ended   atomic.Int64
}

func (s *brokenSession) Receive(m *messages.Relay) bool {
	m.Release()
	if s.receive != nil {
		panic(s.receive)
	}
	return true
}

func (s *brokenSession) Closed(bool) {
	s.ended.Add(1)
	if s.closed != nil {
		panic(s.closed)
	}
}

func (s *brokenSession) LoggedIn() bool { return true }

func (s *brokenSession) Undelivered([]byte, messages.Address, bool) {}

// eachCarrier runs a test for each carrier.
func eachCarrier(t *testing.T, name string, test func(*testing.T, func(*Server))) {
	t.Run(name+" on loops", func(t *testing.T) { test(t, CarryOnLoops) })
	t.Run(name+" by goroutines", func(t *testing.T) { test(t, CarryByGoroutines) })
}

// lockedBuffer collects a log.
type lockedBuffer struct{ locked.Buffer }

func (l *lockedBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestAPanicEndsOneConnectionAndIsLoggedOnce(t *testing.T) {
	for name, broken := range map[string]func() *brokenSession{
		"while receiving": func() *brokenSession { return &brokenSession{receive: "the cause"} },
		"while ending":    func() *brokenSession { return &brokenSession{closed: errors.New("the cause")} },
	} {
		eachCarrier(t, name, func(t *testing.T, carry func(*Server)) {
			synctest.Test(t, func(t *testing.T) {
				broken := broken()
				log := new(lockedBuffer)
				o := DefaultOptions()
				o.Logger = log.logger()
				sessions := make(chan session, 2)
				sessions <- broken
				sessions <- new(brokenSession)
				s, err := newServer(connectTo(sessions), actors.DefaultQueueLimit, o)
				if err != nil {
					t.Fatal(err)
				}
				carry(s)
				l := memnet.Listen(1 << 10)
				go s.Serve(l)
				open := func() *rawws.Conn {
					socket, err := l.Dial()
					if err != nil {
						t.Fatal(err)
					}
					c, err := rawws.Open(socket, rawws.Request("/", "service.test"))
					if err != nil {
						t.Fatal(err)
					}
					return c
				}
				failing, other := open(), open()
				want := uint16(messages.CloseNormal)
				send := rawws.CloseFrame(1000, "")
				if broken.receive != nil {
					want = uint16(messages.CloseInternalError)
					send = rawws.Message(`{"type":"login","login":"alice"}`)
				}
				if _, err := failing.Write(send); err != nil {
					t.Fatal(err)
				}
				if code, _, _, err := failing.ReadClose(); code != want || err != nil {
					t.Errorf("closed with %d, %v; want %d", code, err, want)
				}
				failing.Close()
				if _, err := other.Write(rawws.Message("{}")); err != nil {
					t.Fatal(err)
				}
				if text, err := other.ReadText(); err != nil {
					t.Errorf("the other connection answered %s, %v", text, err)
				}
				other.Close()
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if n := broken.ended.Load(); n != 1 {
					t.Errorf("the session was ended %d times, want once", n)
				}
				if got := log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, "brokenSession") {
					t.Errorf("the log is\n%s\nwant one error with the stack", got)
				}
			})
		})
	}
}

func TestAConnectionThatOpensDuringShutdownIsClosedToo(t *testing.T) {
	eachCarrier(t, "", func(t *testing.T, carry func(*Server)) {
		synctest.Test(t, func(t *testing.T) {
			var s *Server
			shutdown := make(chan error, 1)
			s, err := newServer(func(actors.Link) session {
				go func() { shutdown <- s.Shutdown(t.Context()) }()
				time.Sleep(time.Second) // meanwhile Shutdown closes the connections that it finds
				return new(brokenSession)
			}, actors.DefaultQueueLimit, DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			carry(s)
			l := memnet.Listen(1 << 10)
			go s.Serve(l)
			socket, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			c, err := rawws.Open(socket, rawws.Request("/", "service.test"))
			if err != nil {
				t.Fatal(err)
			}
			if code, reason, _, err := c.ReadClose(); code != uint16(messages.CloseServiceRestart) || !strings.HasPrefix(reason, "retry=") || err != nil {
				t.Errorf("closed with %d %q, %v; want 1012 and a delay", code, reason, err)
			}
			c.Close()
			if err := <-shutdown; err != nil || time.Since(start) < time.Second {
				t.Errorf("Shutdown returned after %v with %v, want it to wait for the connection", time.Since(start), err)
			}
		})
	})
}

func TestOnlyTheFirstCloseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newServer(nil, actors.DefaultQueueLimit, DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		socket, far := memnet.Pipe(1 << 10)
		c := openWith(s, socket, new(brokenSession))
		s.connections.enter(unknown)
		s.connections.add(&c.conn)
		c.Send([]byte("first"))
		c.Close(messages.CloseTooSlow, "the reason")
		c.Close(messages.CloseNormal, "another")
		if c.Send([]byte("too late")) {
			t.Error("a closed link took a message")
		}
		far.Close()
		c.finishAndRemove()
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d bytes wait in a link that has ended, want none", n)
		}
		s.connections.wait(t.Context())
	})
}

func TestALinkMayBeUsedFromEverywhereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newServer(nil, actors.DefaultQueueLimit, DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		socket, far := memnet.Pipe(100)
		c := openWith(s, socket, new(brokenSession))
		s.connections.enter(unknown)
		s.connections.add(&c.conn)
		received := make(chan int)
		go func() {
			n, b := 0, make([]byte, 64)
			for {
				k, err := far.Read(b)
				if n += k; err != nil {
					far.Close()
					received <- n
					return
				}
			}
		}()
		var wg sync.WaitGroup
		var taken atomic.Int64
		for range 8 {
			wg.Go(func() {
				for range 200 {
					if c.Send([]byte("message")) {
						taken.Add(9)
					}
					if c.Waiting() < 0 {
						t.Error("less than nothing waits")
					}
				}
			})
		}
		wg.Go(func() { time.Sleep(time.Microsecond); c.Close(messages.CloseNormal, "") })
		wg.Wait()
		c.finishAndRemove()
		if got := int64(<-received); got != taken.Load()+4 {
			t.Errorf("%d bytes arrived, want the %d taken and a close frame", got, taken.Load())
		}
		s.connections.wait(t.Context())
	})
}

func TestAFrameHasTheShortestHeader(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
		near, far := memnet.Pipe(1 << 20)
		sent := frame.Append(nil, frame.Text, bytes.Repeat([]byte("x"), size))
		if got := frameSize(append(sent, "behind"...)); got != len(sent) {
			t.Errorf("the size of a frame of %d bytes is taken for %d", len(sent), got)
		}
		_, _ = near.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
		_, _ = near.Write(sent)
		c, err := rawws.Open(far, "")
		if err != nil {
			t.Fatal(err)
		}
		if f, err := c.ReadFrame(); err != nil || len(f.Payload) != size || f.Opcode != rawws.Text || f.More {
			t.Errorf("a frame of %d bytes was read as %d bytes, %v", size, len(f.Payload), err)
		}
		if waits := len(sent) - size; waits != 2 && waits != 4 && waits != 10 {
			t.Errorf("the header has %d bytes", waits)
		}
	}
}

func TestWhatOneConnectionBringsWithItEndsNoService(t *testing.T) {
	for _, fault := range []error{
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.ENOMEM)},
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EPERM)},
		errors.New("anything else"),
	} {
		err := passing(fault)
		if passed, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !passed.Temporary() {
			t.Errorf("%v does not pass", fault)
		}
		if !errors.Is(err, fault) {
			t.Errorf("%v hides %v", err, fault)
		}
	}
	if err := passing(net.ErrClosed); err != net.ErrClosed {
		t.Errorf("a closed listener is %v, want it to end the service", err)
	}
}

func TestTheOperatorHearsOnceInAWhileThatConnectionsCannotBeAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := acceptFaults{server: &Server{options: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}}}
		_ = r.failed(net.ErrClosed)
		if log.Len() > 0 {
			t.Errorf("a closed listener is logged as %s", &log)
		}
		for range 40 { // 20 s
			_ = r.failed(syscall.EMFILE)
			time.Sleep(500 * time.Millisecond)
		}
		if got := strings.Count(log.String(), "connections could not be accepted"); got != 2 {
			t.Errorf("it is said %d times in 20 s, want 2", got)
		}
	})
}
