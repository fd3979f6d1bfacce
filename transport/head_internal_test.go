package transport

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// ofBrowser is the head of a handshake as Chromium sends it.
const ofBrowser = "GET /ws HTTP/1.1\r\nHost: service.test:7777\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\nOrigin: http://service.test:7777\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

func TestTheHeadsOfOrdinaryRequestsAreRead(t *testing.T) {
	const end = "\r\n\r\n"
	for head, want := range map[string]bool{
		ofBrowser:                         true,
		"GET / HTTP/1.1\r\nHost: a" + end: true,
		"GET /ws?a=b&c=%20 HTTP/1.1\r\nHost: a" + end:                          false,
		"GET /ws?a=b&c=d HTTP/1.1\r\nHost: a" + end:                            true,
		"GET //ws HTTP/1.1\r\nhOST:a" + end:                                    true,
		"GET /ws HTTP/1.1\r\nHost: [::1]:80" + end:                             true,
		"GET /ws HTTP/1.1\r\nHost: a\r\nCookie: \t a=\xff\"b;c\t\x80 " + end:   true,
		"GET /ws HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1, ::1" + end: true,

		"GET /ws HTTP/1.1" + end:                                          false,
		"GET /ws HTTP/1.1\r\nHost: " + end:                                false,
		"GET /ws HTTP/1.1\r\nHost: \r\nHost: a" + end:                     false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nHost: a" + end:                    false,
		"GET /ws HTTP/1.1\r\nHost: a/b" + end:                             false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b" + end:     false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\nupgrade: b" + end:   false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 0" + end:          false,
		"GET /ws HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked" + end: false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nExpect: 100-continue" + end:       false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nTrailer: X" + end:                 false,
		"GET /ws HTTP/1.1\r\nHost : a" + end:                              false,
		"GET /ws HTTP/1.1\r\nHost: a\r\n b" + end:                         false,
		"GET /ws HTTP/1.1\r\nHost: a\r\n: b" + end:                        false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nb" + end:                          false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nA: b\nC: d" + end:                 false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nA: b\rC: d" + end:                 false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nA: \x7f" + end:                    false,
		"GET /ws HTTP/1.1\r\nHost: a\r\nA: \x00" + end:                    false,
		"GET  /ws HTTP/1.1\r\nHost: a" + end:                              false,
		"GET /ws  HTTP/1.1\r\nHost: a" + end:                              false,
		"GET /w%73 HTTP/1.1\r\nHost: a" + end:                             false,
		"GET /ws#a HTTP/1.1\r\nHost: a" + end:                             false,
		"GET ws HTTP/1.1\r\nHost: a" + end:                                false,
		"GET * HTTP/1.1\r\nHost: a" + end:                                 false,
		"GET http://a/ws HTTP/1.1\r\nHost: a" + end:                       false,
		"get /ws HTTP/1.1\r\nHost: a" + end:                               false,
		"GET /ws HTTP/1.0\r\nHost: a" + end:                               false,
		"GET /ws HTTP/1.1\r\nHost: a\r\n\r\nmore" + end:                   false,
	} {
		checkHead(t, []byte(head))
		if got := new(headReader).read([]byte(head)) != nil; got != want {
			t.Errorf("%q is read: %v, want %v", head, got, want)
		}
	}
}

// What is read is what net/http reads, and net/http's server accepts it.
func FuzzHead(f *testing.F) {
	f.Add([]byte(ofBrowser))
	f.Add([]byte("GET /ws?a=b HTTP/1.1\r\nhost:[::1]:80\r\nX-Forwarded-For: \"a\"\r\nForwarded:for=b;c=\xff \t\r\nOrigin: \r\n\r\n"))
	f.Add([]byte("GET //ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\nExpect: a\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) { checkHead(t, head) })
}

// checkHead compares what a headReader reads with what net/http reads.
func checkHead(t *testing.T, head []byte) {
	t.Helper()
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return // the reader is given whole heads only
	}
	got := new(headReader).read(head)
	if got == nil {
		return
	}
	source := bufio.NewReader(bytes.NewReader(head))
	want, err := http.ReadRequest(source)
	if err != nil || source.Buffered() > 0 {
		t.Fatalf("%q is read; by net/http: %v, and %d bytes are left", head, err, source.Buffered())
	}
	if got.Method != want.Method || *got.URL != *want.URL || got.Proto != want.Proto || got.ProtoMajor != want.ProtoMajor || got.ProtoMinor != want.ProtoMinor ||
		got.Host != want.Host || got.ContentLength != want.ContentLength {
		t.Fatalf("%q is read as %+v with %+v; by net/http as %+v with %+v", head, got, got.URL, want, want.URL)
	}
	if want.Header["Expect"] != nil || !httpguts.ValidHostHeader(want.Host) {
		t.Fatalf("%q is read; net/http's server refuses it", head)
	}
	for name, values := range want.Header {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			t.Fatalf("%q is read; net/http's server refuses its %s", head, name)
		}
		if slices.Contains(headerNames[:], name) != slices.Equal(got.Header[name], values) {
			t.Fatalf("%q: %s is read as %q; by net/http as %q", head, name, got.Header[name], values)
		}
	}
	for name := range got.Header {
		if want.Header[name] == nil {
			t.Fatalf("%q: %s is read, and net/http finds none", head, name)
		}
	}
}

func BenchmarkHead(b *testing.B) {
	head := []byte(ofBrowser)
	b.Run("here", func(b *testing.B) {
		var h headReader
		for b.Loop() {
			if h.read(head) == nil {
				b.Fatal("it was not read")
			}
		}
		b.ReportAllocs()
	})
	b.Run("net/http", func(b *testing.B) {
		source, reader := strings.NewReader(""), bufio.NewReader(nil)
		for b.Loop() {
			source.Reset(ofBrowser)
			reader.Reset(source)
			if _, err := http.ReadRequest(reader); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
}
