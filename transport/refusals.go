package transport

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// maxLogged is how much of a header's value is logged, in bytes.
	maxLogged = 200
	// fromProxy begins the advice of refusals that a proxy causes, not a client.
	fromProxy = "if there is a proxy before this service, "
)

// refusals logs requests for a WebSocket that are refused. A page that is refused can only say that it does not connect, so the
// operator must be able to see why. There is at most one line in a warnInterval for each status code.
type refusals struct {
	logger *slog.Logger

	mu       sync.Mutex
	byStatus map[int]*refused
}

// refused is what is known of the refusals with one status code.
type refused struct {
	warned time.Time // when the last line was logged
	since  int       // refusals since then
}

func newRefusals(logger *slog.Logger) *refusals {
	return &refusals{logger: logger, byStatus: make(map[int]*refused)}
}

// add logs that r was refused. Advice is for the operator.
func (l *refusals) add(r *http.Request, at route, status int, advice string) {
	unlogged, due := l.due(status)
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

// due reports whether a refusal with this status is to be logged, and how many before it were not.
func (l *refusals) due(status int) (unlogged int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.byStatus[status]
	if f == nil {
		f = new(refused)
		l.byStatus[status] = f
	}
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
	if at.scheme != "" && isOwn(origin, route{host: at.host}) {
		return fromProxy + "its X-Forwarded-Proto or Forwarded must name the scheme of the page's address, as in nginx's proxy_set_header X-Forwarded-Proto https; " +
			"or " + allow
	}
	if peer := peerOf(r); peer.IsValid() && !s.proxies.trust(peer) && (r.Header["X-Forwarded-Host"] != nil || r.Header["Forwarded"] != nil) {
		allow = "if the proxy at " + peer.String() + " is yours, let --trusted-proxy " + peer.String() + " make its X-Forwarded-Host and Forwarded count; or " + allow
	}
	return fromProxy + "let it pass on the Host that the browser sent, with its port, as in nginx's proxy_set_header Host $http_host; " +
		"or " + allow
}
