package transport

import (
	"errors"
	"net"
	"time"
)

// maxUnanswered is how many bytes of TLS may wait for a client that takes nothing, besides the frames: alerts, and answers to
// the client's key updates. A client that causes more is cut off.
const maxUnanswered = 16 << 10

var errUnanswered = errors.New("the client of a TLS connection asks for answers and takes none")

// wire is a [secured] as its tls.Conn sees it: the connection beneath. Until a loop has the socket, a wire reads and writes
// it like any other net.Conn, and may block. Then the loop puts the bytes that arrived into the wire, and takes out those
// that are to be sent. A wire on a loop never blocks.
type wire secured

// nothingYet is the error of a wire on a loop that has no more bytes. A tls.Conn keeps its state after an error that is
// temporary, even in the middle of a record, and goes on with the next call of Read.
type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing has arrived yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

var errNothingYet net.Error = nothingYet{}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.in) > 0 {
		n := copy(p, w.in)
		w.in = w.in[n:]
		return n, nil
	}
	if w.raw == nil {
		if w.failed != nil {
			return 0, w.failed
		}
		return 0, errNothingYet
	}
	if at := w.handshake; at != nil {
		at.pause()
		defer at.resume()
	}
	return w.raw.Read(p)
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if w.raw == nil {
		return w.keep(p)
	}
	if at := w.handshake; at != nil {
		at.pause()
		defer at.resume()
	}
	return w.raw.Write(p)
}

// keep keeps bytes until the layer sends them.
func (w *wire) keep(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		w.out = w.conn.server.buffers.get()
	}
	if len(w.out.bytes)-w.sent > 2*maxChunk+maxUnanswered {
		return 0, errUnanswered
	}
	w.out.bytes = append(w.out.bytes, p...)
	return len(p), nil
}

// Close implements net.Conn.
func (w *wire) Close() error {
	if w.raw == nil {
		return nil
	}
	return w.raw.Close()
}

// CloseWrite closes the sending direction of the socket, if it can be closed alone.
func (w *wire) CloseWrite() error {
	if half, ok := w.raw.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// LocalAddr implements net.Conn. On a loop there is no address.
func (w *wire) LocalAddr() net.Addr {
	if w.raw == nil {
		return nil
	}
	return w.raw.LocalAddr()
}

// RemoteAddr implements net.Conn. On a loop there is no address.
func (w *wire) RemoteAddr() net.Addr {
	if w.raw == nil {
		return nil
	}
	return w.raw.RemoteAddr()
}

// SetDeadline implements net.Conn. On a loop it does nothing, because no call waits.
func (w *wire) SetDeadline(t time.Time) error {
	if w.raw == nil {
		return nil
	}
	return w.raw.SetDeadline(t)
}

// SetReadDeadline implements net.Conn. On a loop it does nothing.
func (w *wire) SetReadDeadline(t time.Time) error {
	if w.raw == nil {
		return nil
	}
	return w.raw.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn. On a loop it does nothing.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.raw == nil {
		return nil
	}
	return w.raw.SetWriteDeadline(t)
}
