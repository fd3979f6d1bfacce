package peerjs

import (
	"unicode/utf8"

	"p2p-messaging/messages/internal/jsontext"
)

// A span says where something stands in a frame. In the zero span, end is 0: nothing stands there.
type span struct {
	start, end int
	escaped    bool // it is a string, or a member's name, with an escape
}

// A member is one of the members of a frame that the service reads.
type member uint8

const (
	memberOther member = iota
	memberType
	memberDst
	memberPayload
	members // how many there are
)

// found says where the values of the members stand. Of members that have the same name, the last one counts, as in JavaScript.
type found [members]span

// scanner checks that a text is JSON (RFC 8259) and finds the members of its object. It accepts what JSON.parse accepts, and that is more
// than the service's own protocol accepts: names that occur twice, half surrogate pairs, noncharacters, numbers of any size and any
// depth. Its methods take the position where something begins and return the position behind it, or -1.
type scanner struct {
	text []byte
	// nested has one bit for each open level beyond the first 64, so that a frame cannot make the stack grow.
	nested []uint64
}

// object scans the whole text. It returns false if the text is not JSON, or is no object.
func (s *scanner) object() (f found, ok bool) {
	text := s.text
	i := jsontext.Space(text, 0)
	if jsontext.At(text, i) != '{' {
		return f, false
	}
	var (
		depth   int
		objects uint64 // bit 0 is the innermost level; set for an object
		read    member // the member of the outermost object whose value is being scanned
		start   int    // where that value begins
		escaped bool   // that value is a string with an escape
	)
	for {
		// A value begins at i.
		if depth == 1 {
			start, escaped = i, false
		}
		c := jsontext.At(text, i)
		if c == '{' || c == '[' {
			if depth > 0 && depth%64 == 0 {
				s.nested = append(s.nested, objects)
			}
			depth++
			objects <<= 1
			i = jsontext.Space(text, i+1)
			if c == '{' {
				objects |= 1
				if jsontext.At(text, i) != '}' {
					if i, read = s.name(i, depth, read); i < 0 {
						return f, false
					}
					continue
				}
			} else if jsontext.At(text, i) != ']' {
				continue
			}
			i, depth, objects = i+1, depth-1, objects>>1
			if depth > 0 && depth%64 == 0 {
				objects = s.outer()
			}
		} else if i, escaped = s.scalar(i); i < 0 {
			return f, false
		}
		// A value has ended before i. The arrays and objects around it may end here too.
		for {
			if depth == 0 {
				return f, jsontext.Space(text, i) == len(text)
			}
			if depth == 1 {
				f[read] = span{start, i, escaped}
				read = memberOther
			}
			i = jsontext.Space(text, i)
			c, isObject := jsontext.At(text, i), objects&1 == 1
			if c == ',' {
				i = jsontext.Space(text, i+1)
				if isObject {
					if i, read = s.name(i, depth, read); i < 0 {
						return f, false
					}
				}
				break
			}
			if isObject && c != '}' || !isObject && c != ']' {
				return f, false
			}
			i, depth, objects = i+1, depth-1, objects>>1
			if depth > 0 && depth%64 == 0 {
				objects = s.outer()
			}
		}
	}
}

// outer returns the bits of the 64 levels that are the innermost now.
func (s *scanner) outer() uint64 {
	last := len(s.nested) - 1
	bits := s.nested[last]
	s.nested = s.nested[:last]
	return bits
}

// name scans a member's name and the colon behind it. In the outermost object it says which member that is. Elsewhere it is the one that
// is being read.
func (s *scanner) name(i, depth int, read member) (int, member) {
	text := s.text
	if jsontext.At(text, i) != '"' {
		return -1, read
	}
	start := i
	i, escaped := s.str(i + 1)
	if i < 0 {
		return -1, read
	}
	if depth == 1 {
		read = parseMember(text[start+1:i-1], escaped)
	}
	if i = jsontext.Space(text, i); jsontext.At(text, i) != ':' {
		return -1, read
	}
	return jsontext.Space(text, i+1), read
}

func parseMember(name []byte, escaped bool) member {
	if escaped {
		name = jsontext.AppendUnescaped(nil, name)
	}
	switch string(name) {
	case "type":
		return memberType
	case "dst":
		return memberDst
	case "payload":
		return memberPayload
	}
	return memberOther
}

// scalar scans a string, a number, true, false or null.
func (s *scanner) scalar(i int) (end int, escaped bool) {
	switch c := jsontext.At(s.text, i); {
	case c == '"':
		return s.str(i + 1)
	case c == '-' || isDigit(c):
		return s.number(i), false
	case c == 't':
		return s.literal(i, "true"), false
	case c == 'f':
		return s.literal(i, "false"), false
	case c == 'n':
		return s.literal(i, "null"), false
	}
	return -1, false
}

func (s *scanner) literal(i int, word string) int {
	if len(s.text)-i < len(word) || string(s.text[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// str scans a string from behind its opening quote.
func (s *scanner) str(i int) (end int, escaped bool) {
	text := s.text
	for i = jsontext.EndOfPlain(text, i); i < len(text); i = jsontext.EndOfPlain(text, i) {
		switch c := text[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			if i = escape(text, i); i < 0 {
				return -1, false
			}
			escaped = true
			i = jsontext.EndOfLines(text, i) // a session description has two such escapes at the end of each line
		case c < ' ':
			return -1, false
		default:
			for i < len(text) && text[i] >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(text[i:])
				if r == utf8.RuneError && size == 1 {
					return -1, false
				}
				i += size
			}
		}
	}
	return -1, false
}

// escape scans an escape in a string.
func escape(text []byte, i int) int {
	switch jsontext.At(text, i+1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, end := jsontext.Hex4(text, i+2); end == i+6 {
			return end
		}
	}
	return -1
}

// number scans a number (RFC 8259, section 6).
func (s *scanner) number(i int) int {
	text := s.text
	if jsontext.At(text, i) == '-' {
		i++
	}
	whole := i
	if i = digits(text, i); i == whole || text[whole] == '0' && i > whole+1 {
		return -1
	}
	if jsontext.At(text, i) == '.' {
		fraction := i + 1
		if i = digits(text, fraction); i == fraction {
			return -1
		}
	}
	if jsontext.At(text, i)|0x20 == 'e' {
		if i++; jsontext.At(text, i) == '+' || jsontext.At(text, i) == '-' {
			i++
		}
		exponent := i
		if i = digits(text, exponent); i == exponent {
			return -1
		}
	}
	return i
}

func digits(text []byte, i int) int {
	for isDigit(jsontext.At(text, i)) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }
