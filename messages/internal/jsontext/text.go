package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// At returns the byte at i, or 0 after the end. JSON has no byte 0.
func At(text []byte, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}

// Space skips white space (RFC 8259, section 2).
func Space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// Hex4 reads at most four digits of a \u escape. End is after the last one.
func Hex4(text []byte, i int) (r rune, end int) {
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

// AppendUnescaped appends the content of a string that was scanned, and replaces its escapes with what they stand for. Half a surrogate
// pair becomes the three bytes that UTF-8 would have for it. They are in no valid UTF-8, so such a string is equal to none that
// is UTF-8.
func AppendUnescaped(b, content []byte) []byte {
	for {
		i := bytes.IndexByte(content, '\\')
		if i < 0 {
			return append(b, content...)
		}
		b = append(b, content[:i]...)
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
			r, _ := Hex4(content, 0)
			content = content[4:]
			if utf16.IsSurrogate(r) {
				if len(content) >= 6 && content[0] == '\\' && content[1] == 'u' {
					low, _ := Hex4(content, 2)
					if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
						content = content[6:]
						b = utf8.AppendRune(b, pair)
						continue
					}
				}
				b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
				continue
			}
			b = utf8.AppendRune(b, r)
			continue
		}
		b = append(b, c)
	}
}
