package transport_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/rawws"
)

const (
	loginFrame    = `{"type":"login","login":"alice"}`
	loginAccepted = `{"type":"login","success":true}`
	logoutFrame   = `{"type":"logout","login":"alice"}`
	// maxAnonymous is the size of the longest message without a login.
	maxAnonymous = 16 << 10
	// stays is the code of a row after which the connection stays open.
	stays = 0
	// noStatus is the code of a row that the service answers with a close frame without a status code.
	noStatus = 1005
)

// row is a stream of bytes that a client may send, and the answer of the service: text messages and pongs in this order,
// and then a close frame with this code.
type row struct {
	name    string
	send    []byte
	answers []string // each is a message, an error code, or "pong " and the payload
	code    uint16
}

var framing = append(reserved(), []row{
	// Messages.
	{"a login", rawws.Message(loginFrame), []string{loginAccepted}, stays},
	{"not JSON", rawws.Message("hello"), []string{"malformed"}, stays},
	{"an empty message", rawws.Message(""), []string{"malformed"}, stays},
	{"an array", rawws.Message("[]"), []string{"malformed"}, stays},
	{"something behind the object", rawws.Message(loginFrame + "x"), []string{"malformed"}, stays},
	{"a name twice", rawws.Message(`{"type":"login","login":"a","log\u0069n":"b"}`), []string{"malformed"}, stays},
	{"no type", rawws.Message(`{"login":"alice"}`), []string{"malformed"}, stays},
	{"a type that is no string", rawws.Message(`{"type":1,"login":"alice"}`), []string{"malformed"}, stays},
	{"a login that is no string", rawws.Message(`{"type":"login","login":5}`), []string{"malformed"}, stays},
	{"no to", rawws.Message(`{"type":"offer","offer":{},"from":"alice"}`), []string{"malformed"}, stays},
	{"no from", rawws.Message(`{"type":"offer","offer":{},"to":"alice"}`), []string{"malformed"}, stays},
	{"an unknown type", rawws.Message(`{"type":"greeting"}`), []string{"unknown-type"}, stays},
	{"a lone surrogate", rawws.Message(`{"type":"offer","offer":"\ud800","from":"alice","to":"bob"}`), []string{"malformed"}, stays},
	{"a lone surrogate in a login", rawws.Message(`{"type":"login","login":"\ud800"}`), []string{
		`{"type":"login","success":false,"code":"malformed","message":"U+D800 (half of a surrogate pair, which is no character) cannot be in a login. Leave it out."}`,
	}, stays},
	{"8,000 nested brackets", rawws.Message(`{"type":"offer","offer":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `,"from":"a","to":"b"}`), []string{"malformed"}, stays},
	withLogin("20,000 nested brackets", rawws.Message(`{"type":"offer","offer":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`,"from":"a","to":"b"}`), []string{"malformed"}, stays),
	withLogin("20,000 opening brackets", rawws.Message(strings.Repeat("[", 20000)), []string{"malformed"}, stays),
	withLogin("a message of exactly 64 KiB", rawws.Message(large(messages.MaxMessageBytes)), []string{"peer-unavailable"}, stays),
	{"no login yet", rawws.Message(`{"type":"offer","offer":{},"from":"a","to":"b"}`), []string{"not-logged-in"}, stays},

	// Fragments.
	{"a message in fragments", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Continuation, More: true, Payload: []byte(loginFrame[7:20])},
		rawws.Frame{Opcode: rawws.Continuation, Payload: []byte(loginFrame[20:])},
	), []string{loginAccepted}, stays},
	{"a character cut by a fragment", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{\"type\":\"login\",\"login\":\"Zo\xc3")},
		rawws.Frame{Opcode: rawws.Continuation, Payload: []byte("\xab\"}")},
	), []string{loginAccepted}, stays},
	{"control frames between fragments", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Ping, Payload: []byte("one")},
		rawws.Frame{Opcode: rawws.Continuation, More: true},
		rawws.Frame{Opcode: rawws.Pong, Payload: []byte("unasked for")},
		rawws.Frame{Opcode: rawws.Ping, Payload: []byte("two")},
		rawws.Frame{Opcode: rawws.Continuation, Payload: []byte(loginFrame[7:])},
	), []string{"pong one", "pong two", loginAccepted}, stays},
	withLogin("64 KiB in fragments of one byte", inFragments(large(messages.MaxMessageBytes), 1), []string{"peer-unavailable"}, stays),
	{"16 KiB in fragments of one byte", inFragments(padded(maxAnonymous), 1), []string{loginAccepted}, stays},
	{"a close between fragments", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Close, Payload: []byte{3, 232}},
	), nil, 1000},
	{"a continuation of nothing", rawws.Frame{Opcode: rawws.Continuation, Payload: []byte(loginFrame)}.Append(nil), nil, 1002},
	{"a continuation after the end", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(loginFrame)},
		rawws.Frame{Opcode: rawws.Continuation, Payload: []byte("{}")},
	), []string{loginAccepted}, 1002},
	{"a new message inside a fragmented one", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(loginFrame)},
	), nil, 1002},
	{"a new fragmented message inside a fragmented one", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame)},
	), nil, 1002},

	// Sizes.
	{"a message of 64 KiB and one byte", rawws.Message(padded(messages.MaxMessageBytes + 1)), nil, 1009},
	withLogin("a message of 64 KiB and one byte, logged in", rawws.Message(large(messages.MaxMessageBytes+1)), nil, 1009),
	withLogin("a frame that claims 64 KiB and one byte", rawws.Frame{Opcode: rawws.Text, Length: messages.MaxMessageBytes + 1}.Append(nil), nil, 1009),
	{"a message of 16 KiB before the login", rawws.Message(padded(maxAnonymous)), []string{loginAccepted}, stays},
	{"a message of 16 KiB and one byte before the login", rawws.Message(padded(maxAnonymous + 1)), nil, 1009},
	{"the header of 16 KiB and one byte before the login", header(rawws.Frame{Opcode: rawws.Text, Payload: make([]byte, maxAnonymous+1)}), nil, 1009},
	{"a fragment that claims to take its message past 16 KiB before the login", append(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 10_000)}.Append(nil),
		header(rawws.Frame{Opcode: rawws.Continuation, More: true, Payload: make([]byte, 10_000)})...,
	), nil, 1009},
	{"fragments of one byte past 16 KiB before the login", inFragments(padded(maxAnonymous+1), 1), nil, 1009},
	{"16 KiB and one byte behind a login that is refused", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(`{"type":"login","login":5}`)},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(padded(maxAnonymous + 1))},
	), []string{"malformed"}, 1009},
	withLogin("16 KiB and one byte behind a login", rawws.Message(large(maxAnonymous+1)), []string{"peer-unavailable"}, stays),
	withLogin("16 KiB and one byte behind a logout", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(logoutFrame)},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(large(maxAnonymous + 1))},
	), nil, 1009),
	withLogin("64 KiB behind a logout that is refused", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(`{"type":"logout","login":"bob"}`)},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(large(messages.MaxMessageBytes))},
	), []string{"wrong-login", "peer-unavailable"}, stays),
	withLogin("64 KiB behind a logout and a login", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(logoutFrame)},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(loginFrame)},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(large(messages.MaxMessageBytes))},
	), []string{loginAccepted, "peer-unavailable"}, stays),
	{"a binary frame that claims too much", rawws.Frame{Opcode: rawws.Binary, Length: 1 << 20}.Append(nil), nil, 1009},
	{"a message of 8 MB", rawws.Message(padded(8 << 20)), nil, 1009},
	withLogin("fragments that add up to too much", inFragments(large(messages.MaxMessageBytes+1), 1000), nil, 1009),
	{"a length of 2^62", rawws.Frame{Opcode: rawws.Text, Length: 1 << 62}.Append(nil), nil, 1009},
	{"a length of 2^63-1", rawws.Frame{Opcode: rawws.Text, Length: math.MaxInt64}.Append(nil), nil, 1009},
	{"a length of 2^63", rawws.Frame{Opcode: rawws.Text, Length: 1 << 63}.Append(nil), nil, 1009},
	{"a length of 2^64-1", rawws.Frame{Opcode: rawws.Text, Length: math.MaxUint64}.Append(nil), nil, 1009},
	{"a length with its top bit and low bits set", rawws.Frame{Opcode: rawws.Binary, Length: 1<<63 | 1<<30}.Append(nil), nil, 1009},
	{"a fragment whose length has its top bit set", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Continuation, Length: 1<<63 | 5},
	), nil, 1009},
	{"endless empty fragments before the login", append(
		rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil),
		bytes.Repeat(rawws.Frame{Opcode: rawws.Continuation, More: true}.Append(nil), 1<<20/6)...,
	), nil, 1009},
	withLogin("endless empty fragments", append(
		rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil),
		bytes.Repeat(rawws.Frame{Opcode: rawws.Continuation, More: true}.Append(nil), 1<<20/6)...,
	), nil, 1009),

	withLogin("a fragment that claims to take its message past 64 KiB", append(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 60_000)}.Append(nil),
		header(rawws.Frame{Opcode: rawws.Continuation, More: true, Payload: make([]byte, 60_000)})...,
	), nil, 1009),
	withLogin("fragments of 64 KiB and the claim of one byte", append(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, messages.MaxMessageBytes)}.Append(nil),
		0x80, 0x80|1,
	), nil, 1009),
	withLogin("a second message as long as the first", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(large(60_000))},
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: bytes.Repeat([]byte{'x'}, 60_000)},
		rawws.Frame{Opcode: rawws.Continuation},
	), []string{"peer-unavailable", "malformed"}, stays),
	{"a length of 5 in 16 bits", []byte{0x81, 0x80 | 126, 0, 5}, nil, 1002},
	{"a length of 125 in 16 bits", []byte{0x81, 0x80 | 126, 0, 125}, nil, 1002},
	{"a length of 126 in 16 bits", append([]byte{0x81, 0x80 | 126, 0, 126, 0, 0, 0, 0}, make([]byte, 126)...), []string{"malformed"}, stays},
	{"a length of 5 in 64 bits", rawws.Frame{Opcode: rawws.Text, Length: 5}.Append(nil), nil, 1002},
	{"a length of 65535 in 64 bits", rawws.Frame{Opcode: rawws.Text, Length: 1<<16 - 1}.Append(nil), nil, 1002},
	withLogin("a length of 65536 in 64 bits", rawws.Message(strings.Repeat("x", 1<<16)), []string{"malformed"}, stays),

	// Encoding and kind.
	{"binary", rawws.Frame{Opcode: rawws.Binary, Payload: []byte(loginFrame)}.Append(nil), nil, 1003},
	{"empty binary", rawws.Frame{Opcode: rawws.Binary}.Append(nil), nil, 1003},
	{"binary in fragments", rawws.Join(
		rawws.Frame{Opcode: rawws.Binary, More: true, Payload: []byte(loginFrame[:7])},
		rawws.Frame{Opcode: rawws.Continuation, Payload: []byte(loginFrame[7:])},
	), nil, 1003},
	{"the header of a binary frame", header(rawws.Frame{Opcode: rawws.Binary, Payload: make([]byte, 1000)}), nil, 1003},
	{"the header of the first fragment of a binary message", header(rawws.Frame{Opcode: rawws.Binary, More: true, Payload: make([]byte, 1000)}), nil, 1003},
	{"a message and the header of a binary frame", append(rawws.Message(loginFrame),
		header(rawws.Frame{Opcode: rawws.Binary, Payload: make([]byte, 1000)})...), []string{loginAccepted}, 1003},
	{"text that is not UTF-8", rawws.Message("{\"type\":\"login\",\"login\":\"\xff\"}"), nil, 1007},
	{"a surrogate in UTF-8", rawws.Message("{\"type\":\"login\",\"login\":\"\xed\xa0\x80\"}"), nil, 1007},
	{"text that is not UTF-8, in fragments", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{\"type\":\"login\",\"login\":\"Zo\xc3")},
		rawws.Frame{Opcode: rawws.Continuation, Payload: []byte("x\"}")},
	), nil, 1007},

	// Frames that break the protocol.
	{"no mask", rawws.Frame{Opcode: rawws.Text, Unmasked: true, Payload: []byte(loginFrame)}.Append(nil), nil, 1002},
	{"a ping without mask", rawws.Frame{Opcode: rawws.Ping, Unmasked: true}.Append(nil), nil, 1002},
	{"too much without mask", rawws.Frame{Opcode: rawws.Text, Unmasked: true, Length: 1 << 20}.Append(nil), nil, 1002},
	{"binary without mask", rawws.Frame{Opcode: rawws.Binary, Unmasked: true, Payload: []byte{1}}.Append(nil), nil, 1002},
	{"the first two bytes of a frame without mask", []byte{0x81, 126}, nil, 1002},
	{"the first byte of a reserved opcode", []byte{0x83}, nil, 1002},
	{"the first byte of a continuation of nothing", []byte{0x80}, nil, 1002},
	{"the first byte of a new message inside a fragmented one", append(
		rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil), 0x81), nil, 1002},
	{"the first byte of a fragmented ping", []byte{0x09}, nil, 1002},
	{"the first two bytes of a ping of 126 bytes", []byte{0x89, 0x80 | 126}, nil, 1002},
	{"RSV1", rawws.Frame{Opcode: rawws.Text, Reserved: 4, Payload: []byte(loginFrame)}.Append(nil), nil, 1002},
	{"RSV2", rawws.Frame{Opcode: rawws.Text, Reserved: 2, Payload: []byte(loginFrame)}.Append(nil), nil, 1002},
	{"RSV3", rawws.Frame{Opcode: rawws.Text, Reserved: 1, Payload: []byte(loginFrame)}.Append(nil), nil, 1002},
	{"RSV1 on a ping", rawws.Frame{Opcode: rawws.Ping, Reserved: 4}.Append(nil), nil, 1002},
	{"a fragmented ping", rawws.Frame{Opcode: rawws.Ping, More: true}.Append(nil), nil, 1002},
	{"a fragmented close", rawws.Frame{Opcode: rawws.Close, More: true, Payload: []byte{3, 232}}.Append(nil), nil, 1002},
	{"a ping of 126 bytes", rawws.Frame{Opcode: rawws.Ping, Payload: make([]byte, 126)}.Append(nil), nil, 1002},
	{"a close of 126 bytes", rawws.CloseFrame(1000, strings.Repeat("x", 124)), nil, 1002},
	{"a ping with the top bit of its length set", rawws.Frame{Opcode: rawws.Ping, Length: 1 << 63}.Append(nil), nil, 1002},

	// Pings and pongs.
	{"a ping", rawws.Frame{Opcode: rawws.Ping}.Append(nil), []string{"pong "}, stays},
	{"a ping with a payload", rawws.Frame{Opcode: rawws.Ping, Payload: []byte("payload")}.Append(nil), []string{"pong payload"}, stays},
	{"a ping of 125 bytes", rawws.Frame{Opcode: rawws.Ping, Payload: bytes.Repeat([]byte("p"), 125)}.Append(nil), []string{"pong " + strings.Repeat("p", 125)}, stays},
	{"a pong", rawws.Frame{Opcode: rawws.Pong, Payload: []byte("unasked for")}.Append(nil), nil, stays},

	// Close frames.
	{"close 1000", rawws.CloseFrame(1000, "bye"), nil, 1000},
	{"close 1001", rawws.CloseFrame(1001, "the tab is closed"), nil, 1001},
	{"close 1009", rawws.CloseFrame(1009, ""), nil, 1009},
	{"close 1011", rawws.CloseFrame(1011, ""), nil, 1011},
	{"close 3000", rawws.CloseFrame(3000, ""), nil, 3000},
	{"close 4999", rawws.CloseFrame(4999, ""), nil, 4999},
	{"a close without a code", rawws.Frame{Opcode: rawws.Close}.Append(nil), nil, noStatus},
	{"a close of one byte", rawws.Frame{Opcode: rawws.Close, Payload: []byte{3}}.Append(nil), nil, 1002},
	{"close 999", rawws.CloseFrame(999, ""), nil, 1002},
	{"close 1005", rawws.CloseFrame(1005, ""), nil, 1002},
	{"close 1006", rawws.CloseFrame(1006, ""), nil, 1002},
	{"close 2000", rawws.CloseFrame(2000, ""), nil, 1002},
	{"close 5000", rawws.CloseFrame(5000, ""), nil, 1002},
	{"a close reason that is not UTF-8", rawws.CloseFrame(1000, "\xff"), nil, 1007},
	{"what waits goes out before the close", rawws.Join(
		rawws.Frame{Opcode: rawws.Text, Payload: []byte("{}")},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(loginFrame)},
		rawws.Frame{Opcode: rawws.Close, Payload: []byte{3, 232}},
	), []string{"malformed", loginAccepted}, 1000},
	{"nothing behind a close is acted on", rawws.Join(
		rawws.Frame{Opcode: rawws.Close, Payload: []byte{3, 232}},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(loginFrame)},
	), nil, 1000},
	{"nothing behind a violation is acted on", rawws.Join(
		rawws.Frame{Opcode: rawws.Binary},
		rawws.Frame{Opcode: rawws.Text, Payload: []byte(loginFrame)},
	), nil, 1003},
}...)

// withLogin returns a row whose client logs in before it sends.
func withLogin(name string, send []byte, answers []string, code uint16) row {
	return row{name, append(rawws.Message(loginFrame), send...), append([]string{loginAccepted}, answers...), code}
}

// reserved returns a row for each opcode that RFC 6455 reserves.
func reserved() []row {
	var rows []row
	for _, opcode := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		for _, size := range []int{0, 200} {
			name := fmt.Sprintf("reserved opcode %#x with %d bytes", opcode, size)
			rows = append(rows, row{name, rawws.Frame{Opcode: opcode, Payload: make([]byte, size)}.Append(nil), nil, 1002})
		}
	}
	return rows
}

// header returns the header of a frame.
func header(f rawws.Frame) []byte {
	b := f.Append(nil)
	return b[:len(b)-len(f.Payload)]
}

// padded returns a login of size bytes.
func padded(size int) string {
	const head, tail = `{"type":"login","login":"alice","padding":"`, `"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// large returns an offer from alice of size bytes. Nobody has the login that it is for.
func large(size int) string {
	const head, tail = `{"type":"offer","offer":"`, `","from":"alice","to":"nobody"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// inFragments returns a text message in fragments of size bytes.
func inFragments(text string, size int) []byte {
	var b []byte
	opcode := byte(rawws.Text)
	for part := range slices.Chunk([]byte(text), size) {
		b = rawws.Frame{Opcode: opcode, More: true, Payload: part}.Append(b)
		opcode = rawws.Continuation
	}
	return rawws.Frame{Opcode: opcode}.Append(b)
}

// wantAnswers checks that the service sends the answers of a row, and then ends the connection with the row's code.
func wantAnswers(t *testing.T, c *rawws.Conn, answers []string, code uint16) {
	t.Helper()
	for _, want := range answers {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatalf("read, wanting %s: %v", want, err)
		}
		got := string(f.Payload)
		switch {
		case f.Opcode == rawws.Pong:
			got = "pong " + got
		case f.Opcode != rawws.Text:
			got = f.String()
		case !strings.HasPrefix(want, "{"):
			want = `{"type":"error","code":"` + want + `","message":"`
			got = got[:min(len(got), len(want))]
		}
		if got != want {
			t.Fatalf("received %s, want %s", got, want)
		}
	}
	switch code {
	case stays:
		write(t, c, rawws.Frame{Opcode: rawws.Ping, Payload: []byte("still here")}.Append(nil))
		if f, err := c.ReadFrame(); err != nil || f.Opcode != rawws.Pong || string(f.Payload) != "still here" {
			t.Errorf("a ping afterwards was answered with %v, %v; want its pong", f, err)
		}
		write(t, c, rawws.CloseFrame(1000, ""))
		wantClose(t, c, 1000) // this frees the login for the next row
	case noStatus:
		if reason := wantClose(t, c, 0); reason != "" {
			t.Errorf("the reason is %q, want none", reason)
		}
	default:
		reason := wantClose(t, c, code)
		// In the row "close 1009" the client sends this code, and the service echoes it without a reason.
		if explained := code == 1002 || code == 1003 || code == 1007 || code == 1009; explained && reason == "" && !strings.HasSuffix(t.Name(), "/close_1009") {
			t.Errorf("closed with %d without a reason", code)
		}
		if strings.Contains(reason, "gws") || strings.Contains(reason, "127.0.0.1") {
			t.Errorf("the reason %q tells about the service's inside", reason)
		}
	}
}

func TestEachFrameIsAnsweredAsTheProtocolSays(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		for _, row := range framing {
			t.Run(row.name, func(t *testing.T) {
				c := s.connect(t)
				write(t, c, row.send)
				wantAnswers(t, c, row.answers, row.code)
				c.Close()
				s.wantRelays(t)
				s.empties(t)
			})
		}
	})
}

// tooLong reports whether it would take long to send b byte by byte.
func tooLong(b []byte) bool { return len(b) > 2000 }

func TestFramesMayArriveByteByByte(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		for _, row := range framing {
			if tooLong(row.send) {
				continue
			}
			t.Run(row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := by.listenInMemory(t, 64<<10)
					c := s.connect(t)
					for i := range row.send {
						write(t, c, row.send[i:i+1])
						synctest.Wait() // waits until the service has read the byte
					}
					wantAnswers(t, c, row.answers, row.code)
				})
			})
		}
	})
}

func TestFramesMayComeRightBehindTheHandshake(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		for _, row := range framing {
			t.Run(row.name, func(t *testing.T) {
				c := s.connect(t, row.send...)
				wantAnswers(t, c, row.answers, row.code)
				s.empties(t)
			})
		}
	})
}

func TestNothingBehindAViolationIsRelayed(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		a, b := s.login(t, "alice"), s.login(t, "bob")
		write(t, a, rawws.Join(
			rawws.Frame{Opcode: rawws.Binary},
			rawws.Frame{Opcode: rawws.Text, Payload: []byte(offer("alice", "bob", 1))},
		))
		wantClose(t, a, 1003)
		write(t, b, rawws.Message("{}"))
		wantError(t, b, "malformed")
	})
}

func TestControlFramesDoNotCountAsPartsOfAMessage(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		for _, opcode := range []byte{rawws.Ping, rawws.Pong} {
			synctest.Test(t, func(t *testing.T) {
				s := by.listenInMemory(t, 64<<10)
				c := s.connect(t)
				const frames = 5000 // 640 KB, which is much more than a message may have
				feed(t, c, func(yield func([]byte) bool) {
					yield(slices.Concat(
						rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame[:7])}.Append(nil),
						bytes.Repeat(rawws.Frame{Opcode: opcode, Payload: make([]byte, 125)}.Append(nil), frames),
						rawws.Frame{Opcode: rawws.Continuation, Payload: []byte(loginFrame[7:])}.Append(nil),
					))
				})
				if opcode == rawws.Ping {
					for i := range frames {
						if f, err := c.ReadFrame(); err != nil || f.Opcode != rawws.Pong {
							t.Fatalf("ping %d was answered with %v, %v", i, f, err)
						}
					}
				}
				wantText(t, c, loginAccepted)
			})
		}
	})
}

func TestEachOfAThousandMalformedFramesIsAnswered(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		c := s.connect(t)
		for i := range 1000 {
			text := fmt.Sprintf(`{"type":"login","login":%d}`, i)
			if i%3 == 0 {
				text = strings.Repeat("}", i)
			}
			write(t, c, rawws.Message(text))
		}
		for range 1000 {
			wantError(t, c, "malformed")
		}
		write(t, c, rawws.Message(loginFrame))
		wantText(t, c, loginAccepted)
	})
}

func TestErrorsRepeatNothingThatWasSent(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		c := s.connect(t)
		for _, text := range []string{`secret`, `{"type":"secret"}`, `{"secret":1,"secret":2}`, `{"type":"login","login":{"secret":1}}`} {
			write(t, c, rawws.Message(text))
			got, err := c.ReadText()
			if err != nil || strings.Contains(got, "secret") {
				t.Errorf("%s was answered with %s, %v", text, got, err)
			}
		}
	})
}
