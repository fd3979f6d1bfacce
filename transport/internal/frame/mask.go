package frame

import "encoding/binary"

// Mask masks a payload in place, or unmasks a masked one, which is the same (RFC 6455, section 5.3). The lowest byte of
// the key is the first on the wire.
func Mask(b []byte, key uint32) {
	twice := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		_ = b[31]
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^twice)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^twice)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^twice)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^twice)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^twice)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * (i & 3)))
	}
}
