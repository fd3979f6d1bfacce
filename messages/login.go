package messages

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// MaxLoginCharacters is the number of characters (code points) that a login
// may have once the spaces at its ends are trimmed.
const MaxLoginCharacters = 64

// Login is a login that somebody may have: a nickname (RFC 8266).
type Login struct {
	Shown string // as typed, the spaces at its ends trimmed
	Key   string // the same for all logins that are the same (RFC 8266, section 2.4)
}

// LoginError says why nobody may have a login, as a sentence for people.
type LoginError string

func (e LoginError) Error() string { return string(e) }

// The reasons why [ParseLogin] refuses a login.
const (
	ErrLoginEmpty     LoginError = "The login is empty. Type at least one letter, digit or symbol."
	ErrLoginTooLong   LoginError = "The login is too long. Shorten it to 64 characters."
	ErrLoginUTF8      LoginError = "The login is not valid UTF-8. Encode it as UTF-8."
	ErrLoginControl   LoginError = "The login has a control character in it, such as a tab or a line break. Leave it out."
	ErrLoginCharacter LoginError = "The login has a character in it that is invisible or not allowed in logins. Use letters, digits, punctuation, symbols and single spaces."
	ErrLoginMarksOnly LoginError = "The login is made of accents only. Put a letter, a digit or a symbol under them."
)

// invisible are characters that RFC 8264 allows in a nickname although
// nothing is seen of them, or something that stands for what could not be
// shown.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x2800, 0x2800, 1}, // BRAILLE PATTERN BLANK
		{0x303F, 0x303F, 1}, // IDEOGRAPHIC HALF FILL SPACE
		{0xFFFC, 0xFFFD, 1}, // OBJECT REPLACEMENT CHARACTER, REPLACEMENT CHARACTER
	},
	R32: []unicode.Range32{
		{0x1107F, 0x1107F, 1}, // BRAHMI NUMBER JOINER
		{0x13441, 0x13442, 1}, // EGYPTIAN HIEROGLYPH FULL BLANK, HALF BLANK
		{0x16FE4, 0x16FE4, 1}, // KHITAN SMALL SCRIPT FILLER
		{0x1D159, 0x1D159, 1}, // MUSICAL SYMBOL NULL NOTEHEAD
	},
}

// ParseLogin returns the login that somebody typed. The error, a
// [LoginError], says which rule it breaks and what to do, and never repeats
// it.
func ParseLogin(typed []byte) (Login, error) {
	shown := trimSpaces(typed)
	key, err := loginKey(nil, shown)
	if err != nil {
		return Login{}, err
	}
	return Login{Shown: string(shown), Key: string(key)}, nil
}

// LoginKey returns what [ParseLogin] gives as the Key of a login, and false
// if nobody can have it. The key aliases login where that is its own key
// already, and is appended to buf[:0] otherwise. For ASCII that is all: with
// room for it in buf nothing is allocated.
func LoginKey(buf, login []byte) (key []byte, ok bool) {
	key, err := loginKey(buf, trimSpaces(login))
	return key, err == nil
}

// loginKey returns the key of a login without spaces at its ends.
func loginKey(buf, login []byte) ([]byte, error) {
	switch {
	case len(login) == 0:
		return nil, ErrLoginEmpty
	case len(login) > utf8.UTFMax*MaxLoginCharacters:
		return nil, ErrLoginTooLong
	case !utf8.Valid(login):
		return nil, ErrLoginUTF8
	case utf8.RuneCount(login) > MaxLoginCharacters:
		return nil, ErrLoginTooLong
	}
	if key, ok := asciiKey(buf, login); ok {
		return key, nil
	}
	for _, r := range string(login) {
		if unicode.IsControl(r) {
			return nil, ErrLoginControl
		}
	}
	key, err := precis.Nickname.AppendCompareKey(buf[:0], login)
	if err != nil {
		return nil, ErrLoginCharacter
	}
	marksOnly := true
	for _, r := range string(key) {
		if unicode.Is(invisible, r) {
			return nil, ErrLoginCharacter
		}
		marksOnly = marksOnly && (r == ' ' || unicode.Is(unicode.M, r))
	}
	if marksOnly {
		return nil, ErrLoginMarksOnly
	}
	return key, nil
}

// asciiKey returns the key of a login of printable ASCII, and false for any
// other. There the rules come down to small letters and single spaces.
func asciiKey(buf, login []byte) ([]byte, bool) {
	same := true
	for i, c := range login {
		switch {
		case c < ' ' || c > '~':
			return nil, false
		case 'A' <= c && c <= 'Z', c == ' ' && login[i-1] == ' ':
			same = false
		}
	}
	if same {
		return login, true
	}
	key := buf[:0]
	for i, c := range login {
		if c == ' ' && login[i-1] == ' ' {
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		key = append(key, c)
	}
	return key, true
}

// trimSpaces trims what Unicode counts as a space (Zs) at both ends.
func trimSpaces(b []byte) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r != ' ' && !unicode.Is(unicode.Zs, r) {
			break
		}
		b = b[size:]
	}
	for len(b) > 0 {
		r, size := utf8.DecodeLastRune(b)
		if r != ' ' && !unicode.Is(unicode.Zs, r) {
			break
		}
		b = b[:len(b)-size]
	}
	return b
}
