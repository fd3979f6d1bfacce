package proxyproto

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// binary2 returns a header of version 2.
func binary2(command, family byte, size int, body string) string {
	return signature2 + string([]byte{command, family, byte(size >> 8), byte(size)}) + body
}

const (
	body4 = "\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x67\x01\xbb"
	body6 = " \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + " \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x12\x67\x01\xbb"
)

// mapped is 192.0.2.1 as an address of IPv6, twice, and two ports.
var mapped = strings.Repeat("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01", 2) + "\x12\x67\x01\xbb"

func headers() map[string]string {
	return map[string]string{
		"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n":                 "192.0.2.1:4711",
		"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "255.255.255.255:65535",
		"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n":            "[2001:db8::1]:4711",
		"PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 443\r\n":               "192.0.2.1:4711",
		"PROXY UNKNOWN\r\n":                                                    "",
		"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n":                        "",
		"PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n":                "",
		binary2(0x21, 0x11, 12, body4):                                         "192.0.2.1:4711",
		binary2(0x21, 0x21, 36, body6):                                         "[2001:db8::1]:4711",
		binary2(0x21, 0x21, 36, mapped):                                        "192.0.2.1:4711",
		binary2(0x21, 0x11, 12+5, body4+"\x04\x00\x02\x00\x00"):                "192.0.2.1:4711",
		binary2(0x21, 0x11, MaxSize-16, body4+strings.Repeat("x", MaxSize-28)): "192.0.2.1:4711",
		binary2(0x20, 0x00, 0, ""):                                             "",
		binary2(0x20, 0x11, 12, body4):                                         "",
		binary2(0x21, 0x00, 0, ""):                                             "",
		binary2(0x21, 0x31, 216, strings.Repeat("/", 216)):                     "",
	}
}

func TestAHeaderIsReadAsSoonAsItIsWhole(t *testing.T) {
	for header, want := range headers() {
		for n := range len(header) {
			if source, size, err := Parse([]byte(header[:n])); source.IsValid() || size != 0 || err != nil {
				t.Fatalf("%d bytes of %q: %v, %d, %v; want more to be waited for", n, header, source, size, err)
			}
		}
		for _, rest := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\n", header} {
			source, size, err := Parse([]byte(header + rest))
			got := ""
			if source.IsValid() {
				got = source.String()
			}
			if got != want || size != len(header) || err != nil {
				t.Errorf("%q before %q: %q, %d, %v; want %q, %d", header, rest, got, size, err, want, len(header))
			}
		}
		if !Begins([]byte(header)) {
			t.Errorf("%q does not begin like a header", header)
		}
	}
}

func TestWhatIsNoHeaderIsRefused(t *testing.T) {
	for _, b := range []string{"GET / HTTP/1.1\r\n", "\x16\x03\x01", "proxy TCP4", "PROXY\t", "\r\n\r\n\r\n", "\n", "PROXZ", "\x00"} {
		if _, size, err := Parse([]byte(b)); size != 0 || !errors.Is(err, ErrNone) || Begins([]byte(b)) {
			t.Errorf("%q: %d, %v; want ErrNone", b, size, err)
		}
	}
	for _, b := range []string{
		"PROXY \r\n",
		"PROXY TCP4\r\n",
		"PROXY TCP5 192.0.2.1 10.0.0.1 4711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 1\r\n",
		"PROXY TCP4  192.0.2.1 10.0.0.1 4711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 \r\n",
		"PROXY TCP4 192.0.2.01 10.0.0.1 4711 443\r\n",
		"PROXY TCP4 192.0.2.256 10.0.0.1 4711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0 4711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 04711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 +4711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 -1 443\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 4711 443\r\n",
		"PROXY TCP6 192.0.2.1 10.0.0.1 4711 443\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 4711 443\r\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\n",
		"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\r\n",
		"PROXY TCP4 192.0.2.1\r",
		"PROXY UNKNOWN\n",
		"PROXY " + strings.Repeat("x", 101),
		"PROXY UNKNOWN " + strings.Repeat("x", 107-15) + "\r\n",
		binary2(0x11, 0x11, 12, body4),
		binary2(0x22, 0x11, 12, body4),
		binary2(0x21, 0x12, 12, body4),
		binary2(0x21, 0x41, 12, body4),
		binary2(0x21, 0x11, 11, body4[:11]),
		binary2(0x21, 0x21, 35, body6[:35]),
		binary2(0x21, 0x21, 0, ""),
		binary2(0x21, 0x11, MaxSize-15, ""),
		binary2(0x20, 0x00, 65535, ""),
	} {
		if strings.HasSuffix(b, "\r") {
			b += "x"
		}
		if source, size, err := Parse([]byte(b)); source.IsValid() || size != 0 || !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, %d, %v; want ErrMalformed", b, source, size, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for header := range headers() {
		f.Add([]byte(header))
		f.Add([]byte(header + "GET / HTTP/1.1\r\n\r\n"))
		f.Add([]byte(header[:len(header)-1]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		source, size, err := Parse(b)
		switch {
		case size < 0 || size > min(len(b), MaxSize), size > 0 && err != nil, source.IsValid() && size == 0:
			t.Fatalf("%v, %d, %v of %d bytes", source, size, err, len(b))
		case size == 0 && err == nil && len(b) >= MaxSize:
			t.Fatal("an endless header is waited for")
		}
		// What is decided stays decided, whatever comes behind it. What is not, could still become a header.
		for n := range min(len(b), MaxSize) {
			before, sizeBefore, errBefore := Parse(b[:n])
			if (sizeBefore > 0 || errBefore != nil) && (before != source || sizeBefore != size || errBefore != err) {
				t.Fatalf("%d bytes: %v, %d, %v; all: %v, %d, %v", n, before, sizeBefore, errBefore, source, size, err)
			}
		}
		if size > 0 && b[0] == 'P' && source.IsValid() {
			family := "TCP4"
			if source.Addr().Is6() {
				family = "TCP6"
			}
			if again, ok := parseAddrPort(family, source.Addr().String(), strconv.Itoa(int(source.Port()))); !ok || again != source {
				t.Fatalf("%v is read as %v when it is written again", source, again)
			}
		}
	})
}
