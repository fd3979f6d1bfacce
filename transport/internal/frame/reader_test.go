package frame_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/rawws"
)

const maxMessage = 64 << 10

var fromClient = &frame.Rules{FromClient: true, MaxMessage: maxMessage, MaxFragments: 2 * maxMessage}

// fragment is the header of a frame, as parseFrame reads it.
type fragment struct {
	fin, rsv, masked bool
	opcode           byte
	length           uint64
	shortest         bool // the length has the shortest form
	header           int  // size of the header in bytes
}

// parseFrame reads the header at the start of a stream. Ok is false if the header is incomplete.
func parseFrame(stream []byte) (f fragment, ok bool) {
	if len(stream) < 2 {
		return f, false
	}
	f = fragment{fin: stream[0] >= 0x80, rsv: stream[0]>>4&7 != 0, opcode: stream[0] % 16, masked: stream[1] >= 0x80, header: 2, shortest: true}
	if f.masked {
		f.header = 6
	}
	switch length := stream[1] % 128; {
	case length < 126:
		f.length = uint64(length)
	case length == 126 && len(stream) >= 4:
		f.length = uint64(binary.BigEndian.Uint16(stream[2:]))
		f.shortest = f.length > 125
		f.header += 2
	case length == 127 && len(stream) >= 10:
		f.length = binary.BigEndian.Uint64(stream[2:])
		f.shortest = f.length > 0xFFFF
		f.header += 8
	default:
		return f, false
	}
	return f, true
}

// parseStream reads one frame after the other. It returns the offset of the first frame that is not acceptable, and the
// close code for it. If there is no such frame, code is 0. Certain is false if the stream ends inside a header. A reader
// may refuse such a header before it is complete.
func parseStream(stream []byte, rules *frame.Rules) (at int, code uint16, certain bool) {
	var message []uint64 // the lengths of its fragments; nil if there is no message
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
		case f.rsv, f.masked != rules.FromClient, !f.shortest, !data && !control,
			control && (!f.fin || f.length > 125),
			f.opcode == 0 && message == nil,
			data && f.opcode != 0 && message != nil:
			return at, 1002, true
		case data && (f.length > uint64(rules.MaxMessage) || total+f.length > uint64(rules.MaxMessage)):
			return at, 1009, true
		case f.opcode == 2 && !rules.Binary:
			return at, 1003, true
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

// follow gives a stream to a Reader in pieces, as the users of a Reader do: it keeps the bytes of an incomplete frame and
// gives them again together with the next piece. Each value of pieces is the size of a piece minus 1. The rest of the
// stream is one piece. Taken is the number of bytes in the frames that were taken. Seen is the number of bytes that were
// given until a frame was refused, or in all. Err is the fault, or nil.
func follow(t *testing.T, stream, pieces []byte, rules *frame.Rules) (taken, seen int, err error) {
	var r frame.Reader
	wanted := 0 // the reader asked for this many bytes before it can go on
	for i := 0; seen < len(stream) && err == nil; i++ {
		n := len(stream) - seen
		if i < len(pieces) {
			n = min(n, int(pieces[i])+1)
		}
		seen += n
		for {
			var h frame.Header
			var more int
			h, more, err = r.Peek(stream[taken:seen:seen], rules)
			if err != nil || more > 0 {
				if err == nil && seen+more < wanted {
					t.Fatalf("after %d bytes, %d were enough, and before %d were wanted", seen, seen+more, wanted)
				}
				wanted = seen + more
				break
			}
			if seen < wanted {
				t.Fatalf("a frame is whole after %d bytes, and %d were wanted", seen, wanted)
			}
			if again, more, err := r.Peek(stream[taken:seen], rules); again != h || more != 0 || err != nil {
				t.Fatalf("the same frame is read as %+v, then as %+v, %d, %v", h, again, more, err)
			}
			r.Take(h)
			taken += h.Size() + int(h.Length)
			if taken > seen {
				t.Fatalf("%d of %d bytes were taken", taken, seen)
			}
		}
	}
	return taken, seen, err
}

// FuzzFrames gives a stream to a Reader in pieces, and compares the result with that of parseStream, which gets the whole
// stream.
func FuzzFrames(f *testing.F) {
	server := func(opcode byte, payload string, more bool) []byte {
		return rawws.Frame{Opcode: opcode, Payload: []byte(payload), More: more, Unmasked: true}.Append(nil)
	}
	for _, stream := range [][]byte{
		rawws.Message("{}"),
		rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{")}, rawws.Frame{Opcode: rawws.Ping, Payload: []byte("x")}, rawws.Frame{Payload: []byte("}")}, rawws.Frame{}),
		rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 300)}, rawws.Frame{Length: maxMessage - 200}),
		rawws.Join(rawws.Frame{Opcode: rawws.Text}, rawws.Frame{Opcode: rawws.Binary, Payload: make([]byte, 200)}),
		rawws.Frame{Opcode: rawws.Text, Length: 1 << 63}.Append(nil),
		rawws.Frame{Opcode: rawws.Text, Length: 100}.Append(nil),
		{0x81, 0xFE, 0, 125},
		{0x81, 0xFE, 0, 126},
		append(server(rawws.Text, "{}", false), server(rawws.Text, "{", true)...),
		append(server(rawws.Binary, "{}", true), server(rawws.Continuation, string(make([]byte, 200)), false)...),
		{0x81, 0x7E, 0, 125},
		{0x81, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF},
	} {
		f.Add(stream, []byte{1}, true, false)
		f.Add(stream, []byte{3, 250, 1}, true, false)
		f.Add(stream, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false, true)
	}
	f.Fuzz(func(t *testing.T, stream, pieces []byte, client, binary bool) {
		rules := &frame.Rules{FromClient: client, Binary: binary, MaxMessage: maxMessage}
		at, code, certain := parseStream(stream, rules)
		taken, seen, err := follow(t, stream, pieces, rules)
		var got uint16
		if err != nil {
			got = err.(frame.Fault).Code()
		}
		if certain && got != code || !certain && got != 0 && got != 1002 {
			t.Fatalf("%x was answered with %d, want %d (certain: %t)", stream, got, code, certain)
		}
		if got != 0 && taken != at {
			t.Fatalf("%d bytes were taken, want the %d before the frame", taken, at)
		}
		// The first byte that makes a frame unacceptable is one of its first 10 bytes. A Reader refuses the frame with the
		// piece that holds this byte. A piece of the list has at most 256 bytes.
		if got != 0 {
			if _, earliest, _ := follow(t, stream, bytes.Repeat([]byte{0}, len(stream)), rules); earliest > at+10 || seen > earliest+256 && len(pieces) >= len(stream) {
				t.Fatalf("the frame at %d was refused after %d bytes, at %d at the earliest", at, seen, earliest)
			}
		}
	})
}

func TestAFrameIsRefusedWithTheFirstByteThatMakesItUnacceptable(t *testing.T) {
	begun := rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil)
	fromServer := &frame.Rules{MaxMessage: maxMessage}
	for _, c := range []struct {
		name   string
		before []byte // frames that the reader accepts
		header []byte
		rules  *frame.Rules
		want   frame.Fault
	}{
		{"a reserved bit", nil, []byte{0xC1}, fromClient, frame.FaultReserved},
		{"a reserved data opcode", nil, []byte{0x83}, fromClient, frame.FaultOpcode},
		{"a reserved control opcode", nil, []byte{0x8B}, fromClient, frame.FaultOpcode},
		{"a fragment of a ping", nil, []byte{0x09}, fromClient, frame.FaultControl},
		{"a continuation of nothing", nil, []byte{0x80}, fromClient, frame.FaultContinuation},
		{"a message in a message", begun, []byte{0x81}, fromClient, frame.FaultInterleaved},
		{"a frame without a mask", nil, []byte{0x81, 2}, fromClient, frame.FaultUnmasked},
		{"a server's frame with a mask", nil, []byte{0x81, 0x82}, fromServer, frame.FaultMasked},
		{"a long ping", nil, []byte{0x89, 0xFE}, fromClient, frame.FaultControl},
		{"a length in two bytes for nothing", nil, []byte{0x81, 0xFE, 0, 125}, fromClient, frame.FaultLength},
		{"a length in eight bytes for nothing", nil, []byte{0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, fromClient, frame.FaultLength},
		{"a binary message", nil, []byte{0x82, 0x80}, fromClient, frame.FaultBinary},
		{"a message one byte too long", nil, []byte{0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1}, fromClient, frame.FaultTooLong},
		{"a length with its top bit set", nil, []byte{0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0}, fromClient, frame.FaultTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream := append(bytes.Clone(c.before), c.header...)
			taken, seen, err := follow(t, stream, bytes.Repeat([]byte{0}, len(stream)), c.rules)
			if err != c.want || taken != len(c.before) || seen != len(stream) {
				t.Errorf("%d bytes were taken, and after %d: %v; want %d, and after %d: %v", taken, seen, err, len(c.before), len(stream), c.want)
			}
		})
	}
}

func TestAMessageHasABoundedNumberOfFragments(t *testing.T) {
	empty := rawws.Frame{Opcode: rawws.Continuation, More: true}.Append(nil)
	for name, before := range map[string][]byte{"the first message": nil, "the second": rawws.Message("{}")} {
		var r frame.Reader
		take := func(b []byte) error {
			h, more, err := r.Peek(b, fromClient)
			if more != 0 {
				t.Fatalf("%s: %d bytes more are wanted", name, more)
			}
			if err == nil {
				r.Take(h)
			}
			return err
		}
		if before != nil && take(before) != nil {
			t.Fatal("a message is refused")
		}
		err := take(rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil))
		taken := 0
		for ; err == nil && taken < 1<<20; err = take(empty) {
			taken++
		}
		if err != frame.FaultFragments || taken != fromClient.MaxFragments {
			t.Errorf("%s: after %d fragments: %v; want %v after %d", name, taken, err, frame.FaultFragments, fromClient.MaxFragments)
		}
	}
}

// Before the end of a message, other rules may come to hold.
func TestAMessageThatHasBecomeTooLargeIsRefused(t *testing.T) {
	var r frame.Reader
	begun := rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 200)}.Append(nil)
	h, more, err := r.Peek(begun, &frame.Rules{FromClient: true, MaxMessage: 200})
	if more != 0 || err != nil {
		t.Fatal(more, err)
	}
	r.Take(h)
	for _, length := range []uint64{0, 1, 100, 1 << 31, 1<<63 - 1, 1<<64 - 5000, 1<<64 - 1} {
		next := rawws.Frame{Opcode: rawws.Continuation, Length: length}.Append(nil)
		if _, _, err := r.Peek(next, &frame.Rules{FromClient: true, MaxMessage: 199}); err != frame.FaultTooLong && length > 1<<16 || err == nil {
			t.Errorf("%d bytes more: %v; want %v", length, err, frame.FaultTooLong)
		}
	}
}

func TestFollowingFramesAllocatesNothing(t *testing.T) {
	stream := rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 300)}, rawws.Frame{Payload: make([]byte, 100)})
	refused := rawws.Frame{Opcode: rawws.Binary}.Append(nil)
	if n := testing.AllocsPerRun(100, func() {
		follow(t, stream, nil, fromClient)
		follow(t, refused, nil, fromClient)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// BenchmarkFrames reads a frame with a payload of 300 bytes.
func BenchmarkFrames(b *testing.B) {
	stream := rawws.Message(string(make([]byte, 300)))
	var r frame.Reader
	for b.Loop() {
		h, _, _ := r.Peek(stream, fromClient)
		r.Take(h)
	}
}
