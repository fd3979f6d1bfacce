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

// sampleKey is the example of a handshake's key in RFC 6455, section 1.3.
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// Way is how the bytes of a connection are carried.
type Way int

const (
	OnLoops Way = iota
	ByGoroutines
	OnLoopsOverTLS
)

// InPieces opens a connection that reads a stream and then its end. Over TLS, the records are cut in pieces too.
// Pieces are the sizes of the pieces in which the stream arrives. The first piece arrives with the handshake. Room says
// how much the network takes of each write on a loop. See sizes for both lists. Only the time at which an actor answers is
// left to chance.
//
// Answers are the bytes that the service sent after the response to the handshake. Orderly reports whether the service
// closed its sending direction. The error says that the connection did not end, or was not opened.
func InPieces(s *Server, way Way, stream []byte, pieces, room []byte) (answers []byte, orderly bool, err error) {
	if !s.connections.enter(unknown) {
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
	var client *recordedTLS
	switch way {
	case OnLoops:
		c := new(looped)
		c.socket = m
		s.openLooped(c, unknown, entry{key: sampleKey}, m.piece())
		m.run(c)
	case ByGoroutines:
		s.openBlocking(inPiecesConn{m}, unknown, entry{key: sampleKey}, m.piece())
	case OnLoopsOverTLS:
		var layer *secured
		if client, layer, err = shakeHands(); err != nil {
			s.connections.leave(unknown)
			return nil, false, err
		}
		m.stream = client.encrypt(stream, pieces)
		c := new(looped)
		c.socket = layer.between(c, m)
		s.openLooped(c, unknown, entry{key: sampleKey}, nil)
		m.run(layer)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.connections.wait(ctx); err != nil || m.late {
		return nil, false, errors.Join(errors.New("the connection does not come to its end"), err)
	}
	if client != nil {
		if m.written, err = client.decrypt(m.written); err != nil {
			return nil, false, err
		}
	}
	_, answers, found := bytes.Cut(m.written, []byte("\r\n\r\n"))
	if !found {
		return nil, false, errors.New("the handshake was not answered")
	}
	return answers, m.halfway, nil
}

// sizes is a list of sizes in bytes, which is repeated. The value 0 and an empty list stand for everything. A value n above
// 200 stands for (n-200)*100 bytes.
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

// inPieces is the socket of InPieces. It is a descriptor, and its method run is the loop.
type inPieces struct {
	mu       sync.Mutex
	changed  sync.Cond
	tasks    []epoll.Task
	stream   []byte // the bytes that have not arrived yet
	pieces   sizes
	room     sizes
	written  []byte
	full     bool // the network takes nothing until run has reported room
	readable bool // the loop watches for bytes
	writable bool // the loop watches for room
	ended    bool // the handler was told that the stream has ended
	halfway  bool // the service has closed its sending direction
	shut     bool // the service has shut down both directions
	closed   bool
	late     bool
}

func (m *inPieces) piece() []byte {
	n := m.pieces.size(len(m.stream))
	// The piece has no spare capacity, so an access beyond its end panics.
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

func (m *inPieces) CloseWrite() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halfway = true
	return nil
}

func (m *inPieces) Shutdown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut = true
	m.changed.Broadcast()
}

func (m *inPieces) Close() { m.closed = true }

// inPiecesConn is the socket for goroutines. It takes all bytes that are written. It ignores deadlines, because no call
// waits.
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
func (m inPiecesConn) LocalAddr() net.Addr              { return nil }
func (m inPiecesConn) RemoteAddr() net.Addr             { return nil }
func (m inPiecesConn) SetDeadline(time.Time) error      { return nil }
func (m inPiecesConn) SetReadDeadline(time.Time) error  { return nil }
func (m inPiecesConn) SetWriteDeadline(time.Time) error { return nil }

// SetQueueLimit sets the queue limit of s. If more than limit bytes wait to be written to a connection, it is not read.
func SetQueueLimit(s *Server, limit int) { s.queueLimit = int64(limit) }

// SetMaxHandshakes sets how many TLS handshakes of s may take place at once.
func SetMaxHandshakes(s *Server, most int) {
	s.handshakes.mu.Lock()
	defer s.handshakes.mu.Unlock()
	s.handshakes.most = most
}

// PlacesTaken returns how many sockets of s have a place.
func PlacesTaken(s *Server) int {
	s.connections.places.mu.Lock()
	defer s.connections.places.mu.Unlock()
	return s.connections.places.taken
}
