package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/epoll"
)

// sampleKey is the handshake key in the example of RFC 6455, section 1.3.
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// InPieces makes a connection read a stream and its end. The connection is carried on a loop, or by goroutines. Each of pieces
// says how many bytes come at once, where 0 means all. The first piece comes with the handshake. Each of room says how many
// bytes of one write on a loop the network takes. Only the time when an actor answers is left to chance.
//
// InPieces returns what the service sent after the response to the handshake, and whether the service closed its sending
// direction. The error says what has failed.
func InPieces(s *Server, onLoops bool, stream []byte, pieces, room []byte) (answers []byte, orderly bool, err error) {
	if !s.connections.enter() {
		return nil, false, errors.New("the server is going down")
	}
	m := &inPieces{stream: stream, pieces: sizes{list: pieces}, room: sizes{list: room}}
	m.changed.L = &m.mu
	defer time.AfterFunc(20*time.Second, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.late = true
		m.changed.Broadcast()
	}).Stop()
	if onLoops {
		c := new(looped)
		c.socket = m
		s.openLooped(c, sampleKey, m.piece())
		m.run(c)
	} else {
		s.openBlocking(inPiecesConn{m}, sampleKey, m.piece())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.connections.wait(ctx); err != nil || m.late {
		return nil, false, errors.Join(errors.New("the connection does not come to its end"), err)
	}
	_, answers, found := bytes.Cut(m.written, []byte("\r\n\r\n"))
	if !found {
		return nil, false, errors.New("the handshake was not answered")
	}
	return answers, m.halfway, nil
}

// sizes is a sequence of sizes. It begins again after its end.
type sizes struct {
	list []byte
	next int
}

func (s *sizes) size(most int) int {
	if len(s.list) == 0 || most == 0 {
		return most
	}
	n := int(s.list[s.next%len(s.list)])
	s.next++
	switch {
	case n == 0:
		return most
	case n > 200:
		n = (n - 200) * 100
	}
	return min(n, most)
}

// inPieces is the socket of InPieces. On a loop it is both the descriptor and the loop, which run runs.
type inPieces struct {
	mu       sync.Mutex
	changed  sync.Cond
	tasks    []epoll.Task
	stream   []byte // the bytes that have not come yet
	pieces   sizes
	room     sizes
	written  []byte
	full     bool // the network takes no more bytes until it has reported room
	readable bool // readable and writable say what is watched for
	writable bool
	ended    bool // the handler was told of the stream's end
	halfway  bool // the service has closed its sending direction
	shut     bool // the service has closed both directions
	closed   bool
	late     bool
}

func (m *inPieces) piece() []byte {
	n := m.pieces.size(len(m.stream))
	// A copy has no other bytes of the stream behind it. So a read beyond the piece is found.
	piece := bytes.Clone(m.stream[:n:n])
	m.stream = m.stream[n:]
	return piece
}

func (m *inPieces) run(h epoll.Handler) {
	for {
		m.mu.Lock()
		tasks := m.tasks
		m.tasks = nil
		if len(tasks) == 0 && !m.closed && !m.shut && !m.readable && !m.writable && !m.late {
			m.changed.Wait()
			m.mu.Unlock()
			continue
		}
		over := m.closed && len(tasks) == 0 || m.late
		m.mu.Unlock()
		for _, t := range tasks {
			t.Run()
		}
		switch {
		case over:
			return
		case m.closed, len(tasks) > 0:
		case m.writable:
			m.full = false
			h.Writable()
		case m.readable && len(m.stream) > 0:
			h.Receive(m.piece(), time.Now())
		case m.readable && !m.ended:
			m.ended = true
			h.Ended(io.EOF)
		case m.shut || m.ended && m.halfway:
			h.Ended(net.ErrClosed)
		}
	}
}

func (m *inPieces) Post(t epoll.Task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks = append(m.tasks, t)
	m.changed.Broadcast()
}

func (m *inPieces) Open() error { m.readable = true; return nil }

func (m *inPieces) Watch(readable, writable bool) { m.readable, m.writable = readable, writable }

func (m *inPieces) Write(b []byte, _ bool) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shut || m.halfway {
		return 0, net.ErrClosed
	}
	n := 0
	if !m.full {
		n = m.room.size(len(b))
		m.written = append(m.written, b[:n]...)
	}
	if n < len(b) {
		m.full = true
		return n, epoll.ErrFull
	}
	return n, nil
}

func (m *inPieces) CloseWrite() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halfway = true
}

func (m *inPieces) Shutdown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut = true
	m.changed.Broadcast()
}

func (m *inPieces) Close() { m.closed = true }

// inPiecesConn is the socket for goroutines. It takes all bytes that are written. It ignores deadlines, because nothing waits.
type inPiecesConn struct{ *inPieces }

func (m inPiecesConn) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.stream) == 0 || m.shut {
		return 0, io.EOF
	}
	n := m.pieces.size(min(len(m.stream), len(p)))
	copy(p, m.stream[:n])
	m.stream = m.stream[n:]
	return n, nil
}

func (m inPiecesConn) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written = append(m.written, p...)
	return len(p), nil
}

func (m inPiecesConn) Close() error                     { m.Shutdown(); return nil }
func (m inPiecesConn) CloseWrite() error                { m.inPieces.CloseWrite(); return nil }
func (m inPiecesConn) LocalAddr() net.Addr              { return nil }
func (m inPiecesConn) RemoteAddr() net.Addr             { return nil }
func (m inPiecesConn) SetDeadline(time.Time) error      { return nil }
func (m inPiecesConn) SetReadDeadline(time.Time) error  { return nil }
func (m inPiecesConn) SetWriteDeadline(time.Time) error { return nil }

// SetQueueLimit sets the number of bytes that may wait to be written before a connection is not read any more.
func SetQueueLimit(s *Server, limit int) { s.queueLimit = int64(limit) }
