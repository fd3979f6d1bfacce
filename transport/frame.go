package transport

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"p2p-messaging/messages"
)

// What the service sends: unfragmented, unmasked frames (RFC 6455, section 5.2).
const (
	fin = 0x80 // first byte, beside the opcode

	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA

	// maxReason is how long the reason in a close frame may be: a control frame carries 125 bytes, two of them the
	// code (RFC 6455, section 5.5).
	maxReason = 123
)

// appendFrame appends one frame with a header of 2, 4 or 10 bytes.
func appendFrame(b []byte, opcode byte, payload []byte) []byte {
	b = append(b, fin|opcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// appendClosePayload appends what a close frame carries. A reason that is too long is cut between two characters.
func appendClosePayload(b []byte, code messages.CloseCode, reason string) []byte {
	if len(reason) > maxReason {
		end := maxReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(code)), reason...)
}

// frameSize returns the size of the complete frame at the start of b, which this package has built itself. The response
// to the handshake, which goes the same way before all frames, counts as one: its first byte has no fin bit.
func frameSize(b []byte) int {
	if b[0]&fin == 0 {
		return bytes.Index(b, []byte("\r\n\r\n")) + 4
	}
	switch n := b[1]; n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	default:
		return 2 + int(n)
	}
}

// framePayload returns the payload of the complete frame at the start of b, which this package has built itself.
func framePayload(b []byte) []byte {
	header := 2
	switch b[1] {
	case 126:
		header = 4
	case 127:
		header = 10
	}
	return b[header:frameSize(b)]
}
