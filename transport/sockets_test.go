package transport_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/internal/rawws"
)

// dialAll opens n clients at once.
func (s *service) dialAll(t *testing.T, n int) []*client.Client {
	t.Helper()
	ctx, cancel := contextFor(t, patience)
	defer cancel()
	clients := make([]*client.Client, n)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			c, err := client.Dial(ctx, s.scheme+s.host+"/ws", client.WithTLSConfig(trusting))
			if err != nil {
				t.Error(err)
				return
			}
			clients[i] = c
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, c := range clients {
			if c != nil {
				wg.Go(c.CloseNow)
			}
		}
		wg.Wait()
	})
	if t.Failed() {
		t.FailNow()
	}
	return clients
}

func TestOfHundredsRacingForOneLoginExactlyOneGetsIt(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		clients := s.dialAll(t, 300)
		ctx, cancel := contextFor(t, patience)
		defer cancel()
		for round := range 3 {
			var winners atomic.Int64
			var winner atomic.Pointer[client.Client]
			start := make(chan struct{})
			var wg sync.WaitGroup
			for _, c := range clients {
				wg.Go(func() {
					<-start
					err := c.Login(ctx, "alice")
					refused, ok := errors.AsType[*client.RefusedError](err)
					switch {
					case err == nil:
						winners.Add(1)
						winner.Store(c)
					case !ok || refused.Code != messages.CodeLoginTaken:
						t.Errorf("login: %v, want it accepted or refused with %s", err, messages.CodeLoginTaken)
					}
				})
			}
			close(start)
			wg.Wait()
			if n := winners.Load(); n != 1 {
				t.Fatalf("round %d: %d clients got the login, want 1", round, n)
			}
			if err := winner.Load().Logout(ctx); err != nil {
				t.Fatal(err)
			}
			// The service answers this login only after it has acted on the logout.
			if err := winner.Load().Login(ctx, "somebody else"); err != nil {
				t.Fatal(err)
			}
			if err := winner.Load().Logout(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestALoginIsGivenUpAndTakenAgainOverAndOver(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		const rounds = 1000
		c := s.connect(t)
		var frames []byte
		for range rounds {
			frames = append(frames, rawws.Message(loginFrame)...)
			frames = append(frames, rawws.Message(`{"type":"logout","login":"alice"}`)...)
		}
		feed(t, c, func(yield func([]byte) bool) { yield(frames) })
		for range rounds {
			wantText(t, c, loginAccepted)
		}

		// Now two connections take turns. Each logs in after the other has given up the login.
		clients := s.dialAll(t, 2)
		ctx, cancel := contextFor(t, patience)
		defer cancel()
		for i := range rounds / 4 {
			c := clients[i%2]
			if err := c.Logout(ctx); i > 1 && err != nil {
				t.Fatal(err)
			}
			if err := c.Login(ctx, "bob"); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
			if err := c.Logout(ctx); err != nil {
				t.Fatal(err)
			}
			if err := c.Login(ctx, fmt.Sprint("waiting", i%2)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestALoginIsFreeOnceItsConnectionHasClosed(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		for range 200 {
			c := s.login(t, "alice")
			write(t, c, rawws.CloseFrame(1000, ""))
			wantClose(t, c, 1000)
			c.Close()
		}
	})
}

func TestTwentyRefusedLoginsCloseTheConnection(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		s.login(t, "alice")
		c := s.connect(t)
		for range 25 {
			write(t, c, rawws.Message(loginFrame))
		}
		code, reason, texts, err := c.ReadClose()
		if code != 1008 || reason == "" || len(texts) != 20 || err != nil {
			t.Errorf("closed with %d %q after %d answers, %v; want 1008 after 20", code, reason, len(texts), err)
		}
	})
}

func TestLoginsThatNobodyShouldHaveAreRefusedWithAReason(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		for name, login := range map[string]string{
			"empty":               ``,
			"spaces":              `   `,
			"10,000 characters":   strings.Repeat("a", 10_000),
			"a control character": `a\u0007b`,
			"an invisible one":    "a\u200bb",
			"a line break":        `a\nb`,
		} {
			t.Run(name, func(t *testing.T) {
				c := s.connect(t)
				write(t, c, rawws.Message(`{"type":"login","login":"`+login+`"}`))
				got, err := c.ReadText()
				if err != nil || !strings.HasPrefix(got, `{"type":"login","success":false,"code":"login-invalid","message":"`) {
					t.Errorf("answered with %s, %v; want a refusal", got, err)
				}
			})
		}
	})
}

// What JSON's grammar lets through, and I-JSON does not, is a fault of the login and not of the message.
func TestALoginThatIJSONRefusesIsAnsweredAsALogin(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		c := s.connect(t)
		for login, character := range map[string]string{
			`a\uD800`:       "U+D800",
			`\uDC00\uD83D`:  "U+DC00",
			`\uFFFF`:        "U+FFFF",
			`\ud83f\udffe`:  "U+1FFFE",
			"a\uFDD0":       "U+FDD0",
			`\ufdd0\ud800a`: "U+FDD0",
		} {
			write(t, c, rawws.Message(`{"login":"`+login+`","x":[1],"type":"login"}`))
			got, err := c.ReadText()
			if err != nil || !strings.HasPrefix(got, `{"type":"login","success":false,"code":"malformed","message":"`+character+" (") {
				t.Errorf("%q: answered with %s, %v; want a refused login that names %s", login, got, err, character)
			}
		}
		for _, message := range []string{
			`{"type":"logout","login":"a\uD800"}`,          // no login
			`{"type":"login","login":"a\uD800","login":1}`, // wrong in another way too
			`{"type":"login","login":"a\uD800\x"}`,
			`{"type":"login","login":["\uD800"]}`,
			`{"type":"login","login":5}`,
		} {
			write(t, c, rawws.Message(message))
			got, err := c.ReadText()
			if err != nil || !strings.HasPrefix(got, `{"type":"error","code":"malformed"`) {
				t.Errorf("%s: answered with %s, %v; want an error", message, got, err)
			}
		}
		for range 20 {
			write(t, c, rawws.Message(`{"type":"login","login":"a\uD800"}`))
		}
		if code, _, _, err := c.ReadClose(); code != 1008 || err != nil {
			t.Errorf("closed with %d, %v; want 1008 after twenty refused logins", code, err)
		}
	})
}

// pairs makes clients relay frames to each other in pairs. Each pair relays at least least frames, and goes on until stop is
// closed. Each frame must arrive unchanged and in order.
func (s *service) pairs(t *testing.T, clients []*client.Client, least int, stop <-chan struct{}) {
	t.Helper()
	ctx, cancel := contextFor(t, 3*patience)
	defer cancel()
	var wg sync.WaitGroup
	for i := 0; i+1 < len(clients); i += 2 {
		a, b := clients[i], clients[i+1]
		names := [2]string{fmt.Sprint("pair a", i), fmt.Sprint("pair b", i)}
		if err := errors.Join(a.Login(ctx, names[0]), b.Login(ctx, names[1])); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			const window = 8
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for n, done := 0, false; n < least || !done; n += window {
				select {
				case <-stop:
					done = true
				default:
				}
				var sent []string
				for k := range window {
					text := fmt.Sprintf(`{"type":"offer","offer":{"n":%d,"x":"%s"},"from":"%s","to":"%s"}`,
						n+k, strings.Repeat("é", random.IntN(1500)), names[0], names[1])
					sent = append(sent, text)
					if err := a.SendText(ctx, []byte(text)); err != nil {
						t.Errorf("pair %d: %v", i, err)
						return
					}
				}
				for _, want := range sent {
					got, err := b.Receive(ctx)
					if err != nil || string(got.Text) != want {
						t.Errorf("pair %d received %.200s, %v\nwant %.200s", i, got.Text, err, want)
						return
					}
				}
				a, b = b, a
				names[0], names[1] = names[1], names[0]
			}
		})
	}
	wg.Wait()
}

func TestManyPairsRelayInOrderAndToTheByte(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		stop := make(chan struct{})
		close(stop)
		s.pairs(t, s.dialAll(t, 200), 32, stop)
	})
}

// closings is a listener that tells when the service has closed its end of a connection.
type closings struct {
	net.Listener
	byClient sync.Map // from a client's address to a chan struct{}
}

// of returns a channel that is closed with the connection of a client. The service has answered the client.
func (l *closings) of(client net.Addr) chan struct{} {
	closed, _ := l.byClient.Load(client.String())
	return closed.(chan struct{})
}

func (l *closings) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	closed := make(chan struct{})
	l.byClient.Store(c.RemoteAddr().String(), closed) // a client may have the port of one that has gone
	return closingConn{c.(*net.TCPConn), sync.OnceFunc(func() { close(closed) })}, nil
}

type closingConn struct {
	*net.TCPConn
	closed func()
}

func (c closingConn) Close() error {
	defer c.closed()
	return c.TCPConn.Close()
}

func TestConnectionsThatDropAbruptlyDisturbNobody(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		var l closings
		s := by.listenWith(t, func(inner net.Listener) net.Listener {
			l.Listener = inner
			return &l
		})
		const names, drops = 10, 10
		clients := s.dialAll(t, 16)
		ctx, cancel := contextFor(t, 3*patience)
		defer cancel()
		stop := make(chan struct{})
		var dropping sync.WaitGroup
		for i := range names {
			dropping.Go(func() {
				for range drops {
					c, err := s.connectAs(fmt.Sprint("dropping", i))
					if err != nil {
						t.Error(err)
						return
					}
					closed := l.of(c.LocalAddr())
					// The client stops in the middle of a frame. It does not read an answer that is on its way.
					_, _ = c.Write(append(rawws.Message("{}"), rawws.Message(offer("dropping", "pair a0", 2000))[:1000]...))
					_ = beneath(c).tcp().SetLinger(0) // Close resets the connection
					_ = c.Close()
					select {
					case <-closed:
					case <-ctx.Done():
						t.Error("the service did not close a connection that was reset")
						return
					}
					// The session may end a moment after its socket, if another goroutine still runs it.
					for login := fmt.Sprint("dropping", i); ctx.Err() == nil; runtime.Gosched() {
						if _, found := s.system.Find(login); !found {
							break
						}
					}
				}
			})
		}
		go func() {
			dropping.Wait()
			close(stop)
		}()
		s.pairs(t, clients, 1, stop)
		<-stop
		// Every login whose connection dropped is free again.
		for i := range names {
			c, err := s.connectAs(fmt.Sprint("dropping", i))
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
	})
}

// connectAs opens a raw connection and logs in. The login is in the same write as the handshake.
func (s *service) connectAs(login string) (*rawws.Conn, error) {
	socket, err := s.dial()
	if err != nil {
		return nil, err
	}
	c, err := rawws.Open(socket, rawws.Request("/", s.host), rawws.Message(`{"type":"login","login":"`+login+`"}`)...)
	if err != nil {
		socket.Close()
		return nil, err
	}
	if answer, err := c.ReadText(); answer != loginAccepted {
		socket.Close()
		return nil, fmt.Errorf("the login %q was answered with %q, %v", login, answer, err)
	}
	return c, nil
}

func TestWhoSendsToSomebodyGoneIsTold(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		a, b := s.login(t, "alice"), s.login(t, "bob")
		_ = beneath(b).tcp().SetLinger(0)
		b.Close()
		// The service takes frames for bob until it notices the reset. Then it refuses each frame, and also those that still
		// wait for him.
		for told := false; !told; {
			write(t, a, rawws.Message(offer("alice", "bob", 10)))
			write(t, a, rawws.Message("{}"))
			for code := ""; code != "malformed"; {
				got, err := a.ReadText()
				if err != nil {
					t.Fatal(err)
				}
				code = errorCode(got)
				switch {
				case code == "peer-unavailable" && strings.HasSuffix(got, `,"to":"bob"}`):
					told = true
				case code != "malformed":
					t.Fatalf("received %s, want peer-unavailable to bob", got)
				}
			}
		}
	})
}
