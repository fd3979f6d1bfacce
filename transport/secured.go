package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/epoll"
)

const (
	// maxChunk is how many bytes of frames are encrypted before they are sent in one write.
	maxChunk = 32 << 10
	// maxRecord is the size in bytes of the longest record (RFC 8446, section 5.2).
	maxRecord = 5 + maxTLSPlaintext + 256
	// maxQuiet is how many bytes may arrive at once from a client that does nothing, such as a record with a pong.
	maxQuiet = 128
	// maxFruitless is how many bytes a client may send over TLS that contain no data of the connection: handshake messages,
	// empty or unfinished records. They take memory, and they are no sign of life.
	maxFruitless = 2 * maxRecord
)

var (
	errFruitless = errors.New("a client of a TLS connection sends records without data")
	// errPartly is like [epoll.ErrFull]: the socket takes no more bytes at the moment. But it has taken a part of a record.
	errPartly = errors.New("the socket has taken a part of a record, and takes no more at the moment")
)

// secured is TLS between a connection and its socket on a loop. To the socket it is an [epoll.Handler]. To the connection it
// is a descriptor. It has no goroutine: its tls.Conn reads from and writes to a [wire], which never blocks on a loop.
//
// The handshake happens before, on a goroutine. Until between is called, only wire and raw are used.
type secured struct {
	conn   *looped
	socket descriptor
	tls    *tls.Conn

	raw       net.Conn   // the socket while no loop has it; then nil
	handshake *handshake // while it computes

	// These belong to the loop, except for begun.
	in        []byte // bytes that have arrived, and that the tls.Conn has not read
	failed    error  // why nothing more will arrive
	fruitless int    // bytes that the tls.Conn has read since the last data
	readable  bool   // what the connection watches for
	writable  bool
	ended     bool // nothing more will arrive
	untold    bool // the connection was not told, because it does not watch for bytes
	closed    bool

	// begun is how many bytes of the write under way were encrypted. They are written when the last byte of their records
	// was sent. It belongs to the flusher, and in the state full to the loop.
	begun int

	mu     sync.Mutex
	out    *buffer // records to be sent; nil for none
	sent   int     // bytes of out that were sent
	ending bool    // the last record is the one that ends the sending direction
}

// newSecured returns a server's side of TLS over raw. The handshake has not begun.
func newSecured(raw net.Conn, config *tls.Config) *secured {
	s := &secured{raw: raw}
	s.tls = tls.Server((*wire)(s), config)
	return s
}

// beneath returns the socket beneath a connection over TLS, and its layer. The layer is nil if there is none that fits on a
// loop.
func beneath(socket net.Conn) (net.Conn, *secured) {
	if t, ok := socket.(*tls.Conn); ok {
		if w, ok := t.NetConn().(*wire); ok {
			return bare(w.raw), (*secured)(w)
		}
	}
	return bare(socket), nil
}

// own copies the bytes that the tls.Conn has not read, because their memory belongs to somebody else.
func (s *secured) own() {
	if s.in = bytes.Clone(s.in); len(s.in) == 0 {
		s.in = nil
	}
}

// between puts the layer between a connection and a socket on a loop, and returns itself.
func (s *secured) between(c *looped, socket descriptor) *secured {
	s.conn, s.socket, s.raw = c, socket, nil
	return s
}

// decryptTask makes the loop decrypt what arrived before the loop had the socket.
type decryptTask secured

// Run implements [epoll.Task].
func (d *decryptTask) Run() { (*secured)(d).decrypt(time.Now()) }

// Post implements descriptor.
func (s *secured) Post(t epoll.Task) { s.socket.Post(t) }

// Open implements descriptor.
func (s *secured) Open() error {
	if err := s.socket.Open(); err != nil {
		return err
	}
	s.readable = true
	s.socket.Post((*decryptTask)(s))
	return nil
}

// Watch implements descriptor.
func (s *secured) Watch(readable, writable bool) {
	s.readable, s.writable = readable, writable
	s.watch()
	if readable && s.untold {
		s.untold = false
		s.socket.Post((*endTask)(s))
	}
}

// endTask tells a connection that now watches for bytes that nothing more will arrive.
type endTask secured

// Run implements [epoll.Task].
func (e *endTask) Run() {
	if !e.closed {
		e.conn.Ended(io.EOF)
	}
}

// watch makes the loop watch the socket for what the connection wants, and for room if records wait.
func (s *secured) watch() {
	s.mu.Lock()
	waits := s.out != nil
	s.mu.Unlock()
	s.socket.Watch(s.readable, s.writable || waits)
}

// Receive implements [epoll.Handler].
func (s *secured) Receive(b []byte, at time.Time) {
	if len(s.in) > 0 { // the rest of what came with the first bytes
		b = append(s.in, b...)
	}
	s.in = b
	s.decrypt(at)
	s.in = nil
}

// Ended implements [epoll.Handler].
func (s *secured) Ended(err error) {
	if err == epoll.ErrUnread || s.ended {
		s.conn.Ended(err)
		return
	}
	s.failed = err
	s.decrypt(time.Now())
}

// Writable implements [epoll.Handler].
func (s *secured) Writable() {
	if s.writable {
		s.conn.Writable()
		return
	}
	s.answer()
}

// decrypt decrypts what has arrived, and hands it to the connection record by record.
func (s *secured) decrypt(at time.Time) {
	plaintexts := &s.conn.server.plaintexts
	plain := plaintexts.get()
	defer plaintexts.put(plain)
	quiet := len(s.in) <= maxQuiet
	for !s.closed && !s.ended {
		before := len(s.in)
		n, err := s.tls.Read(plain[:])
		s.fruitless += before - len(s.in)
		if n > 0 {
			s.fruitless = 0
			s.conn.Receive(plain[:n], at)
			if !quiet && err == nil && n < len(plain) && s.drained() {
				break
			}
		}
		if s.fruitless > maxFruitless {
			err = errFruitless
		}
		if err == errNothingYet {
			break
		}
		if err != nil {
			s.end(err)
		}
	}
	if quiet {
		s.conn.server.tlsBuffers.release(s.tls)
	}
	s.answer()
}

// drained reports whether there is nothing to decrypt. If so, the next read of the tls.Conn, which would find that out, is not
// needed.
func (s *secured) drained() bool {
	return len(s.in) == 0 && s.failed == nil && s.conn.server.tlsBuffers.drained(s.tls)
}

// end tells the connection that nothing more will arrive. A client may end its direction by an alert, or by the end of the
// stream alone, as over plain TCP. As on a socket, a connection that does not watch for bytes hears of the end twice: now, and
// when it has acted on the bytes before.
func (s *secured) end(err error) {
	if s.closed {
		return
	}
	s.ended = true
	_, _ = s.send() // the alert that says what is wrong
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if err == io.EOF && !s.readable {
		s.untold, err = true, epoll.ErrUnread
	}
	s.conn.Ended(err)
}

// answer sends the records that the tls.Conn has written by itself, such as the answer to a key update.
func (s *secured) answer() {
	if s.closed {
		return
	}
	s.mu.Lock()
	waits := s.out != nil
	s.mu.Unlock()
	if !waits {
		return
	}
	_, _ = s.send() // if the socket has failed, the loop says so
	s.watch()
}

// send sends the records that wait. It returns the number of bytes that the socket has taken. The error is [epoll.ErrFull] if
// it has not taken all.
func (s *secured) send() (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return 0, nil
	}
	n, err = s.socket.Write(s.out.bytes[s.sent:], s.ending)
	switch s.sent += n; {
	case s.sent == len(s.out.bytes):
		s.forget()
	case s.sent > len(s.out.bytes)/2:
		// A client that never takes everything would otherwise make what was sent stay for ever. Each byte is moved once on average.
		s.out.bytes = s.out.bytes[:copy(s.out.bytes, s.out.bytes[s.sent:])]
		s.sent = 0
	}
	return n, err
}

// forget gives back the buffer of the records. The caller holds mu.
func (s *secured) forget() {
	s.conn.server.buffers.put(s.out)
	s.out, s.sent = nil, 0
}

// Write implements descriptor. A byte counts as written when the socket has taken the whole record that it is in. After
// ErrFull, b must begin with the same bytes again, as far as they are begun.
func (s *secured) Write(b []byte, last bool) (written int, err error) {
	moved := false
	for {
		n, err := s.send()
		moved = moved || n > 0
		switch {
		case err == epoll.ErrFull && moved:
			return written, errPartly
		case err != nil:
			return written, err
		}
		written += s.begun
		b, s.begun = b[s.begun:], 0
		if len(b) == 0 {
			return written, nil
		}
		chunk := b[:min(len(b), maxChunk)]
		if _, err := s.tls.Write(chunk); err != nil {
			return written, err
		}
		s.begun = len(chunk)
		if last && len(chunk) == len(b) {
			s.endSending()
		}
	}
}

// endSending adds the record that ends the sending direction (close_notify; RFC 8446, section 6.1), unless it was added
// before.
func (s *secured) endSending() {
	_ = s.tls.CloseWrite() // it fails only if an alert has ended the direction already
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
}

// CloseWrite implements descriptor.
func (s *secured) CloseWrite() error {
	s.endSending()
	if _, err := s.send(); err != nil {
		return err
	}
	return s.socket.CloseWrite()
}

// Shutdown implements descriptor.
func (s *secured) Shutdown() { s.socket.Shutdown() }

// Close implements descriptor.
func (s *secured) Close() {
	s.closed = true
	s.mu.Lock()
	if s.out != nil {
		s.forget()
	}
	s.mu.Unlock()
	s.socket.Close()
}

// plaintexts holds buffers for the data of one record each. Its zero value is ready.
type plaintexts struct{ pool sync.Pool }

func (p *plaintexts) get() *[maxTLSPlaintext]byte {
	if b, ok := p.pool.Get().(*[maxTLSPlaintext]byte); ok {
		return b
	}
	return new([maxTLSPlaintext]byte)
}

func (p *plaintexts) put(b *[maxTLSPlaintext]byte) { p.pool.Put(b) }
