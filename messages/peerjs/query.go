package peerjs

import (
	"strings"
	"unicode/utf8"

	"p2p-messaging/messages/internal/jsontext"
)

// Hello is what a client says in the query of its WebSocket's address. A value is empty if it is missing.
type Hello struct {
	ID    string // the id that the client wants
	Token string // the client's secret: who has it may have the id
	Key   string // of the service, by which several could share an address
}

// ParseQuery reads a query as the URL Standard says for application/x-www-form-urlencoded (section 5.1): a plus sign is a space, and a
// broken percent escape stands for itself, as a semicolon does. Of a name that occurs twice, the last value counts. What is not UTF-8 becomes
// U+FFFD, as the Encoding Standard says.
func ParseQuery(query string) (h Hello) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch decoded(name) {
		case "id":
			h.ID = decoded(value)
		case "token":
			h.Token = decoded(value)
		case "key":
			h.Key = decoded(value)
		}
	}
	return h
}

// decoded returns what a name or a value stands for.
func decoded(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 < len(s) {
				digits := [2]byte{s[i+1], s[i+2]}
				if value, end := jsontext.Hex4(digits[:], 0); end == len(digits) {
					c = byte(value)
					i += 2
				}
			}
		}
		b = append(b, c)
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return replaced(b)
}

// replaced returns text with U+FFFD in place of each part that is not UTF-8. Such a part is the beginning of a character, as far as it goes, or
// else one byte (Encoding Standard, section 8.1.1).
func replaced(text []byte) string {
	b := make([]byte, 0, len(text)+len(text)/2)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			size = begun(text)
		}
		b = utf8.AppendRune(b, r)
		text = text[size:]
	}
	return string(b)
}

// begun returns how many bytes of text, which does not begin with a character, could be the beginning of one. It is at least 1.
func begun(text []byte) int {
	var more int // bytes behind the first
	low, high := byte(0x80), byte(0xBF)
	switch c := text[0]; {
	case 0xE0 <= c && c <= 0xEF:
		more = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case 0xF0 <= c && c <= 0xF4:
		more = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for n <= more && n < len(text) && low <= text[n] && text[n] <= high {
		n++
		low, high = 0x80, 0xBF
	}
	return n
}
