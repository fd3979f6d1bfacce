package transport_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// framesOf returns the frames that the service sent, one for each line.
func framesOf(t *testing.T, answers []byte) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_, _ = far.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
		_, _ = far.Write(answers)
		far.Close()
	}()
	go func() { _, _ = bufio.NewReader(far).ReadString(0) }() // reads the request
	c, err := rawws.Open(near, "GET")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for {
		f, err := c.ReadFrame()
		if err != nil {
			fmt.Fprintln(&b, err)
			return b.String()
		}
		fmt.Fprintln(&b, f)
	}
}

// FuzzCarriers gives the same stream, in the same pieces, to a connection on a loop, to a connection that goroutines carry, and
// to one over TLS on a loop. All must send the same bytes and end in an orderly way.
func FuzzCarriers(f *testing.F) {
	add := func(stream []byte) {
		for _, pieces := range []string{"", "\x01", "\x07\x01\x64", "\x00\x05", "\x25\x03\x11"} {
			f.Add(stream, []byte(pieces), []byte{})
		}
		f.Add(stream, []byte{3}, []byte{1})
		f.Add(stream, []byte{}, []byte{255, 30, 2})
	}
	for _, row := range framing {
		if len(row.send) < 4096 {
			add(row.send)
		}
	}
	text := func(format string, a ...any) []byte { return rawws.Message(fmt.Sprintf(format, a...)) }
	login, self := rawws.Message(loginFrame), text(`{"type":"offer","offer":{"sdp":"v=0"},"from":"alice","to":"alice"}`)
	for _, code := range []uint16{0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1013, 1014, 1015, 1016, 1999, 2999, 3000, 3999, 4000, 4999, 5000, 65535} {
		for _, reason := range []string{"", "bye", "\xff", "\xc3"} {
			add(append(login, rawws.CloseFrame(code, reason)...))
		}
	}
	for _, stream := range [][][]byte{
		{login, self},
		{login, self, self, text(`{"type":"logout","login":"alice"}`), self, login, self, rawws.CloseFrame(1000, "")},
		{login, text(`{"type":"offer","offer":1,"from":"bob","to":"alice"}`), text(`{"type":"offer","offer":1,"from":"alice","to":"bob"}`)},
		{login, text(`{"type":"logout","login":"bob"}`), login, login},
		{bytes.Repeat(login, 25)},
		{login, bytes.Repeat(self, 40), rawws.Frame{Opcode: rawws.Ping, Payload: []byte("x")}.Append(nil), bytes.Repeat(text("{}"), 20)},
		{text("\xff"), login},
		{text("\xed\xa0\x80")},
		{rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("\xff")}, rawws.Frame{Opcode: rawws.Ping}, rawws.Frame{}), login},
		{rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("\xff")}, rawws.Frame{Opcode: rawws.Text}), login},
		{rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{")}, rawws.Frame{More: true}, rawws.Frame{Opcode: rawws.Close, Payload: []byte{3}})},
		{rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true}, rawws.Frame{})},
		{rawws.Join(rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(loginFrame)}, rawws.Frame{}), self},
		{bytes.Repeat(rawws.Frame{Opcode: rawws.Ping, Payload: bytes.Repeat([]byte("p"), 125)}.Append(nil), 20)},
		{login, text("%s", padded(3000)), self},
		{login, self[:len(self)-1]},
		{login, self[:1]},
		{},
	} {
		add(bytes.Join(stream, nil))
	}

	var services [3]*service
	for i := range services {
		services[i] = newService(f, "", nil)
		transport.SetQueueLimit(services[i].Server, 600) // so small that a few answers make the reader wait
		f.Cleanup(func() {
			services[i].shutdown(f)
			services[i].stop(f)
		})
	}
	f.Fuzz(func(t *testing.T, stream, pieces, room []byte) {
		var answers [3][]byte
		var orderly [3]bool
		for i, s := range services {
			var err error
			answers[i], orderly[i], err = transport.InPieces(s.Server, transport.Way(i), stream, pieces, room)
			if err != nil {
				t.Fatal(err)
			}
			s.empties(t)
		}
		if !bytes.Equal(answers[0], answers[1]) {
			t.Errorf("on a loop the answers are\n%sby goroutines they are\n%s", framesOf(t, answers[0]), framesOf(t, answers[1]))
		}
		if !bytes.Equal(answers[0], answers[2]) {
			t.Errorf("on a loop the answers are\n%sover TLS they are\n%s", framesOf(t, answers[0]), framesOf(t, answers[2]))
		}
		if orderly != [3]bool{true, true, true} {
			t.Errorf("closed in an orderly way on a loop, by goroutines, on a loop over TLS: %t; want all", orderly)
		}
		for _, s := range services {
			if failures := s.log.failures(); failures != "" {
				t.Fatalf("the service logged:\n%s", failures)
			}
		}
	})
}
