package messages

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner checks a message in one pass, from left to right, and remembers
// where the members stand that are read. Its methods take the place in the
// text where something begins and return the place behind it, or -1 if it is
// not as it should be; then reason and offset say why.
type scanner struct {
	text   []byte
	names  names
	found  [members]value // of the message's own object
	read   member         // which of its members has the value that comes next
	reason reason
	offset int
}

// reset makes s ready for a text.
func (s *scanner) reset(text []byte) {
	s.text = text
	s.found = [members]value{}
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

// at returns the byte at i, and 0, which JSON has no use for outside strings,
// at the end.
func (s *scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

// space skips white space: RFC 8259, section 2.
func (s *scanner) space(i int) int {
	for i < len(s.text) && s.text[i] <= ' ' && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\r' || s.text[i] == '\t') {
		i++
	}
	return i
}

// message scans the whole text, which must be one object.
//
// There is no recursion: what is open is a bit for each level, set for an
// object, so that a message cannot make the stack grow.
func (s *scanner) message() bool {
	i := s.space(0)
	if s.at(i) != '{' {
		if s.at(i) == 0xEF && s.at(i+1) == 0xBB && s.at(i+2) == 0xBF {
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
		switch c := s.at(i); c {
		case '{', '[':
			if depth == MaxDepth {
				s.fail(reasonDepth, i)
				return false
			}
			depth++
			objects <<= 1
			i = s.space(i + 1)
			if c == '[' {
				if s.at(i) != ']' {
					continue
				}
			} else {
				objects |= 1
				s.names.enter()
				if s.at(i) != '}' {
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
				s.found[s.read] = value{start, i, true, escaped}
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			i = s.number(i)
		case 't':
			i = s.literal(i, "true")
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

		// A value has ended before i, and with it perhaps what it is in.
		for {
			i = s.space(i)
			if depth == 0 {
				if i < len(s.text) {
					s.fail(reasonTrailing, i)
					return false
				}
				return true
			}
			c, object := s.at(i), objects&1 == 1
			if c == ',' {
				i = s.space(i + 1)
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

// name scans a member's name and the colon behind it; i is where its opening
// quote should be.
func (s *scanner) name(i, depth int) int {
	if s.at(i) != '"' {
		return s.fail(reasonName, i)
	}
	start := i + 1
	i, escaped := s.str(start)
	if i < 0 {
		return -1
	}
	spelling, ok := s.names.add(s.text, start, i-1, escaped)
	if !ok {
		return s.fail(reasonDuplicate, start-1)
	}
	if i = s.space(i); s.at(i) != ':' {
		return s.fail(reasonColon, i)
	}
	i = s.space(i + 1)
	if depth == 1 {
		s.read = parseMember(spelling)
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

// str scans a string; i is behind its opening quote, and the place that it
// returns behind its closing one. It reports whether there is an escape in it.
func (s *scanner) str(i int) (end int, escaped bool) {
	text := s.text
	for {
		i = plain(text, i)
		if i == len(text) {
			return s.fail(reasonEnd, i), false
		}
		switch c := text[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = s.escape(i); i < 0 {
				return -1, false
			}
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
	}
}

// plain returns the place of the first byte from i on that is not simply a
// character of a string: a quote, a backslash, a control character, or not
// ASCII; the length of text if there is none.
func plain(text []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	// Eight bytes at a time: subtracting sets the high bit of a byte that is
	// too small, and of no byte before the first such one.
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		m := (w | (w - ones*' ') | (w ^ ones*'"' - ones) | (w ^ ones*'\\' - ones)) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// escape scans an escape in a string, and both if they are the halves of a
// surrogate pair; i is where its backslash stands.
func (s *scanner) escape(i int) int {
	switch s.at(i + 1) {
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
		var low rune // what has fewer than four digits is no surrogate
		if s.at(i+6) == '\\' && s.at(i+7) == 'u' {
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

// hex4 reads the digits of a \u escape, four at most. They end before end.
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

// appendUnescaped appends the content of a string, which str has checked,
// with its escapes replaced by what they stand for.
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
