package transport

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"p2p-messaging/transport/internal/epoll"
)

// maxPeek is how long a request may be that is answered here.
const maxPeek = 4 << 10

// warnInterval is how long after a warning there is no other of the same.
const warnInterval = 10 * time.Second

// politeness is after how many connections taken without a pause other goroutines get their turn.
const politeness = 16

// reception is the listener that net/http accepts connections from. Those that come with a proper handshake for a
// WebSocket, which is what nearly all connections of a signaling service are, go to a loop at once, and net/http never
// sees them: a goroutine and buffers for each would cost more than everything that the session does later. All others
// are net/http's, and untouched.
type reception struct {
	*epoll.Listener
	server *Server

	// Of the one goroutine that accepts.
	more   bool      // connections may wait that came together with the last one
	row    int       // connections taken without a pause
	warned time.Time // when it was last said that one could not be accepted
	peeked [maxPeek]byte
	source bytes.Reader
	reader *bufio.Reader
}

// newReception returns l where there are no loops, or where the system does not let them have its connections.
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
	return &reception{Listener: listener, server: s, reader: bufio.NewReaderSize(nil, maxPeek)}
}

// Accept implements net.Listener.
func (r *reception) Accept() (net.Conn, error) {
	for {
		fd, err := r.accept()
		if err != nil {
			return nil, r.failed(err)
		}
		if r.welcome(fd) {
			continue
		}
		c, err := epoll.Conn(fd)
		if err == nil {
			return c, nil
		}
		// It is this connection's fault, or for want of descriptors, of which the next accept will tell.
		r.server.options.Logger.Debug("a connection was closed", slog.Any("error", err))
	}
}

// passingError is a fault of one connection, or of the system for a while.
type passingError struct{ error }

func (e passingError) Unwrap() error { return e.error }

// Temporary has net/http wait a moment and go on.
func (passingError) Temporary() bool { return true }

// Timeout makes it a [net.Error].
func (passingError) Timeout() bool { return false }

// passing makes an error of accepting one that passes, unless the listener is closed: a service with a hundred thousand
// connections does not end because one could not be accepted (accept(2) has the faults that a connection brings with it).
func passing(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return passingError{err}
}

// failed returns what net/http is to make of an error of accepting. The operator is told, once in a while: to net/http one
// that passes is no news.
func (r *reception) failed(err error) error {
	err = passing(err)
	if now := time.Now(); !errors.Is(err, net.ErrClosed) && now.Sub(r.warned) >= warnInterval {
		r.warned = now
		r.server.options.Logger.Warn("connections could not be accepted", slog.Any("error", err))
	}
	return err
}

// accept takes the next connection. Only the first of those that came together is accepted by package net, which makes
// and unmakes a net.Conn for it.
func (r *reception) accept() (fd int, err error) {
	if r.more {
		if fd, err = r.TryAccept(); err == nil {
			if r.row++; r.row%politeness == 0 {
				runtime.Gosched()
			}
			return fd, nil
		}
		// There is none, or a fault that package net will see too.
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

// welcome opens a WebSocket if the whole of a proper handshake has come, and reports whether it did.
func (r *reception) welcome(fd int) bool {
	head := r.peeked[:epoll.Peek(fd, r.peeked[:])]
	end := bytes.Index(head, []byte("\r\n\r\n")) + 4
	if end < 4 {
		return false
	}
	key, ok := r.check(head[:end])
	if !ok || !r.server.connections.enter() {
		return false
	}
	l := r.server.carriers.adoptDescriptor(fd)
	if l == nil {
		r.server.connections.leave()
		return false
	}
	epoll.Discard(fd, r.peeked[:end])
	r.server.openLooped(l, key, nil)
	return true
}

// check returns the key of a handshake, and whether it is one that would be accepted after net/http had looked at it: what
// that has an opinion on, of its own or by a header line that ends in a bare line feed, is left to it.
func (r *reception) check(head []byte) (key string, ok bool) {
	r.source.Reset(head)
	r.reader.Reset(&r.source)
	request, err := http.ReadRequest(r.reader)
	if err != nil || r.reader.Buffered()+r.source.Len() > 0 || request.URL.Host != "" || request.Host == "" ||
		!httpguts.ValidHostHeader(request.Host) || request.Header["Expect"] != nil {
		return "", false
	}
	for name, values := range request.Header {
		if !httpguts.ValidHeaderFieldName(name) || !all(values, httpguts.ValidHeaderFieldValue) {
			return "", false
		}
	}
	if !asksForWebSocket(request) || checkHandshake(request) != nil || !r.server.origins.permits(request) {
		return "", false
	}
	return request.Header["Sec-Websocket-Key"][0], true
}

func all(values []string, f func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !f(v) })
}
