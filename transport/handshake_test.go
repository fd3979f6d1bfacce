package transport_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// handler returns a Server that accepts no connections itself. Tests call its ServeHTTP with requests that do not become
// WebSockets.
func handler(t *testing.T, change ...func(*transport.Options)) *transport.Server {
	t.Helper()
	o := transport.DefaultOptions()
	o.Logger = slog.New(slog.DiscardHandler)
	for _, f := range change {
		f(&o)
	}
	system := actors.NewSystem(actors.Options{})
	t.Cleanup(func() { _ = system.Stop(context.Background()) })
	s, err := transport.New(system, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// handshake returns a valid request for a WebSocket.
func handshake(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return r
}

func TestAnUpgradeIsTakenOnTheRootAndOnWS(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		for _, path := range []string{"/", "/ws", "/ws?x=y", "//ws", "//"} {
			for name, lines := range map[string][]string{
				"as browsers ask":     nil,
				"in a list":           {"Connection: keep-alive"},
				"with an extension":   {"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"},
				"with a sub-protocol": {"Sec-WebSocket-Protocol: chat"},
			} {
				t.Run(path+" "+name, func(t *testing.T) {
					socket, err := s.dial()
					if err != nil {
						t.Fatal(err)
					}
					defer socket.Close()
					request := rawws.Request(path, s.host, lines...)
					if name == "in a list" {
						request = strings.ReplaceAll(request, "Connection: Upgrade", "Connection: foo, upGRADE")
						request = strings.ReplaceAll(request, "Upgrade: websocket", "Upgrade: h2c, WebSocket")
					}
					c, err := rawws.Open(socket, request)
					if err != nil {
						t.Fatal(err)
					}
					write(t, c, rawws.Message(loginFrame))
					wantText(t, c, loginAccepted)
					write(t, c, rawws.CloseFrame(1000, ""))
					wantClose(t, c, 1000)
				})
			}
		}
	})
}

func TestAnImproperHandshakeIsRefusedWithASentence(t *testing.T) {
	s := handler(t)
	for name, row := range map[string]struct {
		change func(*http.Request)
		status int
		header string // a header line that the answer must have
	}{
		"POST":                   {func(r *http.Request) { r.Method = "POST" }, 405, "Allow: GET"},
		"HTTP/1.0":               {func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 }, 505, ""},
		"HTTP/2":                 {func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 }, 505, ""},
		"no Connection":          {func(r *http.Request) { r.Header.Del("Connection") }, 400, ""},
		"Connection: keep-alive": {func(r *http.Request) { r.Header.Set("Connection", "keep-alive") }, 400, ""},
		"a body":                 {func(r *http.Request) { r.ContentLength = 3 }, 400, ""},
		"a body without length":  {func(r *http.Request) { r.ContentLength = -1 }, 400, ""},
		"no version":             {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }, 426, "Sec-Websocket-Version: 13"},
		"version 8":              {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, 426, "Sec-Websocket-Version: 13"},
		"two versions":           {func(r *http.Request) { r.Header.Add("Sec-WebSocket-Version", "8") }, 426, "Sec-Websocket-Version: 13"},
		"no key":                 {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400, ""},
		"a short key":            {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "c2hvcnQ=") }, 400, ""},
		"a key that is not one":  {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ") }, 400, ""},
		"two keys":               {func(r *http.Request) { r.Header.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }, 400, ""},
		"another path":           {func(r *http.Request) { r.URL.Path = "/elsewhere" }, 404, ""},
		"no upgrade at all":      {func(r *http.Request) { r.Header.Del("Upgrade") }, 426, "Upgrade: websocket"},
		"another upgrade":        {func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, 426, "Upgrade: websocket"},
		"a foreign page":         {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := handshake("http://service.test/ws")
			row.change(r)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != row.status {
				t.Errorf("answered with %d, want %d", w.Code, row.status)
			}
			if name, value, _ := strings.Cut(row.header, ": "); w.Header().Get(name) != value {
				t.Errorf("the answer's headers are %v, want %s", w.Header(), row.header)
			}
			if sentence := strings.TrimSpace(w.Body.String()); !strings.HasSuffix(sentence, ".") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("answered with %q, want a sentence", sentence)
			}
		})
	}
}

func TestOnlyPagesOfPermittedOriginsMayConnect(t *testing.T) {
	const yes, no = true, false
	for _, row := range []struct {
		host   string
		origin []string
		file   bool
		want   bool
	}{
		{"service.test", nil, no, yes}, // not a browser
		{"service.test", []string{"http://service.test"}, no, yes},
		{"service.test", []string{"https://service.test"}, no, yes}, // behind a proxy
		{"service.test", []string{"HTTP://Service.Test"}, no, yes},
		{"SERVICE.test", []string{"http://service.TEST"}, no, yes},
		{"service.test", []string{"http://service.test:80"}, no, yes},
		{"service.test", []string{"https://service.test:443"}, no, yes},
		{"service.test:80", []string{"http://service.test"}, no, yes},
		{"service.test:443", []string{"https://service.test"}, no, yes},
		{"service.test:7777", []string{"http://service.test:7777"}, no, yes},
		{"localhost:7777", []string{"http://localhost:7777"}, no, yes},
		{"[::1]:7777", []string{"http://[::1]:7777"}, no, yes},
		{"[::1]", []string{"http://[::1]"}, no, yes},

		{"service.test:7777", []string{"http://service.test"}, no, no},
		{"service.test", []string{"http://service.test:7777"}, no, no},
		{"service.test", []string{"http://service.test:443"}, no, no},
		{"service.test:7777", []string{"http://localhost:7777"}, no, no},
		{"service.test", []string{"http://evil.example"}, yes, no},
		{"service.test", []string{"http://service.test.evil.example"}, no, no},
		{"service.test", []string{"http://evil-service.test"}, no, no},
		{"service.test", []string{"http://sub.service.test"}, no, no},
		{"service.test", []string{"http://service.test@evil.example"}, no, no},
		{"service.test", []string{"http://evil.example@service.test"}, no, no},
		{"service.test", []string{"http://service.test/"}, no, no},
		{"service.test", []string{"http://service.test?"}, no, no},
		{"service.test", []string{"http://service.test#"}, no, no},
		{"service.test", []string{"ftp://service.test"}, no, no},
		{"service.test", []string{"service.test"}, no, no},
		{"service.test", []string{"//service.test"}, no, no},
		{"service.test", []string{""}, yes, no},
		{"service.test", []string{"http://service.test", "http://service.test"}, no, no},
		{"service.test", []string{"http://service.test http://evil.example"}, no, no},
		{"", []string{"http://"}, yes, no},

		{"service.test", []string{"null"}, yes, yes},
		{"service.test", []string{"file://"}, yes, yes},
		{"service.test", []string{"null"}, no, no},
		{"service.test", []string{"file://"}, no, no},
		{"service.test", []string{"file://evil.example"}, yes, no},

		{"service.test", []string{"https://listed.example"}, no, yes},
		{"service.test", []string{"https://listed.example:443"}, no, yes},
		{"service.test", []string{"HTTPS://LISTED.example"}, no, yes},
		{"service.test", []string{"http://listed.example"}, no, no},
		{"service.test", []string{"https://listed.example:8443"}, no, no},
		{"service.test", []string{"http://other.example:8080"}, no, yes},
		{"service.test", []string{"http://other.example"}, no, no},
	} {
		t.Run(row.host+" "+strings.Join(row.origin, "+"), func(t *testing.T) {
			s := handler(t, func(o *transport.Options) {
				o.FileOrigin = row.file
				o.AllowedOrigins = []string{"https://listed.example", "http://Other.Example:8080"}
			})
			r := handshake("http://x/")
			r.Host = row.host
			for _, origin := range row.origin {
				r.Header.Add("Origin", origin)
			}
			w := httptest.NewRecorder() // it cannot be hijacked, so a request that passes the origin check gets 500
			s.ServeHTTP(w, r)
			want := http.StatusForbidden
			if row.want {
				want = http.StatusInternalServerError
			}
			if w.Code != want {
				t.Errorf("file origin %v: answered with %d, want %d", row.file, w.Code, want)
			}
		})
	}
}

func TestAServerCanBeMountedInAnotherHTTPServer(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t) // its cleanup checks that nothing failed
		mux := http.NewServeMux()
		mux.Handle("/", s.Server)
		outer := httptest.NewUnstartedServer(mux)
		outer.Config.ReadTimeout = time.Second // this limit must not apply after the handshake
		outer.Start()
		defer outer.Close()
		s.host = strings.TrimPrefix(outer.URL, "http://")
		c := s.client(t, "alice")
		if err := c.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	system := actors.NewSystem(actors.Options{})
	defer system.Stop(t.Context())
	for name, change := range map[string]func(*transport.Options){
		"an origin with a path":        func(o *transport.Options) { o.AllowedOrigins = []string{"https://listed.example/"} },
		"an origin without scheme":     func(o *transport.Options) { o.AllowedOrigins = []string{"listed.example"} },
		"any origin":                   func(o *transport.Options) { o.AllowedOrigins = []string{"*"} },
		"a negative rate":              func(o *transport.Options) { o.Rate = -1 },
		"a negative burst":             func(o *transport.Options) { o.Rate, o.Burst = 0, -1 },
		"a rate without a burst":       func(o *transport.Options) { o.Burst = 0 },
		"a negative timeout":           func(o *transport.Options) { o.WriteTimeout = -time.Second },
		"a page without index":         func(o *transport.Options) { o.Page = fstest.MapFS{"app.js": {}} },
		"pings after the idle timeout": func(o *transport.Options) { o.PingInterval = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			o := transport.DefaultOptions()
			change(&o)
			if _, err := transport.New(system, o); err == nil {
				t.Error("New took it, want an error")
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %q, want one line", err)
			}
		})
	}
}

// Each sentence says what to write. Most origins that no browser sends are near one that some browser does.
func TestAnOriginThatNoBrowserSendsIsRefusedWithWhatToWrite(t *testing.T) {
	system := actors.NewSystem(actors.Options{})
	defer system.Stop(t.Context())
	for origin, want := range map[string]string{
		"":                                 "leave out the comma",
		"*":                                "wildcards",
		"https://*.example.org":            "wildcards",
		"https://chat.*":                   "wildcards",
		"null":                             "--file-origin",
		"file://":                          "--file-origin",
		"file:///home/page.html":           "--file-origin",
		"chat.example.org":                 "https://chat.example.org",
		"localhost:8080":                   "https://localhost:8080",
		"//chat.example.org":               "https://",
		"https://":                         "https://chat.example.org",
		"wss://chat.example.org":           "https://chat.example.org",
		"ws://chat.example.org:8080":       "http://chat.example.org:8080",
		"https://chat.example.org/":        "write https://chat.example.org",
		"https://chat.example.org/a":       "write https://chat.example.org",
		"https://chat.example.org?a":       "write https://chat.example.org",
		"https://chat.example.org#a":       "write https://chat.example.org",
		"https://me@chat.example.org":      "write https://chat.example.org",
		"https://a.test https://b.test":    "commas",
		"https://a.test;https://b.test":    "commas",
		"https://a.test:99999":             "65535",
		"https://a.test:0":                 "65535",
		"https://a.test:08080":             "8080",
		"https://a.test:http":              "https://",
		"https://m\u00fcnchen.de":          "https://xn--mnchen-3ya.de",
		"https://M\u00dcNCHEN.de:8443":     "https://xn--mnchen-3ya.de:8443",
		"https://\u4f8b\u3048.jp":          "https://xn--r8jz45g.jp",
		"https://\uff41.test":              "https://a.test",
		"http://[2001:db8:0:0::1]":         "http://[2001:db8::1]",
		"http://[2001:0DB8::1]:8080":       "http://[2001:db8::1]:8080",
		"http://[::ffff:192.0.2.1]":        "http://[::ffff:c000:201]",
		"http://[fe80::1%25eth0]":          "zone",
		"http://[2001:db8::1:2:3:4:5:6:7]": "https://chat.example.org",
		"http://127.1":                     "four numbers",
		"http://192.0.2.256":               "four numbers",
		"http://192.0.02.1":                "four numbers",
		"http://0x7f000001":                "four numbers",
	} {
		o := transport.DefaultOptions()
		o.AllowedOrigins = []string{"https://listed.example", origin}
		if _, err := transport.New(system, o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v; want one line with %q", origin, err, want)
		}
	}
	for _, origin := range []string{
		" https://a.test ", "HTTPS://A.Test", "https://a.test:443", "http://localhost:8080", "http://localhost", "http://192.0.2.1:8080",
		"http://[2001:db8::1]", "http://[2001:DB8::1]:8080", "https://xn--mnchen-3ya.de", "https://my_host.test", "https://a.test.",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop", "capacitor://localhost", "moz-extension://01234567-89ab-cdef-0123-456789abcdef",
	} {
		o := transport.DefaultOptions()
		o.AllowedOrigins = []string{origin}
		if _, err := transport.New(system, o); err != nil {
			t.Errorf("%q: %v; want it taken", origin, err)
		}
	}
}

func TestBytesAreNotLostBetweenHTTPAndWebSocket(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		// One write holds the handshake and more frames than fit into the 4 KiB that net/http reads at once.
		var behind []byte
		const frames = 500
		for range frames {
			behind = append(behind, rawws.Message(`{"type":"unknown"}`)...)
		}
		c := s.connect(t, append(behind, rawws.CloseFrame(1000, "")...)...)
		_, _, texts, err := c.ReadClose()
		if err != nil || len(texts) != frames {
			t.Errorf("%d answers came, %v; want %d", len(texts), err, frames)
		}
	})
}

func TestAClientThatEndsItsSideStillGetsItsAnswers(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		c := s.connect(t)
		write(t, c, rawws.Message("{}"))
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantError(t, c, "malformed")
		if f, err := c.ReadFrame(); err != io.EOF {
			t.Errorf("then came %v, %v; want the end", f, err)
		}
	})
}
