package transport_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// perAddress lets so many connections come from one address, of any kind.
func perAddress(most int) func(*transport.Options) {
	return func(o *transport.Options) {
		o.ConnectionsPerAddress = transport.AddressLimit{Most: most, Private: true}
	}
}

// caller is a client behind a proxy: what its connection begins with, and the headers of its request.
type caller struct {
	head  string
	lines []string
}

// open opens a WebSocket for a caller, or says how that is refused.
func (s *service) open(t testing.TB, from caller) (c *rawws.Conn, refused string) {
	t.Helper()
	c, err := rawws.Open(s.dialBehind(t, from.head, true), asked(from.lines...))
	if err != nil {
		return nil, err.Error()
	}
	return c, ""
}

// ways are the ways in which a service learns the address of a client. With each, from returns a client that has an address.
func ways() map[string]struct {
	options []func(*transport.Options)
	from    func(address string) caller
} {
	header := func(format string) func(string) caller {
		return func(address string) caller { return caller{lines: []string{fmt.Sprintf(format, address)}} }
	}
	bracketed := func(address string) string {
		if strings.Contains(address, ":") {
			return `"[` + address + `]"`
		}
		return address
	}
	proxied := []func(*transport.Options){trust("127.0.0.1")}
	return map[string]struct {
		options []func(*transport.Options)
		from    func(address string) caller
	}{
		"X-Forwarded-For": {proxied, header("X-Forwarded-For: %s")},
		"behind a client's own X-Forwarded-For": {proxied, func(address string) caller {
			return caller{lines: []string{fmt.Sprint("X-Forwarded-For: 198.51.100.", time.Now().UnixNano()%256, ", ", address)}}
		}},
		"Forwarded": {proxied, func(address string) caller {
			return caller{lines: []string{"Forwarded: for=" + bracketed(address) + ";proto=http"}}
		}},
		"PROXY protocol": {[]func(*transport.Options){byPROXY("127.0.0.1")}, func(address string) caller {
			family, own := "TCP4", "10.0.0.1"
			if strings.Contains(address, ":") {
				family, own = "TCP6", "fd00::1"
			}
			return caller{head: fmt.Sprintf("PROXY %s %s %s 4711 443\r\n", family, address, own)}
		}},
	}
}

func TestAnAddressHasABoundOfConnections(t *testing.T) {
	const most = 4
	const public, neighbour, sameNet, otherNet, private = "203.0.113.9", "203.0.113.10", "2001:db8:1:2::%x", "2001:db8:1:3::1", "10.1.2.3"
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			eachListener(t, func(t *testing.T, by carrier) {
				s := by.listen(t, append(way.options, func(o *transport.Options) { o.ConnectionsPerAddress.Most = most })...)
				for kind, address := range map[string]func(i int) string{
					"IPv4": func(int) string { return public },
					"IPv6": func(i int) string { return fmt.Sprintf(sameNet, i) },
				} {
					// Those without a login make room.
					var idle []*rawws.Conn
					for i := range most + 2 {
						c, refused := s.open(t, way.from(address(i)))
						if refused != "" {
							t.Fatalf("%s: connection %d is refused: %s", kind, i, refused)
						}
						idle = append(idle, c)
					}
					for _, c := range idle[:2] {
						if reason := wantClose(t, c, 1013); !strings.Contains(reason, "your network") {
							t.Errorf("%s: the reason is %q", kind, reason)
						}
					}
					for i, c := range idle[2:] {
						write(t, c, rawws.Message(fmt.Sprintf(`{"type":"login","login":"%s %d"}`, kind, i)))
						wantText(t, c, loginAccepted)
					}
					// Those with a login stay, and newcomers are refused in words.
					for i := range 3 {
						c, refused := s.open(t, way.from(address(100+i)))
						if c != nil {
							t.Fatalf("%s: there are %d connections of one address", kind, most+1)
						}
						if !strings.Contains(refused, "503") || !strings.Contains(refused, "your network") {
							t.Errorf("%s: %s", kind, refused)
						}
					}
					relays(t, idle[2], idle[3], kind+" 0", kind+" 1")
				}
				// Others do not notice.
				for _, address := range []string{neighbour, otherNet} {
					if _, refused := s.open(t, way.from(address)); refused != "" {
						t.Errorf("%s is refused: %s", address, refused)
					}
				}
				for i := range 2 * most {
					c, refused := s.open(t, way.from(private))
					if refused != "" {
						t.Fatalf("a private address is refused: %s", refused)
					}
					write(t, c, rawws.Message(fmt.Sprintf(`{"type":"login","login":"private %d"}`, i)))
					wantText(t, c, loginAccepted)
				}
				if warnings := s.log.warnings(); !slices.ContainsFunc(warnings, func(w string) bool {
					return strings.Contains(w, "--trusted-proxy") && strings.Contains(w, "--connections-per-address")
				}) {
					t.Errorf("the log says %q", warnings)
				}
				s.log.clear()
			})
		})
	}
}

// A proxy that says nothing of its clients, or that asks for itself, is not one address.
func TestATrustedProxyThatNamesNobodyIsNotLimited(t *testing.T) {
	for name, row := range map[string]struct {
		options func(*transport.Options)
		from    caller
	}{
		"no header":               {trust("127.0.0.1"), caller{}},
		"a header of proxies":     {trust("127.0.0.1", "10.0.0.7"), caller{lines: []string{"X-Forwarded-For: 10.0.0.7"}}},
		"a client that is hidden": {trust("127.0.0.1"), caller{lines: []string{"Forwarded: for=_hidden"}}},
		"an unknown client":       {byPROXY("127.0.0.1"), caller{head: "PROXY UNKNOWN\r\n"}},
		"the proxy itself":        {byPROXY("127.0.0.1"), caller{head: localV2}},
	} {
		t.Run(name, func(t *testing.T) {
			eachListener(t, func(t *testing.T, by carrier) {
				s := by.listen(t, row.options, perAddress(2))
				for i := range 8 {
					c, refused := s.open(t, row.from)
					if refused != "" {
						t.Fatalf("connection %d is refused: %s", i, refused)
					}
					write(t, c, rawws.Message(fmt.Sprintf(`{"type":"login","login":"user %d"}`, i)))
					wantText(t, c, loginAccepted)
				}
			})
		})
	}
}

// The address is that of the socket if the other side is no trusted proxy, whatever its headers say.
func TestALimitThatIsGivenHoldsForAllAddresses(t *testing.T) {
	eachListener(t, func(t *testing.T, by carrier) {
		s := by.listen(t, perAddress(2))
		for i := range 2 {
			c, _ := s.open(t, caller{lines: []string{fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)}})
			if c == nil {
				t.Fatalf("connection %d is refused", i)
			}
			write(t, c, rawws.Message(fmt.Sprintf(`{"type":"login","login":"user %d"}`, i)))
			wantText(t, c, loginAccepted)
		}
		if c, _ := s.open(t, caller{lines: []string{"X-Forwarded-For: 203.0.113.3"}}); c != nil {
			t.Error("a third connection is open")
		}
		// A page that is refused asks why.
		socket := s.dialBehind(t, "", false)
		write(t, socket, []byte("GET /ws HTTP/1.1\r\nHost: service.test\r\n\r\n"))
		response, err := http.ReadResponse(bufio.NewReader(socket), nil)
		if err != nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("the page is told %v, %v; want 503", response, err)
		}
		s.log.clear()
	})
}

// Clients that have not asked for a WebSocket count, too. They make room for those who do.
func TestHalvesOfRequestsCountForTheirAddress(t *testing.T) {
	eachListener(t, func(t *testing.T, by carrier) {
		const most = 3
		s := by.listen(t, perAddress(most))
		var halves []net.Conn
		for range 3 * most {
			c := s.dialBehind(t, "", false)
			write(t, c, []byte("GET / HTTP/1.1\r\n"))
			halves = append(halves, c)
		}
		c, refused := s.open(t, caller{})
		if refused != "" {
			t.Fatalf("who asks is refused: %s", refused)
		}
		write(t, c, rawws.Message(loginFrame))
		wantText(t, c, loginAccepted)
		open := 0
		for _, half := range halves[:2*most] {
			_ = half.SetReadDeadline(time.Now().Add(patience))
			if _, err := half.Read(make([]byte, 1)); err == nil {
				open++
			}
		}
		if open > 0 {
			t.Errorf("%d of the oldest are open", open)
		}
	})
}

func TestLoginsOfAnAddressAreBounded(t *testing.T) {
	const rate, burst = 1, 10
	eachListener(t, func(t *testing.T, by carrier) {
		s := by.listen(t, trust("127.0.0.1"), func(o *transport.Options) { o.LoginsPerAddress.Most = rate })
		try := func(address, login string) string {
			t.Helper()
			c, _ := s.open(t, caller{lines: []string{"X-Forwarded-For: " + address}})
			write(t, c, rawws.Message(`{"type":"login","login":"`+login+`"}`))
			text, err := c.ReadText()
			if err != nil {
				t.Fatal(err)
			}
			var answer struct{ Code string }
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Fatal(err)
			}
			return answer.Code
		}
		start, accepted, refused := time.Now(), 0, 0
		for i := range 4 * burst {
			switch code := try("203.0.113.9", fmt.Sprint("user ", i)); code {
			case "":
				accepted++
			case "too-many":
				refused++
			default:
				t.Fatalf("login %d is answered with %s", i, code)
			}
		}
		if most := burst + int(rate*time.Since(start).Seconds()) + 1; accepted < burst || accepted > most || refused == 0 {
			t.Errorf("%d logins were accepted and %d refused, want from %d to %d", accepted, refused, burst, most)
		}
		for i := range 2 {
			if code := try(fmt.Sprint("203.0.113.1", i), fmt.Sprint("another ", i)); code != "" {
				t.Errorf("another address is answered with %s", code)
			}
		}
		for i := range 2 * burst {
			if code := try("192.168.1.1", fmt.Sprint("private ", i)); code != "" {
				t.Errorf("a private address is answered with %s", code)
			}
		}
	})
}
