package frame

import "encoding/binary"

// Opcode says what a frame is (RFC 6455, section 5.2).
type Opcode byte

const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether the opcode is that of a control frame, defined or reserved.
func (o Opcode) Control() bool { return o&0x8 != 0 }

// The parts of the first two bytes of a header.
const (
	finBit      = 0x80 // first byte
	reservedBit = 0x70 // first byte: RSV1, RSV2 and RSV3
	opcodeBits  = 0x0F // first byte
	maskBit     = 0x80 // second byte
	lengthBits  = 0x7F // second byte

	// length16 and length64 in place of a length say that it follows in two bytes or in eight.
	length16 = 126
	length64 = 127
)

const (
	keySize = 4
	// MaxControl is how many bytes a control frame may carry (RFC 6455, section 5.5).
	MaxControl = 125
)

// Header is the header of a frame.
type Header struct {
	first, second byte
	// Key is the masking key, as [Mask] takes it; 0 if the frame is not masked.
	Key uint32
	// Length is how many bytes the payload has.
	Length uint64
}

// Opcode returns what the frame is.
func (h Header) Opcode() Opcode { return Opcode(h.first & opcodeBits) }

// Fin reports whether the frame is the last of its message.
func (h Header) Fin() bool { return h.first&finBit != 0 }

// Masked reports whether the payload is masked.
func (h Header) Masked() bool { return h.second&maskBit != 0 }

// Size returns how many bytes the header itself has, with the key.
func (h Header) Size() int {
	size := h.sizeToLength()
	if h.Masked() {
		size += keySize
	}
	return size
}

// sizeToLength returns how many bytes the header has without the key, which comes last.
func (h Header) sizeToLength() int {
	switch h.second & lengthBits {
	case length16:
		return 2 + 2
	case length64:
		return 2 + 8
	}
	return 2
}

// ParseHeader reads the header at the start of b and does not judge it. More is 0 if the header is whole. Otherwise at least
// so many bytes are missing, and h has what b says so far: Opcode and Fin with one byte, Masked and Size with two, and
// Length with the bytes that it is written in.
func ParseHeader(b []byte) (h Header, more int) {
	if len(b) < 2 {
		if len(b) == 1 {
			h.first = b[0]
		}
		return h, 2 - len(b)
	}
	h.first, h.second = b[0], b[1]
	size := 2
	switch h.Length = uint64(h.second & lengthBits); h.Length {
	case length16:
		if size = 4; len(b) < size {
			return h, h.Size() - len(b)
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[2:]))
	case length64:
		if size = 10; len(b) < size {
			return h, h.Size() - len(b)
		}
		h.Length = binary.BigEndian.Uint64(b[2:])
	}
	if h.Masked() {
		if size += keySize; len(b) < size {
			return h, size - len(b)
		}
		h.Key = binary.LittleEndian.Uint32(b[size-keySize:])
	}
	return h, 0
}

// Append appends an unmasked frame, as servers send them. The frame is a whole message or a control frame. Its header has
// 2, 4 or 10 bytes.
func Append(b []byte, opcode Opcode, payload []byte) []byte {
	return append(appendHeader(b, opcode, 0, len(payload)), payload...)
}

// AppendMasked appends a frame as Append does, but masked with key, as clients send them.
func AppendMasked(b []byte, opcode Opcode, payload []byte, key uint32) []byte {
	b = appendHeader(b, opcode, maskBit, len(payload))
	b = binary.LittleEndian.AppendUint32(b, key)
	start := len(b)
	b = append(b, payload...)
	Mask(b[start:], key)
	return b
}

// appendHeader appends the header of a frame without its key. The length takes as few bytes as it can (RFC 6455, section
// 5.2).
func appendHeader(b []byte, opcode Opcode, mask byte, length int) []byte {
	b = append(b, finBit|byte(opcode))
	switch {
	case length < length16:
		return append(b, mask|byte(length))
	case length <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(b, mask|length16), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, mask|length64), uint64(length))
	}
}
