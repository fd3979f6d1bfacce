package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/web"
)

// service is the real one, in this process.
type service struct {
	t       *testing.T
	address string // host:port
	system  *actors.System
	server  *transport.Server
	ended   chan error
}

func startService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// start listens where the service has listened before, if it has.
func (s *service) start() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	s.system = actors.NewSystem(actors.Options{Logger: logger})
	options := transport.DefaultOptions()
	options.Logger = logger
	options.Page = web.Files()
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

// pair opens two pages that are connected.
func (s *service) pair() (alice, bob *page) {
	s.t.Helper()
	alice, bob = s.open("alice"), s.open("bob")
	alice.connectTo("bob")
	alice.connected("bob")
	bob.connected("alice")
	return alice, bob
}
