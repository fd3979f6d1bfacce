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

// patience bounds waits that succeed at once when all is well.
const Patience = 30 * time.Second

// serve starts a service on a loopback socket, which ends with the test, and returns its URL.
func Serve(t testing.TB, change ...func(*transport.Options)) string {
	t.Helper()
	url, _ := Stoppable(t, change...)
	return url
}

// stoppable starts such a service that can be stopped before.
func Stoppable(t testing.TB, change ...func(*transport.Options)) (url string, stop func()) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	system := actors.NewSystem(actors.Options{Logger: logger})
	o := transport.DefaultOptions()
	o.Logger, o.Rate = logger, 0
	for _, f := range change {
		f(&o)
	}
	server, err := transport.New(system, o)
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
	return "ws://" + l.Addr().String() + "/ws", stop
}
