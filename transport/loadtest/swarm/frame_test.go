package swarm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/internal/frame"
)

// idleDriver is a driver that does nothing.
type idleDriver struct{}

func (idleDriver) run()             {}
func (idleDriver) close()           {}
func (idleDriver) wake()            {}
func (idleDriver) dial(*Conn)       {}
func (idleDriver) flush(*Conn)      {}
func (idleDriver) reading(*Conn)    {}
func (idleDriver) drop(*Conn, bool) {}
func (idleDriver) each(func(*Conn)) {}

// story records how a connection handled the bytes of a service.
type story struct {
	texts  []string // the messages that the handler got
	sent   []string // the answers: first byte and payload; none if the service broke the protocol
	told   string   // the close frame of the service
	broken bool     // the service broke the protocol
}

func (s *story) Opened(*Conn)              {}
func (s *story) Text(_ *Conn, text []byte) { s.texts = append(s.texts, string(text)) }

func (s *story) Closed(*Conn, error) { s.broken = true }

const fuzzLimit = 400 // the MessageLimit, in bytes

// openConn returns an open connection without a socket.
func openConn(h Handler) *Conn {
	l := &Loop{swarm: &Swarm{began: time.Now()}, driver: idleDriver{}, open: 1}
	l.swarm.options = Options{MessageLimit: fuzzLimit, SendLimit: 1 << 30}
	l.swarm.complete()
	return &Conn{loop: l, handler: h, fd: -1, state: opened}
}

// received gives data to a connection, in pieces of these sizes, and returns its story. The connection is open, or waits for
// the answer to its close frame if closing is set.
func received(data, sizes []byte, closing bool) story {
	var s story
	c := openConn(&s)
	if closing {
		c.Close()
		c.out = nil
	}
	for n := 0; len(data) > 0 && c.state < aborted; n++ {
		size := len(data)
		if len(sizes) > 0 {
			size = min(size, 1+int(sizes[n%len(sizes)]))
		}
		piece := bytes.Clone(data[:size])
		data = data[size:]
		c.receive(piece)
		for i := range piece { // the connection may use the piece only during the call
			piece[i] = '!'
		}
	}
	if c.told != nil {
		s.told = fmt.Sprint(c.told.Code, c.told.Reason)
	}
	for out := c.out; len(out) > 0; {
		h, _ := frame.ParseHeader(out)
		payload := bytes.Clone(out[h.Size():][:h.Length])
		frame.Mask(payload, h.Key)
		s.sent = append(s.sent, fmt.Sprintf("%x %q", out[0], payload))
		out = out[h.Size()+int(h.Length):]
	}
	return s
}

// plainly is a simple reader to compare with. It reads all of data at once and follows RFC 6455, section 5, literally. It
// returns the story that a client must have.
func plainly(data []byte, closing bool) (s story) {
	var message []byte
	begun, told, asked := false, false, closing
	for len(data) >= 1 && !told {
		first, size := data[0], 2
		op, final := first&0x0F, first&0x80 != 0
		wrong := first&0x70 != 0
		switch op {
		case 0:
			wrong = wrong || !begun
		case 1, 2:
			wrong = wrong || begun
		case 8, 9, 10:
			wrong = wrong || !final
		default:
			wrong = true
		}
		if !wrong && len(data) < 2 {
			return s
		}
		if wrong || data[1]&0x80 != 0 || op >= 8 && data[1] > 125 { // a wrong byte is refused before the next one comes
			return story{texts: s.texts, broken: true}
		}
		length := uint64(data[1])
		if length >= 126 {
			size = map[uint64]int{126: 4, 127: 10}[length]
			if len(data) < size {
				return s
			}
			var number [8]byte
			copy(number[8-(size-2):], data[2:size])
			length = binary.BigEndian.Uint64(number[:])
			if least := map[int]uint64{4: 126, 10: 1 << 16}[size]; length < least { // the length uses more bytes than it needs
				return story{texts: s.texts, broken: true}
			}
		}
		if op == 2 || op < 8 && length > uint64(fuzzLimit-len(message)) {
			return story{texts: s.texts, broken: true}
		}
		if uint64(len(data)-size) < length {
			return s
		}
		payload := data[size:][:length]
		data = data[size:][length:]
		switch op {
		case 0, 1:
			message = append(message, payload...)
			if begun = !final; final {
				s.texts = append(s.texts, string(message))
				message = nil
			}
		case 9:
			if !asked {
				s.sent = append(s.sent, fmt.Sprintf("8a %q", payload))
			}
		case 8:
			if len(payload) == 1 {
				return story{texts: s.texts, broken: true}
			}
			code, reason := uint16(1005), ""
			if len(payload) > 1 {
				code, reason = binary.BigEndian.Uint16(payload), string(payload[2:])
			}
			if asked && code == 1000 {
				continue // this is the answer to our close frame
			}
			s.told, told = fmt.Sprint(code, reason), true
			if !asked {
				s.sent = append(s.sent, fmt.Sprintf("88 %q", payload[:min(2, len(payload))]))
			}
		}
	}
	return s
}

// FuzzReceive gives any bytes, in any pieces, to a connection. It compares the connection's story with that of plainly.
func FuzzReceive(f *testing.F) {
	all := slices.Concat(serverFrame(0x81, "hello"), serverFrame(0x01, "in "), serverFrame(0x89, "ping"), serverFrame(0x00, ""), serverFrame(0x80, "parts"),
		serverFrame(0x81, strings.Repeat("x", 200)), serverFrame(0x8A, ""), serverFrame(0x88, "\x03\xe8bye"), serverFrame(0x81, "too late"))
	wide := binary.BigEndian.AppendUint64([]byte{0x81, 127}, 3) // a length that fits into the second byte
	for _, seed := range [][]byte{
		all, append(wide, "abcd"...), serverFrame(0x81, strings.Repeat("x", fuzzLimit+1)), serverFrame(0x82, "binary"), serverFrame(0x80, "nothing to go on with"),
		slices.Concat(serverFrame(0x01, "a"), serverFrame(0x81, "b")), slices.Concat(serverFrame(0x01, strings.Repeat("x", 300)), serverFrame(0x80, strings.Repeat("x", 300))),
		serverFrame(0x88, "\x03"), serverFrame(0x88, ""), serverFrame(0x89, strings.Repeat("x", 126)), {0x09, 0}, {0x81, 0x80, 0, 0, 0, 0}, {0xC1, 0}, {0x83, 0},
		binary.BigEndian.AppendUint64([]byte{0x81, 127}, 1<<63), binary.BigEndian.AppendUint64([]byte{0x81, 127}, 1<<63-1), {0x81, 127, 0, 0}, {0x88, 127},
	} {
		for _, sizes := range []string{"", "\x00", "\x02\x00\x06", "\x20"} {
			f.Add(seed, []byte(sizes), false)
			f.Add(seed, []byte(sizes), true)
		}
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte, closing bool) {
		got, want := received(data, sizes, closing), plainly(data, closing)
		if got.broken {
			got.sent = nil // a connection that has failed sends nothing any more
		}
		if !slices.Equal(got.texts, want.texts) || !slices.Equal(got.sent, want.sent) || got.told != want.told || got.broken != want.broken {
			t.Errorf("%.300q in pieces of %v, while closing: %v\nis read as %+v\nwant       %+v", data, sizes, closing, got, want)
		}
	})
}
