package messages

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

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
