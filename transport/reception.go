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
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"

	"p2p-messaging/transport/internal/epoll"
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
	more   bool      // further connections may have come together with the last one
	row    int       // connections taken without a pause
	warned time.Time // when the last warning was logged
	peeked [maxPeek]byte
	source bytes.Reader
	reader *bufio.Reader
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

// failed returns the error for net/http. The log of net/http is at debug level. So failed warns the operator, at most once
// in a warnInterval.
func (r *reception) failed(err error) error {
	err = passing(err)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		r.server.connections.places.freeFiles()
	}
	if now := time.Now(); !errors.Is(err, net.ErrClosed) && now.Sub(r.warned) >= warnInterval {
		r.warned = now
		r.server.options.Logger.Warn("connections could not be accepted", slog.Any("error", err))
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

// welcome opens a WebSocket if a whole and proper handshake has come, and reports whether it did.
func (r *reception) welcome(fd int) bool {
	head := r.peeked[:epoll.Peek(fd, r.peeked[:])]
	end := bytes.Index(head, []byte("\r\n\r\n")) + 4
	if end < 4 {
		return false
	}
	key, ok := r.check(head[:end])
	if !ok || !r.server.connections.places.makeRoom(nil) || !r.server.connections.enter() {
		return false
	}
	l := r.server.carriers.adoptDescriptor(fd)
	if l == nil {
		r.server.connections.leave()
		return false
	}
	epoll.Discard(fd, r.peeked[:end])
	r.server.openLooped(l, key, nil)
	r.server.connections.places.pace()
	return true
}

// check returns the key of a handshake, and whether the handshake would be accepted after net/http had looked at it.
// Requests that net/http may refuse or treat in a way of its own are left to it, such as those with a header line that
// ends in a bare line feed.
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
	if !hasWebSocket(pathOf(request)) || !asksForWebSocket(request) || checkHandshake(request) != nil || !r.server.origins.permits(request) {
		return "", false
	}
	return request.Header["Sec-Websocket-Key"][0], true
}

func all(values []string, f func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !f(v) })
}
