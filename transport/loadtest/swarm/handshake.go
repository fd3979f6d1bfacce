package swarm

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"

	"p2p-messaging/transport/internal/frame"
)

// maxResponse is how many bytes the header of the answer to the handshake may have.
const maxResponse = 16 << 10

// appendRequest appends the request of the handshake (RFC 6455, section 4.1).
func appendRequest(b []byte, target, host string, id uint64) []byte {
	b = append(b, "GET "...)
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	b = appendKey(b, id)
	return append(b, "\r\n\r\n"...)
}

// appendKey appends a connection's Sec-WebSocket-Key, which is 16 bytes in base64.
func appendKey(b []byte, id uint64) []byte {
	var nonce [16]byte
	binary.LittleEndian.PutUint64(nonce[:], id)
	binary.LittleEndian.PutUint64(nonce[8:], mix(id))
	return base64.StdEncoding.AppendEncode(b, nonce[:])
}

// accept returns the Sec-WebSocket-Accept that belongs to a connection's key.
func accept(id uint64) string { return string(frame.AppendAccept(nil, appendKey(nil, id))) }

// shake handles bytes of the answer to the handshake. It returns the bytes after the answer.
func (c *Conn) shake(data []byte) (rest []byte) {
	answer := data
	if c.in != nil {
		c.in.bytes = append(c.in.bytes, data...)
		answer = c.in.bytes
	}
	end := bytes.Index(answer, []byte("\r\n\r\n"))
	if end < 0 {
		switch {
		case len(answer) > maxResponse:
			c.fail(&HandshakeError{Reason: "its header is too long"})
		case len(answer) >= 5 && string(answer[:5]) != "HTTP/":
			c.fail(&HandshakeError{Reason: "it does not begin with HTTP/"})
		case c.in == nil:
			c.keep(data)
		}
		return nil
	}
	if c.in != nil {
		rest = data[len(data)-(len(answer)-(end+4)):]
	} else {
		rest = data[end+4:]
	}
	err := c.loop.checkResponse(answer[:end+4], accept(c.id))
	if c.in != nil {
		c.loop.free(c.in.bytes)
		c.in = nil
	}
	if err != nil {
		c.fail(err)
		return nil
	}
	c.state = opened
	c.handler.Opened(c)
	return rest
}

// checkResponse checks the answer to the handshake (RFC 6455, section 4.1).
func (l *Loop) checkResponse(answer []byte, accept string) error {
	l.source.Reset(answer)
	if l.response == nil {
		l.response = bufio.NewReader(&l.source)
	} else {
		l.response.Reset(&l.source)
	}
	r, err := http.ReadResponse(l.response, nil)
	if err != nil {
		return &HandshakeError{Reason: "it cannot be read"}
	}
	defer r.Body.Close()
	refuse := func(reason string) error { return &HandshakeError{Status: r.StatusCode, Reason: reason} }
	switch {
	case r.StatusCode != http.StatusSwitchingProtocols:
		return refuse("101 was expected")
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return refuse("its header Upgrade is not websocket")
	case !strings.EqualFold(r.Header.Get("Connection"), "upgrade"):
		return refuse("its header Connection is not upgrade")
	case r.Header.Get("Sec-WebSocket-Accept") != accept:
		return refuse("its header Sec-WebSocket-Accept does not belong to the key")
	case r.Header.Get("Sec-WebSocket-Extensions") != "" || r.Header.Get("Sec-WebSocket-Protocol") != "":
		return refuse("it has an extension or a subprotocol that nobody asked for")
	}
	return nil
}
