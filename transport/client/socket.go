package client

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/frame"
)

// maxHandshakeBytes bounds the answer of the service to the handshake. gws and net/http have no bound for it.
const maxHandshakeBytes = 64 << 10

// socket is the network connection that gws reads and writes. It hides failures from gws. Otherwise gws would send the text
// of the failure, with addresses, to the service, or close the connection before it has read the close frame of the service.
//
// socket sends nothing after a close frame. It sends nothing after a failure either, because half a message may have gone
// out. Writing a close frame may take closeTimeout.
type socket struct {
	net.Conn

	mu        sync.Mutex
	handshake int       // how many more bytes the answer to the handshake may have; -1 after the handshake
	readErr   error     // the first failure of a read
	writeErr  error     // the first failure of a write
	ended     bool      // nothing more may be sent
	heard     time.Time // when the last bytes came
}

func newSocket(conn net.Conn) *socket {
	return &socket{Conn: conn, handshake: maxHandshakeBytes}
}

// opened ends the limit for the handshake. It is called when the handshake is over.
func (s *socket) opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handshake = -1
}

func (s *socket) Read(p []byte) (int, error) {
	s.mu.Lock()
	left := s.handshake
	s.mu.Unlock()
	if left == 0 {
		return 0, errors.New("the service's answer is too long")
	}
	if left > 0 {
		p = p[:min(left, len(p))]
	}
	n, err := s.Conn.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handshake >= 0 {
		s.handshake -= n
		return n, err
	}
	if n > 0 {
		s.heard = time.Now()
	}
	if err != nil {
		if s.readErr == nil {
			s.readErr = err
		}
		s.ended = true
		err = io.EOF
	}
	return n, err
}

// Write writes one whole frame, or a part of the request of the handshake. gws writes each frame with one call.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.handshake >= 0 {
		s.mu.Unlock()
		return s.Conn.Write(p)
	}
	if s.ended {
		s.mu.Unlock()
		return len(p), nil
	}
	if h, _ := frame.ParseHeader(p); h.Opcode() == frame.Close {
		s.ended = true
		_ = s.Conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	}
	s.mu.Unlock()
	if _, err := s.Conn.Write(p); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.writeErr = err
		s.ended = true
	}
	return len(p), nil
}

func (s *socket) readError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readErr
}

func (s *socket) writeError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeErr
}

// lastHeard returns when the last bytes came.
func (s *socket) lastHeard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// limitWrites sets the time until which frames may be written, unless a close frame has its own limit by now.
func (s *socket) limitWrites(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		_ = s.Conn.SetWriteDeadline(until)
	}
}
