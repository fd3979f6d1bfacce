package transport

import (
	"bytes"
	"sync"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

const (
	// bufferSize is the capacity of a new buffer.
	bufferSize = 512
	// keepBuffer is the largest capacity of a buffer that is kept to be used again.
	keepBuffer = 64 << 10
)

// buffer holds complete frames that wait to be written.
type buffer struct {
	bytes []byte
	marks []mark // in the order of the frames
	since int64  // when the first message that is timed was read, in the server's nanoseconds; 0 for none
}

// mark says of the frame at an offset whose message it is. A frame without a mark is the service's own.
type mark struct {
	offset   uint32
	retained bool // see messages.Relay
	sender   messages.Address
}

// buffers holds buffers between uses. Its zero value is ready.
type buffers struct{ pool sync.Pool }

// get returns an empty buffer.
func (p *buffers) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, bufferSize)}
}

// put takes back a buffer, which may be nil. It keeps no buffer that has grown large.
func (p *buffers) put(b *buffer) {
	if b == nil || cap(b.bytes) > keepBuffer {
		return
	}
	b.bytes = b.bytes[:0]
	clear(b.marks) // otherwise a mark would keep an ended session in memory
	b.marks = b.marks[:0]
	b.since = 0
	p.pool.Put(b)
}

// opRaw stands in the place of an opcode for bytes that are not a frame: the response to the handshake.
const opRaw frame.Opcode = 0xFF

// append appends a frame. M is the message that it carries, or nil if the frame is the service's own.
func (b *buffer) append(opcode frame.Opcode, payload []byte, m *messages.Deliver) {
	if m != nil && m.Sender != nil {
		b.marks = append(b.marks, mark{uint32(len(b.bytes)), m.Retained, m.Sender})
	}
	if opcode == opRaw {
		b.bytes = append(b.bytes, payload...)
	} else {
		b.bytes = frame.Append(b.bytes, opcode, payload)
	}
}

// frameSize returns the size of the frame at the start of b. The service has built the frame, and it is complete. The
// response to the handshake stands in front of all frames and counts as one. Its first byte has no FIN bit, which tells it
// from a frame.
func frameSize(b []byte) int {
	h, _ := frame.ParseHeader(b)
	if !h.Fin() {
		return bytes.Index(b, []byte("\r\n\r\n")) + 4
	}
	return h.Size() + int(h.Length)
}

// framePayload returns the payload of the frame at the start of b. The service has built the frame, and it is complete.
func framePayload(b []byte) []byte {
	h, _ := frame.ParseHeader(b)
	return b[h.Size():][:h.Length]
}
