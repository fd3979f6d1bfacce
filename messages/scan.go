package messages

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"p2p-messaging/messages/internal/jsontext"
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

// message scans the whole text, which must be one object.
//
// It does not recurse, so a message cannot make the stack grow. It keeps one
// bit for each open level, which is set if the level is an object.
func (s *scanner) message() bool {
	text := s.text
	i := jsontext.Space(text, 0)
	if jsontext.At(text, i) != '{' {
		if jsontext.At(text, i) == 0xEF && jsontext.At(text, i+1) == 0xBB && jsontext.At(text, i+2) == 0xBF {
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
		switch c := jsontext.At(text, i); c {
		case '{', '[':
			if depth == MaxDepth {
				s.fail(reasonDepth, i)
				return false
			}
			depth++
			objects <<= 1
			i = jsontext.Space(text, i+1)
			if c == '[' {
				if jsontext.At(text, i) != ']' {
					continue
				}
			} else {
				objects |= 1
				s.names.enter()
				if jsontext.At(text, i) != '}' {
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
			if jsontext.At(text, i) <= ' ' {
				i = jsontext.Space(text, i)
			}
			if depth == 0 {
				if i < len(text) {
					s.fail(reasonTrailing, i)
					return false
				}
				return true
			}
			c, object := jsontext.At(text, i), objects&1 == 1
			if c == ',' {
				if i++; jsontext.At(text, i) <= ' ' {
					i = jsontext.Space(text, i)
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
	if jsontext.At(text, i) != '"' {
		return s.fail(reasonName, i)
	}
	start := i + 1
	i = start
	begin := jsontext.Word(text, i)
	stop := jsontext.Stops(begin)
	for stop == 0 {
		i += 8
		stop = jsontext.Stops(jsontext.Word(text, i))
	}
	i += bits.TrailingZeros64(stop) / 8
	var ok bool
	if jsontext.At(text, i) == '"' {
		if depth == 1 {
			s.read = parseMember(text[start:i])
		}
		m := begin // comes to what mark returns, from what is at hand
		if i < start+8 {
			m &= stop&-stop>>7 - 1
		} else {
			m ^= bits.RotateLeft64(jsontext.Word(text, i-8), 29)
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
	if jsontext.At(text, i) != ':' {
		if i = jsontext.Space(text, i); jsontext.At(text, i) != ':' {
			return s.fail(reasonColon, i)
		}
	}
	if i++; jsontext.At(text, i) <= ' ' {
		i = jsontext.Space(text, i)
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
	i = jsontext.EndOfPlain(s.text, i)
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
			i = jsontext.EndOfLines(text, i)
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
		i = jsontext.EndOfPlain(text, i)
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
	r, _ := jsontext.Hex4(s.text, i+2)
	low, _ := jsontext.Hex4(s.text, i+8)
	if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
		return pair
	}
	return r
}

// escape scans an escape in a string. Position i is that of its backslash. If
// the escape is half of a surrogate pair, it scans both halves.
func (s *scanner) escape(i int) int {
	switch jsontext.At(s.text, i+1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return s.fail(reasonEscape, i+1)
	}
	r, end := jsontext.Hex4(s.text, i+2)
	if end != i+6 {
		return s.fail(reasonEscape, end)
	}
	if utf16.IsSurrogate(r) {
		var low rune // an escape with fewer than four digits leaves a rune that is no surrogate
		if jsontext.At(s.text, i+6) == '\\' && jsontext.At(s.text, i+7) == 'u' {
			low, end = jsontext.Hex4(s.text, i+8)
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

// isNoncharacter reports whether r is one of the code points that Unicode
// keeps for internal use and I-JSON forbids (RFC 7493, section 2.1).
func isNoncharacter(r rune) bool {
	return r&0xFFFE == 0xFFFE || 0xFDD0 <= r && r <= 0xFDEF
}
