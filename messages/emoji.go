package messages

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Characters that join others or choose how they look. RFC 8264 allows the
// joiners behind a virama, and none of the others. Logins have them where
// emoji and some scripts need them.
const (
	nonJoiner      = '\u200C'
	joiner         = '\u200D'
	textStyle      = '\uFE0E' // the variation selectors of emoji
	emojiStyle     = '\uFE0F'
	blackFlag      = '\U0001F3F4' // the flag of a region begins with it and ends with cancelTag
	firstTag       = '\U000E0020'
	cancelTag      = '\U000E007F'
	lightSkin      = '\U0001F3FB' // the emoji modifiers
	darkSkin       = '\U0001F3FF'
	firstIndicator = '\U0001F1E6' // the regional indicators
	lastIndicator  = '\U0001F1FF'
)

// standIn takes the place of a character that x/text would refuse, while x/text
// maps the others. No mapping changes it, and no login has it.
const standIn = '\uFFFC'

// newEmoji is where the emoji begin that may be newer than x/text.
const newEmoji = 0x1F000

// needsReading reports whether a login with r in it must go through
// readSequences.
func needsReading(r rune) bool {
	return r == standIn || r == nonJoiner || r == joiner || r == textStyle || r == emojiStyle || r >= newEmoji
}

// sequences is a login without the characters that do not count when logins
// are compared: variation selectors behind an emoji, joiners between two emoji,
// and joiners in front of a virama.
type sequences struct {
	plain    []byte // has a standIn for each character that x/text refuses
	replaced []rune // these characters, in order
}

// readSequences reads the emoji in a login by the grammar of UTS #51, section
// 1.4.9. It also takes emoji that are newer than x/text. If a variation
// selector or a tag stands where it may not, it returns that.
func readSequences(login []byte) (s sequences, misplaced rune, ok bool) {
	s.plain = make([]byte, 0, len(login))
	var (
		before rune // 0 at the beginning
		emoji  bool // an emoji that may be joined with another ends here
		toned  bool // it has a skin tone
	)
	for i := 0; i < len(login); {
		r, size := utf8.DecodeRune(login[i:])
		next, _ := utf8.DecodeRune(login[i+size:])
		switch {
		case r == standIn:
			return s, r, false
		case r == textStyle || r == emojiStyle:
			if !hasStyles(before) {
				return s, r, false
			}
		case r == joiner && emoji && unicode.Is(pictographs, next):
			emoji = false
		case (r == joiner || r == nonJoiner) && takesVirama(before) && isVirama(login[i+size:]):
			// It does not count.
		case firstTag <= r && r <= cancelTag:
			size = regionSize(login[i:])
			if before != blackFlag || size == 0 {
				return s, r, false
			}
			for _, tag := range string(login[i : i+size]) {
				s.replace(tag)
			}
		case unicode.Is(pictographs, r):
			if emoji, toned = true, false; r < newEmoji || unicode.Is(unicode.S, r) {
				s.plain = utf8.AppendRune(s.plain, r)
			} else {
				s.replace(r)
			}
		default:
			emoji = emoji && !toned && lightSkin <= r && r <= darkSkin
			toned = emoji
			s.plain = utf8.AppendRune(s.plain, r)
		}
		before = r
		i += size
	}
	return s, 0, true
}

func (s *sequences) replace(r rune) {
	s.plain = utf8.AppendRune(s.plain, standIn)
	s.replaced = append(s.replaced, r)
}

// restore puts the replaced characters back into the key of s.plain.
func (s *sequences) restore(key []byte) []byte {
	if len(s.replaced) == 0 {
		return key
	}
	restored, n := make([]byte, 0, len(key)+len(s.replaced)), 0
	for _, r := range string(key) {
		if r == standIn {
			r = s.replaced[n]
			n++
		}
		restored = utf8.AppendRune(restored, r)
	}
	return restored
}

// hasStyles reports whether a variation selector may follow r: whether r is an
// emoji, or a part of one.
func hasStyles(r rune) bool {
	return '0' <= r && r <= '9' || r == '#' || r == '*' || // of a keycap
		firstIndicator <= r && r <= lastIndicator || lightSkin <= r && r <= darkSkin || unicode.Is(pictographs, r)
}

// takesVirama reports whether r is a letter or a mark that belongs to one.
func takesVirama(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) && !unicode.Is(unicode.Variation_Selector, r)
}

// isVirama reports whether text begins with a virama, which takes the vowel
// from a letter and often joins it with the next one.
func isVirama(text []byte) bool {
	const virama = 9 // the canonical combining class
	return len(text) > 0 && norm.NFC.Properties(text).CCC() == virama
}

// regionSize returns the size in bytes of the tags that text begins with, or 0
// if they do not name a region. In the flag of England they are gbeng: the code
// of a country and one to four letters or digits (UTS #51, annex C.1).
func regionSize(text []byte) int {
	n := 0
	for i, r := range string(text) {
		letter := firstTag+'a'-' ' <= r && r <= firstTag+'z'-' '
		digit := firstTag+'0'-' ' <= r && r <= firstTag+'9'-' '
		switch {
		case r == cancelTag && n >= 3:
			return i + utf8.RuneLen(r)
		case n == 6, !letter && !(digit && n >= 2):
			return 0
		}
		n++
	}
	return 0
}
