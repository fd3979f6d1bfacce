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
	"strings"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
)

const (
	// maxHeaderBytes bounds a request's headers; a browser's take one or two kilobytes. net/http reads 4 KiB more. Whoever changes it looks at
	// [messages.MaxKeyBytes].
	maxHeaderBytes = 16 << 10
	// pageTimeout is the longest time that the answer to a request for the page may take.
	pageTimeout = 30 * time.Second
	// keepAliveTimeout is how long an HTTP connection without a request stays open.
	keepAliveTimeout = 30 * time.Second
	// minRetryDelay is the shortest delay after which clients are asked to come back when the service goes down, unless
	// [Options.RetrySpread] is less than twice as long.
	minRetryDelay = 500 * time.Millisecond
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
	origins  atomic.Pointer[origins]
	page     *page
	peers    *peers // nil unless PeerJS clients are served
	http     *http.Server
	refusals *refusals
	upgrader *gws.Upgrader
	started  time.Time
	logSeed  uint64 // an odd number; see conn.LogValue
	buffers  buffers
	keeps    keeps

	handshakes handshakes
	plaintexts plaintexts
	tlsBuffers tlsBuffers

	queueLimit int64
	limits     atomic.Pointer[limits]
	logins     logins

	counts  counts
	tallies []tally // one for each loop; nil if nothing is measured

	fronts      fronts
	connections connections
	carriers    carriers
}

// New returns a Server whose connections' messages go to system. The error says which option is wrong.
func New(system *actors.System, o Options) (*Server, error) {
	s, err := newServer(func(l actors.Link) session { return system.Connect(l) }, system.QueueLimit(), o)
	if err == nil && s.options.PeerJS != nil {
		s.peers = newPeers(system, *s.options.PeerJS, s.options.PingInterval)
	}
	return s, err
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
		logSeed:    rand.Uint64() | 1,
		queueLimit: int64(queueLimit),
	}
	var err error
	if err := s.SetOrigins(o.AllowedOrigins, o.FileOrigin); err != nil {
		return nil, err
	}
	if s.page, err = newPage(o.Page); err != nil {
		return nil, err
	}
	if o.TLS != nil && o.StrictTransport > 0 {
		s.page.strictTransport = fmt.Sprintf("max-age=%d", int64(o.StrictTransport/time.Second))
	}
	s.carriers = &loops{logger: o.Logger, new: epoll.New}
	s.connections.init(s.now, o)
	if o.Measure {
		s.tallies = make([]tally, s.connections.loops)
	}
	if err := s.SetLimits(o.Limits); err != nil {
		return nil, err
	}
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
			return context.WithValue(ctx, ownPlace{}, s.connections.places.visit(socket, s.addressOfSocket(socket)))
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

// SetOrigins replaces [Options.AllowedOrigins] and [Options.FileOrigin]. It holds for connections that begin afterwards. If an
// origin cannot work, SetOrigins changes nothing, and the error says why.
func (s *Server) SetOrigins(allowed []string, file bool) error {
	next, err := newOrigins(allowed, file)
	if err == nil {
		s.origins.Store(&next)
	}
	return err
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
		return s.fronts.serve(s.http, newReception(s, l))
	}
	r := newGreeter(s, l)
	defer r.wait()
	return s.fronts.serve(s.http, r)
}

// ServeHTTP opens WebSockets on / and on /ws, and serves the page's files.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if cause := recover(); cause != nil {
			s.counts.failures.Add(1)
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
	case s.peers.serve(w, r, pathOf(r) == "/ws" || s.page.has(r)):
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
	if query := r.URL.Query(); query.Has("origin") && !s.origins.Load().permitsPage(query.Get("origin"), at) {
		http.Error(w, originRefused, http.StatusForbidden)
		return
	}
	own, _ := r.Context().Value(ownPlace{}).(*place)
	if room := s.connections.places.look(own, s.addressOfClient(at.client)); room != roomFree {
		room.tell(w)
		return
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	http.Error(w, upgradeHere, http.StatusUpgradeRequired)
}

const originRefused = "Pages from this origin may not connect. Open the page from this service, or have its operator allow the origin."

// ownPlace is the key of a request's context under which it has the place of its connection.
type ownPlace struct{}

// ownTLS is the key of a request's context under which it has the state of TLS, if net/http does not know it.
type ownTLS struct{}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, at route) {
	isPeer := s.peers.hasSocket(pathOf(r))
	if !isPeer && !hasWebSocket(pathOf(r)) {
		if s.peers.refuse(w, r, at, s.refusals) {
			return
		}
		advice := "WebSockets are opened at / and at /ws; " + fromProxy +
			"let it remove its own path, as in nginx's location /chat/ { proxy_pass http://localhost:7777/; }"
		if s.peers == nil && strings.HasSuffix(pathOf(r), "/peerjs") {
			advice = "this is where PeerJS clients connect; to serve them, start the service with --peerjs"
		}
		s.refusals.add(r, at, http.StatusNotFound, advice)
		http.Error(w, "There is no WebSocket here. Open it at / or at /ws.", http.StatusNotFound)
		return
	}
	check := checkHandshake
	if isPeer {
		check = checkPeerHandshake
	}
	if refusal := check(r); refusal != nil {
		s.refusals.add(r, at, refusal.status, refusal.advice)
		refusal.write(w)
		return
	}
	if !isPeer && !s.origins.Load().permits(r, at) {
		s.refusals.add(r, at, http.StatusForbidden, s.originAdvice(r, at))
		http.Error(w, originRefused, http.StatusForbidden)
		return
	}
	from := s.addressOfClient(at.client)
	own, _ := r.Context().Value(ownPlace{}).(*place)
	if room := s.connections.places.makeRoom(own, from, own.number()); room != roomFree {
		if room == roomCrowded {
			s.refusals.add(r, at, http.StatusServiceUnavailable, adviceCrowded)
		} else {
			s.counts.full.Add(1)
		}
		room.tell(w)
		return
	}
	if !s.connections.enter(from) {
		http.Error(w, "The service is going down. Come back in a moment.", http.StatusServiceUnavailable)
		return
	}
	socket, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.connections.leave(from)
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
	s.open(socket, from, s.openingOf(r), ahead)
}

// open starts a connection that has entered. Ahead holds the bytes that came behind the client's handshake.
func (s *Server) open(socket net.Conn, from address, o entry, ahead []byte) {
	if l := s.carriers.adopt(socket); l != nil {
		s.openLooped(l, from, o, ahead)
	} else {
		s.openBlocking(socket, from, o, ahead)
	}
}

// openLooped opens a connection that a loop carries.
func (s *Server) openLooped(l *looped, from address, o entry, ahead []byte) {
	l.server, l.carrier, l.from = s, l, from
	l.session = s.sessionFor(l, o)
	// The openTask is the first flusher. Until it runs, frames that others queue wait behind the response to the handshake.
	l.outbox.state = scheduled
	var response [192]byte
	l.queue(opRaw, o.appendResponse(response[:0]), nil, nil)
	if !s.connections.add(&l.conn) {
		l.Close(s.goingDown())
	}
	l.socket.Post(openTask{l, o.hello, ahead})
}

// openBlocking opens a connection that goroutines carry.
func (s *Server) openBlocking(socket net.Conn, from address, o entry, ahead []byte) {
	c := newBlocking(s, socket)
	c.from = from
	c.session = s.sessionFor(c, o)
	// The response to the handshake waits until the connection has a place. Otherwise its client could open others that are older there.
	c.outbox.state = scheduled
	if o.protocol != "" {
		c.queue(opRaw, o.appendResponse(nil), nil, nil)
	} else if err := answerByGWS(s.upgrader, c, o.key); err != nil {
		s.options.Logger.Error("a handshake that had been checked was refused", slog.Any("error", err))
		c.cut()
		s.connections.leave(from)
		return
	}
	if !s.connections.add(&c.conn) {
		c.Close(s.goingDown())
	}
	c.start(nil)
	go c.read(o.hello, ahead)
}

// goingDown returns the status code and the reason of a close frame that a client gets when the service shuts down. The clients
// come back one after another, so that whatever serves then is not overrun.
func (s *Server) goingDown() (messages.CloseCode, string) {
	least := min(minRetryDelay, s.options.RetrySpread/2)
	delay := least + rand.N(s.options.RetrySpread-least)
	return messages.CloseServiceRestart, fmt.Sprintf("retry=%d", delay.Milliseconds())
}

// Shutdown accepts no more connections and closes the open ones, with code 1012 and a delay after which to come back. It
// returns when all are gone. If ctx ends first, Shutdown cuts the connections that are left and returns ctx's error. A
// Server cannot be used again afterwards.
func (s *Server) Shutdown(ctx context.Context) error {
	s.fronts.close() // first, so that whoever was accepted is told when to come back, as all others are
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
	s.connections.each(func(c *conn) { c.Close(s.goingDown()) })
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
