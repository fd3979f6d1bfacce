package messages

import (
	"bytes"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// neverInLogins reports whether r may stand neither in a login nor in its key.
// That is so for control and format characters, and for characters that are
// ignorable, unassigned or invisible. It is not so for the two joiners, which
// some scripts need between letters, for the tags in a flag, and for future
// emoji.
func neverInLogins(r rune) bool {
	if r == '\u200C' || r == '\u200D' || 0xE0020 <= r && r <= 0xE007F || unicode.Is(pictographs, r) {
		return false
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point, invisible)
}

// The rules of RFC 8266 map characters before they check them. So a mapping
// could turn a forbidden character into an allowed one. No mapping does.
func TestNoCharacterSlipsThroughTheMappings(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		// A sample is enough from planes that are unassigned or private.
		empty := 0x32400 <= r && r < 0xE0000 || 0xE0200 <= r
		if unicode.Is(unicode.Cs, r) || empty && r%0x101 != 0 {
			continue
		}
		for _, typed := range []string{string(r), "a" + string(r) + "b"} {
			login, err := ParseLogin([]byte(typed))
			if err != nil {
				continue
			}
			for _, c := range login.Shown + login.Key {
				if neverInLogins(c) {
					t.Errorf("ParseLogin(%+q) = %+q, want it refused because of %U", typed, login, c)
				}
			}
			if again, ok := LoginKey(nil, []byte(login.Key)); !ok || string(again) != login.Key {
				t.Errorf("the key of %+q is %+q, and the key of that %+q, %t; want the same", typed, login.Key, again, ok)
			}
		}
	}
}

func TestLoginKeyOfASCIIIsAsXTextHasIt(t *testing.T) {
	for a := rune(0); a < utf8.RuneSelf; a++ {
		for b := rune(0); b < utf8.RuneSelf; b++ {
			for _, login := range []string{string([]rune{a, b}), string([]rune{a, ' ', b}), string([]rune{a, ' ', ' ', b})} {
				want, err := precis.Nickname.CompareKey(login)
				if key, ok := LoginKey(nil, []byte(login)); ok != (err == nil) || string(key) != want {
					t.Errorf("LoginKey(%q) = %q, %t; want %q, %v", login, key, ok, want, err)
				}
			}
		}
	}
}

// This package decides itself whether applying the rules once was enough. For
// every character, between letters, spaces and marks, the result must equal
// that of x/text, which applies them four times.
func TestNicknameKeyIsAsXTextHasIt(t *testing.T) {
	for r := rune(utf8.RuneSelf); r < 0x32400; r++ {
		if unicode.Is(unicode.Cs, r) {
			continue
		}
		equalNicknameKey(t, string([]rune{r}))
		equalNicknameKey(t, string([]rune{'A', r, ' ', r, r, ' ', '\u0301', r, 'B'}))
	}
}

func equalNicknameKey(t *testing.T, login string) {
	t.Helper()
	want, err := precis.Nickname.CompareKey(login)
	if key, ok := nicknameKey(nil, []byte(login)); ok != (err == nil) || string(key) != want {
		t.Errorf("nicknameKey(%+q) = %+q, %t; want x/text's, %+q, %v", login, key, ok, want, err)
	}
}

func TestLoginKeyAliasesALoginThatIsItsOwnKey(t *testing.T) {
	login := []byte(" alice ")
	key, ok := LoginKey(nil, login)
	if !ok || string(key) != "alice" || &key[0] != &login[1] {
		t.Errorf("LoginKey(%q) = %q, %t; want the middle of the login itself", login, key, ok)
	}
}

func TestLoginKeyUsesTheBuffer(t *testing.T) {
	buf := []byte("something from before, with room for what comes")
	key, ok := LoginKey(buf, []byte("Alice  B"))
	if !ok || string(key) != "alice b" || &key[0] != &buf[0] {
		t.Errorf("LoginKey = %q, %t; want alice b, in the buffer", key, ok)
	}
}

func TestLoginKeyOfASCIIDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, MaxLoginCharacters)
	for _, login := range []string{"alice", " alice ", "Alice", "ALICE  B", "", "a\tb", string(bytes.Repeat([]byte("x"), 60_000))} {
		login := []byte(login)
		if n := testing.AllocsPerRun(100, func() { LoginKey(buf, login) }); n != 0 {
			t.Errorf("LoginKey(%.20q) allocates %v times, want 0", login, n)
		}
		onStack := func() {
			var buf [MaxLoginCharacters]byte
			LoginKey(buf[:0], login)
		}
		if n := testing.AllocsPerRun(100, onStack); n != 0 {
			t.Errorf("LoginKey(%.20q) with a buffer on the stack allocates %v times, want 0", login, n)
		}
	}
}

// A hostile login must not reach the normalization. For each byte, that takes
// far longer than anything else here, and it allocates.
func TestAHugeLoginIsRefusedWithoutWork(t *testing.T) {
	for _, login := range [][]byte{
		bytes.Repeat([]byte("\u0301"), 30_000),
		bytes.Repeat([]byte("\uFDFA"), 20_000),
		bytes.Repeat([]byte("\u3000"), 20_000),
		bytes.Repeat([]byte{0xFF}, 60_000),
		append(bytes.Repeat([]byte(" "), 60_000), "\u0301\xFF"...),
	} {
		if n := testing.AllocsPerRun(10, func() { LoginKey(nil, login) }); n > 0 {
			t.Errorf("LoginKey of %d bytes of %.6q allocates %v times, want 0", len(login), login, n)
		}
		if _, err := ParseLogin(login); err == nil {
			t.Errorf("ParseLogin of %d bytes of %.6q accepted it, want it refused", len(login), login)
		}
	}
}
