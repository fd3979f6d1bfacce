package transport

import (
	"encoding/base64"
	"net/http"
	"strings"

	"p2p-messaging/transport/internal/frame"
)

// asksForWebSocket reports whether r asks for a WebSocket at a path that has one.
func asksForWebSocket(r *http.Request) bool {
	return (r.URL.Path == "/" || r.URL.Path == "/ws") && hasToken(r.Header, "Upgrade", "websocket")
}

// refusal is the answer to a request that is not a proper handshake.
type refusal struct {
	status   int
	sentence string
	header   [2]string // one more header, or none
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
	switch {
	case r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "A WebSocket is opened with GET.", [2]string{"Allow", http.MethodGet}}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &refusal{status: http.StatusHTTPVersionNotSupported, sentence: "A WebSocket is opened with HTTP/1.1."}
	case !hasToken(r.Header, "Connection", "upgrade"):
		return &refusal{status: http.StatusBadRequest, sentence: "The header Connection must contain upgrade. If there is a proxy before this service, let it pass Connection and Upgrade on."}
	case r.ContentLength != 0:
		// Without "Connection: close", net/http would wait for the body before it answers.
		return &refusal{http.StatusBadRequest, "A request for a WebSocket has no body.", [2]string{"Connection", "close"}}
	}
	if version := r.Header["Sec-Websocket-Version"]; len(version) != 1 || version[0] != "13" {
		return &refusal{http.StatusUpgradeRequired, "This service speaks version 13 of the WebSocket protocol.", [2]string{"Sec-WebSocket-Version", "13"}}
	}
	if keys := r.Header["Sec-Websocket-Key"]; len(keys) != 1 || !isKey(keys[0]) {
		return &refusal{status: http.StatusBadRequest, sentence: "The header Sec-WebSocket-Key must be the base64 of 16 bytes."}
	}
	return nil
}

func isKey(key string) bool {
	nonce, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(nonce) == 16
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
