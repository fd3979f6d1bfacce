package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
)

const (
	// maxHeaderBytes bounds a request's headers; a browser's take one or two kilobytes.
	maxHeaderBytes = 16 << 10
	// pageTimeout is the longest time that the answer to a request for the page may take.
	pageTimeout = 30 * time.Second
	// keepAliveTimeout is how long an HTTP connection without a request stays open.
	keepAliveTimeout = 30 * time.Second
	// When the service goes down, each client is asked to come back after a random delay between these two, so that they
	// do not all come back at the same moment.
	minRetryDelay = 500 * time.Millisecond
	maxRetryDelay = 5 * time.Second
	// requestGrace is the longest time that Shutdown waits for requests for the page.
	requestGrace = time.Second
	// cutGrace is how long Shutdown waits for goroutines whose sockets it has closed.
	cutGrace = 250 * time.Millisecond
)

// Server is the service as the network sees it. It is an [http.Handler]: [Server.Serve] runs it in an HTTP server of its
// own, and it can be mounted in another one. [New] makes a Server and [Server.Shutdown] ends it. The [actors.System] given
// to New outlives it.
type Server struct {
	options  Options
	connect  func(actors.Link) session
	proxies  proxies
	origins  origins
	page     *page
	http     *http.Server
	refusals *refusals
	upgrader *gws.Upgrader
	started  time.Time
	buffers  buffers
	keeps    keeps

	handshakes handshakes
	plaintexts plaintexts
	tlsBuffers tlsBuffers

	queueLimit    int64
	frameInterval int64 // nanoseconds between two frames at the allowed rate; 0: no limit
	burstInterval int64 // how far ahead of that rate a connection may be, in nanoseconds

	connections connections
	carriers    carriers
}

// New returns a Server whose connections' messages go to system. The error says which option is wrong.
func New(system *actors.System, o Options) (*Server, error) {
	return newServer(func(l actors.Link) session { return system.Connect(l) }, system.QueueLimit(), o)
}

func newServer(connect func(actors.Link) session, queueLimit int, o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		options:    o,
		proxies:    o.TrustedProxies,
		connect:    connect,
		refusals:   newRefusals(o.Logger),
		upgrader:   newGWSUpgrader(),
		started:    time.Now(),
		queueLimit: int64(queueLimit),
	}
	var err error
	if s.origins, err = newOrigins(o); err != nil {
		return nil, err
	}
	if s.page, err = newPage(o.Page); err != nil {
		return nil, err
	}
	if o.TLS != nil && o.StrictTransport > 0 {
		s.page.strictTransport = fmt.Sprintf("max-age=%d", int64(o.StrictTransport/time.Second))
	}
	if o.Rate > 0 {
		s.frameInterval = int64(time.Second) / int64(o.Rate)
		s.burstInterval = s.frameInterval * int64(o.Burst)
	}
	s.carriers = &loops{logger: o.Logger, new: epoll.New}
	s.connections.init(s.now, o)
	s.handshakes.init()
	s.tlsBuffers = findTLSBuffers()
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: o.HandshakeTimeout,
		ReadTimeout:       o.HandshakeTimeout,
		WriteTimeout:      pageTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext: func(ctx context.Context, socket net.Conn) context.Context {
			if p, ok := socket.(*peekedConn); ok {
				state := p.Conn.ConnectionState()
				ctx = context.WithValue(ctx, ownTLS{}, &state)
			}
			return context.WithValue(ctx, ownPlace{}, s.connections.places.visit(socket))
		},
		ConnState: func(socket net.Conn, state http.ConnState) {
			if state == http.StateHijacked || state == http.StateClosed {
				s.connections.places.visited(socket)
			}
		},
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// now returns the time on the server's clock: nanoseconds since the server was made. It never goes back.
func (s *Server) now() int64 { return int64(time.Since(s.started)) }

// since returns the time on the server's clock at a moment.
func (s *Server) since(at time.Time) int64 { return int64(at.Sub(s.started)) }

// time returns the moment of a time on the server's clock.
func (s *Server) time(at int64) time.Time { return s.started.Add(time.Duration(at)) }

// Serve accepts connections from l until Shutdown is called or l fails. It may be called for several listeners at once.
// After Shutdown the error is [http.ErrServerClosed]. On Linux, Serve sets TCP_DEFER_ACCEPT on a TCP listener: the system
// holds a connection back until its first bytes have arrived, for about a second at most. The service sends its own pings,
// and does not depend on TCP's keep-alive probes.
//
// With [Options.TLS] it speaks TLS. The page is served over HTTP/2 too, and WebSockets are opened with HTTP/1.1. At most 4,096
// TLS handshakes take place at once. When one more client comes, the longest handshake is closed that has waited for its client for
// a second. If there is none, newcomers wait in the system's queue. A client that speaks plain HTTP is told the address to use.
func (s *Server) Serve(l net.Listener) error {
	if s.options.TLS == nil && !s.options.ProxyProtocol {
		return s.http.Serve(newReception(s, l))
	}
	r := newGreeter(s, l)
	defer r.wait()
	return s.http.Serve(r)
}

// ServeHTTP opens WebSockets on / and on /ws, and serves the page's files.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if cause := recover(); cause != nil {
			s.options.Logger.Error("a request failed", slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
			panic(http.ErrAbortHandler) // the failure is logged above, and net/http does not log this value
		}
	}()
	if state, ok := r.Context().Value(ownTLS{}).(*tls.ConnectionState); ok && r.TLS == nil {
		r.TLS = state
	}
	at := s.proxies.route(r, peerOf(r), r.TLS != nil)
	switch {
	case asksForWebSocket(r):
		s.upgrade(w, r, at)
	case pathOf(r) == "/ws":
		s.tellPage(w, r, at)
	default:
		s.page.serve(w, r, at)
	}
}

// tellPage answers a request for /ws that asks for no WebSocket. A page whose WebSocket is refused cannot see why. It asks by
// GET /ws?origin=…, and is told whether its origin is permitted.
func (s *Server) tellPage(w http.ResponseWriter, r *http.Request, at route) {
	w.Header().Set("Cache-Control", "no-store")
	if query := r.URL.Query(); query.Has("origin") && !s.origins.permitsPage(query.Get("origin"), at) {
		http.Error(w, originRefused, http.StatusForbidden)
		return
	}
	if own, _ := r.Context().Value(ownPlace{}).(*place); s.connections.places.isFull(own) {
		tellFull(w)
		return
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	http.Error(w, upgradeHere, http.StatusUpgradeRequired)
}

// tellFull answers a request for which there is no place.
func tellFull(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	w.Header().Set("Connection", "close")
	http.Error(w, "The service is full. Come back later.", http.StatusServiceUnavailable)
}

const originRefused = "Pages from this origin may not connect. Open the page from this service, or have its operator allow the origin."

// ownPlace is the key of a request's context under which it has the place of its connection.
type ownPlace struct{}

// ownTLS is the key of a request's context under which it has the state of TLS, if net/http does not know it.
type ownTLS struct{}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, at route) {
	if !hasWebSocket(pathOf(r)) {
		s.refusals.add(r, at, http.StatusNotFound, "WebSockets are opened at / and at /ws; "+fromProxy+
			"let it remove its own path, as in nginx's location /chat/ { proxy_pass http://localhost:7777/; }")
		http.Error(w, "There is no WebSocket here. Open it at / or at /ws.", http.StatusNotFound)
		return
	}
	if refusal := checkHandshake(r); refusal != nil {
		s.refusals.add(r, at, refusal.status, refusal.advice)
		refusal.write(w)
		return
	}
	if !s.origins.permits(r, at) {
		s.refusals.add(r, at, http.StatusForbidden, s.originAdvice(r, at))
		http.Error(w, originRefused, http.StatusForbidden)
		return
	}
	if own, _ := r.Context().Value(ownPlace{}).(*place); !s.connections.places.makeRoom(own) {
		tellFull(w)
		return
	}
	if !s.connections.enter() {
		http.Error(w, "The service is going down. Come back in a moment.", http.StatusServiceUnavailable)
		return
	}
	socket, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.connections.leave()
		s.options.Logger.Error("the HTTP server does not hand over its connections for WebSockets", slog.Any("error", err))
		http.Error(w, "This service cannot open WebSockets here.", http.StatusInternalServerError)
		return
	}
	_ = socket.SetDeadline(time.Time{}) // clears the deadlines of the HTTP server
	var ahead []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		ahead = make([]byte, n)
		_, _ = buffered.Reader.Read(ahead) // cannot fail: the bytes are in memory
	}
	switch p := socket.(type) {
	case *peekedConn:
		socket, ahead = p.Conn, append(ahead, p.head...)
	case *plainConn:
		socket, ahead = p.Conn, append(ahead, p.head...)
	}
	key := r.Header.Get("Sec-Websocket-Key")
	s.open(socket, key, ahead)
}

// open starts a connection that has entered. Ahead holds the bytes that came behind the client's handshake.
func (s *Server) open(socket net.Conn, key string, ahead []byte) {
	if l := s.carriers.adopt(socket); l != nil {
		s.openLooped(l, key, ahead)
	} else {
		s.openBlocking(socket, key, ahead)
	}
}

// openLooped opens a connection that a loop carries.
func (s *Server) openLooped(l *looped, key string, ahead []byte) {
	l.server, l.carrier = s, l
	l.session = s.connect(l)
	// The openTask is the first flusher. Until it runs, frames that others queue wait behind the response to the handshake.
	l.outbox.state = scheduled
	var response [192]byte
	l.queue(opRaw, appendHandshakeResponse(response[:0], key), nil, nil)
	if !s.connections.add(&l.conn) {
		l.Close(goingDown())
	}
	l.socket.Post(openTask{l, ahead})
}

// openBlocking opens a connection that goroutines carry.
func (s *Server) openBlocking(socket net.Conn, key string, ahead []byte) {
	c := newBlocking(s, socket)
	c.session = s.connect(c)
	if err := answerByGWS(s.upgrader, c, key); err != nil {
		s.options.Logger.Error("a handshake that had been checked was refused", slog.Any("error", err))
		c.cut()
		s.connections.leave()
		return
	}
	if !s.connections.add(&c.conn) {
		c.Close(goingDown())
	}
	go c.read(ahead)
}

// goingDown returns the status code and the reason of the close frames that clients get when the service shuts down.
func goingDown() (messages.CloseCode, string) {
	delay := minRetryDelay + rand.N(maxRetryDelay-minRetryDelay)
	return messages.CloseGoingAway, fmt.Sprintf("retry=%d", delay.Milliseconds())
}

// Shutdown accepts no more connections and closes the open ones, with code 1001 and a delay after which to come back. It
// returns when all are gone. If ctx ends first, Shutdown cuts the connections that are left and returns ctx's error. A
// Server cannot be used again afterwards.
func (s *Server) Shutdown(ctx context.Context) error {
	s.connections.refuse()
	requests := make(chan struct{})
	go func() {
		defer close(requests)
		grace, cancel := context.WithTimeout(ctx, requestGrace)
		defer cancel()
		if s.http.Shutdown(grace) != nil {
			_ = s.http.Close()
		}
	}()
	s.connections.each(func(c *conn) { c.Close(goingDown()) })
	err := s.connections.wait(ctx)
	gone := err == nil
	if !gone {
		s.connections.each(func(c *conn) { c.cut() })
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
		defer cancel()
		gone = s.connections.wait(grace) == nil
		err = fmt.Errorf("shut down: connections were cut off: %w", err)
	}
	if gone {
		s.carriers.stop()
	}
	<-requests
	return err
}
