package transport

import (
	"fmt"
	"net/http"

	"golang.org/x/net/http/httpguts"
)

// badRequest returns an answer with status 400 to a client that speaks HTTP on a port for TLS, or TLS on a port for HTTP.
func badRequest(words string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"+
		"Connection: close\r\nContent-Length: %d\r\n\r\n%s\n", len(words)+1, words)
}

// plainAnswer returns the answer to a client that speaks TLS to a port without TLS.
func plainAnswer() []byte {
	return badRequest("This port does not speak TLS. Use an address that begins with http:// or ws://.")
}

// wordsForPlain tells the client of a request over plain HTTP the address to use instead.
func wordsForPlain(r *http.Request) string {
	if r.Host == "" || !httpguts.ValidHostHeader(r.Host) {
		return "This port speaks TLS. Use an address that begins with https:// or wss://."
	}
	scheme := "https"
	if hasToken(r.Header, "Upgrade", "websocket") {
		scheme = "wss"
	}
	return fmt.Sprintf("This port speaks TLS. Use this address: %s://%s%s", scheme, r.Host, r.URL.EscapedPath())
}
