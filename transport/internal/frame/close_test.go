package frame_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"p2p-messaging/transport/internal/frame"
)

func TestACloseFrameIsAnsweredWithItsCodeOrRefused(t *testing.T) {
	code := func(code uint16) []byte { return binary.BigEndian.AppendUint16(nil, code) }
	for _, c := range []struct {
		payload []byte
		want    string
		fault   error
	}{
		{nil, "", nil},
		{[]byte{}, "", nil},
		{[]byte{3}, "", frame.FaultClosePayload},
		{append(code(1000), "bye"...), "\x03\xe8", nil},
		{append(code(4321), "Zo\xc3\xab"...), string(code(4321)), nil},
		{append(code(1000), 0xFF), "", frame.FaultCloseReason},
		{append(code(1000), 0xC3), "", frame.FaultCloseReason},
		{append(code(999), 0xFF), "", frame.FaultCloseReason},
		{append(code(999), "bye"...), "", frame.FaultCloseCode},
	} {
		if got, err := frame.AnswerClose(c.payload); string(got) != c.want || err != c.fault {
			t.Errorf("%x is answered with %x, %v; want %x, %v", c.payload, got, err, c.want, c.fault)
		}
	}
	// The codes below 3000 that a close frame may have (RFC 6455, section 7.4, and IANA's registry of close codes).
	may := map[uint16]bool{1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true, 1010: true, 1011: true, 1012: true, 1013: true}
	for c := range 1 << 16 {
		c := uint16(c)
		payload := code(c)
		got, err := frame.AnswerClose(payload)
		if may[c] || c >= 3000 && c < 5000 {
			if string(got) != string(payload) || err != nil {
				t.Fatalf("close %d is answered with %x, %v; want its own code", c, got, err)
			}
		} else if err != frame.FaultCloseCode {
			t.Fatalf("close %d: %v, want %v", c, err, frame.FaultCloseCode)
		}
		if cap(got) > 2 {
			t.Fatalf("appending to the answer to close %d would change what was received", c)
		}
	}
}

func TestACloseReasonIsCutBetweenCharacters(t *testing.T) {
	for _, reason := range []string{"", "short", strings.Repeat("x", 123), strings.Repeat("x", 200), strings.Repeat("é", 100), "x" + strings.Repeat("é", 100), strings.Repeat("😀", 40)} {
		got := string(frame.AppendClose(nil, 1000, reason)[2:])
		if len(got) > 123 || !utf8.ValidString(got) || !strings.HasPrefix(reason, got) || len(reason) <= 123 && got != reason || len(reason) > 123 && len(got) < 120 {
			t.Errorf("the reason %q is cut to %q", reason, got)
		}
	}
}

func TestEveryFaultHasASentenceAndACloseCode(t *testing.T) {
	seen := map[string]bool{}
	for f := frame.FaultReserved; f <= frame.FaultCloseReason; f++ {
		var fault frame.Fault
		if !errors.As(fmt.Errorf("wrapped: %w", f), &fault) || fault.Error() == "" || seen[fault.Error()] {
			t.Errorf("fault %d says %q", f, fault.Error())
		}
		seen[fault.Error()] = true
		payload := frame.AppendClose(nil, f.Code(), "")
		if _, err := frame.AnswerClose(payload); err != nil {
			t.Errorf("%v is answered with close %d, which no close frame may have", f, f.Code())
		}
	}
}
