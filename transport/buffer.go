package transport

import (
	"bytes"
	"sync"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

const (
	// bufferSize is what a buffer begins with.
	bufferSize = 512
	// keepBuffer is how large a buffer may have grown to be used again.
	keepBuffer = 64 << 10
)

// buffer holds bytes that wait: complete frames to be written, or what was read and not acted on yet.
type buffer struct {
	bytes []byte
	marks []mark // in the order of the frames
}

// mark says whose message the frame at an offset is. Frames without one are the service's own.
type mark struct {
	offset uint32
	sender messages.Address
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

// put takes a buffer back, if it is worth keeping; nil is none.
func (p *buffers) put(b *buffer) {
	if b == nil || cap(b.bytes) > keepBuffer {
		return
	}
	b.bytes = b.bytes[:0]
	clear(b.marks) // so that none keeps a session that has ended
	b.marks = b.marks[:0]
	p.pool.Put(b)
}

// opRaw, in place of an opcode, stands for bytes that are no frame: the response to the handshake.
const opRaw frame.Opcode = 0xFF

// append appends a frame of sender's, nil for the service's own.
func (b *buffer) append(opcode frame.Opcode, payload []byte, sender messages.Address) {
	if sender != nil {
		b.marks = append(b.marks, mark{offset: uint32(len(b.bytes)), sender: sender})
	}
	if opcode == opRaw {
		b.bytes = append(b.bytes, payload...)
	} else {
		b.bytes = frame.Append(b.bytes, opcode, payload)
	}
}

// frameSize returns the size of the complete frame at the start of b, which the service has built itself. The response
// to the handshake, which goes the same way before all frames, counts as one: its first byte has no fin bit.
func frameSize(b []byte) int {
	h, _ := frame.ParseHeader(b)
	if !h.Fin() {
		return bytes.Index(b, []byte("\r\n\r\n")) + 4
	}
	return h.Size() + int(h.Length)
}

// framePayload returns the payload of the complete frame at the start of b, which the service has built itself.
func framePayload(b []byte) []byte {
	h, _ := frame.ParseHeader(b)
	return b[h.Size():][:h.Length]
}
