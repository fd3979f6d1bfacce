// Package rawws is a raw WebSocket client for tests of the service. It writes and reads single frames (RFC 6455, section
// 5.2). It does not check the frames that it writes, so tests can send frames that a WebSocket library refuses to send. It
// returns each frame of the service as it came.
//
// Package rawws is an oracle: it is written from the standard alone and must never share code with what it checks. In
// particular it does not use package frame. If the tests read and wrote frames with that package too, they could not see its
// faults.
package rawws

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Opcodes of RFC 6455, section 5.2.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xA
)

// Frame is one frame. It may be invalid.
type Frame struct {
	Opcode   byte
	More     bool // the FIN bit is not set
	Reserved byte // the three reserved bits; 4 is RSV1
	Unmasked bool // the frame has no mask; RFC 6455 demands one in a client's frames
	Payload  []byte
	// Length replaces the true length of the payload in the header, if it is not 0. It is written in the 64-bit form.
	Length uint64
}

// mask is the mask of every frame. No byte of it is 0, so it changes every byte of a payload.
var mask = [4]byte{0x5A, 0xC3, 0x11, 0xF7}

// Append appends the frame to b, in the form that a client sends. Unless Unmasked is set, the frame is masked.
func (f Frame) Append(b []byte) []byte {
	first := f.Opcode | f.Reserved<<4
	if !f.More {
		first |= 0x80
	}
	masked := byte(0x80)
	if f.Unmasked {
		masked = 0
	}
	switch n := len(f.Payload); {
	case f.Length != 0:
		b = binary.BigEndian.AppendUint64(append(b, first, masked|127), f.Length)
	case n < 126:
		b = append(b, first, masked|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, first, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, masked|127), uint64(n))
	}
	if f.Unmasked {
		return append(b, f.Payload...)
	}
	b = append(b, mask[:]...)
	for i, c := range f.Payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// Join returns the bytes of several frames, one directly after the other.
func Join(frames ...Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
	}
	return b
}

// Message returns the bytes of a text message in one frame.
func Message(text string) []byte { return Frame{Opcode: Text, Payload: []byte(text)}.Append(nil) }

// CloseFrame returns the bytes of a close frame.
func CloseFrame(code uint16, reason string) []byte {
	payload := append(binary.BigEndian.AppendUint16(nil, code), reason...)
	return Frame{Opcode: Close, Payload: payload}.Append(nil)
}

// CloseCode returns the code and the reason of a close frame. The code is 0 if the frame has none.
func (f Frame) CloseCode() (code uint16, reason string) {
	if len(f.Payload) < 2 {
		return 0, ""
	}
	return binary.BigEndian.Uint16(f.Payload), string(f.Payload[2:])
}

func (f Frame) String() string {
	switch f.Opcode {
	case Text:
		return fmt.Sprintf("text %q", f.Payload)
	case Close:
		code, reason := f.CloseCode()
		return fmt.Sprintf("close %d %q", code, reason)
	default:
		return fmt.Sprintf("opcode %#x %q", f.Opcode, f.Payload)
	}
}

// Conn is a client's connection after the handshake.
type Conn struct {
	net.Conn
	reader *bufio.Reader
}

// Request returns the request of a valid handshake for path (RFC 6455, section 4.1). It ends with the given header lines.
func Request(path, host string, lines ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

// Open sends request and, in the same write, the bytes of behind. Then it reads the response. It returns an error if the
// service did not upgrade the connection, or sent a wrong Sec-WebSocket-Accept. The request must have the key of [Request].
func Open(conn net.Conn, request string, behind ...byte) (*Conn, error) {
	if _, err := conn.Write(append([]byte(request), behind...)); err != nil {
		return nil, err
	}
	c := &Conn{Conn: conn, reader: bufio.NewReader(conn)}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("read the response to the handshake: %w", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body)
		return nil, fmt.Errorf("the handshake was answered with %s: %s", response.Status, body)
	}
	// The accept value for the key in Request, from RFC 6455, section 1.3.
	if accept := response.Header.Get("Sec-WebSocket-Accept"); accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return nil, fmt.Errorf("Sec-WebSocket-Accept is %q", accept)
	}
	return c, nil
}

// ReadFrame reads the next frame of the service. It returns an error if the frame is masked, has a reserved bit set, or uses
// more bytes for its length than it needs.
func (c *Conn) ReadFrame() (Frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Opcode: head[0] & 0x0F, More: head[0]&0x80 == 0, Reserved: head[0] >> 4 & 7, Unmasked: head[1]&0x80 == 0}
	if f.Reserved != 0 || !f.Unmasked {
		return f, fmt.Errorf("the service sent a frame that begins with %x", head[:])
	}
	length, least, size := uint64(head[1]&0x7F), uint64(0), 0
	switch length {
	case 126:
		least, size = 126, 2
	case 127:
		least, size = 1<<16, 8
	}
	if size > 0 {
		var extended [8]byte
		if _, err := io.ReadFull(c.reader, extended[8-size:]); err != nil {
			return f, err
		}
		length = binary.BigEndian.Uint64(extended[:])
	}
	if length < least {
		return f, fmt.Errorf("the service wrote the length %d in too many bytes", length)
	}
	f.Payload = make([]byte, length)
	_, err := io.ReadFull(c.reader, f.Payload)
	return f, err
}

// ReadText reads frames until a text frame comes, and returns its payload. It does not answer pings. A close frame is an
// error.
func (c *Conn) ReadText() (string, error) {
	for {
		f, err := c.ReadFrame()
		switch {
		case err != nil:
			return "", err
		case f.Opcode == Text:
			return string(f.Payload), nil
		case f.Opcode == Close:
			return "", fmt.Errorf("the service closed: %v", f)
		}
	}
}

// ReadClose reads frames until the close frame and then the end of the stream. It returns the code and the reason of the
// close frame, and the texts that came before it. Bytes after the close frame are an error.
func (c *Conn) ReadClose() (code uint16, reason string, texts []string, err error) {
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return 0, "", texts, fmt.Errorf("no close frame came: %w", err)
		}
		switch f.Opcode {
		case Text:
			texts = append(texts, string(f.Payload))
		case Close:
			code, reason = f.CloseCode()
			if rest, err := io.ReadAll(c.reader); err != nil || len(rest) > 0 {
				return code, reason, texts, fmt.Errorf("%d bytes came behind the close frame, then: %w", len(rest), err)
			}
			return code, reason, texts, nil
		}
	}
}
