package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport"
	"p2p-messaging/transport/client"
)

// start runs a service on a free port of this machine.
func start(t *testing.T) (*Service, net.Listener) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	system := actors.NewSystem(actors.Options{Logger: logger, ResumeWindow: actors.DefaultResumeWindow})
	o := transport.DefaultOptions()
	o.Logger = logger
	o.RetrySpread = 200 * time.Millisecond
	server, err := transport.New(system, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return Start(logger, system, server, l), l
}

// Two services stand behind a proxy and are restarted one after the other. All clients are back each time.
func TestARollingRestartLosesNoClient(t *testing.T) {
	const clients = 100
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var serving atomic.Pointer[net.Addr] // the one that the proxy chooses
	serve := func() *Service {
		s, l := start(t)
		address := l.Addr()
		serving.Store(&address)
		return s
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, (*serving.Load()).String())
	}
	first := serve()
	back := make(chan error, clients)
	for i := range clients {
		c, err := client.Dial(ctx, "ws://service.test", client.WithKeep(), client.WithDialContext(dial))
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := c.Login(ctx, fmt.Sprint("login", i)); err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				_, err := c.Receive(ctx)
				if _, begunAgain := errors.AsType[*client.SessionLostError](err); !begunAgain || ctx.Err() != nil {
					return
				}
				back <- err
			}
		}()
	}
	for range 2 {
		next := serve()
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		for range clients {
			select {
			case <-back:
			case <-ctx.Done():
				t.Fatal("not all clients have come back")
			}
		}
		if n := next.system.Sessions(); n != clients {
			t.Errorf("%d clients are back, want %d", n, clients)
		}
		first = next
	}
	cancel()
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
}

func TestItServesUntilItIsStoppedAndTellsItsClients(t *testing.T) {
	s, l := start(t)
	c, err := client.Dial(t.Context(), "ws://"+l.Addr().String())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer c.CloseNow()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Wait(ctx)
	if err := c.Login(t.Context(), "alice"); err != nil {
		t.Errorf("Login after Wait: %v; wanted the service to go on until Stop", err)
	}
	if !s.Ready() {
		t.Error("it is not ready before Stop")
	}
	if err := s.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if s.Ready() {
		t.Error("it is ready after Stop")
	}
	<-c.Done()
	var closed *client.CloseError
	if err := c.Err(); !errors.As(err, &closed) || closed.Code != messages.CloseServiceRestart {
		t.Errorf("the connection ended with %v; wanted 1012", err)
	}
}

func TestAFailureToServeEndsTheWaitAndIsReported(t *testing.T) {
	s, l := start(t)
	l.Close()
	s.Wait(t.Context())
	if s.Ready() {
		t.Error("it is ready, and does not serve")
	}
	if err := s.Stop(); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serving: ") {
		t.Errorf("Stop: %v; wanted that the listener was closed", err)
	}
}

func TestAnnounceNamesTheHostOrLocalhost(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1": "http://127.0.0.1:80/", "[::1]": "http://[::1]:80/", "::1": "http://[::1]:80/", "chat.test": "http://chat.test:80/",
		"": "http://localhost:80/", "0.0.0.0": "http://localhost:80/", "[::]": "http://localhost:80/",
	} {
		var out bytes.Buffer
		Announce(&out, host, 80)
		first, others, _ := strings.Cut(out.String(), "\n")
		if first != "P2P Messaging is ready: open "+want+" in two browser windows" {
			t.Errorf("with host %q it prints %q; wanted %s", host, first, want)
		}
		if !strings.Contains(want, "localhost") && others != "" {
			t.Errorf("with host %q it prints also %q; wanted no other address", host, others)
		}
		for line := range strings.Lines(others) {
			if !regexp.MustCompile(`^From other devices on this network: http://[0-9.]+:80/\n$`).MatchString(line) {
				t.Errorf("with host %q it prints the line %q; wanted an address of this machine", host, line)
			}
		}
	}
}

func TestAnnounceOfAServiceWithTLSNamesItsCertificates(t *testing.T) {
	for _, c := range []struct {
		port  int
		names []string
		want  string
	}{
		{443, []string{"chat.test"}, "P2P Messaging is ready: open https://chat.test/ in two browser windows\n"},
		{8443, []string{"chat.test", "::1"}, "P2P Messaging is ready: open https://chat.test:8443/ in two browser windows\nIt is also at https://[::1]:8443/\n"},
		{443, []string{"::1"}, "P2P Messaging is ready: open https://[::1]/ in two browser windows\n"},
	} {
		var out bytes.Buffer
		if Announce(&out, "", c.port, c.names...); out.String() != c.want {
			t.Errorf("for %q and port %d it prints %q; wanted %q", c.names, c.port, out.String(), c.want)
		}
	}
}

func TestTheCollectorIsSetUnlessGOGCIs(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	for _, c := range []struct {
		gogc string
		want int
	}{{"100", 77}, {"", collectorPercent}} {
		t.Setenv("GOGC", c.gogc)
		SetCollector()
		if got := debug.SetGCPercent(77); got != c.want {
			t.Errorf("with GOGC=%q the collector is at %d %%; wanted %d", c.gogc, got, c.want)
		}
	}
}
