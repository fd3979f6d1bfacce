package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// Somebody brings tokens for which the operator's endpoint takes long, from one address and on many connections. Others log in
// meanwhile.
func TestSlowTokensOfOneAddressHoldUpNobodyElse(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "slow") {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
	a, _ := start(t, Options{URL: s.URL})
	logger := slog.New(slog.DiscardHandler)
	system := actors.NewSystem(actors.Options{Logger: logger, Authenticate: a.Func()})
	options := transport.DefaultOptions()
	options.Logger, options.TrustedProxies = logger, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	server, err := transport.New(system, options)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Shutdown(context.Background())
		_ = system.Stop(context.Background())
		<-ended
	})
	logIn := func(from, login, token string) *rawws.Conn {
		t.Helper()
		socket, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.Close() })
		c, err := rawws.Open(socket, rawws.Request("/ws", "service.test", "X-Forwarded-For: "+from))
		if err == nil {
			_, err = socket.Write(rawws.Message(fmt.Sprintf(`{"type":"login","login":%q,"token":%q}`, login, token)))
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var slow []*rawws.Conn
	for i := range 4 * endpointRequests {
		slow = append(slow, logIn(fmt.Sprintf("2001:db8:1:2::%x", i+1), fmt.Sprint("slow", i), "slow")) // one network of 64 bits
	}
	for s.asked.Load() < endpointRequests/2 {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	for i, from := range []string{"2001:db8:1:3::1", "203.0.113.9", "203.0.113.9", "203.0.113.10"} {
		if text, err := logIn(from, fmt.Sprint("quick", i), "quick").ReadText(); err != nil || !strings.Contains(text, `"success":true`) {
			t.Errorf("from %s: %s, %v", from, text, err)
		}
	}
	close(release)
	for i, c := range slow {
		if text, err := c.ReadText(); err != nil { // it says whether the token held
			t.Fatalf("slow %d: %s, %v", i, text, err)
		}
	}
}
