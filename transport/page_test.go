package transport_test

import (
	"compress/gzip"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"p2p-messaging/transport"
)

var pageFiles = fstest.MapFS{
	"index.html":     {Data: []byte("<!doctype html><title>Chat</title>" + strings.Repeat("<p>chat</p>", 100))},
	"app.js":         {Data: []byte(strings.Repeat("console.log('chat');", 100))},
	"style.css":      {Data: []byte("body{}")},
	"icons/icon.svg": {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
	"icons/icon.png": {Data: []byte("\x89PNG\r\n\x1a\n")},
}

func withPage(o *transport.Options) { o.Page = pageFiles }

// get sends a request with the given header lines to s.
func get(s http.Handler, method, path string, lines ...string) *http.Response {
	r := httptest.NewRequest(method, "http://service.test:7777"+path, nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestThePagesFilesAreServed(t *testing.T) {
	s := handler(t, withPage)
	for path, want := range map[string]struct{ name, contentType string }{
		"/":               {"index.html", "text/html; charset=utf-8"},
		"/?service=ws://": {"index.html", "text/html; charset=utf-8"},
		"/index.html":     {"index.html", "text/html; charset=utf-8"},
		"/app.js":         {"app.js", "text/javascript; charset=utf-8"},
		"/style.css":      {"style.css", "text/css; charset=utf-8"},
		"/icons/icon.svg": {"icons/icon.svg", "image/svg+xml"},
		"/icons/icon.png": {"icons/icon.png", "image/png"},
	} {
		t.Run(path, func(t *testing.T) {
			r := get(s, "GET", path)
			if got := body(t, r); r.StatusCode != 200 || got != string(pageFiles[want.name].Data) {
				t.Errorf("answered with %s %q", r.Status, got)
			}
			if got := r.Header.Get("Content-Type"); got != want.contentType {
				t.Errorf("the content type is %q, want %q", got, want.contentType)
			}
			for name, want := range map[string]string{
				"Cache-Control":              "no-cache",
				"X-Content-Type-Options":     "nosniff",
				"Referrer-Policy":            "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin",
				"Content-Encoding":           "",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			head := get(s, "HEAD", path)
			if got := body(t, head); head.StatusCode != 200 || got != "" || head.Header.Get("Content-Length") != r.Header.Get("Content-Length") {
				t.Errorf("HEAD was answered with %s, %v, %q", head.Status, head.Header, got)
			}
		})
	}
}

func TestWhatIsNotThePageIsRefused(t *testing.T) {
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/nothing", 404},
		{"GET", "/icons", 404},
		{"GET", "/icons/", 404},
		{"GET", "/../server.go", 404},
		{"GET", "/app.js/", 404},
		{"POST", "/nothing", 404},
		{"POST", "/", 405},
		{"PUT", "/app.js", 405},
		{"OPTIONS", "/", 405},
		{"GET", "/ws", 426},
	} {
		if r := get(handler(t, withPage), row.method, row.path); r.StatusCode != row.status {
			t.Errorf("%s %s was answered with %s, want %d", row.method, row.path, r.Status, row.status)
		}
	}
	if r := get(handler(t), "GET", "/"); r.StatusCode != 404 {
		t.Errorf("without a page GET / was answered with %s, want 404", r.Status)
	}
}

func TestThePageIsCompressedForWhoUnderstandsIt(t *testing.T) {
	s := handler(t, withPage)
	for accept, want := range map[string]string{
		"gzip":                    "gzip",
		"deflate, gzip, br, zstd": "gzip",
		"gzip;q=0.5":              "gzip",
		"GZIP":                    "gzip",
		"*":                       "gzip",
		"gzip;q=0":                "",
		"gzip; q=0.000":           "",
		"br":                      "",
		"":                        "",
		"identity":                "",
	} {
		r := get(s, "GET", "/app.js", "Accept-Encoding: "+accept)
		if got := r.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q was answered with %q, want %q", accept, got, want)
			continue
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary is %q, want Accept-Encoding", r.Header.Get("Vary"))
		}
		size := r.ContentLength
		if want == "gzip" {
			if size >= int64(len(pageFiles["app.js"].Data))/2 {
				t.Errorf("the compressed length is %d", size)
			}
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			r.Body = io.NopCloser(unzipped)
		}
		if got := body(t, r); got != string(pageFiles["app.js"].Data) {
			t.Errorf("Accept-Encoding %q: the file came as %q", accept, got)
		}
	}
	if r := get(s, "GET", "/style.css", "Accept-Encoding: gzip"); r.Header.Get("Content-Encoding") != "" {
		t.Error("a file that grows when it is compressed was sent compressed")
	}
}

func TestAFileThatABrowserHasIsNotSentAgain(t *testing.T) {
	s := handler(t, withPage)
	plain := get(s, "GET", "/app.js").Header.Get("ETag")
	zipped := get(s, "GET", "/app.js", "Accept-Encoding: gzip").Header.Get("ETag")
	other := get(s, "GET", "/style.css").Header.Get("ETag")
	if plain == zipped || plain == other || !strings.HasPrefix(plain, `"`) || !strings.HasSuffix(zipped, `"`) {
		t.Fatalf("the ETags are %s, %s and %s, want three different ones in quotes", plain, zipped, other)
	}
	for _, row := range []struct {
		match, accept string
		status        int
	}{
		{plain, "", 304},
		{zipped, "gzip", 304},
		{`"x", ` + zipped, "gzip", 304},
		{"W/" + zipped, "gzip", 304},
		{"*", "", 304},
		{plain, "gzip", 200},
		{zipped, "", 200},
		{other, "", 200},
	} {
		r := get(s, "GET", "/app.js", "If-None-Match: "+row.match, "Accept-Encoding: "+row.accept)
		if got := body(t, r); r.StatusCode != row.status || row.status == 304 && got != "" {
			t.Errorf("If-None-Match %s was answered with %s and %d bytes, want %d", row.match, r.Status, len(got), row.status)
		}
		if row.status == 304 && (r.Header.Get("ETag") == "" || r.Header.Get("Content-Security-Policy") == "") {
			t.Errorf("304 came with %v", r.Header)
		}
	}
}

func TestThePolicyAllowsOnlyWhatThePageDoes(t *testing.T) {
	s := handler(t, withPage)
	const rest = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
		"connect-src 'self'%; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types lit-html"
	for host, connect := range map[string]string{
		"service.test:7777":     " ws://service.test:7777 wss://service.test:7777",
		"service.test":          " ws://service.test wss://service.test",
		"127.0.0.1:80":          " ws://127.0.0.1:80 wss://127.0.0.1:80",
		"[::1]:7777":            " ws://[::1]:7777 wss://[::1]:7777",
		"evil; script-src *":    "",
		"evil,x":                "",
		"a b":                   "",
		"*":                     "",
		"service.test:7777/x":   "",
		"service.test:99999999": "",
	} {
		want := strings.ReplaceAll(rest, "%", connect)
		if got := get(s, "GET", "/", "Host: "+host).Header.Get("Content-Security-Policy"); got != want {
			t.Errorf("for the host %q the policy is\n%s\nwant\n%s", host, got, want)
		}
	}
}

func TestOverTLSBrowsersMayBeAskedToRememberHTTPS(t *testing.T) {
	remember := func(o *transport.Options) { o.StrictTransport = time.Hour }
	secure := func(o *transport.Options) { o.TLS = new(tls.Config) }
	for want, s := range map[string]http.Handler{
		"max-age=3600": handler(t, withPage, remember, secure),
		"":             handler(t, withPage, remember),
	} {
		for _, path := range []string{"/", "/nothing"} {
			if got := get(s, http.MethodGet, path).Header.Get("Strict-Transport-Security"); got != want {
				t.Errorf("%s has Strict-Transport-Security %q; wanted %q", path, got, want)
			}
		}
	}
}
