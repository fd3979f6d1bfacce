package web_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/web"
)

// service is the real one, in this process.
type service struct {
	t       testing.TB
	address string // host:port
	// listen opens the service's socket.
	listen func(network, address string) (net.Listener, error)
	adjust []func(*transport.Options) // its options
	// sessions are the options of its sessions. By default it keeps none that has lost its connection.
	sessions actors.Options
	system   *actors.System
	server   *transport.Server
	ended    chan error
	log      lockedBuffer // warnings and errors of the service
}

// startService starts a service that ends with the test, and in which nothing may go wrong meanwhile.
func startService(t testing.TB) *service {
	t.Helper()
	return startServiceWith(t, actors.Options{})
}

// startServiceWith does the same, with options of its sessions.
func startServiceWith(t testing.TB, sessions actors.Options) *service {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: without browsers")
	}
	first := listenAgain(t)
	listen := func(network, address string) (listener net.Listener, err error) {
		if listener, first = first, nil; listener != nil {
			return listener, nil
		}
		return net.Listen(network, address)
	}
	return startServiceAt(t, first.Addr().String(), listen, sessions)
}

// addresses are those at which services of earlier tests have listened. Services of later tests listen there again: a tab that has shown
// the page at an address has its scripts compiled.
var addresses pool[string]

// spent are the addresses that no other test uses, because a browser keeps the data of their pages.
var spent sync.Map

// spend keeps the address in a URL from later tests.
func spend(url string) {
	if origin, err := originOf(url); err == nil {
		spent.Store(strings.TrimPrefix(origin, "http://"), true)
	}
}

// listenAgain listens where an earlier service was, or at a port that the system chooses. Other tests get the address when the test has
// ended and its pages are gone.
func listenAgain(t testing.TB) (listener net.Listener) {
	t.Helper()
	_, ok := addresses.take(func(address string) (ok bool) {
		var err error
		listener, err = net.Listen("tcp", address) // Another program may have it meanwhile.
		return err == nil
	})
	if !ok {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	address := listener.Addr().String()
	t.Cleanup(func() {
		if _, ok := spent.Load(address); !ok && !t.Failed() {
			addresses.put(address)
		}
	})
	return listener
}

// startKeepingService starts a service that keeps sessions for so long.
func startKeepingService(t testing.TB, window time.Duration) *service {
	t.Helper()
	return startServiceWith(t, actors.Options{ResumeWindow: window})
}

// startServiceAt does the same, at an address for which listen opens the socket, with options that adjust sets.
func startServiceAt(
	t testing.TB, address string, listen func(network, address string) (net.Listener, error), sessions actors.Options,
	adjust ...func(*transport.Options),
) *service {
	t.Helper()
	s := &service{t: t, address: address, listen: listen, sessions: sessions, adjust: adjust}
	s.start()
	t.Cleanup(func() {
		s.stop()
		if logged := s.log.String(); strings.Contains(logged, "level=ERROR") {
			t.Errorf("the service has logged errors:\n%s", logged)
		}
	})
	return s
}

// lockedBuffer is a buffer that may be read while others write.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// start listens where the service has listened before, if it has. Meanwhile another program may have got the port, for a
// connection mostly.
func (s *service) start() {
	s.t.Helper()
	listener, err := s.listen("tcp", s.address)
	for late := time.Now().Add(patience); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
		listener, err = s.listen("tcp", s.address)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	logger := slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sessions := s.sessions
	sessions.Logger = logger
	s.system = actors.NewSystem(sessions)
	options := transport.DefaultOptions()
	options.Logger = logger
	options.Page = web.Files()
	for _, set := range s.adjust {
		set(&options)
	}
	s.server, err = transport.New(s.system, options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.server.Serve(listener) }()
}

// stop ends the service; it is safe to call twice.
func (s *service) stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("shut the service down: %v", err)
	}
	if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
		s.t.Errorf("the service ended with %v, want %v", err, http.ErrServerClosed)
	}
	if err := s.system.Stop(ctx); err != nil {
		s.t.Errorf("stop the actors: %v", err)
	}
	s.server = nil
}

func (s *service) url() string { return "http://" + s.address + "/" }

// open opens the page from the service and joins.
func (s *service) open(login string) *page {
	s.t.Helper()
	p := newPage(s.t, login, s.url())
	p.join(login)
	return p
}

// openFrom does the same, with the page from disk where that is wanted.
func (s *service) openFrom(login string, disk bool) *page {
	s.t.Helper()
	if !disk {
		return s.open(login)
	}
	p := newPage(s.t, login, fromDisk(s.t, "index.html", s.address))
	p.join(login)
	return p
}

// pair opens two pages that are connected.
func (s *service) pair() (alice, bob *page) {
	s.t.Helper()
	alice, bob = s.open("alice"), s.open("bob")
	alice.meets(bob)
	return alice, bob
}
