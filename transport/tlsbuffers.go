package transport

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// keepTLSBuffer is the largest capacity of a buffer that a quiet connection over TLS keeps.
const keepTLSBuffer = 1 << 10

// tlsBuffers says where a tls.Conn has the buffers for what arrives. A tls.Conn never gives them back. After the handshake they
// have the size of its largest message, which is a third of all the memory that an idle connection takes, and a client that has
// sent one long record would have 16 KB from then on.
type tlsBuffers struct {
	found    bool
	rawInput uintptr // the offset of the buffer for records
	hand     uintptr // the offset of the buffer for handshake messages
}

// findTLSBuffers looks for the buffers by their names and types. If this version of Go has others, connections keep their
// buffers, and nothing else changes.
func findTLSBuffers() tlsBuffers {
	rawInput, ok := reflect.TypeFor[tls.Conn]().FieldByName("rawInput")
	hand, ok2 := reflect.TypeFor[tls.Conn]().FieldByName("hand")
	buffer := reflect.TypeFor[bytes.Buffer]()
	return tlsBuffers{
		found:    ok && ok2 && rawInput.Type == buffer && hand.Type == buffer,
		rawInput: rawInput.Offset,
		hand:     hand.Offset,
	}
}

// drained reports whether a connection has no bytes that it has not decrypted. It reports false if it cannot know.
func (b tlsBuffers) drained(t *tls.Conn) bool { return b.found && bufferAt(t, b.rawInput).Len() == 0 }

// release gives back those buffers of a connection that are empty and large. Nobody may read the connection meanwhile, and the
// last read must have found nothing more: then no other field refers to the memory of the buffers.
func (b tlsBuffers) release(t *tls.Conn) {
	if !b.found {
		return
	}
	for _, offset := range [...]uintptr{b.rawInput, b.hand} {
		if buffer := bufferAt(t, offset); buffer.Len() == 0 && buffer.Cap() > keepTLSBuffer {
			*buffer = bytes.Buffer{}
		}
	}
}

func bufferAt(t *tls.Conn, offset uintptr) *bytes.Buffer {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), offset))
}
