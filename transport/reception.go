package transport

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"

	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/proxyproto"
)

// maxPeek is the size of the longest request that is answered here.
const maxPeek = 4 << 10

// warnInterval is the least time between two warnings.
const warnInterval = 10 * time.Second

// politeness is the number of connections taken without a pause after which other goroutines get their turn.
const politeness = 16

// reception is the listener that net/http accepts connections from. Nearly all connections of a signaling service begin
// with a proper handshake for a WebSocket. Those go to a loop at once, and net/http never sees them: a goroutine and
// buffers for each would cost more than everything that the session does later. The reception passes all other connections
// on to net/http, and reads nothing from them.
type reception struct {
	*epoll.Listener
	server *Server

	// Only the goroutine that accepts uses these.
	more   bool // further connections may have come together with the last one
	row    int  // connections taken without a pause
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
	return &reception{Listener: listener, server: s, faults: acceptFaults{server: s}, first: newFirstBytes()}
}

// Accept implements net.Listener.
func (r *reception) Accept() (net.Conn, error) {
	for {
		fd, err := r.accept()
		if err != nil {
			return nil, r.faults.failed(err)
		}
		if r.welcome(fd) {
			continue
		}
		c, err := epoll.Conn(fd)
		if err == nil {
			return c, nil
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

// accept takes the next connection. Package net allocates a net.Conn for each connection that it accepts. So accept uses
// package net only to wait for a connection, and takes those that came together with it without package net.
func (r *reception) accept() (fd int, err error) {
	if r.more {
		if fd, err = r.TryAccept(); err == nil {
			if r.row++; r.row%politeness == 0 {
				runtime.Gosched()
			}
			return fd, nil
		}
		// There is no connection, or there is a fault that package net meets too.
	}
	r.more = false
	c, err := r.AcceptTCP()
	if err != nil {
		return -1, err
	}
	r.more = true
	if fd, err = epoll.Detach(c); err != nil {
		_ = c.Close()
		return -1, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return fd, nil
}

// welcome answers a whole and proper handshake that has come, and opens its WebSocket. It also refuses a client that speaks
// TLS, or that sends a PROXY header. It reports whether it did.
func (r *reception) welcome(fd int) bool {
	head := r.first.bytes[:epoll.Peek(fd, r.first.bytes[:])]
	if speaksTLS(head) {
		r.refuseTLS(fd, len(head))
		return true
	}
	key, size := r.first.handshake(r.server, head, r.peer(fd), false)
	if size == 0 && proxyproto.Begins(head) {
		r.refuseProxyHeader(fd)
		return true
	}
	if size == 0 || !r.server.connections.places.makeRoom(nil) || !r.server.connections.enter() {
		return false
	}
	l := r.server.carriers.adoptDescriptor(fd)
	if l == nil {
		r.server.connections.leave()
		return false
	}
	epoll.Discard(fd, r.first.bytes[:size])
	r.server.openLooped(l, key, nil)
	r.server.connections.places.pace()
	return true
}

// peer returns the address of the other side of a socket, if it matters.
func (r *reception) peer(fd int) netip.Addr {
	if len(r.server.proxies) == 0 {
		return netip.Addr{}
	}
	return plainAddress(epoll.Peer(fd))
}

// refuseTLS closes a connection whose client speaks TLS to a port without TLS. Net/http would wait for the end of a line. The
// answer is for people who look at the bytes: the client can only say that they are not TLS.
func (r *reception) refuseTLS(fd, arrived int) {
	r.server.refusals.warnOfTLS()
	epoll.Discard(fd, r.first.bytes[:arrived])
	if c, err := epoll.Conn(fd); err == nil {
		_, _ = c.Write(plainAnswer())
		_ = c.Close()
	}
}

// refuseProxyHeader closes a connection that begins with a PROXY header. Net/http could only say that it is no request.
func (r *reception) refuseProxyHeader(fd int) {
	r.server.refusals.addProxyHeader(plainAddress(epoll.Peer(fd)), false)
	if c, err := epoll.Conn(fd); err == nil {
		_ = c.Close()
	}
}

// firstBytes has room for the first bytes of a connection, and for what it takes to understand them.
type firstBytes struct {
	bytes  [maxPeek]byte
	source bytes.Reader
	reader *bufio.Reader
}

func newFirstBytes() *firstBytes {
	return &firstBytes{reader: bufio.NewReaderSize(nil, maxPeek)}
}

// handshake looks for a whole handshake at the start of head. It returns the handshake's key and size. The size is 0 if there
// is none, or if it would not be accepted after net/http had looked at it. Requests that net/http may refuse or treat in a way
// of its own are left to it, such as those with a header line that ends in a bare line feed. Peer is the address that the
// request came from, and overTLS says whether it came over TLS.
func (f *firstBytes) handshake(s *Server, head []byte, peer netip.Addr, overTLS bool) (key string, size int) {
	end := bytes.Index(head, []byte("\r\n\r\n")) + 4
	if end < 4 {
		return "", 0
	}
	request := f.request(head[:end])
	if request == nil || request.URL.Host != "" || request.Host == "" ||
		!httpguts.ValidHostHeader(request.Host) || request.Header["Expect"] != nil {
		return "", 0
	}
	for name, values := range request.Header {
		if !httpguts.ValidHeaderFieldName(name) || !all(values, httpguts.ValidHeaderFieldValue) {
			return "", 0
		}
	}
	if !hasWebSocket(pathOf(request)) || !asksForWebSocket(request) || checkHandshake(request) != nil ||
		!s.origins.permits(request, s.proxies.route(request, peer, overTLS)) {
		return "", 0
	}
	return request.Header["Sec-Websocket-Key"][0], end
}

// request returns the request that head consists of, or nil.
func (f *firstBytes) request(head []byte) *http.Request {
	f.source.Reset(head)
	f.reader.Reset(&f.source)
	request, err := http.ReadRequest(f.reader)
	if err != nil || f.reader.Buffered()+f.source.Len() > 0 {
		return nil
	}
	return request
}

func all(values []string, f func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !f(v) })
}
