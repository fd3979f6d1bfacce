package messages

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestDecodeAliasesTheMessage(t *testing.T) {
	text := []byte(`{"type":"bye","from":"alice","to":"bob"}`)
	e, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string][]byte{"From": e.From, "To": e.To, "RawTo": e.RawTo, "Text": e.Text} {
		offset := bytes.Index(text, value)
		if unsafe.SliceData(value) != &text[offset] {
			t.Errorf("%s is a copy, want it to alias the message", name)
		}
		if name != "Text" && cap(value) != len(value) {
			t.Errorf("%s has room for %d bytes behind its %d, want none: an append would write into the message", name, cap(value)-len(value), len(value))
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a sync.Pool throws some of what it holds away")
	}
	for _, tt := range benchmarks {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Decode(tt.message); err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(20, func() { Decode(tt.message) }); n != 0 {
				t.Errorf("Decode allocates %v times, want 0", n)
			}
		})
	}
}

// The scratch memory of one message serves the next one. No name, value or
// hash table may be left in it.
func TestDecodeForgetsTheMessageBefore(t *testing.T) {
	var vectors []messageVector
	for _, v := range messageVectors(t) {
		if len(v.Message) < 2000 {
			vectors = append(vectors, v)
		}
	}
	read := func(text []byte) string {
		e, err := Decode(text)
		return fmt.Sprintf("%s %q %q %q %q %v", e.Type, e.From, e.To, e.Login, e.RawTo, err)
	}
	alone := make([]string, len(vectors))
	for i, v := range vectors {
		alone[i] = read(v.Message)
	}
	names := filled(1000, shortName)
	for _, before := range [][]byte{names, names[:500], filled(1000, escapedName), filled(1000, largeObject), nested} {
		for i, v := range vectors {
			Decode(before)
			if after := read(v.Message); after != alone[i] {
				t.Errorf("%s: after another message Decode says %s, want %s", v.Name, after, alone[i])
			}
		}
	}
}

func TestDecodeRunsConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			from := fmt.Sprintf("client%d", i)
			text := fmt.Appendf(nil, `{"type":"bye","x":{%s"z":1},"from":"%s","to":"\u0062ob"}`, bytes.Repeat([]byte(` `), i), from)
			for range 1000 {
				e, err := Decode(text)
				if err != nil || string(e.From) != from || string(e.To) != "bob" {
					t.Errorf("Decode = from %q, to %q, %v; want %s and bob", e.From, e.To, err, from)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestDecodeFindsADuplicateAmongAnyNumberOfNames(t *testing.T) {
	for _, n := range []int{1, 2, linear - 1, linear, linear + 1, linear + 2, 100, 1000} {
		for _, twice := range []int{0, n / 2, n - 1} {
			for _, spelling := range []string{"n%d", `\u006e%d`} {
				var b strings.Builder
				b.WriteString(`{"type":"bye","from":"alice","to":"bob","x":[{"n0":0},{`)
				for i := range n {
					fmt.Fprintf(&b, `"n%d":{"n0":0,"n1":[{"n1":1}]},`, i)
				}
				unique := b.String() + `"":0}]}`
				if _, err := Decode([]byte(unique)); err != nil {
					t.Fatalf("%d names: %v, want them accepted", n, err)
				}
				double := b.String() + `"` + fmt.Sprintf(spelling, twice) + `":0}]}`
				_, err := Decode([]byte(double))
				refused := refusal(t, []byte(double), err)
				if refused.Reason != string(reasonDuplicate) || refused.Offset != b.Len() {
					t.Errorf("%d names and number %d again: %v, want a duplicate at byte %d", n, twice, err, b.Len())
				}
			}
		}
	}
}

func TestDecodeErrorNamesCodePlaceAndReason(t *testing.T) {
	_, err := Decode([]byte(`{"type":"secret"}`))
	const want = `unknown-type at byte 8: The message's type is unknown. Send login, logout, offer, answer, ice-candidate, bye, ping, watch, ice-servers or token.`
	if err == nil || err.Error() != want {
		t.Errorf("Decode = %v, want %s", err, want)
	}
}

func TestDecodeErrorsPointAtWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		text, at string // at: what stands where the error points; empty: the end
	}{
		{`{"type":"login","login":5}`, `5}`},
		{`{"type":"login","login":{"a":1}}`, `{"a":1}}`},
		{`{"type":"login"}`, ``},
		{`{"type":"login","login":"a","login":"b"}`, `"login":"b"}`},
		{`{"type":"hello"}`, `"hello"}`},
		{`{"a":1e400}`, `1e400}`},
		{`{"a":01}`, `}`},
		{`{"a":"x\qz"}`, `qz"}`},
		{`{"a":"\u00zz"}`, `zz"}`},
		{`{"a":"\ud800x"}`, `\ud800x"}`},
		{"{\"a\":\"x\ny\"}", "\ny\"}"},
		{`{"a":1} x`, `x`},
		{`{"a":`, ``},
	} {
		_, err := Decode([]byte(tt.text))
		if refused := refusal(t, []byte(tt.text), err); tt.text[refused.Offset:] != tt.at {
			t.Errorf("Decode(%q) points at %q, want %q (%v)", tt.text, tt.text[refused.Offset:], tt.at, err)
		}
	}
}

// Bytes that are not UTF-8 end the connection, wherever they stand and whatever
// else is wrong. A reader that checks UTF-8 first and a reader that leaves the
// check to Decode must give the same answer.
func TestDecodeErrorSaysWhetherTheMessageIsUTF8(t *testing.T) {
	tooLarge := `{"type":"bye","from":"alice","to":"` + strings.Repeat("b", MaxMessageBytes)
	for _, tt := range []struct {
		text    string
		reason  reason
		notUTF8 bool
	}{
		{"{\"type\":\"bye\",\"from\":\"alice\",\"to\":\"bob\xff\"}", reasonUTF8, true},
		{"{\"type\":\"bye\",\"from\":\"alice\",\"to\":\"bob\",\"\xc0\xaf\":0}", reasonUTF8, true}, // overlong
		{"{\"type\":\"bye\",\"from\":\"alice\",\"to\":\"\xed\xa0\x80\"}", reasonUTF8, true},       // a surrogate
		{"{\"type\":\"bye\",\"from\":\"alice\",\"to\":\"bob\xf0\x9f\x8e", reasonUTF8, true},       // cut short
		{"{\"a\":01,\"b\":\"\xff\"}", reasonNumber, true},
		{"{\"a\":0,\"a\":\"\xff\"}", reasonDuplicate, true},
		{"\xff{\"type\":\"bye\",\"from\":\"alice\",\"to\":\"bob\"}", reasonNoObject, true},
		{"{\"type\":\"bye\",\"from\":\"alice\",\"to\":\"bob\"}\xff", reasonTrailing, true},
		{"{\"type\":\xff}", reasonValue, true},
		{"{\"a\":\"\\ud800\",\"b\":\"\xff\"}", reasonSurrogate, true},
		{"{\"a\":\"\ufffe\",\"b\":\"\xff\"}", reasonNoncharacter, true},
		{strings.Repeat("[", MaxDepth) + "\xff", reasonNoObject, true},
		{tooLarge + "\xff", reasonSize, true},
		{"", reasonEnd, false},
		{"{\"a\":01,\"b\":\"\u00eb\"}", reasonNumber, false},
		{"\ufeff{}", reasonBOM, false},
		{"{\"a\":\"\\ud800\"}", reasonSurrogate, false}, // in I-JSON that is wrong, but not in UTF-8
		{"{\"a\":\"\ufffe\"}", reasonNoncharacter, false},
		{"{\"type\":\"b\u00ffe\"}", reasonUnknownType, false},
		{"{\"type\":\"bye\",\"from\":\"\u00eb\"}", reasonTo, false},
		{tooLarge + "\u00ff", reasonSize, false},
	} {
		_, err := Decode([]byte(tt.text))
		refused := refusal(t, []byte(tt.text), err)
		if refused.Reason != string(tt.reason) || refused.NotUTF8 != tt.notUTF8 {
			t.Errorf("Decode(%.100q): not UTF-8: %t, because %q; want %t, %q", tt.text, refused.NotUTF8, refused.Reason, tt.notUTF8, tt.reason)
		}
	}
}
