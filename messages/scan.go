package messages

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner checks a message in one pass, from left to right, and remembers where
// the members stand that Decode reads. Its methods take the position where
// something begins and return the position after it. They return -1 if it is
// not valid. Then reason and offset say why.
type scanner struct {
	text   []byte
	names  names
	found  [members]value // of the message's own object
	read   member         // the member whose value comes next
	reason reason
	offset int
	unfit  rune // the first character of the member login that I-JSON does not allow; the scan goes on behind it
}

// reset makes s ready for a text.
func (s *scanner) reset(text []byte) {
	s.text = text
	s.found = [members]value{}
	s.unfit = 0
	s.names.reset()
}

// fail notes why the message is refused.
func (s *scanner) fail(why reason, offset int) int {
	if offset >= len(s.text) {
		why, offset = reasonEnd, len(s.text)
	}
	s.reason, s.offset = why, offset
	return -1
}

// at returns the byte at i, or 0 after the end. A valid message has no byte 0.
func at(text []byte, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}

// space skips white space (RFC 8259, section 2).
func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// message scans the whole text, which must be one object.
//
// It does not recurse, so a message cannot make the stack grow. It keeps one
// bit for each open level, which is set if the level is an object.
func (s *scanner) message() bool {
	text := s.text
	i := space(text, 0)
	if at(text, i) != '{' {
		if at(text, i) == 0xEF && at(text, i+1) == 0xBB && at(text, i+2) == 0xBF {
			s.fail(reasonBOM, i)
		} else {
			s.fail(reasonNoObject, i)
		}
		return false
	}
	var (
		depth   int
		objects uint64 // bit 0 is the innermost level
	)
	for {
		// A value begins at i.
		switch c := at(text, i); c {
		case '{', '[':
			if depth == MaxDepth {
				s.fail(reasonDepth, i)
				return false
			}
			depth++
			objects <<= 1
			i = space(text, i+1)
			if c == '[' {
				if at(text, i) != ']' {
					continue
				}
			} else {
				objects |= 1
				s.names.enter()
				if at(text, i) != '}' {
					if i = s.name(i, depth); i < 0 {
						return false
					}
					continue
				}
				s.names.leave()
			}
			depth--
			objects >>= 1
			i++
		case '"':
			start, escaped := i, false
			if i, escaped = s.str(i + 1); depth == 1 {
				if i < 0 && s.read == memberLogin {
					i = s.unfitLogin()
				}
				s.found[s.read] = value{start, i, kindString, escaped}
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			start := i
			if i = s.number(i); depth == 1 {
				s.found[s.read] = value{start: start, end: i, kind: kindNumber}
			}
		case 't':
			start := i
			if i = s.literal(i, "true"); depth == 1 {
				s.found[s.read] = value{start: start, end: i, kind: kindTrue}
			}
		case 'f':
			i = s.literal(i, "false")
		case 'n':
			i = s.literal(i, "null")
		default:
			s.fail(reasonValue, i)
			return false
		}
		if i < 0 {
			return false
		}

		// A value has ended before i. The arrays and objects around it may end here too.
		for {
			if at(text, i) <= ' ' {
				i = space(text, i)
			}
			if depth == 0 {
				if i < len(text) {
					s.fail(reasonTrailing, i)
					return false
				}
				return true
			}
			c, object := at(text, i), objects&1 == 1
			if c == ',' {
				if i++; at(text, i) <= ' ' {
					i = space(text, i)
				}
				if object {
					if i = s.name(i, depth); i < 0 {
						return false
					}
				}
				break
			}
			if object && c == '}' {
				s.names.leave()
			} else if object || c != ']' {
				s.fail(reasonComma, i)
				return false
			}
			depth--
			objects >>= 1
			i++
		}
	}
}

// name scans a member's name and the colon after it. Its opening quote should
// be at i.
func (s *scanner) name(i, depth int) int {
	text := s.text
	if at(text, i) != '"' {
		return s.fail(reasonName, i)
	}
	start := i + 1
	i = start
	begin := word(text, i)
	stop := stops(begin)
	for stop == 0 {
		i += 8
		stop = stops(word(text, i))
	}
	i += bits.TrailingZeros64(stop) / 8
	var ok bool
	if at(text, i) == '"' {
		if depth == 1 {
			s.read = parseMember(text[start:i])
		}
		m := begin // comes to what mark returns, from what is at hand
		if i < start+8 {
			m &= stop&-stop>>7 - 1
		} else {
			m ^= bits.RotateLeft64(word(text, i-8), 29)
		}
		ok = s.names.add(text, name{m, uint32(start), uint32(i)})
		i++
	} else {
		var (
			spelling []byte
			escaped  bool
		)
		if i, escaped = s.rest(i); i < 0 {
			return -1
		}
		if spelling, ok = s.names.addLong(text, start, i-1, escaped); depth == 1 {
			s.read = parseMember(spelling)
		}
	}
	if !ok {
		return s.fail(reasonDuplicate, start-1)
	}
	if at(text, i) != ':' {
		if i = space(text, i); at(text, i) != ':' {
			return s.fail(reasonColon, i)
		}
	}
	if i++; at(text, i) <= ' ' {
		i = space(text, i)
	}
	if depth == 1 {
		s.found[s.read] = value{start: i, end: i}
	}
	return i
}

// literal scans true, false or null.
func (s *scanner) literal(i int, word string) int {
	if len(s.text)-i < len(word) || string(s.text[i:i+len(word)]) != word {
		return s.fail(reasonValue, i)
	}
	return i + len(word)
}

// str scans a string. Position i is after its opening quote, and end is after
// its closing quote. It also reports whether the string has an escape.
func (s *scanner) str(i int) (end int, escaped bool) {
	i = plain(s.text, i)
	if i < len(s.text) && s.text[i] == '"' {
		return i + 1, false
	}
	return s.rest(i)
}

// rest scans a string from the first position that plain stops at.
func (s *scanner) rest(i int) (end int, escaped bool) {
	text := s.text
	for i < len(text) {
		switch c := text[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = s.escape(i); i < 0 {
				return -1, false
			}
			// A session description has two such escapes at the end of each
			// line. So after one escape, more are likely.
			i = lines(text, i)
		case c < ' ':
			return s.fail(reasonControl, i), false
		default:
			for i < len(text) && text[i] >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(text[i:])
				if r == utf8.RuneError && size == 1 {
					return s.fail(reasonUTF8, i), false
				}
				if isNoncharacter(r) {
					return s.fail(reasonNoncharacter, i), false
				}
				i += size
			}
		}
		i = plain(text, i)
	}
	return s.fail(reasonEnd, i), false
}

// unfitLogin goes on with the string of the member login behind a character
// that I-JSON does not allow and JSON does: a noncharacter or half of a
// surrogate pair. The reason stays that of the first one.
func (s *scanner) unfitLogin() int {
	why, offset := s.reason, s.offset
	end := -1
	for end < 0 && (s.reason == reasonNoncharacter || s.reason == reasonSurrogate) {
		r, size := utf8.DecodeRune(s.text[s.offset:])
		if r == '\\' {
			const escape = len(`\uFFFF`) // of a pair, the second half is a character of its own here
			r, size = s.escaped(s.offset), escape
		}
		if s.unfit == 0 {
			s.unfit = r
		}
		end, _ = s.rest(s.offset + size)
	}
	s.reason, s.offset = why, offset
	return end
}

// escaped returns the character of a \u escape, from both its halves if it is a
// pair.
func (s *scanner) escaped(i int) rune {
	r, _ := hex4(s.text, i+2)
	low, _ := hex4(s.text, i+8)
	if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
		return pair
	}
	return r
}

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

// stops returns 0 if all eight bytes are plain characters of a string.
// Otherwise its lowest bit is the high bit of the first byte that is a quote, a
// backslash, a control character or not ASCII. For a byte that is not ASCII,
// one of the additions overflows.
func stops(w uint64) uint64 {
	return highs &^ (unquoted(w) & differs(w, '\\'))
}

// lineStops is stops, but does not stop at the escapes \r and \n. Next holds
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

// plain returns the position of the first byte, from i on, at which stops
// stops. It returns the length of text if there is none.
func plain(text []byte, i int) int {
	if stop := stops(word(text, i)); stop != 0 { // most strings are short
		return i + bits.TrailingZeros64(stop)/8
	}
	for i += 8; i >= 0 && i <= len(text)-32; i += 32 {
		b := text[i : i+32]
		if n := firstStop(stops(word(b, 0)), stops(word(b, 8)), stops(word(b, 16)), stops(word(b, 24))); n < 32 {
			return i + n
		}
	}
	for {
		if stop := stops(word(text, i)); stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
		i += 8
	}
}

// lines is plain with lineStops. It may stop too early.
func lines(text []byte, i int) int {
	for ; i >= 0 && i <= len(text)-33; i += 32 {
		b := text[i : i+33]
		if n := firstStop(
			lineStops(word(b, 0), word(b, 1)), lineStops(word(b, 8), word(b, 9)),
			lineStops(word(b, 16), word(b, 17)), lineStops(word(b, 24), word(b, 25))); n < 32 {
			return i + n
		}
	}
	return i
}

// word returns the eight bytes at i. Bytes after the end of the text are 0,
// which stops a string.
func word(text []byte, i int) uint64 {
	if i >= 0 && i <= len(text)-8 { // in this form it compiles to one load without a further check
		return binary.LittleEndian.Uint64(text[i:])
	}
	return lastWord(text, i)
}

// lastWord is word for a position with fewer than eight bytes left.
func lastWord(text []byte, i int) uint64 {
	if len(text) >= 8 {
		return binary.LittleEndian.Uint64(text[len(text)-8:]) >> (8 * uint(i+8-len(text)))
	}
	var b [8]byte
	copy(b[:], text[i:])
	return binary.LittleEndian.Uint64(b[:])
}

// escape scans an escape in a string. Position i is that of its backslash. If
// the escape is half of a surrogate pair, it scans both halves.
func (s *scanner) escape(i int) int {
	switch at(s.text, i+1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return s.fail(reasonEscape, i+1)
	}
	r, end := hex4(s.text, i+2)
	if end != i+6 {
		return s.fail(reasonEscape, end)
	}
	if utf16.IsSurrogate(r) {
		var low rune // an escape with fewer than four digits leaves a rune that is no surrogate
		if at(s.text, i+6) == '\\' && at(s.text, i+7) == 'u' {
			low, end = hex4(s.text, i+8)
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return s.fail(reasonSurrogate, i)
		}
	}
	if isNoncharacter(r) {
		return s.fail(reasonNoncharacter, i)
	}
	return end
}

// hex4 reads at most four digits of a \u escape. End is after the last one.
func hex4(text []byte, i int) (r rune, end int) {
	for end = i; end < min(i+4, len(text)); end++ {
		c := text[end]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return r, end
		}
		r = r<<4 | rune(c)
	}
	return r, end
}

// isNoncharacter reports whether r is one of the code points that Unicode
// keeps for internal use and I-JSON forbids (RFC 7493, section 2.1).
func isNoncharacter(r rune) bool {
	return r&0xFFFE == 0xFFFE || 0xFDD0 <= r && r <= 0xFDEF
}

// appendUnescaped appends the content of a string and replaces its escapes with
// the characters that they stand for. str must have checked the string.
func appendUnescaped(dst, content []byte) []byte {
	for {
		i := bytes.IndexByte(content, '\\')
		if i < 0 {
			return append(dst, content...)
		}
		dst = append(dst, content[:i]...)
		c := content[i+1]
		content = content[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(content, 0)
			content = content[4:]
			if utf16.IsSurrogate(r) {
				low, _ := hex4(content, 2)
				r = utf16.DecodeRune(r, low)
				content = content[6:]
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}
