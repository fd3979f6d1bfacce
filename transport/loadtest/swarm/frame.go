package swarm

import "encoding/binary"

// Frames (RFC 6455, section 5.2).
const (
	fin      = 0x80
	reserved = 0x70
	masked   = 0x80

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// header is a frame's beginning. Service frames have no mask.
type header struct {
	first  byte
	masked bool
	size   int    // bytes of the header
	length uint64 // bytes behind it
}

func (h header) opcode() byte { return h.first & 0x0F }

// parseHeader reads the header at the start of b, which may be cut off; then want is how many bytes it takes to know
// more.
func parseHeader(b []byte) (h header, want int) {
	if len(b) < 2 {
		return h, 2
	}
	h = header{first: b[0], masked: b[1]&masked != 0, size: 2, length: uint64(b[1] &^ masked)}
	switch h.length {
	case 126:
		h.size = 4
		if len(b) < h.size {
			return h, h.size
		}
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		h.size = 10
		if len(b) < h.size {
			return h, h.size
		}
		h.length = binary.BigEndian.Uint64(b[2:])
	}
	return h, 0
}

// appendFrame appends one unfragmented client's frame, masked with mask.
func appendFrame(b []byte, opcode byte, payload []byte, mask uint32) []byte {
	switch n := len(payload); {
	case n < 126:
		b = append(b, fin|opcode, masked|byte(n))
	case n <= 0xFFFF:
		b = append(b, fin|opcode, masked|126, byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, fin|opcode, masked|127), uint64(n))
	}
	b = binary.LittleEndian.AppendUint32(b, mask)
	start := len(b)
	b = append(b, payload...)
	wide := uint64(mask)<<32 | uint64(mask)
	rest := b[start:]
	for len(rest) >= 8 {
		binary.LittleEndian.PutUint64(rest, binary.LittleEndian.Uint64(rest)^wide)
		rest = rest[8:]
	}
	for i := range rest {
		rest[i] ^= byte(mask >> (8 * (i % 4)))
	}
	return b
}
