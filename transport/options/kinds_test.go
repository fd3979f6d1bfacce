package options

import "testing"

func TestSizesAreNumbersOfBytesOrHaveAUnit(t *testing.T) {
	for text, want := range map[string]size{"1": 1, "262144": 1 << 18, "256KiB": 1 << 18, "256 KiB": 1 << 18, "1MiB": 1 << 20, "2GiB": 2 << 30} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is %d bytes, %v; wanted %d", text, s, err, want)
		}
		var again size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%d is written %q, which is read as %d, %v", s, s, again, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "KiB", "1.5MiB", "1kib", "0x10", "9223372036854775808", "9007199254740992GiB"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d bytes; wanted an error", text, s)
		}
	}
}

func TestAPortIsANumberFrom0To65535(t *testing.T) {
	for text, want := range map[string]port{"0": 0, "1": 1, "7777": 7777, "65535": 65535} {
		var p port
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want {
			t.Errorf("%q is port %d, %v; wanted %d", text, p, err, want)
		}
	}
	for _, text := range []string{"", "-1", "65536", "http", "0x10", " 1"} {
		var p port
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is port %d; wanted an error", text, p)
		}
	}
}
