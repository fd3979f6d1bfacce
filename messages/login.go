package messages

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// MaxLoginCharacters is the largest number of characters (code points) in a
// login, after the spaces at its ends are trimmed.
const MaxLoginCharacters = 64

// MaxLoginMarks is the largest number of combining marks (general category M)
// that may follow each other in a login, after compatibility decomposition.
// UAX #15, section 13, calls a text with no more of them stream-safe.
const MaxLoginMarks = 30

// Login is a valid login. It is a nickname as RFC 8266 defines it.
type Login struct {
	Shown string // as typed, without the spaces at its ends
	Key   string // equal for two logins if they are the same login (RFC 8266, section 2.4)
}

// invisible holds characters that RFC 8264 allows in a nickname although they
// cannot be seen, or although they stand for something that could not be
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

// ParseLogin returns the login that somebody typed. The error is a
// [LoginError]. It says which rule the login breaks and what to do. Of the
// login it repeats one character at most.
func ParseLogin(typed []byte) (Login, error) {
	shown := trimSpaces(typed)
	key, broken := loginKey(nil, shown)
	if broken != "" {
		return Login{}, findFault(broken, shown)
	}
	return Login{Shown: string(shown), Key: string(key)}, nil
}

// LoginKey returns the key that [ParseLogin] gives a login, and false if the
// login is not valid. If the login is its own key, the result aliases it.
// Otherwise the key is appended to buf[:0]. A login in ASCII allocates nothing
// if buf has room for its key.
func LoginKey(buf, login []byte) (key []byte, ok bool) {
	key, broken := loginKey(buf, trimSpaces(login))
	return key, broken == ""
}

// costBytes is the number of bytes of a login beyond ASCII that take as long to compare as an ordinary message takes in all.
const costBytes = 12

// LoginCost returns what comparing a login costs, in ordinary messages that take as long. Some Unicode characters stand for
// many others, so comparing a login of 64 of them takes longer than 16 messages. For ASCII the cost is 0.
func LoginCost(login []byte) int {
	for _, c := range login {
		if c >= utf8.RuneSelf {
			return min(len(login), utf8.UTFMax*MaxLoginCharacters) / costBytes
		}
	}
	return 0
}

// loginKey returns the key of a login without spaces at its ends, or the rule
// that the login breaks.
func loginKey(buf, login []byte) (key []byte, broken LoginRule) {
	switch {
	case len(login) == 0:
		return nil, RuleEmpty
	case len(login) > utf8.UTFMax*MaxLoginCharacters:
		return nil, RuleTooLong
	case !utf8.Valid(login):
		return nil, RuleUTF8
	case utf8.RuneCount(login) > MaxLoginCharacters:
		return nil, RuleTooLong
	}
	if key, ok := asciiKey(buf, login); ok {
		return key, ""
	}
	read := false
	for _, r := range string(login) {
		if unicode.IsControl(r) {
			return nil, RuleControl
		}
		read = read || needsReading(r)
	}
	s := sequences{plain: login}
	if read {
		var ok bool
		if s, _, ok = readSequences(login); !ok {
			return nil, RuleCharacter
		}
	}
	key, ok := nicknameKey(buf, s.plain)
	if !ok {
		return nil, RuleCharacter
	}
	marksOnly, manyMarks, folds, n := true, false, false, 0
	for _, r := range string(key) {
		if unicode.Is(invisible, r) && r != standIn {
			return nil, RuleCharacter
		}
		marksOnly = marksOnly && (r == ' ' || unicode.Is(unicode.M, r))
		// Marks that are composed here may be three when decomposed. So of more than MaxLoginMarks in a row, at least
		// nine stand in the key, one of them at a position that is a multiple of nine.
		if n++; n%9 == 0 && unicode.Is(unicode.M, r) {
			manyMarks = true
		}
		folds = folds || fold(r) != r
	}
	switch {
	case marksOnly:
		return nil, RuleMarksOnly
	case manyMarks && overloaded(string(key)):
		return nil, RuleMarks
	}
	if folds {
		key = foldAll(key)
	}
	return s.restore(key), ""
}

// overloaded reports whether more than [MaxLoginMarks] combining marks follow
// each other in a text.
func overloaded(text string) bool {
	marks := 0
	for _, r := range norm.NFKD.String(text) {
		if !unicode.Is(unicode.M, r) {
			marks = 0
		} else if marks++; marks > MaxLoginMarks {
			return true
		}
	}
	return false
}

// fold returns the letter that counts for a small letter without a capital of
// its own: the small letter of the capital that it shares. So it is for the
// final sigma, and for the Cyrillic letters from U+1C80 on. For any other
// letter of a key fold returns the letter itself. The dotless i shares the
// capital I, but is a letter of its own.
func fold(r rune) rune {
	if r == 'ς' || 0x1C80 <= r && r <= 0x1C88 {
		return unicode.ToLower(unicode.ToUpper(r))
	}
	return r
}

// foldAll folds each letter of a key in place. No letter becomes longer.
func foldAll(key []byte) []byte {
	folded := key[:0]
	for len(key) > 0 {
		r, size := utf8.DecodeRune(key)
		key = key[size:]
		folded = utf8.AppendRune(folded, fold(r))
	}
	return folded
}

// nickname applies the comparison rules of RFC 8266 once, except the rule
// about spaces. The mappings are those of its rules that may still change a
// key when they are applied again.
var (
	nickname = precis.NewFreeform(precis.IgnoreCase, precis.Norm(norm.NFKC), precis.DisallowEmpty)
	mappings = []transform.SpanningTransformer{width.Fold, cases.Lower(language.Und, cases.HandleFinalSigma(false))}
)

// nicknameKey returns the comparison key that precis.Nickname has for a login,
// and false if it has none. It applies the rules at most four times, as
// precis.Nickname does, but stops when the key has settled. Nearly always that
// is after the first time. A key may be long, because some characters stand for
// many others.
func nicknameKey(buf, login []byte) (key []byte, ok bool) {
	// Everything that x/text reads escapes to the heap. Callers have buf on
	// the stack. So x/text must not read buf, nor a variable that held it.
	mapped := login
	for range 4 {
		var err error
		if mapped, err = nickname.AppendCompareKey(nil, singleSpaces(mapped)); err != nil {
			return nil, false
		}
		if settled(mapped) {
			break
		}
	}
	return append(buf[:0], mapped...), true
}

// settled reports whether applying the rules again leaves a key unchanged.
// Normalization does not change it, because it was applied last. For the same
// reason the only space in the key is the ASCII one.
func settled(key []byte) bool {
	if key[0] == ' ' || key[len(key)-1] == ' ' || bytes.Contains(key, []byte("  ")) {
		return false
	}
	for _, t := range mappings {
		if _, err := t.Span(key, true); err != nil { // ErrEndOfSpan
			return false
		}
	}
	return true
}

// singleSpaces trims the spaces at both ends and replaces each run of spaces
// in between with one ASCII space.
func singleSpaces(b []byte) []byte {
	if bytes.IndexFunc(b, isSpace) < 0 {
		return b
	}
	return bytes.Join(bytes.FieldsFunc(b, isSpace), []byte{' '})
}

// isSpace reports whether Unicode counts r as a space.
func isSpace(r rune) bool { return r == ' ' || r >= utf8.RuneSelf && unicode.Is(unicode.Zs, r) }

// asciiKey returns the key of a login in printable ASCII, and false for any
// other login. In ASCII the rules come down to small letters and single spaces.
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

// trimSpaces trims the spaces at both ends.
func trimSpaces(b []byte) []byte {
	return bytes.TrimFunc(bytes.Trim(b, " "), isSpace) // ASCII spaces are the common case, and Trim is faster for them
}
