package jsontext

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// The scan looks at 8 and at 32 bytes together. This tries every byte at every
// position in them, with bytes before it that pass and bytes after it that stop.
func TestStringsStopWhereTheyShould(t *testing.T) {
	isPlain := func(c byte) bool { return c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf }
	for _, behind := range []string{"", `"`, "\x00", "\xff", `\`, "a", strings.Repeat("b", 7), strings.Repeat("~", 50)} {
		for length := range 48 {
			before := bytes.Repeat([]byte("!#["), 16)[:length]
			for c := range 256 {
				text := append(append(bytes.Clone(before), byte(c)), behind...)
				want := 0
				for want < len(text) && isPlain(text[want]) {
					want++
				}
				if got := EndOfPlain(text, 0); got != want {
					t.Fatalf("EndOfPlain(%q) = %d, want %d", text, got, want)
				}
			}
		}
	}
}

// The scan passes over the escapes of line ends, wherever they stand. It stops
// at every other escape, and at bytes that only look like such an escape.
func TestLinesStopWhereTheyShould(t *testing.T) {
	for _, tt := range []struct {
		text string
		stop bool // before the text, or within it at its first backslash
	}{
		{`\r\n`, false}, {`\n`, false}, {`rn`, false},
		{`\t`, true}, {`\u000a`, true}, {`\\n`, true}, {`\"`, true}, {`\N`, true}, {`\~`, true}, {"\\\x80", true}, {`\n"`, true}, {"\x7f", false},
		{`"`, true}, {"\n", true}, {"\x80", true}, {"\x80n", true}, {"\xa0r", true}, {"\xee", true}, {"\xf2", true},
	} {
		for length := range 70 {
			before := strings.Repeat(`a\n`, 30)[:length]
			if strings.HasSuffix(before, `\`) {
				continue
			}
			text := []byte(before + tt.text + strings.Repeat(`b\r`, 40))
			want := length
			if tt.text == `\n"` {
				want += 2
			}
			got := EndOfLines(text, 0)
			if tt.stop && got != want || !tt.stop && got < len(text)-33 {
				t.Errorf("EndOfLines(%q) = %d, want it to stop at %q: %t", text, got, tt.text, tt.stop)
			}
		}
	}
	for length := range 40 {
		if text := []byte(strings.Repeat("a", length)); EndOfLines(text, 0) > length {
			t.Errorf("EndOfLines(%q) = %d, want no more than %d", text, EndOfLines(text, 0), length)
		}
	}
}
