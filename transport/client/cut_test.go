package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport"
	"p2p-messaging/transport/client"
)

// numbered is the payload of a frame in the tests that cut connections.
type numbered struct {
	N       int    `json:"n"`
	Padding string `json:"padding"`
}

// direction is what one side of a pair sends to the other.
type direction struct {
	mu       sync.Mutex
	sent     int          // frames that Send took; they have the numbers from 1
	received map[int]bool // by the other side
	last     int          // the number of the last one
	lost     map[int]bool // told by a SessionLostError
	sessions int          // such errors

	// Told by an error of the service, which does not say which frame it is about.
	overloaded  int // not taken
	unavailable int // may have arrived all the same
}

// check returns what is wrong, or an empty string: a frame has neither arrived nor was its sender told, or both happened.
func (d *direction) check() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	missing := 0
	for i := 1; i <= d.sent; i++ {
		if !d.received[i] && !d.lost[i] {
			missing++
		}
	}
	switch {
	case d.sessions > 0: // errors may be lost with a session, so the sender knows that it does not know all
		return ""
	case missing > d.overloaded+d.unavailable:
		return fmt.Sprintf("%d of %d frames neither arrived nor were told", missing-d.overloaded-d.unavailable, d.sent)
	case missing < d.overloaded:
		return fmt.Sprintf("%d frames arrived that were refused", d.overloaded-missing)
	}
	return ""
}

// end is one end of a pair.
type end struct {
	t       *testing.T
	client  *client.Client
	login   string
	peer    string
	out, in *direction
	work    sync.WaitGroup
}

// send sends frames until ctx ends.
func (e *end) send(ctx context.Context) {
	padding := strings.Repeat("x", 2000)
	for n := 1; ; {
		for range 1 + rand.IntN(4) {
			err := e.client.Send(ctx, messages.TypeOffer, e.peer, numbered{n, padding[:rand.IntN(len(padding))]})
			if ctx.Err() != nil && err != nil {
				return
			}
			if err != nil {
				e.t.Errorf("%s: Send: %v", e.login, err)
				return
			}
			e.out.mu.Lock()
			e.out.sent = n
			e.out.mu.Unlock()
			n++
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
		}
	}
}

// receive takes what comes until the client is closed.
func (e *end) receive() {
	for {
		m, err := e.client.Receive(context.Background())
		var lost *client.SessionLostError
		var refusal *client.ServiceError
		switch {
		case errors.As(err, &lost) && lost.Err == nil:
			e.out.mu.Lock()
			e.out.sessions++
			for _, text := range append(lost.Unknown, lost.Unsent...) {
				var f struct{ Offer numbered }
				if err := json.Unmarshal(text, &f); err != nil {
					e.t.Errorf("%s: lost %s, which is no frame", e.login, text)
				}
				e.out.lost[f.Offer.N] = true
			}
			e.out.mu.Unlock()
		case errors.Is(err, client.ErrClosed):
			return
		case err != nil:
			e.t.Errorf("%s: %v", e.login, err)
			return
		case errors.As(m.Err(), &refusal):
			e.out.mu.Lock()
			switch {
			case refusal.To == e.peer && refusal.Code == messages.CodePeerOverloaded:
				e.out.overloaded++
			case refusal.To == e.peer && refusal.Code == messages.CodePeerUnavailable:
				e.out.unavailable++
			default:
				e.t.Errorf("%s: %v", e.login, refusal)
			}
			e.out.mu.Unlock()
		default:
			var f numbered
			if err := json.Unmarshal(m.Payload, &f); err != nil || m.From != e.peer || m.To != e.login {
				e.t.Errorf("%s received %s", e.login, m.Text)
			}
			e.in.mu.Lock()
			if f.N <= e.in.last {
				e.t.Errorf("%s received frame %d behind frame %d; before: %v", e.login, f.N, e.in.last, e.in.received[f.N])
			}
			e.in.last = max(e.in.last, f.N)
			e.in.received[f.N] = true
			e.in.mu.Unlock()
		}
	}
}

// keepingService starts a service that keeps sessions for the time of a window.
func keepingService(t *testing.T, window time.Duration) (system *actors.System, address string, stop func()) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	system = actors.NewSystem(actors.Options{Logger: logger, ResumeWindow: window})
	o := transport.DefaultOptions()
	o.Logger, o.Rate, o.RetrySpread = logger, 0, time.Millisecond
	server, err := transport.New(system, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(server.Shutdown(ctx), system.Stop(ctx)); err != nil {
			t.Errorf("stopping the service: %v", err)
		}
		serving.Wait()
	})
	t.Cleanup(stop)
	return system, l.Addr().String(), stop
}

// Connections are cut at random under load. Each frame arrives once and in order, or its sender is told. After the window, all
// sessions and logins are free.
func TestCutConnectionsLoseNothing(t *testing.T) {
	const pairs = 20
	length := time.Second
	if os.Getenv("P2P_TEST_LONG") != "" {
		length = time.Minute
		if raceEnabled { // .ci/run has both.
			length = 15 * time.Second
		}
	}
	system, service, _ := keepingService(t, 2*time.Second)
	proxy := newCutter(t, service)
	ctx, cancel := context.WithTimeout(t.Context(), length+2*time.Minute)
	defer cancel()

	var ends []*end
	for n := range pairs {
		there := &direction{received: map[int]bool{}, lost: map[int]bool{}}
		back := &direction{received: map[int]bool{}, lost: map[int]bool{}}
		a, b := fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n)
		ends = append(ends, &end{t: t, login: a, peer: b, out: there, in: back}, &end{t: t, login: b, peer: a, out: back, in: there})
	}
	for _, e := range ends {
		var err error
		if e.client, err = client.Dial(ctx, proxy.address(), client.WithKeep(), client.WithHaste(20)); err != nil {
			t.Fatalf("Dial: %v", err)
		}
		t.Cleanup(e.client.CloseNow)
		if err := e.client.Login(ctx, e.login); err != nil {
			t.Fatalf("Login: %v", err)
		}
	}
	loading, stop := context.WithTimeout(ctx, length)
	defer stop()
	var senders sync.WaitGroup
	for _, e := range ends {
		e.work.Go(e.receive)
		senders.Go(func() { e.send(loading) })
	}
	cuts := 0
	for loading.Err() == nil {
		for _, how := range ways {
			proxy.cutOne(how)
			cuts++
			select {
			case <-loading.Done():
			case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
			}
		}
	}
	senders.Wait()

	var all direction
	for _, e := range ends {
		for problem := e.out.check(); problem != ""; problem = e.out.check() {
			if ctx.Err() != nil {
				t.Fatalf("from %s to %s: %s", e.login, e.peer, problem)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	// One half gives its logins up. The other half just goes away.
	for i, e := range ends {
		if i%2 == 0 {
			if err := e.client.Close(); err != nil {
				t.Errorf("%s: Close: %v", e.login, err)
			}
		} else {
			e.client.CloseNow()
		}
		e.work.Wait()
		all.sent += e.out.sent
		all.overloaded += e.out.overloaded
		all.unavailable += e.out.unavailable
		all.sessions += e.out.sessions
	}
	t.Logf("%d frames, %d cuts, %d connections of %d clients; peer-overloaded %d times, peer-unavailable %d times; %d sessions lost",
		all.sent, cuts, proxy.connections(), len(ends), all.overloaded, all.unavailable, all.sessions)
	if proxy.connections() == len(ends) || cuts == 0 || all.sent == 0 {
		t.Error("no client had to come back under load")
	}
	for system.Sessions() > 0 {
		if ctx.Err() != nil {
			t.Fatalf("%d sessions are left", system.Sessions())
		}
		time.Sleep(5 * time.Millisecond)
	}
	again, err := client.Dial(ctx, "ws://"+service)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer again.CloseNow()
	for _, e := range ends {
		if err := errors.Join(again.Login(ctx, e.login), again.Logout(ctx)); err != nil {
			t.Errorf("%s is not free: %v", e.login, err)
		}
	}
}

// stalled is a connection on which only some frames of the client go out. The others wait for release, even if the client has given
// the connection up.
type stalled struct {
	net.Conn
	frames int // that go out
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	asked   bool // the request of the handshake is out
	waiting []byte
}

func (c *stalled) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.asked:
		c.asked = bytes.HasSuffix(p, []byte("\r\n\r\n"))
		return c.Conn.Write(p)
	case c.frames > 0:
		c.frames--
		return c.Conn.Write(p)
	}
	c.waiting = append(c.waiting, p...)
	return len(p), nil
}

func (c *stalled) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.SetReadDeadline(time.Unix(1, 0))
}

// release sends what waits, and waits for an answer.
func (c *stalled) release(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.Conn.Write(c.waiting); err != nil {
		t.Errorf("the late attempt: %v", err)
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.Conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("the late attempt is not answered: %v", err)
	}
}

// An attempt to come back is late: the client has come back with another one by then, and has not shown its next secret. So the late
// one takes the session over, and nobody has it.
func TestALateAttemptIsNotTheEnd(t *testing.T) {
	_, service, _ := keepingService(t, 30*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	late, second := &stalled{closed: make(chan struct{})}, &stalled{closed: make(chan struct{}), frames: 1}
	var attempts atomic.Int32
	first := make(chan net.Conn, 1)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		switch attempts.Add(1) {
		case 1:
			first <- conn
		case 2:
			late.Conn = conn
			return late, nil
		case 3:
			second.Conn = conn
			return second, nil
		}
		return conn, nil
	}
	alice, err := client.Dial(ctx, "ws://"+service, client.WithKeep(), client.WithHaste(50), client.WithDialContext(dial))
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer alice.CloseNow()
	bob, err := client.Dial(ctx, "ws://"+service)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer bob.CloseNow()
	if err := errors.Join(alice.Login(ctx, "alice"), bob.Login(ctx, "bob")); err != nil {
		t.Fatalf("Login: %v", err)
	}
	arrives := func(n int) {
		t.Helper()
		if err := bob.Send(ctx, messages.TypeOffer, "alice", n); err != nil {
			t.Errorf("Send: %v", err)
		}
		if m, err := alice.Receive(ctx); err != nil || string(m.Payload) != fmt.Sprint(n) {
			t.Fatalf("Receive: %s, %v; wanted offer %d", m.Text, err, n)
		}
	}
	arrives(0)
	(<-first).Close()
	<-late.closed
	arrives(1)
	late.release(t)
	arrives(2)
	if n := attempts.Load(); n < 4 {
		t.Errorf("the client made %d connections; wanted another one behind the late attempt", n)
	}
	if err := alice.Send(ctx, messages.TypeOffer, "bob", 3); err != nil {
		t.Errorf("Send: %v", err)
	}
	if m, err := bob.Receive(ctx); err != nil || string(m.Payload) != "3" {
		t.Errorf("bob received %s, %v; wanted offer 3", m.Text, err)
	}
	if err := alice.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A service that restarts has forgotten its sessions. Its clients come back when they are told to, say that the session is lost, and
// go on.
func TestAServiceThatRestartsIsComeBackTo(t *testing.T) {
	_, before, stop := keepingService(t, 30*time.Second)
	_, after, _ := keepingService(t, 30*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var address atomic.Value
	address.Store(before)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address.Load().(string))
	}
	alice, err := client.Dial(ctx, "ws://service.test", client.WithKeep(), client.WithDialContext(dial))
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer alice.CloseNow()
	if err := errors.Join(alice.Login(ctx, "alice"), alice.Watch(ctx, "alice", "bob")); err != nil {
		t.Fatal(err)
	}
	present := func() {
		t.Helper()
		if m, err := alice.Receive(ctx); err != nil || fmt.Sprint(m.Type, m.Online, m.Offline) != "presence[alice] [bob]" {
			t.Fatalf("Receive: %s, %v; wanted alice online and bob offline", m.Text, err)
		}
	}
	present()
	address.Store(after)
	stop()
	var lost *client.SessionLostError
	if _, err := alice.Receive(ctx); !errors.As(err, &lost) || lost.Err != nil {
		t.Fatalf("Receive: %v; wanted the loss of the session, and the client to go on", err)
	}
	present()
	if err := alice.Send(ctx, messages.TypeOffer, "alice", 1); err != nil {
		t.Errorf("Send: %v", err)
	}
	if m, err := alice.Receive(ctx); err != nil || m.Type != "offer" {
		t.Errorf("Receive: %s, %v; wanted the offer", m.Text, err)
	}
	if err := alice.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
