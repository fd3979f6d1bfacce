package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/epoll"
)

// farewellTimeout is how long a client that speaks plain HTTP on a port for TLS may take to send its request, to read the
// answer, and to close its side.
const farewellTimeout = time.Second

// secureReception is the listener that net/http accepts connections over TLS from. It accepts connections, and gives each a
// goroutine for its handshake. A client that then opens a WebSocket at once goes to a loop, and net/http never sees it. One
// that speaks STUN goes to [Options.STUN]. Net/http gets all others. The goroutine ends then.
type secureReception struct {
	net.Listener
	server *Server
	config *tls.Config
	faults acceptFaults
	firsts sync.Pool

	ready  chan net.Conn // for net/http
	failed chan error    // what accept has returned
	closed context.Context
	close  context.CancelFunc
	all    sync.WaitGroup // the goroutines
}

func newSecureReception(s *Server, l net.Listener) *secureReception {
	if tcp, ok := l.(*net.TCPListener); ok {
		if _, err := epoll.NewListener(tcp); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			s.options.Logger.Warn("an option of the listener could not be set", slog.Any("error", err))
		}
	}
	r := &secureReception{
		Listener: l,
		server:   s,
		config:   configForTLS(s.options),
		faults:   acceptFaults{server: s},
		firsts:   sync.Pool{New: func() any { return newFirstBytes() }},
		ready:    make(chan net.Conn),
		failed:   make(chan error),
	}
	r.closed, r.close = context.WithCancel(context.Background())
	r.all.Go(r.acceptAll)
	return r
}

// Accept implements net.Listener.
func (r *secureReception) Accept() (net.Conn, error) {
	select {
	case c := <-r.ready:
		return c, nil
	case err := <-r.failed:
		return nil, err
	case <-r.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It ends the handshakes.
func (r *secureReception) Close() error {
	r.close()
	return r.Listener.Close()
}

// wait closes the listener, and returns when its goroutines have ended.
func (r *secureReception) wait() {
	_ = r.Close()
	r.all.Wait()
}

// acceptAll accepts connections until the listener is closed. After a fault it waits until net/http has taken the error, and
// net/http waits a moment before it accepts again.
func (r *secureReception) acceptAll() {
	for {
		raw, err := r.Listener.Accept()
		if err == nil {
			r.greet(raw)
			continue
		}
		select {
		case r.failed <- r.faults.failed(err):
		case <-r.closed.Done():
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// greet begins a handshake.
func (r *secureReception) greet(raw net.Conn) {
	g := &greeting{reception: r, raw: raw, layer: newSecured(raw, r.config)}
	r.server.connections.places.visit(g.layer.tls)
	g.handshake = r.server.handshakes.enter(raw)
	r.all.Go(g.run)
}

// greeting is a connection from its first byte until it is known who serves it.
type greeting struct {
	reception *secureReception
	raw       net.Conn
	layer     *secured
	handshake *handshake
	first     *firstBytes
}

// run is the goroutine of a greeting.
func (g *greeting) run() {
	r := g.reception
	defer func() {
		if g.first != nil {
			r.firsts.Put(g.first)
		}
	}()
	uncut := context.AfterFunc(r.closed, func() { _ = g.raw.Close() })
	_ = g.raw.SetDeadline(time.Now().Add(r.server.options.HandshakeTimeout))
	head, err := g.shakeHands()
	stays := g.handshake.leave() && uncut()
	if err != nil {
		r.server.options.Logger.Debug("a TLS handshake failed", slog.Any("error", plainCause(err)))
	}
	if err != nil || !stays {
		g.end()
		return
	}
	_ = g.raw.SetDeadline(time.Time{})
	g.passOn(head)
}

// plainCause returns the cause of a failed read or write, without the addresses of the connection.
func plainCause(err error) error {
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		return failed.Err
	}
	return err
}

// end closes a connection that nobody serves.
func (g *greeting) end() {
	_ = g.raw.Close()
	g.reception.server.connections.places.visited(g.layer.tls)
}

var errPlain = errors.New("the client does not speak TLS")

// shakeHands takes the handshake, and returns the first bytes that the client has sent behind it. It returns none of a client
// that has chosen a protocol other than HTTP/1.1.
func (g *greeting) shakeHands() (head []byte, err error) {
	n, err := g.read()
	if err != nil {
		return nil, err
	}
	if !speaksTLS(g.first.bytes[:n]) {
		g.answerPlain(n)
		return nil, errPlain
	}
	g.layer.in = g.first.bytes[:n]
	g.layer.handshake = g.handshake
	err = g.handshake.work(g.layer.tls.Handshake)
	g.layer.handshake = nil
	if err != nil {
		return nil, err
	}
	g.layer.own()
	if chosen := g.layer.tls.ConnectionState().NegotiatedProtocol; chosen == "h2" {
		return nil, nil
	}
	if n, err = g.layer.tls.Read(g.first.bytes[:]); n == 0 {
		return nil, err
	}
	return g.first.bytes[:n], nil
}

// read reads the first bytes. It takes room for them when the first has come.
func (g *greeting) read() (n int, err error) {
	var one [1]byte
	if _, err := io.ReadFull(g.raw, one[:]); err != nil {
		return 0, err
	}
	g.first = g.reception.firsts.Get().(*firstBytes)
	g.first.bytes[0] = one[0]
	if !speaksTLS(one[:]) && !beginsMethod(one[0]) { // nothing that follows matters
		return 1, nil
	}
	n, err = g.raw.Read(g.first.bytes[1:])
	return 1 + n, err
}

// passOn gives the connection to who serves it. Head is what the client has sent.
func (g *greeting) passOn(head []byte) {
	s := g.reception.server
	if len(head) > 0 && head[0] <= 3 {
		g.passToSTUN(head)
		return
	}
	if key, size := g.first.handshake(s, head, addressOf(g.layer.tls.RemoteAddr())); size > 0 && g.openWebSocket(key, head[size:]) {
		return
	}
	var c net.Conn = g.layer.tls
	if len(head) > 0 {
		c = &peekedConn{Conn: g.layer.tls, head: bytes.Clone(head)}
	}
	select {
	case g.reception.ready <- c:
	case <-g.reception.closed.Done():
		g.end()
	}
}

// openWebSocket opens a WebSocket, and reports whether there was a place for it.
func (g *greeting) openWebSocket(key string, ahead []byte) bool {
	s := g.reception.server
	places := &s.connections.places
	if !places.makeRoom(places.visit(g.layer.tls)) || !s.connections.enter() {
		return false
	}
	places.visited(g.layer.tls)
	s.open(g.layer.tls, key, bytes.Clone(ahead))
	return true
}

// passToSTUN gives a connection to the operator of STUN.
func (g *greeting) passToSTUN(head []byte) {
	s := g.reception.server
	if s.options.STUN == nil {
		g.end()
		return
	}
	c := &stunConn{peekedConn: peekedConn{Conn: g.layer.tls, head: bytes.Clone(head)}}
	c.leave = sync.OnceFunc(func() { s.connections.places.visited(g.layer.tls) })
	go s.options.STUN(c)
}

// speaksTLS reports whether the first bytes of a client are those of a TLS handshake: a record of type handshake (22) and
// version 3.x (RFC 8446, section 5.1).
func speaksTLS(head []byte) bool {
	return len(head) > 0 && head[0] == 22 && (len(head) == 1 || head[1] == 3)
}

// beginsMethod reports whether a request of HTTP may begin with b.
func beginsMethod(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }

// answerPlain answers a client that speaks plain HTTP. N bytes of its request have come.
func (g *greeting) answerPlain(n int) {
	head := g.first.bytes[:n]
	if !beginsMethod(head[0]) {
		return
	}
	_ = g.raw.SetDeadline(time.Now().Add(farewellTimeout))
	for !bytes.Contains(head, []byte("\r\n\r\n")) && n < len(g.first.bytes) {
		more, err := g.raw.Read(g.first.bytes[n:])
		n += more
		head = g.first.bytes[:n]
		if err != nil {
			return
		}
	}
	words := "This port speaks TLS. Use an address that begins with https:// or wss://."
	if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
		if request := g.first.request(head[:end+4]); request != nil {
			words = wordsForPlain(request)
		}
	}
	_, _ = g.raw.Write(badRequest(words))
	_ = (*wire)(g.layer).CloseWrite()
	_, _ = io.Copy(io.Discard, io.LimitReader(g.raw, 1<<20))
}

// peekedConn is a connection over TLS, and bytes that were read from it.
type peekedConn struct {
	*tls.Conn
	head []byte
}

// Read implements net.Conn.
func (c *peekedConn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	if c.head = c.head[n:]; len(c.head) == 0 {
		c.head = nil
	}
	return n, nil
}

// unread returns the connection beneath a peekedConn, or socket itself.
func unread(socket net.Conn) net.Conn {
	if p, ok := socket.(*peekedConn); ok {
		return p.Conn
	}
	return socket
}

// stunConn is a connection for STUN. It has a place until it is closed.
type stunConn struct {
	peekedConn
	leave func()
}

// Close implements net.Conn.
func (c *stunConn) Close() error {
	defer c.leave()
	return c.peekedConn.Close()
}
