package client_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"p2p-messaging/transport/client"
)

// Opcodes of RFC 6455, section 5.2, each with the FIN bit.
const (
	text      = 0x81
	binaryMsg = 0x82
	closing   = 0x88
	ping      = 0x89
	pong      = 0x8a
)

// fake is the service's end of a connection. A test reads and writes each of its bytes.
type fake struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// pipe returns a dialer, and a channel with the other ends of the connections that it dials.
func pipe() (client.Option, <-chan net.Conn) {
	conns := make(chan net.Conn, 16)
	return client.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
		mine, others := net.Pipe()
		conns <- others
		return mine, nil
	}), conns
}

// connect dials a fake service. The fake writes behind directly after its answer to the handshake, in the same write.
func connect(t *testing.T, behind []byte, options ...client.Option) (*client.Client, *fake) {
	t.Helper()
	dialer, conns := pipe()
	type result struct {
		client *client.Client
		err    error
	}
	dialed := make(chan result, 1)
	go func() {
		c, err := client.Dial(t.Context(), "ws://service.test", append([]client.Option{dialer}, options...)...)
		dialed <- result{c, err}
	}()
	f := newFake(t, <-conns)
	f.accept(behind)
	r := <-dialed
	if r.err != nil {
		t.Fatalf("Dial: %v", r.err)
	}
	t.Cleanup(r.client.CloseNow)
	return r.client, f
}

func newFake(t *testing.T, conn net.Conn) *fake {
	t.Cleanup(func() { conn.Close() })
	return &fake{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (f *fake) request() *http.Request {
	f.t.Helper()
	r, err := http.ReadRequest(f.in)
	if err != nil {
		f.t.Fatalf("reading the handshake's request: %v", err)
	}
	return r
}

func acceptance(r *http.Request) []byte {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
}

func (f *fake) accept(behind []byte) {
	f.t.Helper()
	f.write(append(acceptance(f.request()), behind...))
}

func (f *fake) write(b []byte) {
	f.t.Helper()
	if _, err := f.conn.Write(b); err != nil {
		f.t.Errorf("writing to the client: %v", err)
	}
}

// frame returns an unmasked frame. First is its first byte.
func frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

func closeFrame(code uint16, reason string) []byte {
	return frame(closing, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

func (f *fake) send(first byte, payload string) { f.t.Helper(); f.write(frame(first, []byte(payload))) }

// read reads the client's next frame. The error is io.EOF if there is none.
func (f *fake) read() (first byte, payload []byte, err error) {
	var header [2]byte
	if _, err := io.ReadFull(f.in, header[:]); err != nil {
		return 0, nil, err
	}
	if header[1]&0x80 == 0 {
		return 0, nil, errors.New("the frame is not masked")
	}
	n := int(header[1] & 0x7f)
	if n >= 126 {
		long := make([]byte, map[int]int{126: 2, 127: 8}[n])
		if _, err := io.ReadFull(f.in, long); err != nil {
			return 0, nil, err
		}
		n = 0
		for _, b := range long {
			n = n<<8 | int(b)
		}
	}
	var mask [4]byte
	if _, err := io.ReadFull(f.in, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(f.in, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return header[0], payload, nil
}

// expect fails the test unless the client's next frame has this first byte and this payload.
func (f *fake) expect(first byte, payload string) {
	f.t.Helper()
	gotFirst, got, err := f.read()
	if err != nil {
		f.t.Fatalf("reading a frame of the client: %v; wanted %#x %q", err, first, payload)
	}
	if gotFirst != first || string(got) != payload {
		f.t.Fatalf("the client sent %#x %q; wanted %#x %q", gotFirst, got, first, payload)
	}
}

// expectClose fails the test unless the client's next frame is a close frame with code and no frame follows it.
func (f *fake) expectClose(code uint16) {
	f.t.Helper()
	f.expect(closing, string(binary.BigEndian.AppendUint16(nil, code)))
	if first, payload, err := f.read(); err == nil {
		f.t.Fatalf("behind its close frame the client sent %#x %q; wanted nothing", first, payload)
	}
}

// login does a login on both sides.
func (f *fake) login(c *client.Client, login string) {
	f.t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Login(f.t.Context(), login) }()
	f.expect(text, `{"type":"login","login":"`+login+`"}`)
	f.send(text, `{"type":"login","success":true}`)
	if err := <-done; err != nil {
		f.t.Fatalf("Login: %v", err)
	}
}

// ended waits until the connection has ended and returns the reason.
func ended(t *testing.T, c *client.Client) error {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(time.Minute): // in a synctest bubble this is the bubble's time
		t.Fatal("the connection has not ended")
	}
	return c.Err()
}
