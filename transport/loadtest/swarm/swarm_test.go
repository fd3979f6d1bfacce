package swarm

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that end at once in a test that passes.
const patience = 20 * time.Second

// implementations runs a test with each implementation: with epoll, with goroutines, and with goroutines over TLS.
func implementations(t *testing.T, test func(t *testing.T, start func(o Options) *Swarm, listen func(script) string)) {
	for _, name := range []string{"epoll", "goroutines", "TLS"} {
		t.Run(name, func(t *testing.T) {
			if name == "epoll" && runtime.GOOS != "linux" {
				t.Skip("there is no epoll here")
			}
			certified := httptest.NewUnstartedServer(nil)
			certified.StartTLS()
			defer certified.Close()
			start := func(o Options) *Swarm {
				t.Helper()
				o.goroutines = name != "epoll"
				if o.Loops == 0 {
					o.Loops = 2
				}
				o.TLS = certified.Client().Transport.(*http.Transport).TLSClientConfig
				s, err := New(t.Context(), o)
				if err != nil {
					t.Fatalf("New: %v", err)
				}
				t.Cleanup(s.Stop)
				return s
			}
			listen := func(f script) string {
				t.Helper()
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				l = smallBuffers{l}
				scheme := "ws"
				if name == "TLS" {
					scheme = "wss"
					l = tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates})
				}
				serve(t, l, f)
				return scheme + "://" + l.Addr().String() + "/ws?x=1"
			}
			test(t, start, listen)
		})
	}
}

// smallBuffers is a listener whose connections have small buffers in the operating system, so that few bytes fill them.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		_ = conn.(*net.TCPConn).SetReadBuffer(128 << 10)
		_ = conn.(*net.TCPConn).SetWriteBuffer(128 << 10)
	}
	return conn, err
}

// script is the behaviour of a service on one connection.
type script func(s *server)

// server is the service's side of a connection.
type server struct {
	net.Conn
	t       testing.TB
	reader  *bufio.Reader
	request *http.Request
}

// serve runs the script for each connection until the test ends.
func serve(t testing.TB, l net.Listener, f script) {
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				defer conn.Close()
				f(&server{Conn: conn, t: t, reader: bufio.NewReader(conn)})
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-accepted })
}

// answer reads the request of the handshake and returns the bytes of a valid answer.
func (s *server) answer() []byte {
	r, err := http.ReadRequest(s.reader)
	if err != nil {
		return nil
	}
	s.request = r
	// acceptKey computes the accept value on its own, without the code that is tested.
	return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " +
		acceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n")
}

func (s *server) shake() {
	_, _ = s.Write(s.answer())
}

// serverFrame returns a frame as a service sends it. First is its first byte.
func serverFrame(first byte, payload string) []byte {
	switch n := len(payload); {
	case n < 126:
		return append([]byte{first, byte(n)}, payload...)
	case n <= 0xFFFF:
		return append(binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(n)), payload...)
	default:
		return append(binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(n)), payload...)
	}
}

// read reads a frame of the client and returns its first byte and its payload. The frame must be masked.
func (s *server) read() (first byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.reader, head[:]); err != nil {
		return 0, "", err
	}
	if head[1]&0x80 == 0 {
		return 0, "", errors.New("the frame is not masked")
	}
	length := uint64(head[1] & 0x7F)
	if size := map[uint64]int{126: 2, 127: 8}[length]; size > 0 {
		var extended [8]byte
		if _, err := io.ReadFull(s.reader, extended[8-size:]); err != nil {
			return 0, "", err
		}
		length = binary.BigEndian.Uint64(extended[:])
	}
	b := make([]byte, 4+length)
	if _, err := io.ReadFull(s.reader, b); err != nil {
		return 0, "", err
	}
	for i := range b[4:] {
		b[4+i] ^= b[i%4]
	}
	return head[0], string(b[4:]), nil
}

// echo sends back every frame of the client. It ends after a close frame.
func (s *server) echo() {
	for {
		first, payload, err := s.read()
		if err != nil {
			return
		}
		_, _ = s.Write(serverFrame(first, payload))
		if first == 0x88 {
			return
		}
	}
}

// client is a handler that reports its calls in a channel.
type client struct {
	opened func(c *Conn)
	text   func(c *Conn, text string)
	events chan string // "opened", "text …", "closed …"
	err    error       // the error of Closed, set before its event
}

func newClient() *client { return &client{events: make(chan string, 1000)} }

func (h *client) Opened(c *Conn) {
	h.events <- "opened"
	if h.opened != nil {
		h.opened(c)
	}
}

func (h *client) Text(c *Conn, text []byte) {
	h.events <- "text " + string(text)
	if h.text != nil {
		h.text(c, string(text))
	}
}

func (h *client) Closed(_ *Conn, err error) {
	h.err = err
	h.events <- fmt.Sprintf("closed %v", err)
}

// dial begins a connection on a loop and returns it.
func dial(l *Loop, h Handler) *Conn {
	made := make(chan *Conn)
	l.Do(func() { made <- l.Dial(h) })
	return <-made
}

func (h *client) next(t testing.TB) string {
	t.Helper()
	select {
	case e := <-h.events:
		return e
	case <-time.After(patience):
		t.Fatal("nothing happened")
		return ""
	}
}

func (h *client) want(t testing.TB, events ...string) {
	t.Helper()
	for _, want := range events {
		if got := h.next(t); got != want {
			t.Fatalf("%.200q happened, want %.200q", got, want)
		}
	}
}

func TestMessagesOfEverySizeComeBackAsTheyWereSent(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		url := listen(func(s *server) { s.shake(); s.echo() })
		s := start(Options{URL: url, SendLimit: 1 << 20})
		h := newClient()
		sizes := []int{0, 1, 125, 126, 300, 65535, 65536, 150_000}
		h.opened = func(c *Conn) {
			for _, n := range sizes {
				if err := c.Send([]byte(strings.Repeat("é", n/2) + strings.Repeat("x", n%2))); err != nil {
					t.Errorf("Send of %d bytes: %v", n, err)
				}
			}
			c.Close()
		}
		dial(s.Loops()[0], h)
		h.want(t, "opened")
		for _, n := range sizes {
			h.want(t, "text "+strings.Repeat("é", n/2)+strings.Repeat("x", n%2))
		}
		h.want(t, "closed <nil>")
	})
}

func TestEverythingMayArriveByteByByte(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		url := listen(func(s *server) {
			b := s.answer()
			b = append(b, serverFrame(0x81, "one")...)
			b = append(b, serverFrame(0x01, "t")...)
			b = append(b, serverFrame(0x89, "ping")...) // a control frame may come between fragments
			b = append(b, serverFrame(0x00, "")...)
			b = append(b, serverFrame(0x80, "wo")...)
			b = append(b, serverFrame(0x81, strings.Repeat("3", 200))...)
			b = append(b, serverFrame(0x88, "\x0f\xa0slow")...)
			for i := range b {
				_, _ = s.Write(b[i : i+1])
			}
			for _, want := range []string{"\x8aping", "\x88\x0f\xa0"} {
				if first, payload, err := s.read(); string([]byte{first})+payload != want {
					s.t.Errorf("the client sent %q, %q, %v; want %q", first, payload, err, want)
				}
			}
		})
		s := start(Options{URL: url})
		h := newClient()
		dial(s.Loops()[0], h)
		h.want(t, "opened", "text one", "text two", "text "+strings.Repeat("3", 200),
			"closed the service closed the connection with code 4000: slow")
		if e, ok := errors.AsType[*CloseError](h.err); !ok || e.Code != 4000 {
			t.Errorf("the error is %#v, want a CloseError with code 4000", h.err)
		}
	})
}

func TestFramesBehindTheHandshakeInOneSegmentAreRead(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		url := listen(func(s *server) {
			b := append(s.answer(), serverFrame(0x81, "a")...)
			_, _ = s.Write(append(append(b, serverFrame(0x81, "b")...), serverFrame(0x88, "")...))
			_, _, _ = s.read()
		})
		h := newClient()
		dial(start(Options{URL: url}).Loops()[0], h)
		h.want(t, "opened", "text a", "text b", "closed the service closed the connection with code 1005")
	})
}

func TestProtocolViolationsEndTheConnection(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		for _, tc := range []struct {
			name, want string
			sent       []byte
		}{
			{"masked", "a server's frame is masked", []byte{0x81, 0x81, 1, 2, 3, 4, 5}},
			{"reserved bits", "a frame has a reserved bit set", serverFrame(0xC1, "x")},
			{"binary", "a message is binary", serverFrame(0x82, "x")},
			{"unknown opcode", "a frame has an unknown opcode", serverFrame(0x83, "x")},
			{"unknown control opcode", "a frame has an unknown opcode", serverFrame(0x8B, "x")},
			{"long ping", "a control frame is too long or in fragments", serverFrame(0x89, strings.Repeat("x", 126))},
			{"fragmented ping", "a control frame is too long or in fragments", serverFrame(0x09, "x")},
			{"continuation of nothing", "a continuation frame has no message to continue", serverFrame(0x80, "x")},
			{"message in a message", "a message begins before the one before it has ended", append(serverFrame(0x01, "x"), serverFrame(0x81, "y")...)},
			{"too long", "a message is too long", []byte{0x81, 127, 0, 0, 0, 0, 0, 0x20, 0, 0}},
			{"negative length", "a message is too long", []byte{0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}},
			{"too long in fragments", "a message is too long", append(serverFrame(0x01, strings.Repeat("x", 600)), serverFrame(0x80, strings.Repeat("x", 600))...)},
			{"half a close code", "a close frame has half a status code", serverFrame(0x88, "x")},
		} {
			t.Run(tc.name, func(t *testing.T) {
				url := listen(func(s *server) {
					s.shake()
					_, _ = s.Write(tc.sent)
					_, _, _ = s.read()
				})
				h := newClient()
				dial(start(Options{URL: url, MessageLimit: 1000}).Loops()[0], h)
				h.want(t, "opened", "closed the service broke the WebSocket protocol: "+tc.want)
			})
		}
	})
}

func TestWrongAnswersToTheHandshakeAreReported(t *testing.T) {
	ok := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		for _, tc := range []struct {
			name, answer string
			status       int
		}{
			{"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404},
			{"an ordinary page", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
			{"wrong accept", ok + "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 101},
			{"no upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", 101},
			{"not HTTP", "SSH-2.0-OpenSSH_9.6\r\n", 0},
			{"broken HTTP", "HTTP/1.1 abc\r\n\r\n", 0},
			{"endless", "HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X: y\r\n", 4000), 0},
		} {
			t.Run(tc.name, func(t *testing.T) {
				url := listen(func(s *server) {
					_ = s.answer()
					_, _ = io.WriteString(s.Conn, tc.answer)
					_, _, _ = s.read()
				})
				h := newClient()
				dial(start(Options{URL: url}).Loops()[0], h)
				if got := h.next(t); !strings.HasPrefix(got, "closed ") {
					t.Fatalf("%q happened, want the end", got)
				}
				if e, ok := errors.AsType[*HandshakeError](h.err); !ok || e.Status != tc.status {
					t.Errorf("the error is %#v (%v), want a HandshakeError with status %d", h.err, h.err, tc.status)
				}
			})
		}
	})
}

// requests has each implementation dial, and gives look the request that the server gets.
func requests(t *testing.T, by func(*client) Handler, look func(t *testing.T, r *http.Request)) {
	got := make(chan *http.Request, 1)
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		url := listen(func(s *server) {
			s.shake()
			got <- s.request
			s.echo()
		})
		h := newClient()
		h.opened = (*Conn).Close
		dial(start(Options{URL: url}).Loops()[0], by(h))
		h.want(t, "opened", "closed <nil>")
		look(t, <-got)
	})
}

func TestTheHandshakeIsARequestAsRFC6455HasIt(t *testing.T) {
	requests(t, func(c *client) Handler { return c }, func(t *testing.T, r *http.Request) {
		if r.RequestURI != "/ws?x=1" || r.Host == "" || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" ||
			r.Header.Get("Sec-WebSocket-Version") != "13" || len(r.Header.Get("Sec-WebSocket-Key")) != 24 {
			t.Errorf("the request is %+v", r)
		}
	})
}

type targeted struct{ *client }

func (targeted) Target() string { return "/elsewhere?id=1" }

func TestAConnectionMayHaveATargetOfItsOwn(t *testing.T) {
	requests(t, func(c *client) Handler { return targeted{c} }, func(t *testing.T, r *http.Request) {
		if r.RequestURI != "/elsewhere?id=1" {
			t.Errorf("the request is for %s", r.RequestURI)
		}
	})
}

func TestPingsAreCounted(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		url := listen(func(s *server) {
			s.shake()
			_, _ = s.Write(serverFrame(0x89, "a"))
			_, _ = s.Write(serverFrame(0x89, ""))
			_, _ = s.Write(serverFrame(0x81, "done"))
			s.echo()
		})
		h := newClient()
		pings := 0
		h.text = func(c *Conn, _ string) {
			pings = c.loop.Pings()
			c.Abort()
		}
		dial(start(Options{URL: url}).Loops()[0], h)
		h.want(t, "opened", "text done", "closed <nil>")
		if pings != 2 {
			t.Errorf("%d pings were counted; want 2", pings)
		}
	})
}

func TestAServiceThatIsNotThereIsReported(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, _ func(script) string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		h := newClient()
		dial(start(Options{URL: "ws://" + l.Addr().String()}).Loops()[0], h)
		if got := h.next(t); !errors.Is(h.err, syscall.ECONNREFUSED) {
			t.Errorf("%q happened, want a refused connection", got)
		}
	})
}

func TestEndsWithoutACloseFrameAreReported(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		for _, at := range []string{"at once", "in the handshake", "in a frame"} {
			t.Run(at, func(t *testing.T) {
				url := listen(func(s *server) {
					b := s.answer()
					switch at {
					case "in the handshake":
						_, _ = s.Write(b[:20])
					case "in a frame":
						_, _ = s.Write(append(b, 0x81, 5, 'x'))
					}
				})
				h := newClient()
				dial(start(Options{URL: url}).Loops()[0], h)
				if at == "in a frame" {
					h.want(t, "opened")
				}
				h.want(t, "closed unexpected EOF")
			})
		}
	})
}

func TestAReaderThatPausesIsNotReadAndMissesNothing(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		const frames, size = 60, 50_000 // more than the socket buffers hold
		progress := make(chan int, frames)
		url := listen(func(s *server) {
			s.shake()
			for n := range frames {
				if _, err := s.Write(serverFrame(0x81, fmt.Sprintf("%0*d", size, n))); err != nil {
					s.t.Errorf("write: %v", err)
					return
				}
				progress <- n
			}
			s.echo()
		})
		s := start(Options{URL: url})
		h := newClient()
		h.opened = (*Conn).PauseReading
		c := dial(s.Loops()[0], h)
		h.want(t, "opened")
		// Wait until the service can write no more. If somebody read, it could write its next frame much sooner than in the
		// 100 ms of this wait.
		for still := false; !still; {
			select {
			case n := <-progress:
				if n == frames-1 {
					t.Fatal("all frames were taken although nobody reads")
				}
			case <-time.After(100 * time.Millisecond):
				still = true
			}
		}
		s.Loops()[0].Do(c.ResumeReading)
		for n := range frames {
			h.want(t, fmt.Sprintf("text %0*d", size, n))
		}
		s.Loops()[0].Do(c.Close)
		h.want(t, "closed <nil>")
	})
}

func TestAServiceThatDoesNotReadIsNoticedAndMissesNothing(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		const size = 60_000
		goOn := make(chan struct{})
		received := make(chan int, 1)
		url := listen(func(s *server) {
			s.shake()
			<-goOn
			n := 0
			for {
				first, payload, err := s.read()
				if err != nil || first == 0x88 {
					_, _ = s.Write(serverFrame(0x88, payload))
					break
				}
				if want := fmt.Sprintf("%0*d", size, n); payload != want {
					s.t.Errorf("frame %d is not what was sent", n)
				}
				n++
			}
			received <- n
		})
		s := start(Options{URL: url, SendLimit: 150_000})
		h := newClient()
		c := dial(s.Loops()[0], h)
		h.want(t, "opened")
		sent := 0
		full := false
		for deadline := time.Now().Add(patience); !full && time.Now().Before(deadline); {
			done := make(chan error)
			s.Loops()[0].Do(func() { done <- c.Send(fmt.Appendf(nil, "%0*d", size, sent)) })
			switch err := <-done; {
			case err == nil:
				sent++
			case errors.Is(err, ErrFull):
				// With goroutines the loop may send faster than they write. So the connection counts as full only if the
				// waiting bytes stay the same.
				full = stays(s, c)
			default:
				t.Fatalf("Send: %v", err)
			}
		}
		if !full {
			t.Fatal("Send was never refused")
		}
		close(goOn)
		s.Loops()[0].Do(c.Close)
		h.want(t, "closed <nil>")
		if n := <-received; n != sent {
			t.Errorf("%d frames arrived, want the %d that were taken", n, sent)
		}
	})
}

// stays reports whether bytes wait on c and none of them is written within 50 ms.
func stays(s *Swarm, c *Conn) bool {
	waiting := func() int {
		n := make(chan int)
		s.Loops()[0].Do(func() { n <- len(c.out) })
		return <-n
	}
	before := waiting()
	time.Sleep(50 * time.Millisecond)
	return before == waiting() && before > 0
}

func TestSourceAddressesTakeTurns(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		from := make(chan string, 8)
		url := listen(func(s *server) {
			from <- s.RemoteAddr().(*net.TCPAddr).IP.String()
			s.shake()
			s.echo()
		})
		s := start(Options{URL: url, Sources: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.1.2.3")}})
		seen := map[string]int{}
		for n := range 8 {
			h := newClient()
			dial(s.Loops()[n%2], h)
			h.want(t, "opened")
			seen[<-from]++
		}
		if seen["127.0.0.2"] != 4 || seen["127.1.2.3"] != 4 {
			t.Errorf("connections came from %v, want 4 from each of two", seen)
		}
	})
}

func TestTimeouts(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		silent := make(chan struct{})
		defer close(silent)
		t.Run("handshake", func(t *testing.T) {
			url := listen(func(*server) { <-silent })
			h := newClient()
			dial(start(Options{URL: url, HandshakeTimeout: 10 * time.Millisecond}).Loops()[0], h)
			h.want(t, "closed the service did not answer in time")
		})
		t.Run("close", func(t *testing.T) {
			url := listen(func(s *server) { s.shake(); <-silent })
			h := newClient()
			h.opened = (*Conn).Close
			dial(start(Options{URL: url, CloseTimeout: 10 * time.Millisecond}).Loops()[0], h)
			h.want(t, "opened", "closed the service did not answer in time")
		})
	})
}

func TestAbortResetsTheConnection(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		ends := make(chan error, 1)
		url := listen(func(s *server) {
			s.shake()
			_, _, err := s.read()
			ends <- err
		})
		h := newClient()
		h.opened = func(c *Conn) {
			c.Abort()
			c.Abort()
			if err := c.Send([]byte("x")); !errors.Is(err, ErrNotOpen) {
				t.Errorf("Send after Abort: %v, want ErrNotOpen", err)
			}
		}
		dial(start(Options{URL: url}).Loops()[0], h)
		h.want(t, "opened", "closed <nil>")
		if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the service sees %v, want a reset", err)
		}
	})
}

func TestStopEndsEverythingAndTellsEveryHandlerOnce(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		silent := make(chan struct{})
		defer close(silent)
		url := listen(func(s *server) {
			s.shake()
			<-silent
		})
		s := start(Options{URL: url})
		var clients []*client
		for n := range 20 {
			h := newClient()
			clients = append(clients, h)
			dial(s.Loops()[n%2], h)
			if n < 10 {
				h.want(t, "opened")
			}
		}
		s.Stop()
		for _, h := range clients {
			ends := 0
			for len(h.events) > 0 {
				if e := <-h.events; strings.HasPrefix(e, "closed") {
					ends++
				}
			}
			if ends != 1 || !errors.Is(h.err, ErrStopped) {
				t.Errorf("the end was told %d times, with %v; want once, with ErrStopped", ends, h.err)
			}
		}
	})
}

func TestTickIsCalledWhenItAskedToBe(t *testing.T) {
	implementations(t, func(t *testing.T, start func(Options) *Swarm, _ func(script) string) {
		type call struct{ due, at time.Duration }
		calls := make(chan call, 100)
		due := time.Duration(0)
		start(Options{URL: "ws://127.0.0.1:1", Loops: 1, Tick: func(l *Loop) time.Duration {
			now := l.Now()
			if due == Never {
				return Never
			}
			if now >= due {
				calls <- call{due, now}
				if due = now + 2*time.Millisecond; len(calls) == 5 {
					due = Never
				}
			}
			return due
		}})
		for range 5 {
			select {
			case c := <-calls:
				if c.at < c.due {
					t.Errorf("called at %v, want %v at the earliest", c.at, c.due)
				}
			case <-time.After(patience):
				t.Fatal("Tick was not called again")
			}
		}
	})
}

func TestNewRefusesWhatIsNoWebSocketURL(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1/", "ws://", "ftp://x", "127.0.0.1:80", "ws://a b/"} {
		if s, err := New(t.Context(), Options{URL: url}); err == nil {
			s.Stop()
			t.Errorf("New(%q) succeeds", url)
		}
	}
}

func TestANameWithSeveralAddressesIsTriedOut(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, func(s *server) { s.shake(); s.echo() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s, err := New(context.Background(), Options{URL: "ws://localhost:" + port})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if want := "127.0.0.1:" + port; s.Address().String() != want {
		t.Errorf("the address is %v, want %s", s.Address(), want)
	}
}
