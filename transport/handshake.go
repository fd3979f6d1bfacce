package transport

import (
	"encoding/base64"
	"net/http"
	"strings"

	"p2p-messaging/transport/internal/frame"
)

// upgradeHere is the answer to a request that asks for no WebSocket where there is nothing else.
const upgradeHere = "Connect to this address with a WebSocket. The page is at /."

// asksForWebSocket reports whether r asks for a WebSocket. A proxy may have removed the header Upgrade from the request, but not
// the key that browsers send.
func asksForWebSocket(r *http.Request) bool {
	return hasToken(r.Header, "Upgrade", "websocket") || len(r.Header["Sec-Websocket-Key"]) > 0
}

// pathOf returns the path that r asks for. It begins with one slash: a proxy that serves this service under a path of its own
// often asks for //ws.
func pathOf(r *http.Request) string {
	p := r.URL.Path
	for strings.HasPrefix(p, "//") {
		p = p[1:]
	}
	return p
}

// hasWebSocket reports whether WebSockets are opened at the path.
func hasWebSocket(path string) bool { return path == "/" || path == "/ws" }

// refusal is the answer to a request that is not a proper handshake.
type refusal struct {
	status   int
	sentence string
	header   [2]string // one more header, or none
	advice   string    // for the operator
}

func (f *refusal) write(w http.ResponseWriter) {
	if name := f.header[0]; name != "" {
		w.Header().Set(name, f.header[1])
	}
	http.Error(w, f.sentence, f.status)
}

// checkHandshake returns the refusal of a request for a WebSocket, or nil if the request is a valid handshake (RFC 6455,
// section 4.2.1).
func checkHandshake(r *http.Request) *refusal {
	const (
		ofClient = "this client does not open WebSockets as RFC 6455 says"
		headers  = fromProxy + "let it pass on the headers Upgrade and Connection, as in nginx's proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
	)
	switch {
	case r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "A WebSocket is opened with GET.", [2]string{"Allow", http.MethodGet}, ofClient}
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return &refusal{http.StatusUpgradeRequired, upgradeHere, [2]string{"Upgrade", "websocket"}, headers + " and proxy_http_version 1.1;"}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &refusal{status: http.StatusHTTPVersionNotSupported, sentence: "A WebSocket is opened with HTTP/1.1.",
			advice: fromProxy + "let it speak HTTP/1.1, as in nginx's proxy_http_version 1.1;"}
	case !hasToken(r.Header, "Connection", "upgrade"):
		return &refusal{status: http.StatusBadRequest, advice: headers,
			sentence: "The header Connection must contain upgrade. If there is a proxy before this service, let it pass Connection and Upgrade on."}
	case r.ContentLength != 0:
		// Without "Connection: close", net/http would wait for the body before it answers.
		return &refusal{http.StatusBadRequest, "A request for a WebSocket has no body.", [2]string{"Connection", "close"}, ofClient}
	}
	if version := r.Header["Sec-Websocket-Version"]; len(version) != 1 || version[0] != "13" {
		return &refusal{http.StatusUpgradeRequired, "This service speaks version 13 of the WebSocket protocol.", [2]string{"Sec-WebSocket-Version", "13"}, ofClient}
	}
	if keys := r.Header["Sec-Websocket-Key"]; len(keys) != 1 || !isKey(keys[0]) {
		return &refusal{status: http.StatusBadRequest, sentence: "The header Sec-WebSocket-Key must be the base64 of 16 bytes.", advice: ofClient}
	}
	return nil
}

func isKey(key string) bool {
	if len(key) != 24 {
		return false
	}
	var nonce [18]byte
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(key))
	return err == nil && n == 16
}

// appendHandshakeResponse appends the answer to a handshake that has been checked (RFC 6455, section 4.2.2).
func appendHandshakeResponse(b []byte, key string) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	return append(frame.AppendAccept(b, key), "\r\n\r\n"...)
}

// hasToken reports whether token is in the comma-separated lists of the headers called name.
func hasToken(header http.Header, name, token string) bool {
	for _, value := range header.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}
