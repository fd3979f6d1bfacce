package turn

import (
	"container/list"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"p2p-messaging/transport/internal/files"
)

const (
	// unallocated is how long a stream may be without an allocation. Clients ask for one at once.
	unallocated = 10 * time.Second
	// quiet is how long a client with an allocation may send nothing. An allocation lives for ten minutes without a refresh
	// (RFC 8656, section 3.2).
	quiet = 11 * time.Minute
	// maxStreams bounds the connections over TCP and TLS. Each is an open file.
	maxStreams = 4096
	// stalled is how long a client may read nothing.
	stalled = 10 * time.Second
)

// streams is the listener for TURN over TCP. It also passes on connections that others have accepted. When there are too many,
// the one that has been longest without an allocation is closed.
type streams struct {
	net.Listener
	accepted chan net.Conn
	ended    chan struct{}
	most     int

	mu      sync.Mutex
	closed  bool
	open    map[ends]*stream
	waiting list.List // the streams without an allocation, the longest first
}

// ends are the addresses of a stream. Pion/turn tells clients apart by them.
type ends struct{ client, server string }

func endsOf(client, server net.Addr) ends { return ends{client.String(), server.String()} }

func newStreams(l net.Listener) *streams {
	s := &streams{Listener: l, accepted: make(chan net.Conn), ended: make(chan struct{}), most: maxStreams, open: make(map[ends]*stream)}
	reserve := files.NewReserve(files.Limit())
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
			if reserve.Holds(files.Number(c), 0) {
				_ = c.Close()
				continue
			}
			s.serve(c)
		}
	}()
	return s
}

// serve passes a connection on, or closes it if there is no room.
func (s *streams) serve(c net.Conn) {
	one := &stream{Conn: c, of: s, ends: endsOf(c.RemoteAddr(), c.LocalAddr()), remote: ownPointer(c.RemoteAddr()), since: time.Now()}
	if !s.enter(one) {
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

// enter adds a stream, and reports whether there is room for it.
func (s *streams) enter(one *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Proxies that tell the addresses of their clients may tell the same ones twice.
	if s.closed || s.open[one.ends] != nil {
		return false
	}
	if len(s.open) >= s.most {
		longest := s.waiting.Front()
		if longest == nil {
			return false
		}
		other := longest.Value.(*stream)
		s.remove(other)
		go other.Conn.Close() // TLS says farewell, and that may take some seconds.
	}
	s.open[one.ends] = one
	one.element = s.waiting.PushBack(one)
	return true
}

// remove removes a stream, if it is still there. The caller holds mu.
func (s *streams) remove(one *stream) {
	if s.open[one.ends] == one {
		delete(s.open, one.ends)
		s.waiting.Remove(one.element) // does nothing if the stream has an allocation
	}
}

// setAllocated notes that the client with these addresses has an allocation now, or none any more. It returns the client's stream, or nil if there
// is none.
func (s *streams) setAllocated(client, server net.Addr, allocated bool) *stream {
	if client.Network() == "udp" {
		return nil
	}
	s.mu.Lock()
	one := s.open[endsOf(client, server)]
	if one != nil {
		s.waiting.Remove(one.element)
		if !allocated {
			one.element = s.waiting.PushBack(one)
		}
	}
	s.mu.Unlock()
	if one == nil {
		return nil
	}
	one.setAllocated(allocated)
	if c, ok := one.Conn.(interface{ Authenticated() }); ok && allocated {
		c.Authenticated()
	}
	return one
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
	open := slices.Collect(maps.Values(s.open))
	s.mu.Unlock()
	for _, one := range open {
		_ = one.Close()
	}
	return s.Listener.Close()
}

// stream is a client's connection. It ends after a time of silence, and each read returns a whole message.
type stream struct {
	net.Conn
	of       *streams
	ends     ends
	remote   net.Addr // what RemoteAddr returns
	messages messageReader
	request  request
	element  *list.Element // in the waiting streams; guarded by of.mu

	mu    sync.Mutex
	since time.Time // when it began to have no allocation; zero while it has one
}

// setAllocated notes that the client has an allocation now, or none any more.
func (s *stream) setAllocated(allocated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since = time.Now(); allocated {
		s.since = time.Time{}
	}
	_ = s.extend() // fails if the connection is closed, and then so does Read
}

// extend sets the time until which the client may send nothing. The caller holds mu.
func (s *stream) extend() error {
	if s.since.IsZero() {
		return s.SetReadDeadline(time.Now().Add(quiet))
	}
	return s.SetReadDeadline(s.since.Add(unallocated))
}

// Read implements net.Conn. It returns when a message is whole. (Each time that [pion.STUNConn] reads a part of one, its stack
// grows.) A message that does not fit into b is an error.
func (s *stream) Read(b []byte) (n int, err error) {
	s.request.buffer = b
	for whole := false; !whole && n < len(b); {
		s.mu.Lock()
		err := s.extend()
		s.mu.Unlock()
		if err != nil {
			return n, err
		}
		more, err := s.Conn.Read(b[n:])
		if err != nil {
			return n, err
		}
		if whole, err = s.messages.read(b[n:n+more], len(b)); err != nil {
			return n, err
		}
		n += more
	}
	return n, nil
}

// RemoteAddr implements net.Conn. The pointer is the same each time, and that of no other stream. So it tells streams apart whose clients have the
// same address.
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// ownPointer returns a copy of an address of TCP.
func ownPointer(a net.Addr) net.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		own := *tcp
		return &own
	}
	return a
}

func (s *stream) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}

func (s *stream) Close() error {
	s.of.mu.Lock()
	s.of.remove(s)
	s.of.mu.Unlock()
	return s.Conn.Close()
}

var (
	errNotSTUN = errors.New("this is no STUN")
	errTooLong = errors.New("this message is too long for STUN over UDP, and for this server")
)

// messageReader finds the ends of the messages in a stream: STUN messages (RFC 8489, section 5) and ChannelData messages, which
// are padded to four bytes (RFC 8656, sections 12.4 and 12.5).
type messageReader struct {
	header [4]byte // type and length, or channel and length
	begun  int     // bytes of the header that have come
	left   int     // bytes behind the header that have not come
}

// read reads what comes next, and reports whether a message ends there. Most is the length of the longest message.
func (r *messageReader) read(b []byte, most int) (whole bool, err error) {
	for len(b) > 0 {
		if r.begun < len(r.header) {
			n := copy(r.header[r.begun:], b)
			r.begun, b = r.begun+n, b[n:]
			if r.begun < len(r.header) {
				return whole, nil
			}
			length := int(r.header[2])<<8 | int(r.header[3])
			switch { // RFC 7983, section 7; RFC 8656, section 12
			case r.header[0] <= 3:
				r.left = 16 + length
			case r.header[0]>>4 == 4:
				r.left = (length + 3) &^ 3
			default:
				return whole, errNotSTUN
			}
			if len(r.header)+r.left > most {
				return whole, errTooLong
			}
		}
		n := min(r.left, len(b))
		r.left, b = r.left-n, b[n:]
		if r.left == 0 {
			whole, r.begun = true, 0
		}
	}
	return whole, nil
}
