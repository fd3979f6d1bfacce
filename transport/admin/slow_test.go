package admin_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/admin"
	"p2p-messaging/transport/internal/memnet"
)

// The port takes few connections at once. Nobody may keep one by a body that does not come.
func TestARequestWhoseBodyDoesNotComeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := slog.New(slog.DiscardHandler)
		system := actors.NewSystem(actors.Options{Logger: logger})
		o := transport.DefaultOptions()
		o.Logger = logger
		server, err := transport.New(system, o)
		if err != nil {
			t.Fatal(err)
		}
		l := memnet.Listen(64 << 10)
		stop := admin.Start(l, admin.Service{System: system, Server: server, Ready: func() bool { return true }}, admin.Options{Logger: logger, Sessions: true})
		for _, request := range []string{"GET /healthz", "GET /metrics", "GET /nowhere", "DELETE /sessions/alice", "POST /debug/pprof/symbol", "GET /debug/pprof/cmdline"} {
			c, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
			if _, err := io.WriteString(c, request+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("%s: after five minutes the connection is open: %v", request, err)
			}
			c.Close()
		}
		// A profile may take longer than any body.
		c, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /debug/pprof/heap?seconds=120 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("a profile is answered with %s, %v", answer.Status, err)
		}
		if took := time.Since(begun); took < 2*time.Minute {
			t.Errorf("a profile of two minutes took %v", took)
		}
		c.Close()
		stop()
		if err := server.Shutdown(context.Background()); err != nil && !strings.Contains(err.Error(), "closed") {
			t.Error(err)
		}
		if err := system.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
