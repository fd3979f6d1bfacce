package turn

import (
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// greeting is how long a client over TCP or TLS may take until its first bytes have come.
	greeting = 10 * time.Second
	// quiet is how long it may send nothing after that. An allocation lives for ten minutes without a refresh (RFC 8656, section 3.2).
	quiet = 11 * time.Minute
	// maxStreams bounds the connections over TCP and TLS. Each is an open file.
	maxStreams = 4096
	// stalled is how long a client may read nothing.
	stalled = 10 * time.Second
)

// errNotSTUN ends a stream that does not begin with a STUN message. The first byte of one is 0 to 3 (RFC 7983, section 7).
var errNotSTUN = errors.New("this is no STUN")

// streams is the listener for TURN over TCP. It also passes on connections that others have accepted.
type streams struct {
	net.Listener
	accepted chan net.Conn
	ended    chan struct{}

	mu     sync.Mutex
	closed bool
	open   map[*stream]struct{}
}

func newStreams(l net.Listener) *streams {
	s := &streams{Listener: l, accepted: make(chan net.Conn), ended: make(chan struct{}), open: make(map[*stream]struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				select {
				case <-s.ended:
					return
				case <-time.After(100 * time.Millisecond): // There are no more files, for example.
					continue
				}
			}
			s.serve(c)
		}
	}()
	return s
}

// serve passes a connection on, or closes it if there are too many.
func (s *streams) serve(c net.Conn) {
	one := &stream{Conn: c, of: s}
	s.mu.Lock()
	room := !s.closed && len(s.open) < maxStreams
	if room {
		s.open[one] = struct{}{}
	}
	s.mu.Unlock()
	if !room {
		_ = c.Close()
		return
	}
	go func() {
		select {
		case s.accepted <- one:
		case <-s.ended:
			_ = one.Close()
		}
	}()
}

// Accept implements net.Listener.
func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes all connections, too.
func (s *streams) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.closed = true
	close(s.ended)
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, one := range open {
		_ = one.Close()
	}
	return s.Listener.Close()
}

// stream is a connection that does not stay for ever without a word.
type stream struct {
	net.Conn
	of      *streams
	greeted bool
}

func (s *stream) Read(b []byte) (int, error) {
	patience := greeting
	if s.greeted {
		patience = quiet
	}
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Read(b)
	if n > 0 && !s.greeted {
		if b[0] > 3 {
			return 0, errNotSTUN
		}
		s.greeted = true
	}
	return n, err
}

func (s *stream) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}

func (s *stream) Close() error {
	s.of.mu.Lock()
	delete(s.of.open, s)
	s.of.mu.Unlock()
	return s.Conn.Close()
}
