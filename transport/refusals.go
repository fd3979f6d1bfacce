package transport

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"p2p-messaging/transport/internal/proxyproto"
)

const (
	// maxLogged is how much of a header's value is logged, in bytes.
	maxLogged = 200
	// fromProxy begins the advice of refusals that a proxy causes, not a client.
	fromProxy = "if there is a proxy before this service, "
)

// refusals logs requests for a WebSocket that are refused. A page that is refused can only say that it does not connect, so the
// operator must be able to see why. It also logs connections that are closed for their PROXY header. There is at most one
// line in a warnInterval for each kind.
type refusals struct {
	logger *slog.Logger

	mu     sync.Mutex
	byKind map[string]*refused
	tls    sync.Once // a warning that a client speaks TLS
}

// refused is what is known of the refusals of one kind.
type refused struct {
	warned time.Time // when the last line was logged
	since  int       // refusals since then
	total  uint64    // all refusals
}

func newRefusals(logger *slog.Logger) *refusals {
	return &refusals{logger: logger, byKind: make(map[string]*refused)}
}

// add logs that r was refused. Advice is for the operator.
func (l *refusals) add(r *http.Request, at route, status int, advice string) {
	unlogged, due := l.due(http.StatusText(status))
	if !due {
		return
	}
	attributes := []any{
		slog.Int("status", status),
		slog.String("advice", advice),
		slog.String("origin", clip(r.Header.Get("Origin"))),
		slog.String("host", clip(at.host)),
	}
	if at.scheme != "" {
		attributes = append(attributes, slog.String("scheme", at.scheme))
	}
	if at.client.IsValid() {
		attributes = append(attributes, slog.String("client", at.client.String()))
	}
	if path := pathOf(r); path != "/ws" {
		attributes = append(attributes, slog.String("path", clip(path)))
	}
	if unlogged > 0 {
		attributes = append(attributes, slog.Int("unlogged", unlogged))
	}
	l.logger.Warn("a request for a WebSocket was refused", attributes...)
}

// addProxyHeader logs that a connection was closed because it begins with a PROXY header and does not come from a trusted
// proxy. Expected says that trusted proxies send one.
func (l *refusals) addProxyHeader(peer netip.Addr, expected bool) {
	advice := "if the proxy at " + peer.String() + " is yours, "
	if expected {
		advice += "trust it with --trusted-proxy " + peer.String()
	} else {
		advice += "give --proxy-protocol and --trusted-proxy " + peer.String() + ", or let it send no such header"
	}
	l.addConnection(peer, "a connection was closed because a PROXY header came from a stranger", advice)
}

// addProxyFault logs that a connection from a trusted proxy was closed because it does not begin with a proper PROXY header.
func (l *refusals) addProxyFault(peer netip.Addr, fault error) {
	if fault == proxyproto.ErrNone {
		l.addConnection(peer, "a connection was closed because a trusted proxy sent no PROXY header",
			"let the proxy send it, as with proxy_protocol on; in nginx's stream or send-proxy in HAProxy, or leave out --proxy-protocol")
		return
	}
	l.addConnection(peer, "a connection was closed because the PROXY header of a trusted proxy is malformed",
		"let the proxy send version 1 or 2 of the PROXY protocol, for TCP")
}

// addConnection logs that a connection was closed before its first request.
func (l *refusals) addConnection(peer netip.Addr, fault, advice string) {
	unlogged, due := l.due(fault)
	if !due {
		return
	}
	attributes := []any{slog.String("advice", advice), slog.String("peer", peer.String())}
	if unlogged > 0 {
		attributes = append(attributes, slog.Int("unlogged", unlogged))
	}
	l.logger.Warn(fault, attributes...)
}

// warnOfTLS logs once that a client speaks TLS to a port without it.
func (l *refusals) warnOfTLS() {
	l.tls.Do(func() {
		l.logger.Warn("a client speaks TLS to a port that speaks plain HTTP: give the service a certificate, or use an address that begins with http:// or ws://")
	})
}

// due reports whether a refusal of this kind is to be logged, and how many before it were not.
func (l *refusals) due(kind string) (unlogged int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.byKind[kind]
	if f == nil {
		f = new(refused)
		l.byKind[kind] = f
	}
	f.total++
	now := time.Now()
	if !f.warned.IsZero() && now.Sub(f.warned) < warnInterval {
		f.since++
		return 0, false
	}
	unlogged = f.since
	f.warned, f.since = now, 0
	return unlogged, true
}

// clip returns the beginning of a string that a client has sent.
func clip(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	end := maxLogged
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// originAdvice says what lets the page that sent r connect.
func (s *Server) originAdvice(r *http.Request, at route) string {
	origins := r.Header.Values("Origin")
	if len(origins) > 1 {
		return "a request has one Origin: see what adds another"
	}
	origin := origins[0]
	if isFileOrigin(origin) {
		return "pages opened from disk may connect with --file-origin"
	}
	normal, ok := normalOrigin(origin)
	if !ok {
		return "no browser sends this Origin"
	}
	allow := "--allow-origin " + clip(strings.TrimSuffix(strings.TrimSuffix(normal, ":443"), ":80")) + " lets pages from there connect"
	if !strings.HasPrefix(normal, "http") {
		return allow
	}
	peer := peerOf(r)
	stranger := peer.IsValid() && !s.proxies.trust(peer)
	if at.scheme != "" && isOwn(origin, route{host: at.host}) {
		trust := ""
		if stranger {
			trust = "trust it with --trusted-proxy " + peer.String() + ", and "
		}
		scheme, _, _ := strings.Cut(normal, ":")
		return fromProxy + trust + "let its X-Forwarded-Proto or Forwarded name the scheme of the page's address, as in nginx's proxy_set_header X-Forwarded-Proto " +
			scheme + "; or " + allow
	}
	if stranger && (r.Header["X-Forwarded-Host"] != nil || r.Header["Forwarded"] != nil) {
		allow = "if the proxy at " + peer.String() + " is yours, let --trusted-proxy " + peer.String() + " make its X-Forwarded-Host and Forwarded count; or " + allow
	}
	return fromProxy + "let it pass on the Host that the browser sent, with its port, as in nginx's proxy_set_header Host $http_host; " +
		"or " + allow
}
