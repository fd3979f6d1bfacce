package jsontext

import (
	"encoding/binary"
	"math/bits"
)

// Strings are scanned eight bytes at a time. The functions below give their
// result for each byte in its high bit. All other bits have no meaning. The
// results hold up to the first byte that is not ASCII, because additions carry
// from there.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// differs sets the high bits of the bytes that are not c.
func differs(w uint64, c byte) uint64 { return (w ^ uint64(c)*ones) + 0x7F*ones }

// unquoted sets the high bits of the bytes that are neither a quote nor a
// control character. Flipping the bit of value 2 moves the quote next to the control
// characters, so that one addition is enough.
func unquoted(w uint64) uint64 { return (w ^ 2*ones) + 0x5F*ones }

// Stops returns 0 if all eight bytes are plain characters of a string.
// Otherwise its lowest bit is the high bit of the first byte that is a quote, a
// backslash, a control character or not ASCII. For a byte that is not ASCII,
// one of the additions overflows.
func Stops(w uint64) uint64 {
	return highs &^ (unquoted(w) & differs(w, '\\'))
}

// lineStops is Stops, but does not stop at the escapes \r and \n. Next holds
// the eight bytes that begin one position later. These escapes cost no branch.
// A branch would often be mispredicted, because lines have any length. A byte
// that is not ASCII can look like any other byte, so it must not count as the
// second half of an escape.
func lineStops(w, next uint64) uint64 {
	lineEnd := ^(differs(next, 'n')&differs(next, 'r') | next)
	return highs &^ (unquoted(w) & (differs(w, '\\') | lineEnd) &^ w)
}

// firstStop returns the index of the first stop among 32 bytes, or 32 if there
// is none.
func firstStop(a, b, c, d uint64) int {
	switch {
	case a|b|c|d == 0:
		return 32
	case a != 0:
		return bits.TrailingZeros64(a) / 8
	case b != 0:
		return bits.TrailingZeros64(b)/8 + 8
	case c != 0:
		return bits.TrailingZeros64(c)/8 + 16
	}
	return bits.TrailingZeros64(d)/8 + 24
}

// EndOfPlain returns the position, from i on, of the first byte of a JSON string that needs a closer look: a quote, a backslash, a control
// character or one that is not ASCII. It returns the length of text if there is none.
func EndOfPlain(text []byte, i int) int {
	if stop := Stops(Word(text, i)); stop != 0 { // most strings are short
		return i + bits.TrailingZeros64(stop)/8
	}
	for i += 8; i >= 0 && i <= len(text)-32; i += 32 {
		b := text[i : i+32]
		if n := firstStop(Stops(Word(b, 0)), Stops(Word(b, 8)), Stops(Word(b, 16)), Stops(Word(b, 24))); n < 32 {
			return i + n
		}
	}
	for {
		if stop := Stops(Word(text, i)); stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
		i += 8
	}
}

// EndOfLines is EndOfPlain, but goes on behind the escapes \r and \n. It may stop too early.
func EndOfLines(text []byte, i int) int {
	for ; i >= 0 && i <= len(text)-33; i += 32 {
		b := text[i : i+33]
		if n := firstStop(
			lineStops(Word(b, 0), Word(b, 1)), lineStops(Word(b, 8), Word(b, 9)),
			lineStops(Word(b, 16), Word(b, 17)), lineStops(Word(b, 24), Word(b, 25))); n < 32 {
			return i + n
		}
	}
	return i
}

// Word returns the eight bytes at i. Bytes after the end of the text are 0,
// which stops a string.
func Word(text []byte, i int) uint64 {
	if i >= 0 && i <= len(text)-8 { // in this form it compiles to one load without a further check
		return binary.LittleEndian.Uint64(text[i:])
	}
	return lastWord(text, i)
}

// lastWord is Word for a position with fewer than eight bytes left.
func lastWord(text []byte, i int) uint64 {
	if len(text) >= 8 {
		return binary.LittleEndian.Uint64(text[len(text)-8:]) >> (8 * uint(i+8-len(text)))
	}
	var b [8]byte
	copy(b[:], text[i:])
	return binary.LittleEndian.Uint64(b[:])
}
