package transport_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// trust makes a service trust the proxies at these addresses.
func trust(addresses ...string) func(*transport.Options) {
	return func(o *transport.Options) {
		for _, a := range addresses {
			address := netip.MustParseAddr(a)
			o.TrustedProxies = append(o.TrustedProxies, netip.PrefixFrom(address, address.BitLen()))
		}
	}
}

// asked returns a handshake for a WebSocket with more header lines.
func asked(lines ...string) string {
	return "GET /ws HTTP/1.1\r\nHost: upstream\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

func TestBehindATrustedProxyTheOriginIsThatOfTheForwardedHost(t *testing.T) {
	const origin = "Origin: https://chat.example"
	for name, row := range map[string]struct {
		lines  []string
		status int // behind a trusted proxy
	}{
		"X-Forwarded-Host":     {[]string{origin, "X-Forwarded-Host: chat.example"}, 101},
		"its scheme, too":      {[]string{origin, "X-Forwarded-Host: chat.example", "X-Forwarded-Proto: https"}, 101},
		"another scheme":       {[]string{origin, "X-Forwarded-Host: chat.example", "X-Forwarded-Proto: http"}, 403},
		"another port":         {[]string{origin, "X-Forwarded-Host: chat.example:8443"}, 403},
		"another host":         {[]string{origin, "X-Forwarded-Host: chat.example, other.example"}, 403},
		"Forwarded":            {[]string{origin, `Forwarded: for=192.0.2.1;host="chat.example";proto=https`}, 101},
		"Forwarded otherwise":  {[]string{origin, `Forwarded: for=192.0.2.1;host="other.example"`}, 403},
		"nothing but the host": {[]string{origin}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			for _, by := range []carrier{onLoops, byGoroutines, onLoopsOverTLS} {
				if got := status(t, by.listen(t, trust("127.0.0.1")), asked(row.lines...)); got != row.status {
					t.Errorf("behind a trusted proxy: %d, want %d", got, row.status)
				}
				if got := status(t, by.listen(t, trust("127.0.0.2")), asked(row.lines...)); got != 403 {
					t.Errorf("from a stranger: %d, want 403", got)
				}
			}
		})
	}
}

func TestBehindATrustedProxyThePolicyNamesTheForwardedHost(t *testing.T) {
	const own = "connect-src 'self' ws://service.test:7777 wss://service.test:7777;"
	for lines, connect := range map[string]string{
		"":                               own,
		"X-Forwarded-Host: chat.example": "connect-src 'self' ws://chat.example wss://chat.example;",
		"X-Forwarded-Host: chat.example\nX-Forwarded-Proto: https": "connect-src 'self' wss://chat.example;",
		"X-Forwarded-Host: chat.example\nX-Forwarded-Proto: http":  "connect-src 'self' ws://chat.example;",
		"Forwarded: host=chat.example;proto=https":                 "connect-src 'self' wss://chat.example;",
		"X-Forwarded-Host: *":                                      "connect-src 'self';",
	} {
		for peer, want := range map[string]string{"192.0.2.1": connect, "192.0.2.2": own} {
			r := get(handler(t, withPage, trust(peer)), "GET", "/", strings.Split(lines, "\n")...) // it comes from 192.0.2.1
			if got := r.Header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
				t.Errorf("with %q and trust in %s the policy is %q, want %q in it", lines, peer, got, want)
			}
		}
	}
}

func TestAPageBehindATrustedProxyIsToldWhetherItsOriginIsPermitted(t *testing.T) {
	s := handler(t, trust("192.0.2.1"))
	for host, status := range map[string]int{"chat.example": 426, "other.example": 403} {
		if got := get(s, "GET", "/ws?origin=https://chat.example", "X-Forwarded-Host: "+host).StatusCode; got != status {
			t.Errorf("asked for %s: %d, want %d", host, got, status)
		}
	}
}

func TestTheLogSaysWhatAForwardedHostNeeds(t *testing.T) {
	for name, row := range map[string]struct {
		trusted    string
		line       string
		want, wont string
	}{
		"no trust":          {"192.0.2.9", "X-Forwarded-Host: chat.example", "--trusted-proxy 192.0.2.1 ", "client=203.0.113.9"},
		"no trust, either":  {"192.0.2.9", "Forwarded: host=chat.example", "--trusted-proxy 192.0.2.1 ", "client=203.0.113.9"},
		"another host":      {"192.0.2.1", "X-Forwarded-Host: other.example", "host=other.example", "--trusted-proxy"},
		"another scheme":    {"192.0.2.1", "X-Forwarded-Host: chat.example\nX-Forwarded-Proto: http", "X-Forwarded-Proto https", "--trusted-proxy"},
		"the client":        {"192.0.2.1", "X-Forwarded-For: 1.1.1.1, 203.0.113.9", "client=203.0.113.9", "1.1.1.1"},
		"nothing forwarded": {"192.0.2.9", "X-Other: 1", "proxy_set_header Host", "--trusted-proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := logged(t, trust(row.trusted))
			r := handshake("http://upstream/ws")
			r.RemoteAddr = "192.0.2.1:1234"
			r.Header.Set("Origin", "https://chat.example")
			for line := range strings.SplitSeq(row.line, "\n") {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Set(name, value)
			}
			s.ServeHTTP(httptest.NewRecorder(), r)
			if len(log.lines) != 1 || !strings.Contains(log.lines[0], row.want) || strings.Contains(log.lines[0], row.wont) || len(log.lines[0]) > 800 {
				t.Errorf("logged %q, want one line with %q and without %q", log.lines, row.want, row.wont)
			}
		})
	}
}

func TestOverTLSAPageOfPlainHTTPIsNotTheServicesOwn(t *testing.T) {
	for _, row := range []struct {
		lines        []string
		plain, byTLS int
	}{
		{[]string{"Origin: https://upstream"}, 101, 101},
		{[]string{"Origin: http://upstream"}, 101, 403},
		{[]string{"Origin: http://upstream:80", "X-Forwarded-Proto: http"}, 101, 403},
		{[]string{"Origin: http://upstream:443"}, 403, 403},
		{[]string{"Origin: null"}, 101, 101},
	} {
		for _, by := range []carrier{onLoops, byGoroutines} {
			if got := status(t, by.listen(t), asked(row.lines...)); got != row.plain {
				t.Errorf("%q: %d, want %d", row.lines, got, row.plain)
			}
		}
		if got := status(t, onLoopsOverTLS.listen(t), asked(row.lines...)); got != row.byTLS {
			t.Errorf("%q over TLS: %d, want %d", row.lines, got, row.byTLS)
		}
		// A proxy that is trusted and names no scheme may have been asked by http.
		if got := status(t, onLoopsOverTLS.listen(t, trust("127.0.0.1")), asked(row.lines...)); got != row.plain {
			t.Errorf("%q behind a proxy over TLS: %d, want %d", row.lines, got, row.plain)
		}
	}
	s, log := logged(t)
	r := handshake("https://upstream/ws")
	r.RemoteAddr, r.TLS = "192.0.2.1:1234", new(tls.ConnectionState)
	r.Header.Set("Origin", "http://upstream")
	s.ServeHTTP(httptest.NewRecorder(), r)
	if len(log.lines) != 1 || !strings.Contains(log.lines[0], "--trusted-proxy 192.0.2.1, and let its X-Forwarded-Proto") || !strings.Contains(log.lines[0], "X-Forwarded-Proto http;") {
		t.Errorf("logged %q, want what a proxy needs that was asked by http", log.lines)
	}
	r = httptest.NewRequest("GET", "https://upstream/", nil)
	answer := httptest.NewRecorder()
	handler(t, withPage).ServeHTTP(answer, r)
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self' wss://upstream;") {
		t.Errorf("the policy of a page by https is %q", policy)
	}
}

func TestThePROXYProtocolNeedsTrustedProxies(t *testing.T) {
	system := actors.NewSystem(actors.Options{})
	defer func() { _ = system.Stop(context.Background()) }()
	if _, err := transport.New(system, transport.Options{Logger: slog.New(slog.DiscardHandler), ProxyProtocol: true}); err == nil || !strings.Contains(err.Error(), "trusted") {
		t.Errorf("New: %v, want an error that names the trusted proxies", err)
	}
}
