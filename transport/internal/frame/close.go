package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxReason is how many bytes the reason in a close frame may have: what a control frame carries besides the status code
// (RFC 6455, section 5.5).
const MaxReason = MaxControl - 2

// AppendClose appends the payload of a close frame. A reason that is too long is cut between two characters.
func AppendClose(b []byte, code uint16, reason string) []byte {
	if len(reason) > MaxReason {
		end := MaxReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return append(binary.BigEndian.AppendUint16(b, code), reason...)
}

// AnswerClose returns the payload of the close frame that answers one with this payload: the same status code, or none if
// payload has none (RFC 6455, section 5.5.1). The result is part of payload. The error is a [Fault] and says why payload is
// not acceptable. If several things are wrong, the error is about the encoding of the reason.
func AnswerClose(payload []byte) ([]byte, error) {
	switch {
	case len(payload) == 0:
		return payload, nil
	case len(payload) == 1:
		return nil, FaultClosePayload
	case !utf8.Valid(payload[2:]):
		return nil, FaultCloseReason
	case !mayClose(binary.BigEndian.Uint16(payload)):
		return nil, FaultCloseCode
	}
	return payload[:2:2], nil
}

// mayClose reports whether a close frame may have the status code. Those may that RFC 6455 (section 7.4) and IANA's
// registry of close codes define, except 1014, which only gateways use, and those for libraries and applications.
func mayClose(code uint16) bool {
	switch {
	case code < 1000 || code >= 5000, code >= 1016 && code < 3000:
		return false
	case code == 1004, code == 1005, code == 1006, code == 1014, code == 1015:
		return false
	}
	return true
}
