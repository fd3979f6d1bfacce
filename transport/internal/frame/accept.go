package frame

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 prescribes it
	"encoding/base64"
)

const (
	// acceptGUID is what a key is hashed with (RFC 6455, section 1.3).
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	// keyLength is how many characters a key has: 16 bytes in base64.
	keyLength = 24
)

// AppendAccept appends the value of Sec-WebSocket-Accept that belongs to the value of Sec-WebSocket-Key (RFC 6455,
// section 4.2.2).
func AppendAccept[Key string | []byte](b []byte, key Key) []byte {
	var challenge [keyLength + len(acceptGUID)]byte
	sum := sha1.Sum(append(append(challenge[:0], key...), acceptGUID...))
	return base64.StdEncoding.AppendEncode(b, sum[:])
}
