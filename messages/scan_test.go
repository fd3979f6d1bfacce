package messages

import (
	"bytes"
	"fmt"
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
				if got := plain(text, 0); got != want {
					t.Fatalf("plain(%q) = %d, want %d", text, got, want)
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
			got := lines(text, 0)
			if tt.stop && got != want || !tt.stop && got < len(text)-33 {
				t.Errorf("lines(%q) = %d, want it to stop at %q: %t", text, got, tt.text, tt.stop)
			}
		}
	}
	for length := range 40 {
		if text := []byte(strings.Repeat("a", length)); lines(text, 0) > length {
			t.Errorf("lines(%q) = %d, want no more than %d", text, lines(text, 0), length)
		}
	}
}

// This tries every byte after a backslash, at every position in a string with
// line ends.
func TestEscapesAreCheckedAmongLines(t *testing.T) {
	for c := range 256 {
		for length := range 40 {
			text := []byte(`{"type":"bye","from":"alice","to":"bob","x":"\n` + strings.Repeat("a", length) + `\` + string([]byte{byte(c)}) + strings.Repeat("b", 80) + `"}`)
			_, err := Decode(text)
			if want := strings.IndexByte(`"\/bfnrtu`, byte(c)) >= 0; want != (err == nil) { // \ubbbb is a letter
				t.Fatalf("Decode(%q) = %v, want it accepted: %t", text, err, want)
			}
			if err != nil && c >= ' ' && refusal(t, text, err).Offset != bytes.LastIndexByte(text, '\\')+1 {
				t.Fatalf("Decode(%q) = %v, want the escape to be what is wrong", text, err)
			}
		}
	}
}

// This tries names of any length: plain and with an escape, with equal and
// different ends, near the end of the message and far from it.
func TestNamesAreComparedWhateverTheirLength(t *testing.T) {
	escaped := func(s string) string { return fmt.Sprintf(`\u%04x%s`, s[0], s[1:]) }
	for length := 1; length < 40; length++ {
		name := strings.Repeat("name", 10)[:length]
		other := []byte(name)
		other[length/2] ^= 1
		for _, end := range []string{"", `,"from":"alice","to":"bob","type":"bye"`} {
			for _, pair := range [][2]string{{name, name}, {escaped(name), name}, {name, escaped(name)}, {escaped(name), escaped(name)}} {
				text := []byte(`{"` + pair[0] + `":0,"` + pair[1] + `":0` + end + `}`)
				_, err := Decode(text)
				if refused := refusal(t, text, err); refused.Reason != string(reasonDuplicate) || refused.Offset != len(pair[0])+6 {
					t.Errorf("Decode(%s) = %v, want a duplicate at byte %d", text, err, len(pair[0])+6)
				}
			}
			for _, pair := range [][2]string{{name, string(other)}, {escaped(name), string(other)}, {name, name + "n"}, {name, name[1:]}, {name, name + `\u0000`}} {
				text := []byte(`{"` + pair[0] + `":0,"` + pair[1] + `":0` + end + `}`)
				if _, err := Decode(text); err != nil && (end != "" || refusal(t, text, err).Reason != string(reasonType)) {
					t.Errorf("Decode(%s) = %v, want the names taken for different ones", text, err)
				}
			}
		}
	}
}
