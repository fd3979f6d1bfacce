package transport_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// logged returns a Server and the record of its log.
func logged(t *testing.T, change ...func(*transport.Options)) (*transport.Server, *record) {
	log := new(record)
	return handler(t, append(change, func(o *transport.Options) { o.Logger = slog.New(log) })...), log
}

func TestTheLogSaysWhatToChangeWhereAProxyKeepsPagesOut(t *testing.T) {
	const http1 = "proxy_http_version 1.1"
	for name, row := range map[string]struct {
		change func(*http.Request)
		status int
		want   []string
	}{
		"the proxy's own Host": {func(r *http.Request) { r.Host = "localhost:7777" }, 403,
			[]string{"status=403", "origin=https://chat.example.org", "host=localhost:7777", "proxy_set_header Host $http_host", "--allow-origin https://chat.example.org "}},
		"the Host without its port": {func(r *http.Request) {
			r.Host = "chat.example.org"
			r.Header.Set("Origin", "http://chat.example.org:8080")
		}, 403,
			[]string{"origin=http://chat.example.org:8080", "host=chat.example.org", "proxy_set_header Host $http_host", "--allow-origin http://chat.example.org:8080 "}},
		"X-Forwarded-Host alone": {func(r *http.Request) { r.Host = "upstream"; r.Header.Set("X-Forwarded-Host", "chat.example.org") }, 403,
			[]string{"host=upstream", "proxy_set_header Host $http_host"}},
		"a page from disk":  {func(r *http.Request) { r.Header.Set("Origin", "null") }, 403, []string{"origin=null", "--file-origin"}},
		"a page of an app":  {func(r *http.Request) { r.Header.Set("Origin", "app://chat") }, 403, []string{"origin=app://chat", "--allow-origin app://chat"}},
		"no origin":         {func(r *http.Request) { r.Header.Set("Origin", "nonsense") }, 403, []string{"origin=nonsense", "no browser"}},
		"two origins":       {func(r *http.Request) { r.Header.Add("Origin", "https://other.example") }, 403, []string{"one Origin"}},
		"no Upgrade":        {func(r *http.Request) { r.Header.Del("Upgrade") }, 426, []string{"status=426", "proxy_set_header Upgrade $http_upgrade", http1}},
		"no Upgrade at /":   {func(r *http.Request) { r.Header.Del("Upgrade"); r.URL.Path = "/" }, 426, []string{"$http_upgrade", "path=/"}},
		"HTTP/1.0":          {func(r *http.Request) { r.Proto, r.ProtoMinor = "HTTP/1.0", 0 }, 505, []string{"status=505", http1}},
		"Connection: close": {func(r *http.Request) { r.Header.Set("Connection", "close") }, 400, []string{"status=400", "proxy_set_header Connection"}},
		"its own path":      {func(r *http.Request) { r.URL.Path = "/chat/ws" }, 404, []string{"status=404", "path=/chat/ws", "location /chat/"}},
		"a PeerJS client":   {func(r *http.Request) { r.URL.Path = "/myapp/peerjs" }, 404, []string{"status=404", "path=/myapp/peerjs", "--peerjs"}},
		"a long path":       {func(r *http.Request) { r.URL.Path = "/" + strings.Repeat("é", 5000) }, 404, []string{"é… "}},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := logged(t, func(o *transport.Options) { o.FileOrigin = false })
			r := handshake("http://chat.example.org/ws")
			r.Header.Set("Origin", "https://chat.example.org")
			row.change(r)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != row.status {
				t.Errorf("answered with %d, want %d", w.Code, row.status)
			}
			if len(log.lines) != 1 || !strings.HasPrefix(log.lines[0], "WARN ") || len(log.lines[0]) > 800 {
				t.Fatalf("logged %q, want one warning", log.lines)
			}
			for _, part := range row.want {
				if !strings.Contains(log.lines[0]+" ", part) {
					t.Errorf("logged %q, want %q in it", log.lines[0], part)
				}
			}
		})
	}
	s, log := logged(t, withPage)
	for _, path := range []string{"/", "/ws", "/nothing", "/ws?origin=https://other.example"} {
		get(s, "GET", path)
	}
	if len(log.lines) > 0 {
		t.Errorf("logged %q for requests that ask for no WebSocket", log.lines)
	}
}

func TestRefusalsOfEachKindAreLoggedEvery10SecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(record)
		system := actors.NewSystem(actors.Options{Logger: slog.New(log)})
		defer func() { _ = system.Stop(context.Background()) }()
		s, err := transport.New(system, transport.Options{Logger: slog.New(log)})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(origin string, remove string) {
			r := handshake("http://chat.example.org/ws")
			r.Header.Set("Origin", origin)
			r.Header.Del(remove)
			s.ServeHTTP(httptest.NewRecorder(), r)
		}
		for range 1000 {
			ask("https://other.example", "")
			ask("http://chat.example.org", "Connection")
		}
		if len(log.lines) != 2 {
			t.Fatalf("logged %d lines, want one of each kind", len(log.lines))
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		ask("https://other.example", "")
		if len(log.lines) != 2 {
			t.Errorf("logged %q before 10 s were over", log.lines[2:])
		}
		time.Sleep(time.Nanosecond)
		ask("https://other.example", "")
		ask("http://chat.example.org", "Upgrade")
		if len(log.lines) != 4 || !strings.Contains(log.lines[2], "unlogged=1000") || strings.Contains(log.lines[3], "unlogged") {
			t.Errorf("then logged %q, want the refusals that were not logged, and another kind", log.lines[2:])
		}
	})
}

func TestAPageCanAskWhetherItsOriginIsPermitted(t *testing.T) {
	s := handler(t, func(o *transport.Options) { o.AllowedOrigins = []string{"https://other.example"} })
	for origin, status := range map[string]int{
		"":                             403,
		"http://service.test":          426,
		"https://service.test":         426,
		"http://service.test:8080":     403,
		"https://other.example":        426,
		"https://evil.example":         403,
		"null":                         426,
		"http://service.test%00":       403,
		"http://service.test&origin=x": 426,
	} {
		r := httptest.NewRequest("GET", "http://service.test/ws?origin="+origin, nil)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != status || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q is answered with %d, %v; want %d, not to be cached", origin, w.Code, w.Header(), status)
		}
	}
}
