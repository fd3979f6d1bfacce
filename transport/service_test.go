package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/internal/atonce"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

func TestMain(m *testing.M) {
	atonce.Tests(2) // Those that may run beside others wait for a time-out.
	goleak.VerifyTestMain(m)
}

// patience is the longest time that a test waits for something that should happen at once.
const patience = 20 * time.Second

// carrier says what carries a server's connections, loops or goroutines, and whether Serve speaks TLS.
type carrier struct {
	set        func(*transport.Server)
	goroutines bool
	secure     bool
	peers      *actors.PeerJS // what PeerJS clients may do
}

var (
	onLoops        = carrier{set: transport.CarryOnLoops}
	byGoroutines   = carrier{set: transport.CarryByGoroutines, goroutines: true}
	onLoopsOverTLS = carrier{set: transport.CarryOnLoops, secure: true}
)

// eachCarrier runs a test for each carrier, because what a service does must not depend on the carrier. Goroutines over TLS
// have tests of their own, because they cannot go on after a write that has timed out.
func eachCarrier(t *testing.T, test func(*testing.T, carrier)) {
	t.Run("loops", func(t *testing.T) { test(t, onLoops) })
	t.Run("goroutines", func(t *testing.T) { test(t, byGoroutines) })
	t.Run("loops over TLS", func(t *testing.T) { test(t, onLoopsOverTLS) })
}

// trusting is the TLS configuration of the clients. They accept the certificate of every test.
var trusting = &tls.Config{InsecureSkipVerify: true}

// beneath returns the socket of a client, which over TLS is the one beneath.
func beneath(c *rawws.Conn) *takingConn {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.NetConn().(*takingConn)
	}
	return c.Conn.(*takingConn)
}

// takingConn is the socket of a client that can take bytes from the network before it reads them. A client over TLS would
// take a whole record at once.
type takingConn struct {
	net.Conn
	taken []byte
}

// take takes up to n bytes from the network, and returns their number.
func (c *takingConn) take(n int) (int, error) {
	b := make([]byte, n)
	n, err := c.Conn.Read(b)
	c.taken = append(c.taken, b[:n]...)
	return n, err
}

func (c *takingConn) Read(p []byte) (int, error) {
	if len(c.taken) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.taken)
	c.taken = c.taken[n:]
	return n, nil
}

func (c *takingConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func (c *takingConn) tcp() *net.TCPConn { return c.Conn.(*net.TCPConn) }

// service is a running service under test.
type service struct {
	*transport.Server
	system *actors.System
	log    *record
	dial   func() (net.Conn, error)
	host   string
	scheme string // ws:// or wss://
}

// listen starts a service on a loopback socket. When the test ends, the service is shut down. The test fails if the
// service has logged a failure.
func (by carrier) listen(t testing.TB, change ...func(*transport.Options)) *service {
	t.Helper()
	return by.listenWith(t, func(l net.Listener) net.Listener { return l }, change...)
}

// listenWith is like listen. The service accepts from the listener that wrap returns.
func (by carrier) listenWith(t testing.TB, wrap func(net.Listener) net.Listener, change ...func(*transport.Options)) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	dial := func() (net.Conn, error) {
		c, err := net.Dial("tcp", host)
		if err == nil {
			err = c.SetDeadline(time.Now().Add(patience))
		}
		return c, err
	}
	return by.start(t, wrap(l), host, dial, change...)
}

// listenInMemory starts a service on a network in memory. Each direction of a connection holds up to buffer bytes.
func (by carrier) listenInMemory(t testing.TB, buffer int, change ...func(*transport.Options)) *service {
	t.Helper()
	l := memnet.Listen(buffer)
	return by.start(t, l, "service.test", func() (net.Conn, error) { return l.Dial() }, change...)
}

// listenTLS starts a service that is mounted in another HTTP server. That server serves TLS on a network in memory.
// Beneath may wrap the service's end of each connection, below TLS.
func listenTLS(t testing.TB, buffer int, beneath func(net.Conn) net.Conn, change ...func(*transport.Options)) *service {
	t.Helper()
	l := memnet.Listen(buffer)
	host := httptest.NewUnstartedServer(nil)
	host.Listener.Close()
	host.Listener = wrappingListener{l, beneath}
	s := newService(t, "service.test", func() (net.Conn, error) {
		socket, err := l.Dial()
		if err != nil {
			return nil, err
		}
		return tls.Client(socket, &tls.Config{InsecureSkipVerify: true}), nil
	}, change...)
	host.Config.Handler = s
	host.StartTLS()
	t.Cleanup(func() {
		s.shutdown(t)
		host.Close()
		s.stop(t)
	})
	return s
}

type wrappingListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrappingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

func (by carrier) start(t testing.TB, l net.Listener, host string, dial func() (net.Conn, error), change ...func(*transport.Options)) *service {
	t.Helper()
	scheme := "ws://"
	if by.secure {
		scheme = "wss://"
		change = append([]func(*transport.Options){func(o *transport.Options) { o.TLS = transport.Certified() }}, change...)
	}
	open := dial
	dial = func() (net.Conn, error) {
		socket, err := open()
		if err != nil {
			return nil, err
		}
		c := &takingConn{Conn: socket}
		if by.secure {
			return tls.Client(c, trusting), nil
		}
		return c, nil
	}
	s := newServiceOf(t, by.peers, host, dial, change...)
	s.scheme = scheme
	by.set(s.Server)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.shutdown(t)
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve ended with %v, want http.ErrServerClosed", err)
		}
		s.stop(t)
	})
	return s
}

func newService(t testing.TB, host string, dial func() (net.Conn, error), change ...func(*transport.Options)) *service {
	t.Helper()
	return newServiceOf(t, nil, host, dial, change...)
}

// newServiceOf is newService, for PeerJS clients that may do what peers says.
func newServiceOf(t testing.TB, peers *actors.PeerJS, host string, dial func() (net.Conn, error), change ...func(*transport.Options)) *service {
	t.Helper()
	s := &service{log: new(record), dial: dial, host: host}
	o := transport.DefaultOptions()
	o.Logger = slog.New(s.log)
	o.Rate = 0
	for _, f := range change {
		f(&o)
	}
	s.system = actors.NewSystem(actors.Options{Logger: o.Logger, ResumeWindow: actors.DefaultResumeWindow, PeerJS: peers})
	var err error
	if s.Server, err = transport.New(s.system, o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) shutdown(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func (s *service) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.system.Stop(ctx); err != nil {
		t.Errorf("stop the actor system: %v", err)
	}
	if failures := s.log.failures(); failures != "" {
		t.Errorf("the service logged:\n%s", failures)
	}
}

// connect opens a raw connection, and sends the bytes of behind together with the handshake. The connection is closed when
// the test ends.
func (s *service) connect(t testing.TB, behind ...byte) *rawws.Conn {
	t.Helper()
	socket, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	c, err := rawws.Open(socket, rawws.Request("/ws", s.host), behind...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// login opens a raw connection and logs in.
func (s *service) login(t testing.TB, login string) *rawws.Conn {
	t.Helper()
	c := s.connect(t)
	write(t, c, rawws.Message(`{"type":"login","login":"`+login+`"}`))
	wantText(t, c, `{"type":"login","success":true}`)
	return c
}

// client opens a connection with the Go client and logs in.
func (s *service) client(t testing.TB, login string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, s.scheme+s.host, client.WithTLSConfig(trusting))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(ctx, login); err != nil {
		t.Fatal(err)
	}
	return c
}

// wantRelays checks that a service still works: it relays a message between two new logins.
func (s *service) wantRelays(t testing.TB) {
	t.Helper()
	a, b := s.login(t, "bystander a"), s.login(t, "bystander b")
	offer := `{"type":"offer","offer":{"sdp":"v=0"},"from":"bystander a","to":"bystander b"}`
	write(t, a, rawws.Message(offer))
	wantText(t, b, offer)
	for _, c := range []*rawws.Conn{a, b} {
		write(t, c, rawws.CloseFrame(1000, ""))
		wantClose(t, c, 1000)
		c.Close()
	}
}

// empties waits until nobody has a login. A session may end a moment after its client was told.
func (s *service) empties(t testing.TB) {
	t.Helper()
	for begun := time.Now(); s.system.Sessions() > 0; runtime.Gosched() {
		if time.Since(begun) > patience {
			t.Fatalf("%d sessions outlive their connections", s.system.Sessions())
		}
	}
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// feed starts a goroutine that writes piece after piece. It returns the count of pieces written so far.
func feed(t testing.TB, c net.Conn, pieces iter.Seq[[]byte]) *atomic.Int64 {
	sent := new(atomic.Int64)
	go func() {
		for piece := range pieces {
			if _, err := c.Write(piece); err != nil {
				t.Errorf("write piece %d: %v", sent.Load(), err)
				return
			}
			sent.Add(1)
		}
	}()
	return sent
}

func wantText(t testing.TB, c *rawws.Conn, want string) {
	t.Helper()
	got, err := c.ReadText()
	if err != nil {
		t.Fatalf("read, wanting %s: %v", want, err)
	}
	if got != want {
		t.Fatalf("received %s\nwant %s", got, want)
	}
}

// wantError reads one message, which must be an error with this code, and returns it.
func wantError(t testing.TB, c *rawws.Conn, code string) string {
	t.Helper()
	got, err := c.ReadText()
	if err != nil {
		t.Fatalf("read, wanting an error %s: %v", code, err)
	}
	if !strings.HasPrefix(got, `{"type":"error","code":"`+code+`","message":"`) {
		t.Fatalf("received %s\nwant an error with the code %s", got, code)
	}
	return got
}

func wantClose(t testing.TB, c *rawws.Conn, code uint16) (reason string) {
	t.Helper()
	got, reason, texts, err := c.ReadClose()
	if got != code || err != nil || len(texts) > 0 {
		t.Fatalf("closed with %d %q, texts %q, error %v; want the code %d at once", got, reason, texts, err, code)
	}
	return reason
}

// record is a [slog.Handler] that keeps every line.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }
func (r *record) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *record) WithGroup(string) slog.Handler            { return r }

func (r *record) Handle(_ context.Context, entry slog.Record) error {
	var line strings.Builder
	line.WriteString(entry.Level.String() + " " + entry.Message)
	entry.Attrs(func(a slog.Attr) bool {
		a.Value = a.Value.Resolve()
		line.WriteString(" " + a.String())
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line.String())
	return nil
}

// failures returns the lines that were logged above debug level, but for those about requests and connections that were refused:
// many tests make such ones.
func (r *record) failures() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, line := range r.lines {
		if !strings.HasPrefix(line, "DEBUG ") && !strings.HasPrefix(line, "WARN a request for a WebSocket was refused ") &&
			!strings.HasPrefix(line, "WARN a connection was closed because ") {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// warnings returns the lines that were logged above debug level.
func (r *record) warnings() (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if !strings.HasPrefix(line, "DEBUG ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// clear forgets the lines.
func (r *record) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = nil
}
