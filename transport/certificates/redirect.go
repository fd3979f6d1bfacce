package certificates

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// redirectTimeout bounds the time of a request to the redirecting server, and of its answer.
	redirectTimeout = 5 * time.Second
	// redirectConnections bounds the number of open connections to it.
	redirectConnections = 256
	// redirectHeader bounds a request's headers.
	redirectHeader = 8 << 10
)

// redirectServer returns a server that redirects to https at the service's address, and answers the challenge http-01 (RFC
// 8555, section 8.3).
func (c *Certificates) redirectServer(service net.Addr) *http.Server {
	_, port := hostPort(service)
	server := &http.Server{
		Handler:           c.redirectHandler(port),
		ReadHeaderTimeout: redirectTimeout,
		ReadTimeout:       redirectTimeout,
		WriteTimeout:      redirectTimeout,
		MaxHeaderBytes:    redirectHeader,
		ErrorLog:          slog.NewLogLogger(c.logger.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false) // The browser goes on at the other port.
	return server
}

func (c *Certificates) redirectHandler(port int) http.Handler {
	redirect := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := c.redirectHost(r.Host)
		if port != 443 {
			host = net.JoinHostPort(host, strconv.Itoa(port))
		} else if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		target := url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: r.URL.RawQuery}
		if strings.HasPrefix(r.URL.Path, "/") {
			target.Path, target.RawPath = r.URL.Path, r.URL.RawPath
		}
		http.Redirect(w, r, target.String(), http.StatusPermanentRedirect)
	}))
	if answering, ok := c.source.(interface {
		answer(http.Handler) http.Handler
	}); ok {
		return answering.answer(redirect)
	}
	return redirect
}

// redirectHost returns the host to redirect to: the one that was asked for if there is a certificate for it, else the first
// that there is one for.
func (c *Certificates) redirectHost(asked string) string {
	if asked = hostOf(asked); asked != "" && c.source.holds(asked) {
		return asked
	}
	return c.Hosts()[0]
}

// hostOf returns the host in a Host header, in small letters, without port, brackets and a dot at its end.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		header = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(header, "[]"), "."))
}
