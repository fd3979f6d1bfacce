package transport_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

const (
	proxyV1 = "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n"
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x0a\x00\x00\x01\x12\x67\x01\xbb"
	// localV2 is what a proxy sends that looks whether the service is there.
	localV2 = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// byPROXY makes a service expect PROXY headers from this address.
func byPROXY(address string) func(*transport.Options) {
	return func(o *transport.Options) {
		trust(address)(o)
		o.ProxyProtocol = true
	}
}

// eachListener runs a test for each way in which a connection begins and is carried.
func eachListener(t *testing.T, test func(*testing.T, carrier)) {
	eachCarrier(t, test)
	t.Run("goroutines over TLS", func(t *testing.T) {
		test(t, carrier{set: transport.CarryByGoroutines, secure: true})
	})
}

// headed is the socket of a proxy. It writes head before the first bytes.
type headed struct {
	net.Conn
	head     string
	together bool // in the same write
}

func (h *headed) Write(b []byte) (int, error) {
	head := h.head
	h.head = ""
	if h.together {
		_, err := h.Conn.Write(append([]byte(head), b...))
		return len(b), err
	}
	for i := range len(head) {
		if _, err := h.Conn.Write([]byte{head[i]}); err != nil {
			return 0, err
		}
	}
	return h.Conn.Write(b)
}

// dialBehind opens a connection that begins with head, and then with TLS if the service speaks it.
func (s *service) dialBehind(t testing.TB, head string, together bool) net.Conn {
	t.Helper()
	socket, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	_ = socket.SetDeadline(time.Now().Add(patience))
	c := &headed{socket, head, together}
	if s.scheme == "wss://" {
		return tls.Client(c, trusting)
	}
	return c
}

// refused sends a request for a WebSocket from a page of another site, and returns what is logged of the client.
func (s *service) refused(t testing.TB, socket net.Conn, lines ...string) string {
	t.Helper()
	s.log.clear()
	write(t, socket, []byte(asked(append(lines, "Origin: https://evil.example")...)))
	response, err := http.ReadResponse(bufio.NewReader(socket), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Fatalf("answered with %s, want 403", response.Status)
	}
	return strings.Join(s.log.warnings(), "\n")
}

func TestAClientBehindThePROXYProtocolIsServed(t *testing.T) {
	eachListener(t, func(t *testing.T, by carrier) {
		for name, head := range map[string]string{"version 1": proxyV1, "version 2": proxyV2, "no address": "PROXY UNKNOWN\r\n", "the proxy itself": localV2} {
			for _, together := range []bool{true, false} {
				t.Run(fmt.Sprint(name, together), func(t *testing.T) {
					s := by.listen(t, byPROXY("127.0.0.1"), withPage)
					c, err := rawws.Open(s.dialBehind(t, head, together), rawws.Request("/ws", s.host), rawws.Message(loginFrame)...)
					if err != nil {
						t.Fatal(err)
					}
					wantText(t, c, loginAccepted)

					page := s.dialBehind(t, head, together)
					write(t, page, []byte("GET / HTTP/1.1\r\nHost: service.test\r\n\r\n"))
					reader := bufio.NewReader(page)
					response, err := http.ReadResponse(reader, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, response.Body)
					if response.StatusCode != http.StatusOK {
						t.Errorf("the page: %s", response.Status)
					}
					// The same connection may open a WebSocket then.
					request := asked()
					write(t, page, []byte(request[:20]))
					write(t, page, []byte(request[20:]+string(rawws.Message("{}"))))
					if response, err = http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
						t.Fatalf("a WebSocket behind the page: %v, %v", response, err)
					}
					if opcode, err := reader.ReadByte(); opcode != 0x81 || err != nil {
						t.Errorf("the answer to a message begins with %#x, %v", opcode, err)
					}

					want := "client=203.0.113.9"
					if !strings.Contains(head, "TCP4") && head != proxyV2 {
						want = "client=127.0.0.1"
					}
					if logged := s.refused(t, s.dialBehind(t, head, together)); !strings.Contains(logged, want) {
						t.Errorf("logged %q, want %q", logged, want)
					}
				})
			}
		}
	})
}

func TestHeadersOfAClientBehindThePROXYProtocolDoNotCount(t *testing.T) {
	s := onLoops.listen(t, byPROXY("127.0.0.1"))
	forged := []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: evil.example"}
	if logged := s.refused(t, s.dialBehind(t, proxyV1, true), forged...); !strings.Contains(logged, "client=203.0.113.9") {
		t.Errorf("logged %q, want the address in the PROXY header", logged)
	}
	// A proxy for HTTP in front of one for TCP is the client of that one.
	inner := strings.ReplaceAll(proxyV1, "203.0.113.9", "127.0.0.1")
	socket := s.dialBehind(t, inner, true)
	write(t, socket, []byte(asked("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: chat.example", "Origin: https://chat.example")))
	if response, err := http.ReadResponse(bufio.NewReader(socket), nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("through two proxies: %v, %v", response, err)
	}
}

// wantClosed expects that the service closes a connection without a word.
func wantClosed(t *testing.T, socket net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, socket); n > 0 || isTimeout(err) {
		t.Errorf("%d bytes came, then %v; want the connection closed", n, err)
	}
}

func isTimeout(err error) bool {
	failed, ok := err.(net.Error)
	return ok && failed.Timeout()
}

func TestConnectionsWhosePROXYHeaderIsWrongAreClosedAndLoggedOnce(t *testing.T) {
	const stranger, missing, malformed = "came from a stranger", "sent no PROXY header", "is malformed"
	eachListener(t, func(t *testing.T, by carrier) {
		for name, row := range map[string]struct {
			change func(*transport.Options)
			head   string
			log    string
			advice string
		}{
			"a stranger":            {byPROXY("127.0.0.2"), proxyV1, stranger, "--trusted-proxy 127.0.0.1"},
			"a stranger, version 2": {byPROXY("127.0.0.2"), proxyV2, stranger, "--trusted-proxy 127.0.0.1"},
			"none":                  {byPROXY("127.0.0.1"), asked(), missing, "proxy_protocol on"},
			"none, TLS":             {byPROXY("127.0.0.1"), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", missing, "proxy_protocol on"},
			"nonsense":              {byPROXY("127.0.0.1"), "PROXY TCP4 nonsense\r\n", malformed, "version 1 or 2"},
			"endless":               {byPROXY("127.0.0.1"), "PROXY UNKNOWN " + strings.Repeat("x", 10_000), malformed, "version 1 or 2"},
			"endless, version 2":    {byPROXY("127.0.0.1"), localV2[:14] + "\xff\xff" + strings.Repeat("x", 70_000), malformed, "version 1 or 2"},
		} {
			t.Run(name, func(t *testing.T) {
				s := by.listen(t, row.change)
				for range 3 {
					wantClosed(t, s.send(t, row.head))
				}
				logged := s.log.warnings()
				if len(logged) != 1 || !strings.Contains(logged[0], row.log) || !strings.Contains(logged[0], row.advice) || !strings.Contains(logged[0], "peer=127.0.0.1") {
					t.Errorf("logged %q, want one line with %q and %q", logged, row.log, row.advice)
				}
			})
		}
	})
}

// send opens a connection, and sends these bytes alone.
func (s *service) send(t testing.TB, b string) net.Conn {
	t.Helper()
	socket, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	_ = socket.SetDeadline(time.Now().Add(patience))
	_, _ = socket.Write([]byte(b)) // it fails if the service has closed the connection already
	return socket
}

func TestTheLogExplainsAPROXYHeaderThatNobodyExpects(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("net/http takes the connections here")
	}
	for _, by := range []carrier{onLoops, onLoopsOverTLS} {
		for _, head := range []string{proxyV1, proxyV2} {
			s := by.listen(t, trust("127.0.0.1"))
			// A connection that was accepted before its first bytes had come is answered by net/http.
			for begun := time.Now(); len(s.log.warnings()) == 0; {
				if time.Since(begun) > patience {
					t.Fatalf("nothing is logged about %q", head)
				}
				_, _ = io.Copy(io.Discard, s.send(t, head+asked()))
			}
			if logged := s.log.warnings()[0]; !strings.Contains(logged, "give --proxy-protocol and --trusted-proxy 127.0.0.1,") {
				t.Errorf("logged %q, want the flags that are missing", logged)
			}
		}
	}
}

func TestASlowPROXYHeaderEndsWithTheHandshakeTimeout(t *testing.T) {
	eachListener(t, func(t *testing.T, by carrier) {
		s := by.listen(t, byPROXY("127.0.0.1"), func(o *transport.Options) { o.HandshakeTimeout = 50 * time.Millisecond })
		var sockets []net.Conn
		for _, head := range []string{"", "P", proxyV1[:20], proxyV2[:15], proxyV1} {
			sockets = append(sockets, s.send(t, head))
		}
		for _, socket := range sockets {
			wantClosed(t, socket)
		}
		if logged := s.log.warnings(); len(logged) > 0 {
			t.Errorf("logged %q, want nothing: a proxy may look whether the port is open", logged)
		}
	})
}

func TestAStrangerWithoutAPROXYHeaderIsServedDirectly(t *testing.T) {
	eachListener(t, func(t *testing.T, by carrier) {
		s := by.listen(t, byPROXY("127.0.0.2"), withPage)
		s.login(t, "alice")
		if logged := s.refused(t, s.dialBehind(t, "", true)); !strings.Contains(logged, "client=127.0.0.1") {
			t.Errorf("logged %q, want the address of the socket", logged)
		}
	})
}

func TestAClientOfAProxySpeaksTLSToAPortWithoutTLS(t *testing.T) {
	s := onLoops.listen(t, byPROXY("127.0.0.1"))
	socket := s.dialBehind(t, proxyV1, true)
	write(t, socket, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
	if answer, _ := io.ReadAll(socket); !strings.Contains(string(answer), "This port does not speak TLS.") {
		t.Errorf("answered with %q", answer)
	}
	s.log.clear()
}

func TestAnIdleConnectionBehindThePROXYProtocolHasNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no loops here")
	}
	for _, by := range []carrier{onLoops, onLoopsOverTLS} {
		s := by.listen(t, byPROXY("127.0.0.1"))
		open := func() {
			c, err := rawws.Open(s.dialBehind(t, proxyV2, true), rawws.Request("/ws", s.host))
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, rawws.Message("{}"))
			if _, err := c.ReadText(); err != nil {
				t.Fatal(err)
			}
		}
		open() // it starts the loops and the sweep
		before := runtime.NumGoroutine()
		for range 50 {
			open()
		}
		for begun := time.Now(); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Since(begun) > patience {
				t.Fatalf("%d goroutines for 50 more connections, want none", runtime.NumGoroutine()-before)
			}
		}
		if taken := transport.PlacesTaken(s.Server); taken != 51 {
			t.Errorf("%d places are taken, want 51", taken)
		}
	}
}
