package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/proxyproto"
)

// farewellTimeout is how long a client that speaks plain HTTP on a port for TLS may take to send its request, to read the
// answer, and to close its side.
const farewellTimeout = time.Second

// greeter is the listener that net/http accepts connections from that begin with TLS, with a PROXY header, or with both. It
// accepts connections, and gives each a goroutine until that is done. A client that then opens a WebSocket at once goes to a
// loop, and net/http never sees it. One that speaks STUN over TLS goes to [Options.STUN]. Net/http gets all others. The
// goroutine ends then.
type greeter struct {
	net.Listener
	server *Server
	config *tls.Config // nil without TLS
	faults acceptFaults
	firsts sync.Pool

	ready  chan net.Conn // for net/http
	failed chan error    // what accept has returned
	closed context.Context
	close  context.CancelFunc
	all    sync.WaitGroup // the goroutines
}

func newGreeter(s *Server, l net.Listener) *greeter {
	if tcp, ok := l.(*net.TCPListener); ok {
		if err := epoll.Tune(tcp); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			s.options.Logger.Warn("an option of the listener could not be set", slog.Any("error", err))
		}
	}
	r := &greeter{
		Listener: l,
		server:   s,
		config:   configForTLS(s.options),
		faults:   acceptFaults{server: s},
		firsts:   sync.Pool{New: func() any { return new(firstBytes) }},
		ready:    make(chan net.Conn),
		failed:   make(chan error),
	}
	r.closed, r.close = context.WithCancel(context.Background())
	r.all.Go(r.acceptAll)
	return r
}

// Accept implements net.Listener.
func (r *greeter) Accept() (net.Conn, error) {
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
func (r *greeter) Close() error {
	r.close()
	return r.Listener.Close()
}

// wait closes the listener, and returns when its goroutines have ended.
func (r *greeter) wait() {
	_ = r.Close()
	r.all.Wait()
}

// acceptAll accepts connections until the listener is closed. After a fault it waits until net/http has taken the error, and
// net/http waits a moment before it accepts again.
func (r *greeter) acceptAll() {
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

// greet begins a greeting.
func (r *greeter) greet(raw net.Conn) {
	g := &greeting{greeter: r, raw: raw}
	if r.server.options.ProxyProtocol {
		g.proxied = r.server.proxies.trust(addressOf(raw.RemoteAddr()))
		g.plain = &plainConn{Conn: raw}
		g.raw = g.plain
	}
	g.socket = g.raw
	if r.config != nil {
		g.layer = newSecured(g.raw, r.config)
		g.socket = g.layer.tls
	}
	from := unknown
	if !g.proxied {
		from = r.server.addressOfSocket(raw)
	}
	r.server.connections.places.visit(g.socket, from)
	g.handshake = r.server.handshakes.enter(raw)
	r.all.Go(g.run)
}

// greeting is a connection from its first byte until it is known who serves it.
type greeting struct {
	greeter   *greeter
	raw       net.Conn
	plain     *plainConn // the same as raw, with the PROXY protocol
	proxied   bool       // its client must send a PROXY header
	layer     *secured   // nil without TLS
	socket    net.Conn   // layer's tls, or raw
	handshake *handshake
	first     *firstBytes
}

// run is the goroutine of a greeting.
func (g *greeting) run() {
	r := g.greeter
	defer func() {
		if g.first != nil {
			r.firsts.Put(g.first)
		}
	}()
	uncut := context.AfterFunc(r.closed, func() { _ = g.raw.Close() })
	_ = g.raw.SetDeadline(time.Now().Add(r.server.options.HandshakeTimeout))
	head, err := g.begin()
	stays := uncut()
	stays = g.handshake.leave() && stays
	if err != nil {
		r.server.options.Logger.Debug("a connection has not begun", slog.Any("error", plainCause(err)))
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
	g.greeter.server.connections.places.visited(g.socket)
}

// begin takes what comes before the first request, and returns the first bytes behind it.
func (g *greeting) begin() (head []byte, err error) {
	if g.proxied {
		if err := g.readProxyHeader(); err != nil {
			return nil, err
		}
	}
	if g.layer != nil {
		return g.shakeHands()
	}
	n, err := g.read()
	if err != nil {
		return nil, err
	}
	head = g.first.bytes[:n]
	if speaksTLS(head) {
		g.greeter.server.refusals.warnOfTLS()
		_, _ = g.raw.Write(plainAnswer())
		return nil, errTLS
	}
	return head, nil
}

var (
	errPlain = errors.New("the client does not speak TLS")
	errTLS   = errors.New("the client speaks TLS, and the service does not")
	errProxy = errors.New("a PROXY header has come from a stranger")
)

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

// read reads the first bytes. A PROXY header among them is one from a stranger.
func (g *greeting) read() (n int, err error) {
	if g.first != nil { // a PROXY header came before
		return g.raw.Read(g.first.bytes[:])
	}
	if err := g.readFirst(); err != nil {
		return 0, err
	}
	head := g.first.bytes[:]
	if !speaksTLS(head[:1]) && !beginsMethod(head[0]) && head[0] != '\r' { // nothing that follows matters
		return 1, nil
	}
	n, err = g.raw.Read(head[1:])
	if head = head[:1+n]; proxyproto.Begins(head) {
		s := g.greeter.server
		s.refusals.addProxyHeader(addressOf(g.raw.RemoteAddr()), s.options.ProxyProtocol)
		return 0, errProxy
	}
	return len(head), err
}

// readFirst reads the first byte. It takes room for others when that has come.
func (g *greeting) readFirst() error {
	var one [1]byte
	if _, err := io.ReadFull(g.raw, one[:]); err != nil {
		return err
	}
	g.first = g.greeter.firsts.Get().(*firstBytes)
	g.first.bytes[0] = one[0]
	return nil
}

// readProxyHeader reads the header that a trusted proxy sends first.
func (g *greeting) readProxyHeader() error {
	if err := g.readFirst(); err != nil {
		return err // a proxy may look whether the port is open
	}
	for n := 1; ; {
		head := g.first.bytes[:n]
		client, size, err := proxyproto.Parse(head)
		switch {
		case err != nil:
			g.greeter.server.refusals.addProxyFault(addressOf(g.raw.RemoteAddr()), err)
			return err
		case size > 0:
			g.plain.head = bytes.Clone(head[size:])
			if client.IsValid() {
				g.plain.client = net.TCPAddrFromAddrPort(client)
				s := g.greeter.server
				s.connections.places.locate(g.socket, s.addressOfSocket(g.plain))
			}
			return nil
		}
		more, err := g.raw.Read(g.first.bytes[n:])
		if n += more; more == 0 && err != nil {
			return err
		}
	}
}

// passOn gives the connection to who serves it. Head is what the client has sent.
func (g *greeting) passOn(head []byte) {
	s := g.greeter.server
	if g.layer != nil && len(head) > 0 && head[0] <= 3 {
		g.passToSTUN(head)
		return
	}
	asked, client, size := g.first.handshake(s, head, addressOf(g.socket.RemoteAddr()), g.layer != nil)
	if size > 0 && g.openWebSocket(s.addressOfClient(client), asked, head[size:]) {
		return
	}
	c := g.socket
	switch {
	case g.layer == nil:
		g.plain.head = bytes.Clone(head)
	case len(head) > 0:
		c = &peekedConn{Conn: g.layer.tls, head: bytes.Clone(head)}
	}
	select {
	case g.greeter.ready <- c:
	case <-g.greeter.closed.Done():
		g.end()
	}
}

// openWebSocket opens a WebSocket, and reports whether there was a place for it.
func (g *greeting) openWebSocket(from address, o entry, ahead []byte) bool {
	s := g.greeter.server
	places := &s.connections.places
	own := places.visit(g.socket, from)
	if places.makeRoom(own, from, own.number()) != roomFree || !s.connections.enter(from) {
		return false
	}
	places.visited(g.socket)
	s.open(g.socket, from, o, bytes.Clone(ahead))
	return true
}

// passToSTUN gives a connection to the operator of STUN.
func (g *greeting) passToSTUN(head []byte) {
	s := g.greeter.server
	if s.options.STUN == nil {
		g.end()
		return
	}
	c := &stunConn{peekedConn: peekedConn{Conn: g.layer.tls, head: bytes.Clone(head)}, places: &s.connections.places}
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
		if request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head[:end+4]))); err == nil {
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
	head untaken
}

// Read implements net.Conn.
func (c *peekedConn) Read(p []byte) (int, error) { return c.head.read(p, c.Conn) }

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
	places *places
}

// Authenticated lets the connection stay when places get scarce. See [Options.STUN].
func (c *stunConn) Authenticated() { c.places.settle(c.Conn) }

// Close implements net.Conn.
func (c *stunConn) Close() error {
	defer c.places.visited(c.Conn)
	return c.peekedConn.Close()
}
