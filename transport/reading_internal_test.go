package transport

import (
	"encoding/binary"
	"fmt"
	"testing"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

func TestHowACloseFrameIsAnswered(t *testing.T) {
	code := func(code uint16) []byte { return binary.BigEndian.AppendUint16(nil, code) }
	protocol := string(frame.AppendClose(nil, uint16(messages.CloseProtocolError), reasonProtocol))
	encoding := string(frame.AppendClose(nil, uint16(messages.CloseInvalidPayload), reasonEncoding))
	for _, c := range []struct {
		payload []byte
		want    string
	}{
		{nil, ""},
		{[]byte{}, ""},
		{[]byte{3}, protocol},
		{append(code(1000), "bye"...), "\x03\xe8"},
		{append(code(4321), "Zo\xc3\xab"...), string(code(4321))},
		{append(code(1000), 0xFF), encoding},
		{append(code(1000), 0xC3), encoding},
		{append(code(999), 0xFF), encoding}, // the code is wrong too; the encoding decides
		{append(code(999), "bye"...), protocol},
	} {
		if got := string(new(conn).closeAnswer(c.payload)); got != c.want {
			t.Errorf("%x is answered with %x, want %x", c.payload, got, c.want)
		}
	}
	// The codes below 3000 that a close frame may have (RFC 6455, section 7.4, and IANA's registry of close codes).
	may := map[uint16]bool{1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true, 1010: true, 1011: true, 1012: true, 1013: true}
	for c := range 1 << 16 {
		c := uint16(c)
		want := protocol
		if may[c] || c >= 3000 && c < 5000 {
			want = string(code(c))
		}
		payload := code(c)
		got := new(conn).closeAnswer(payload)
		if string(got) != want {
			t.Fatalf("close %d is answered with %x, want %x", c, got, want)
		}
		if fmt.Sprintf("%p", got) == fmt.Sprintf("%p", payload) && cap(got) > 2 {
			t.Fatalf("appending to the answer to close %d would change what was received", c)
		}
	}
}
