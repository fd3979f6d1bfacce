package transport

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"time"

	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/proxyproto"
)

// maxFirst is the size of the longest request that is answered here.
const maxFirst = 4 << 10

// warnInterval is the least time between two warnings.
const warnInterval = 10 * time.Second

// politeness is the number of connections taken without a pause after which other goroutines get their turn.
const politeness = 16

// reception is the listener that net/http accepts connections from. Nearly all connections of a signaling service begin
// with a proper handshake for a WebSocket. Those go to a loop at once, and net/http never sees them: a goroutine and
// buffers for each would cost more than everything that the session does later. The reception passes all other connections
// on to net/http, with the bytes that it has read.
type reception struct {
	*epoll.Listener
	server *Server

	// Only the goroutine that accepts uses these.
	row    int // connections taken without a pause
	faults acceptFaults
	first  *firstBytes
}

// newReception returns a reception for l. It returns l itself if the system has no loops, or if the connections of l cannot
// be given to a loop.
func newReception(s *Server, l net.Listener) net.Listener {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return l
	}
	listener, err := epoll.NewListener(tcp)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			s.options.Logger.Warn("each connection takes the longer way, by net/http", slog.Any("error", err))
		}
		return l
	}
	return &reception{Listener: listener, server: s, faults: acceptFaults{server: s}, first: new(firstBytes)}
}

// Accept implements net.Listener.
func (r *reception) Accept() (net.Conn, error) {
	for {
		fd, peer, err := r.accept()
		if err != nil {
			return nil, r.faults.failed(err)
		}
		head := r.first.bytes[:epoll.ReceiveNow(fd, r.first.bytes[:])]
		if r.welcome(fd, peer, head) {
			continue
		}
		c, err := epoll.Conn(fd)
		if err == nil {
			return &plainConn{Conn: c, head: bytes.Clone(head)}, nil
		}
		// Either this connection has a fault, or there are no descriptors left. In the second case the next accept fails too.
		r.server.options.Logger.Debug("a connection was closed", slog.Any("error", err))
	}
}

// passingError is a fault that affects one connection only, or the system for a while.
type passingError struct{ error }

func (e passingError) Unwrap() error { return e.error }

// Temporary makes net/http wait a moment and accept again.
func (passingError) Temporary() bool { return true }

// Timeout completes [net.Error].
func (passingError) Timeout() bool { return false }

// passing turns an error of accept into a passingError, unless the listener is closed. A service with a hundred thousand
// connections must not end because one connection could not be accepted. The manual page accept(2) lists the faults that
// one connection may cause.
func passing(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return passingError{err}
}

// acceptFaults deals with the faults of accept.
type acceptFaults struct {
	server *Server
	warned time.Time // when the last warning was logged
}

// failed returns the error for net/http. The log of net/http is at debug level. So failed warns the operator, at most once
// in a warnInterval.
func (f *acceptFaults) failed(err error) error {
	err = passing(err)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		f.server.connections.places.freeFiles()
	}
	if now := time.Now(); !errors.Is(err, net.ErrClosed) && now.Sub(f.warned) >= warnInterval {
		f.warned = now
		f.server.options.Logger.Warn("connections could not be accepted", slog.Any("error", err))
	}
	return err
}

// accept takes the next connection.
func (r *reception) accept() (fd int, peer netip.Addr, err error) {
	fd, peer, waited, err := r.AcceptSocket()
	if waited {
		r.row = 0
	}
	if r.row++; r.row%politeness == 0 {
		runtime.Gosched()
	}
	return fd, plainAddress(peer), err
}

// welcome answers a whole and proper handshake that has come from peer, and opens its WebSocket. Head is what has come. It also
// refuses a client that speaks TLS, or that sends a PROXY header. It reports whether it did.
func (r *reception) welcome(fd int, peer netip.Addr, head []byte) bool {
	if speaksTLS(head) {
		r.refuseTLS(fd)
		return true
	}
	asked, client, size := r.first.handshake(r.server, head, peer, false)
	if size == 0 && proxyproto.Begins(head) {
		r.refuseProxyHeader(fd, peer)
		return true
	}
	from := r.server.addressOfClient(client)
	if size == 0 || r.server.connections.places.makeRoom(nil, from, fd) != roomFree || !r.server.connections.enter(from) {
		return false
	}
	l := r.server.carriers.adoptDescriptor(fd)
	if l == nil {
		r.server.connections.leave(from)
		return false
	}
	r.server.openLooped(l, from, asked, bytes.Clone(head[size:]))
	r.server.connections.places.pace()
	return true
}

// refuseTLS closes a connection whose client speaks TLS to a port without TLS. Net/http would wait for the end of a line. The
// answer is for people who look at the bytes: the client can only say that they are not TLS.
func (r *reception) refuseTLS(fd int) {
	r.server.refusals.warnOfTLS()
	if c, err := epoll.Conn(fd); err == nil {
		_, _ = c.Write(plainAnswer())
		_ = c.Close()
	}
}

// refuseProxyHeader closes a connection that begins with a PROXY header. Net/http could only say that it is no request.
func (r *reception) refuseProxyHeader(fd int, peer netip.Addr) {
	r.server.refusals.addProxyHeader(peer, false)
	if c, err := epoll.Conn(fd); err == nil {
		_ = c.Close()
	}
}

// firstBytes has room for the first bytes of a connection, and for what it takes to understand them.
type firstBytes struct {
	bytes [maxFirst]byte
	head  headReader
}

// handshake looks for a whole handshake at the start of head. It returns what it says, its client and its size. The size is 0 if there
// is none, or if it would not be accepted after net/http had looked at it. Requests that net/http may refuse or treat in a way
// of its own are left to it, such as those with a header line that ends in a bare line feed. Peer is the address that the
// request came from, and overTLS says whether it came over TLS.
func (f *firstBytes) handshake(s *Server, head []byte, peer netip.Addr, overTLS bool) (o entry, client netip.Addr, size int) {
	end := bytes.Index(head, []byte("\r\n\r\n")) + 4
	if end < 4 {
		return o, client, 0
	}
	request := f.head.read(head[:end])
	if request == nil || !asksForWebSocket(request) || checkHandshake(request) != nil {
		return o, client, 0
	}
	isPeer := s.peers.hasSocket(pathOf(request))
	if !isPeer && !hasWebSocket(pathOf(request)) || isPeer && offersProtocol(head[:end]) {
		return o, client, 0
	}
	at := s.proxies.route(request, peer, overTLS)
	if !isPeer && !s.origins.Load().permits(request, at) {
		return o, client, 0
	}
	return s.openingOf(request), at.client, end
}
