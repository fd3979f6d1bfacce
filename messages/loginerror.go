package messages

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// LoginRule names a rule that logins must follow. testdata/vectors uses the
// same names.
type LoginRule string

const (
	RuleEmpty     LoginRule = "empty"      // it has a character that is no space
	RuleTooLong   LoginRule = "too-long"   // it has at most [MaxLoginCharacters]
	RuleUTF8      LoginRule = "utf-8"      // it is valid UTF-8
	RuleControl   LoginRule = "control"    // it has no control character
	RuleCharacter LoginRule = "character"  // each character may be in a login where it stands
	RuleMarks     LoginRule = "marks"      // at most [MaxLoginMarks] combining marks follow each other
	RuleMarksOnly LoginRule = "marks-only" // it has more than combining marks
)

// LoginError says why nobody may have a login.
type LoginError struct {
	Rule      LoginRule // the rule that the login breaks
	Character rune      // the character that breaks it, for the rules about characters and marks
}

// Error returns a sentence for people. It says what to do, and which character
// is at fault. It never repeats the login.
func (e LoginError) Error() string {
	switch e.Rule {
	case RuleEmpty:
		return "The login is empty. Type at least one letter, digit or symbol."
	case RuleTooLong:
		return "The login is too long. Shorten it to 64 characters. An emoji may count as several."
	case RuleUTF8:
		return "The login is not valid UTF-8. Encode it as UTF-8."
	case RuleMarks:
		return fmt.Sprintf("The login has more than %d combining marks in a row, up to %U. Leave some of them out.", MaxLoginMarks, e.Character)
	case RuleMarksOnly:
		return fmt.Sprintf("The login is made of combining marks only, such as %U. Put a letter, a digit or a symbol under them.", e.Character)
	}
	what, where := describe(e.Character)
	switch {
	case where != "":
		return fmt.Sprintf("%U (%s) can be in a login only %s. Leave it out here.", e.Character, what, where)
	case unicode.Is(jamo, e.Character):
		return fmt.Sprintf("%U (%s) cannot be in a login. Write whole syllables.", e.Character, what)
	}
	return fmt.Sprintf("%U (%s) cannot be in a login. Leave it out.", e.Character, what)
}

// describe says what r is. If r is allowed in some logins, it also says where.
func describe(r rune) (what, where string) {
	switch r {
	case '\t':
		return "a tab", ""
	case '\n', '\r', '\u0085', '\u2028', '\u2029':
		return "a line break", ""
	case '\u00AD':
		return "a soft hyphen, which is invisible", ""
	case '\u00B7':
		return "a middle dot", "between two l"
	case '\u0375':
		return "a Greek numeral sign", "in front of a Greek letter"
	case '\u05F3', '\u05F4':
		return "a Hebrew punctuation mark", "behind a Hebrew letter"
	case '\u0640', '\u07FA':
		return "a tatweel, which only stretches a word", ""
	case '\u200B':
		return "a zero width space, which is invisible", ""
	case nonJoiner:
		return "a zero width non-joiner, which is invisible", "where a script needs it between letters"
	case joiner:
		return "a zero width joiner, which is invisible", "between two emoji, or where a script needs it between letters"
	case textStyle, emojiStyle:
		return "a variation selector, which is invisible", "behind an emoji"
	case '\u30FB':
		return "a katakana middle dot", "beside Japanese characters"
	case '\u061C', '\u200E', '\u200F', '\u202A', '\u202B', '\u202C', '\u202D', '\u202E', '\u2066', '\u2067', '\u2068', '\u2069':
		return "a control of the writing direction, which is invisible", ""
	case '\uFEFF':
		return "a byte order mark, which is invisible", ""
	case '\uFFFC', '\uFFFD':
		return "a replacement character, which stands for something that is missing", ""
	}
	switch {
	case unicode.IsControl(r):
		return "a control character", ""
	case firstTag <= r && r <= cancelTag:
		return "a tag, which is invisible", "in the flag of a region, such as England"
	case isArabicDigit(r):
		return "an Arabic digit", "without Arabic digits of another kind"
	case isNoncharacter(r):
		return "a noncharacter, which means nothing in any text", ""
	case unicode.In(r, invisible, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, unicode.Cf):
		return "an invisible character", ""
	case unicode.Is(jamo, r):
		return "a Hangul letter that is not part of a syllable", ""
	case unicode.Is(unicode.Co, r):
		return "a private character, which other devices do not show", ""
	case unicode.Is(unicode.Cs, r):
		return "half of a surrogate pair, which is no character", ""
	case !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs):
		return "a character that Unicode " + unicode.Version + " does not have", ""
	}
	for _, part := range norm.NFKC.String(string(r)) {
		if part != r && (!nickname.Allowed().Contains(part) || part == '\u30FB') {
			what, where = describe(part)
			return fmt.Sprintf("which stands for %U, %s", part, what), where
		}
	}
	return "a character that RFC 8264 does not allow in nicknames", ""
}

// jamo holds the letters that Hangul syllables are composed of, in all their
// forms.
var jamo = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x11FF, 1}, {0x3131, 0x318E, 1}, {0xA960, 0xA97C, 1}, {0xD7B0, 0xD7FB, 1}, {0xFFA0, 0xFFDC, 1},
	},
}

// findFault returns the error for a login that breaks a rule. It finds the
// character that is at fault.
func findFault(broken LoginRule, login []byte) LoginError {
	e := LoginError{Rule: broken}
	switch broken {
	case RuleControl:
		e.Character, _ = utf8.DecodeRune(login[bytes.IndexFunc(login, unicode.IsControl):])
	case RuleMarksOnly:
		e.Character, _ = utf8.DecodeRune(login)
	case RuleMarks:
		e.Character = oneMarkTooMany(login)
	case RuleCharacter:
		s, misplaced, ok := readSequences(login)
		switch {
		case !ok:
			e.Character = misplaced
		case overloaded(string(s.plain)): // x/text inserts a character that is not allowed
			e = LoginError{RuleMarks, oneMarkTooMany(s.plain)}
		default:
			e.Character = misfit(s.plain)
		}
	}
	return e
}

// oneMarkTooMany returns the mark at which a login has more than
// [MaxLoginMarks] in a row.
func oneMarkTooMany(login []byte) rune {
	marks := 0
	for _, r := range string(login) {
		for _, part := range norm.NFKD.String(string(r)) {
			if !unicode.Is(unicode.M, part) {
				marks = 0
			} else if marks++; marks > MaxLoginMarks {
				return r
			}
		}
	}
	return 0
}

// misfit returns a character because of which x/text refuses a login. It
// applies the rules as nicknameKey does, and looks at the result.
func misfit(login []byte) rune {
	mapped := login
	for range 4 {
		for _, t := range mappings {
			mapped, _, _ = transform.Bytes(t, mapped)
		}
		mapped = norm.NFKC.Bytes(mapped)
		if bad, found := firstMisfit([]rune(string(mapped))); found {
			return source(login, bad)
		}
	}
	return 0
}

// firstMisfit returns the first character of a mapped login that may not stand
// where it stands: by the derivation of RFC 8264, section 8, or by the
// contextual rules of RFC 5892, appendix A. A non-joiner is returned only if
// there is no other: its rule needs the joining types of letters, which only
// x/text has.
func firstMisfit(login []rune) (bad rune, found bool) {
	allowed := nickname.Allowed()
	for i, r := range login {
		var before, next rune
		if i > 0 {
			before = login[i-1]
		}
		if i+1 < len(login) {
			next = login[i+1]
		}
		fits := true
		switch {
		case r == standIn:
		case r == joiner, r == nonJoiner:
			if fits = before != 0 && isVirama([]byte(string(before))); !fits && r == nonJoiner {
				fits, bad, found = true, r, true
			}
		case r == '\u00B7':
			fits = before == 'l' && next == 'l'
		case r == '\u0375':
			fits = unicode.Is(unicode.Greek, next)
		case r == '\u05F3', r == '\u05F4':
			fits = unicode.Is(unicode.Hebrew, before)
		case r == '\u30FB':
			fits = slices.ContainsFunc(login, isJapanese)
		case isArabicDigit(r):
			fits = !slices.ContainsFunc(login[:i], func(d rune) bool { return isArabicDigit(d) && isExtended(d) != isExtended(r) })
		default:
			fits = allowed.Contains(r) && !unicode.Is(invisible, r)
		}
		if !fits {
			return r, true
		}
	}
	return bad, found
}

func isJapanese(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) }

// isArabicDigit reports whether r is an Arabic-Indic digit, extended or not. A
// login may not have both kinds.
func isArabicDigit(r rune) bool { return 0x0660 <= r && r <= 0x0669 || isExtended(r) }

func isExtended(r rune) bool { return 0x06F0 <= r && r <= 0x06F9 }

// source returns the character of a login that bad, a character of the mapped
// login, comes from.
func source(login []byte, bad rune) rune {
	if bytes.ContainsRune(login, bad) {
		return bad
	}
	for _, r := range string(login) {
		mapped := string(r)
		for _, t := range mappings {
			mapped, _, _ = transform.String(t, mapped)
		}
		if strings.ContainsRune(norm.NFKC.String(mapped), bad) {
			return r
		}
	}
	return bad
}
