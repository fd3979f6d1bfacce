package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/internal/memnet"
)

// service runs a service that wants tokens, over a network in memory.
type service struct {
	*actors.System
	network *memnet.Listener
}

func serveTokens(t *testing.T, o actors.Options) *service {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	a, _ := start(t, Options{SecretFile: write(t, "secret", []byte(testSecret))})
	o.Authenticate = a.Func()
	s := &service{actors.NewSystem(o), memnet.Listen(64 << 10)}
	options := transport.DefaultOptions()
	options.Logger = o.Logger
	server, err := transport.New(s.System, options)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.network) }()
	t.Cleanup(func() {
		_ = server.Shutdown(context.Background())
		_ = s.Stop(context.Background())
		<-ended
	})
	return s
}

func (s *service) dial(t *testing.T, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), "ws://service.test/ws", append(options, client.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
		return s.network.Dial()
	}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseNow)
	return c
}

// fresh returns tokens that hold for d.
func fresh(t *testing.T, d time.Duration, asked *atomic.Int64) client.Option {
	return client.WithToken(func(_ context.Context, login string) (string, error) {
		asked.Add(1)
		return hs256(t, said{"sub": login, "exp": in(d)}), nil
	})
}

// hears returns the numbers of the offers that a client receives until n have come.
func hears(t *testing.T, c *client.Client, n int) {
	t.Helper()
	for want := range n {
		for {
			m, err := c.Receive(t.Context())
			if err != nil {
				t.Fatalf("before offer %d: %v", want, err)
			}
			if m.Type == "token" && m.Err() == nil {
				continue
			}
			if string(m.Payload) != fmt.Sprint(want) {
				t.Fatalf("got %s, want offer %d", m.Text, want)
			}
			break
		}
	}
}

func TestAClientWithTokensStaysLoggedIn(t *testing.T) {
	for name, options := range map[string][]client.Option{"kept": {client.WithKeep()}, "not kept": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveTokens(t, actors.Options{ResumeWindow: 30 * time.Second})
				var asked atomic.Int64
				alice := s.dial(t, append(options, fresh(t, time.Minute, &asked))...)
				bob := s.dial(t, append(options, fresh(t, time.Minute, &asked))...)
				for login, c := range map[string]*client.Client{"alice": alice, "bob": bob} {
					if err := c.Login(t.Context(), login); err != nil {
						t.Fatal(err)
					}
				}
				for n := range 20 {
					if err := alice.Send(t.Context(), messages.TypeOffer, "bob", n); err != nil {
						t.Fatal(err)
					}
					time.Sleep(30 * time.Second)
				}
				hears(t, bob, 20)
				if err := errors.Join(alice.Err(), bob.Err()); err != nil {
					t.Error(err)
				}
				if n := asked.Load(); n < 2*10 || n > 2*16 {
					t.Errorf("%d tokens were made in ten minutes", n)
				}
			})
		})
	}
}

func TestAClientWhoseTokenHasEndedComesBackAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTokens(t, actors.Options{ResumeWindow: time.Minute}) // the client waits up to 30 s between two attempts
		var asked atomic.Int64
		var down atomic.Bool
		alice := s.dial(t, fresh(t, time.Hour, &asked))
		bob := s.dial(t, client.WithKeep(), client.WithToken(func(_ context.Context, login string) (string, error) {
			if down.Load() {
				return "", errors.New("the application's server is down")
			}
			return hs256(t, said{"sub": login, "exp": in(time.Minute)}), nil
		}))
		if err := errors.Join(alice.Login(t.Context(), "alice"), bob.Login(t.Context(), "bob")); err != nil {
			t.Fatal(err)
		}
		down.Store(true)
		time.Sleep(time.Minute + time.Second) // closed with 4002
		for n := range 3 {
			if err := alice.Send(t.Context(), messages.TypeOffer, "bob", n); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		down.Store(false)
		hears(t, bob, 3)
		if n := s.Sessions(); n != 2 || bob.Err() != nil {
			t.Errorf("%d sessions, %v", n, bob.Err())
		}
	})
}

func TestAClientWhoseTokensAreRefusedGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTokens(t, actors.Options{ResumeWindow: 30 * time.Second})
		var stolen atomic.Bool
		bob := s.dial(t, client.WithKeep(), client.WithToken(func(_ context.Context, login string) (string, error) {
			if stolen.Load() {
				login = "somebody else"
			}
			return hs256(t, said{"sub": login, "exp": in(time.Minute)}), nil
		}))
		if err := bob.Login(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		stolen.Store(true)
		var refused *client.RefusedError
		for {
			m, err := bob.Receive(t.Context())
			if err == nil && m.Type == "token" && m.Err() != nil {
				continue
			}
			if !errors.As(err, &refused) || refused.Code != messages.CodeAuthFailed {
				t.Fatalf("%s, %v; want a refusal", m.Text, err)
			}
			break
		}
	})
}

func TestWithoutATokenNobodyLogsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTokens(t, actors.Options{ICEServers: func(string) []messages.ICEServer {
			t.Error("somebody without a login was offered servers")
			return nil
		}})
		var refused *client.RefusedError
		if err := s.dial(t).Login(t.Context(), "alice"); !errors.As(err, &refused) || refused.Code != messages.CodeAuthRequired {
			t.Errorf("without a token: %v", err)
		}
		c := s.dial(t, client.WithToken(func(context.Context, string) (string, error) { return "a.b.c", nil }))
		if err := c.Login(t.Context(), "alice"); !errors.As(err, &refused) || refused.Code != messages.CodeAuthFailed {
			t.Errorf("with a bad token: %v", err)
		}
		c = s.dial(t, client.WithToken(func(context.Context, string) (string, error) { return "", io.ErrUnexpectedEOF }))
		if err := c.Login(t.Context(), "alice"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("with no token to have: %v", err)
		}
		if n := s.Sessions(); n != 0 {
			t.Errorf("there are %d sessions", n)
		}
	})
}
