// Package services has the services that the load tool is tested against: this project's own, a relay that may cheat, and
// servers of other protocols.
package services

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// Patience bounds waits that end at once if all is well.
const Patience = 30 * time.Second

// Serve starts this project's service on a loopback socket. It returns the URL. The service ends with the test.
func Serve(t testing.TB, change ...func(*transport.Options)) string {
	t.Helper()
	url, _ := Stoppable(t, change...)
	return url
}

// Stoppable starts a service as Serve does. The test may stop it before its end.
func Stoppable(t testing.TB, change ...func(*transport.Options)) (url string, stop func()) {
	t.Helper()
	_, url, stop = start(t, actors.Options{}, change...)
	return url, stop
}

// Counting starts a service as Serve does. Sessions returns how many sessions it has. It keeps those that ask for it much longer
// than a test takes.
func Counting(t testing.TB) (url string, sessions func() int) {
	t.Helper()
	system, url, _ := start(t, actors.Options{})
	return url, system.Sessions
}

// Wanting starts a service as Serve does, which takes a login only if a token holds for it.
func Wanting(t testing.TB, holds func(login, token string) bool) (url string) {
	t.Helper()
	_, url, _ = start(t, actors.Options{Authenticate: func(q actors.Question, decide func(actors.Verdict)) {
		v := actors.Verdict{}
		if !holds(q.Login.Shown, q.Token) {
			v.Refusal = "This token does not hold."
		}
		decide(v)
	}})
	return url
}

func start(t testing.TB, o actors.Options, change ...func(*transport.Options)) (system *actors.System, url string, stop func()) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	o.Logger, o.ResumeWindow = logger, time.Hour
	system = actors.NewSystem(o)
	outside := transport.DefaultOptions()
	outside.Logger, outside.Rate = logger, 0
	for _, f := range change {
		f(&outside)
	}
	server, err := transport.New(system, outside)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shut the service down: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the service ended with %v", err)
		}
		if err := system.Stop(ctx); err != nil {
			t.Errorf("stop the actors: %v", err)
		}
	})
	t.Cleanup(stop)
	return system, "ws://" + l.Addr().String() + "/ws", stop
}
