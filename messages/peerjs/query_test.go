package peerjs

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseQuery(t *testing.T) {
	for _, c := range []struct {
		query string
		want  Hello
	}{
		{"key=peerjs&id=alice&token=t0k&version=1.5.5", Hello{"alice", "t0k", "peerjs"}},
		{"", Hello{}},
		{"id=a&id=b&token=x&token=&key=k", Hello{"b", "", "k"}},
		{"id=a+b%20c&token=%2B&key=a%26b%3D", Hello{"a b c", "+", "a&b="}},
		{"id=100%&token=%4&key=%zz%41", Hello{"100%", "%4", "%zzA"}},
		{"id=a;token=b&token=c;d&key=e", Hello{"a;token=b", "c;d", "e"}},
		{"id=caf%C3%A9&token=%FF&key=\xFF", Hello{"café", "\uFFFD", "\uFFFD"}},
		// The examples of the Unicode Standard, section 3.9, tables 3-8 to 3-11: what could begin a character is one bad part.
		{"id=%C0%AF%E0%80%BF%F0%81%82A&token=%ED%A0%80%ED%BF%BF%ED%AFA&key=%F4%91%92%93%FFA%80%BFB", Hello{
			strings.Repeat("\uFFFD", 8) + "A", strings.Repeat("\uFFFD", 8) + "A", strings.Repeat("\uFFFD", 5) + "A\uFFFD\uFFFDB"}},
		{"id=%E1%80%E2%F0%91%92%F1%BFA&token=%F0%9F%98&key=\xE2\x9C%E2%9C%93", Hello{"\uFFFD\uFFFD\uFFFD\uFFFDA", "\uFFFD", "\uFFFD✓"}},
		{"id=%FF%FE&token=%EF%BB%BFa&key=%C3", Hello{"\uFFFD\uFFFD", "\uFEFFa", "\uFFFD"}},
		{"&&id&token=a=b&=x&%6Bey=k", Hello{"", "a=b", "k"}},
		{"ID=a&Token=b&key=%00", Hello{"", "", "\x00"}},
	} {
		if got := ParseQuery(c.query); got != c.want {
			t.Errorf("%q says %q and not %q", c.query, got, c.want)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("id=a%20&token=+&key=%")
	f.Fuzz(func(t *testing.T, query string) {
		h := ParseQuery(query)
		for _, s := range []string{h.ID, h.Token, h.Key} {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not UTF-8", s)
			}
		}
	})
}
