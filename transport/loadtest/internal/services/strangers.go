package services

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lxzan/gws"
)

// Raw accepts TCP connections and calls handle for each of them. Handle must return before the test ends.
func Raw(t *testing.T, handle func(conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "ws://" + listener.Addr().String() + "/ws"
}

// httpService is a web server without WebSocket.
func httpService(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
}

// Answering is a service that answers every login with the same text.
func Answering(t *testing.T, answer string) string {
	t.Helper()
	return NewRelay(t, None, 0, 0, func(s *Relay) {
		s.Rules.AnswerLogin = func(string) string { return answer }
	}).URL
}

// ClosedPort returns the URL of a port that nothing listens on.
func ClosedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "ws://" + listener.Addr().String() + "/ws"
}

// Drain reads until the other side closes the connection.
func Drain(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// Stranger is a server that does not speak the protocol.
type Stranger struct {
	Name  string
	Serve func(t *testing.T) string // starts the server, which ends with the test, and returns its URL
	Want  string                    // what the tool must say about it
}

// status is a web server that answers everything with an HTTP status.
func status(code int) func(t *testing.T) string {
	return func(t *testing.T) string {
		return httpService(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
}

// Strangers returns servers that do not speak the protocol.
func Strangers() []Stranger {
	return []Stranger{
		{"nothing listens", ClosedPort, "nothing listens there"},
		{"a web server", func(t *testing.T) string {
			return httpService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
		}, "HTTP status 200"},
		{"a web server without that path", func(t *testing.T) string { return httpService(t, http.NotFound) }, "no WebSocket at that path"},
		{"a web server that redirects", func(t *testing.T) string {
			return httpService(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://a.test/", http.StatusMovedPermanently)
			})
		}, "HTTP status 301"},
		{"a web server that refuses the upgrade", status(400), "Upgrade and Connection (HTTP status 400)"},
		{"a proxy that wants a password", status(401), "a user and a password: if it is a proxy, go around it (HTTP status 401)"},
		{"a proxy that forbids it", status(403), "forbids it: let it take clients that are no browsers (HTTP status 403)"},
		{"a proxy without a service", status(502), "a proxy there does not reach the service: start the service behind it (HTTP status 502)"},
		{"a full service", status(503), "is full, or a proxy there does not reach it"},
		{"a proxy whose service is silent", status(504), "does not reach the service"},
		{"a web server that fails", status(500), "look at its log (HTTP status 500)"},
		{"TLS", func(t *testing.T) string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			t.Cleanup(server.Close)
			return "ws" + strings.TrimPrefix(server.URL, "https") + "/ws"
		}, "this port speaks TLS: give wss://127.0.0.1:"},
		{"no HTTP", func(t *testing.T) string {
			return Raw(t, func(c net.Conn) {
				_, _ = io.WriteString(c, "SSH-2.0-Example\r\n")
				Drain(c)
			})
		}, "no HTTP"},
		{"an answer that never ends", func(t *testing.T) string {
			return Raw(t, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nX: "+strings.Repeat("x", 100<<10))
				Drain(c)
			})
		}, "too long"},
		{"closes at once", func(t *testing.T) string { return Raw(t, func(net.Conn) {}) }, "ended the connection"},
		{"a wrong key", func(t *testing.T) string {
			return Raw(t, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n")
				Drain(c)
			})
		}, "no service of this protocol"},
		{"answers a login with a word", func(t *testing.T) string { return Answering(t, "hello") }, "answered with something else"},
		{"answers a login with another type", func(t *testing.T) string { return Answering(t, `{"type":"welcome"}`) }, "answered with something else"},
		{"answers a login without saying how it went", func(t *testing.T) string { return Answering(t, `{"type":"login"}`) }, "answered with something else"},
		{"answers a login with a megabyte", func(t *testing.T) string { return Answering(t, strings.Repeat("x", 1<<20)) }, "answered with something else"},
		{"answers a login with more than anybody needs", func(t *testing.T) string { return Answering(t, strings.Repeat("x", 2<<20)) }, "too long"},
		{"refuses a login", func(t *testing.T) string {
			return Answering(t, `{"type":"login","success":false,"code":"auth-required","message":"A token is needed."}`)
		}, "auth-required"},
		{"refuses a login without a code", func(t *testing.T) string { return Answering(t, `{"type":"login","success":false}`) }, "login is refused"},
		{"answers a login with an error", func(t *testing.T) string { return Answering(t, `{"type":"error","message":"Unrecognized command"}`) }, "login is refused"},
		{"closes at a login", func(t *testing.T) string {
			return NewRelay(t, None, 0, 0, func(s *Relay) {
				s.Rules.LoggingIn = func(c *gws.Conn) { _ = c.WriteClose(1008, []byte("go away")) }
				s.Rules.AnswerLogin = func(string) string { return "" }
			}).URL
		}, "code 1008"},
	}
}
