package transport

import (
	"bytes"
	"encoding/binary"
	"testing"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/rawws"
)

// fragment is a frame of a message, or a control frame, as parseFrame finds it.
type fragment struct {
	fin, rsv, masked bool
	opcode           byte
	length           uint64
	shortest         bool // the length is written in the shortest form
	header           int  // bytes
}

// parseFrame reads the header at the start of a stream; ok is false where it is cut off.
func parseFrame(stream []byte) (f fragment, ok bool) {
	if len(stream) < 2 {
		return f, false
	}
	f = fragment{fin: stream[0] >= 0x80, rsv: stream[0]>>4&7 != 0, opcode: stream[0] % 16, masked: stream[1] >= 0x80, header: 6, shortest: true}
	switch length := stream[1] % 128; {
	case length < 126:
		f.length = uint64(length)
	case length == 126 && len(stream) >= 4:
		f.length = uint64(binary.BigEndian.Uint16(stream[2:]))
		f.shortest, f.header = f.length > 125, 8
	case length == 127 && len(stream) >= 10:
		f.length = binary.BigEndian.Uint64(stream[2:])
		f.shortest, f.header = f.length > 0xFFFF, 14
	default:
		return f, false
	}
	return f, true
}

// parseStream reads whole frames, one after the other, and returns where the first begins that is not acceptable, and
// the close code for it. Where there is none, code is 0. Certain is false where the stream ends inside a header, which
// may or may not be refused already.
func parseStream(stream []byte) (at int, code messages.CloseCode, certain bool) {
	var message []uint64 // the lengths of its fragments
	for {
		f, ok := parseFrame(stream[at:])
		if !ok {
			return at, 0, at >= len(stream)
		}
		data, control := f.opcode <= 2, f.opcode >= 8 && f.opcode <= 10
		total := uint64(0)
		for _, n := range message {
			total += n
		}
		switch {
		case f.rsv, !f.masked, !f.shortest, !data && !control,
			control && (!f.fin || f.length > 125),
			f.opcode == 0 && message == nil,
			data && f.opcode != 0 && message != nil:
			return at, messages.CloseProtocolError, true
		case data && (f.length > messages.MaxMessageBytes || total+f.length > messages.MaxMessageBytes):
			return at, messages.CloseMessageTooBig, true
		case f.opcode == 2:
			return at, messages.CloseUnsupportedData, true
		}
		switch {
		case data && f.fin:
			message = nil
		case data:
			message = append(message, f.length)
		}
		if rest := uint64(len(stream) - at); uint64(f.header)+f.length > rest {
			return len(stream), 0, true
		}
		at += f.header + int(f.length)
	}
}

// FuzzFrames scans a stream in pieces and compares the outcome with that of reading it whole.
func FuzzFrames(f *testing.F) {
	for _, stream := range [][]byte{
		rawws.Message("{}"),
		rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{")}, rawws.Frame{Opcode: rawws.Ping, Payload: []byte("x")}, rawws.Frame{Payload: []byte("}")}, rawws.Frame{}),
		rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 300)}, rawws.Frame{Length: messages.MaxMessageBytes - 200}),
		rawws.Join(rawws.Frame{Opcode: rawws.Text}, rawws.Frame{Opcode: rawws.Binary, Payload: make([]byte, 200)}),
		rawws.Frame{Opcode: rawws.Text, Length: 1 << 63}.Append(nil),
		rawws.Frame{Opcode: rawws.Text, Length: 100}.Append(nil),
		{0x81, 0xFE, 0, 125},
		{0x81, 0xFE, 0, 126},
	} {
		f.Add(stream, []byte{1})
		f.Add(stream, []byte{3, 250, 1})
	}
	f.Fuzz(func(t *testing.T, stream, pieces []byte) {
		at, code, certain := parseStream(stream)
		var s frames
		var passed []byte
		rest := stream
		for i := 0; len(rest) > 0 && s.fault == 0; i++ {
			n := len(rest)
			if i < len(pieces) {
				n = min(n, int(pieces[i])+1)
			}
			piece := rest[:n]
			rest = rest[n:]
			took := s.scan(piece)
			if s.fault == 0 && took != n {
				t.Fatalf("%d of %d bytes were passed on without a fault", took, n)
			}
			passed = append(passed, piece[:took]...)
		}
		var got messages.CloseCode
		if s.fault != 0 {
			got = messages.CloseCode(binary.BigEndian.Uint16(s.fault.closePayload()))
		}
		if certain && got != code || !certain && got != 0 && got != messages.CloseProtocolError {
			t.Fatalf("%x was answered with %d, want %d (certain: %t)", stream, got, code, certain)
		}
		if !bytes.HasPrefix(stream, passed) {
			t.Fatalf("of %x, %x was passed on", stream, passed)
		}
		// Of a frame that is refused, only a part of its header may have been passed on.
		if got != 0 && (len(passed) < at || len(passed) > at+9) {
			t.Fatalf("%d bytes were passed on, want the %d before the frame", len(passed), at)
		}
	})
}

func TestAMessageHasABoundedNumberOfFragments(t *testing.T) {
	empty := rawws.Frame{Opcode: rawws.Continuation, More: true}.Append(nil)
	for name, first := range map[string]byte{"the first message": 0, "the second": 1} {
		var s frames
		if first == 1 {
			s.scan(rawws.Message("{}"))
		}
		s.scan(rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil))
		taken := 1
		for s.scan(empty); s.fault == 0 && taken < 1<<20; s.scan(empty) {
			taken++
		}
		if s.fault != faultFragments || taken != maxFragments {
			t.Errorf("%s: after %d fragments the fault is %d, want %d after %d", name, taken, s.fault, faultFragments, maxFragments)
		}
	}
}

func TestFollowingFramesAllocatesNothing(t *testing.T) {
	stream := rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 300)}, rawws.Frame{Payload: make([]byte, 100)})
	var s frames
	if n := testing.AllocsPerRun(100, func() { s.scan(stream) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkFrames follows a frame of 300 bytes.
func BenchmarkFrames(b *testing.B) {
	stream := rawws.Message(string(make([]byte, 300)))
	var s frames
	for b.Loop() {
		s.scan(stream)
	}
}
