package client

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/frame"
)

// maxHandshakeBytes bounds the service's answer to the handshake, which gws and net/http would read without end.
const maxHandshakeBytes = 64 << 10

// socket is the network connection as gws sees it. It keeps failures from gws, which would send their text (addresses
// and all) to the service, or close the connection before the service's own close frame was read. It lets nothing out
// behind a close frame or half a message, and does not wait for ever for a close frame to go out.
type socket struct {
	net.Conn

	mu        sync.Mutex
	handshake int   // bytes that the answer to the handshake may still have; -1 afterwards
	readErr   error // the first failure
	writeErr  error // the first failure
	ended     bool  // nothing more is to go out
}

func newSocket(conn net.Conn) *socket {
	return &socket{Conn: conn, handshake: maxHandshakeBytes}
}

// opened tells that the handshake is over.
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
	if err != nil {
		if s.readErr == nil {
			s.readErr = err
		}
		s.ended = true
		err = io.EOF
	}
	return n, err
}

// Write writes one whole frame (gws writes each at once), or a part of the handshake's request.
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
