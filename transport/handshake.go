package transport

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
)

// isUpgrade reports whether r asks for a WebSocket.
func isUpgrade(r *http.Request) bool { return hasToken(r.Header, "Upgrade", "websocket") }

// checkHandshake answers a request for a WebSocket that is no proper handshake (RFC 6455, section 4.2.1), and reports
// whether it was one.
func checkHandshake(w http.ResponseWriter, r *http.Request) bool {
	refuse := func(status int, sentence string) bool {
		http.Error(w, sentence, status)
		return false
	}
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		return refuse(http.StatusMethodNotAllowed, "A WebSocket is opened with GET.")
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(http.StatusHTTPVersionNotSupported, "A WebSocket is opened with HTTP/1.1.")
	case !hasToken(r.Header, "Connection", "upgrade"):
		return refuse(http.StatusBadRequest, "The header Connection must contain upgrade. If there is a proxy before this service, let it pass Connection and Upgrade on.")
	case r.ContentLength != 0:
		return refuse(http.StatusBadRequest, "A request for a WebSocket has no body.")
	}
	if version := r.Header.Values("Sec-Websocket-Version"); len(version) != 1 || version[0] != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		return refuse(http.StatusUpgradeRequired, "This service speaks version 13 of the WebSocket protocol.")
	}
	keys := r.Header.Values("Sec-Websocket-Key")
	if len(keys) != 1 || !isKey(keys[0]) {
		return refuse(http.StatusBadRequest, "The header Sec-WebSocket-Key must be the base64 of 16 bytes.")
	}
	return true
}

func isKey(key string) bool {
	nonce, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(nonce) == 16
}

// handshakeResponse answers a handshake that has been checked (RFC 6455, section 4.2.2).
func handshakeResponse(key string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	b := append(make([]byte, 0, 160), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	return append(base64.StdEncoding.AppendEncode(b, sum[:]), "\r\n\r\n"...)
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
