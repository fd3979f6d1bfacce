package transport

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// origins decides which pages may connect.
type origins struct {
	allowed map[string]bool // as normalOrigin writes them
	file    bool
}

func newOrigins(o Options) (origins, error) {
	allowed := make(map[string]bool, len(o.AllowedOrigins))
	for _, origin := range o.AllowedOrigins {
		normal, ok := normalOrigin(origin)
		if !ok {
			return origins{}, fmt.Errorf("%q is not an origin: write it like https://chat.example.org or http://localhost:8080, without a path", origin)
		}
		allowed[normal] = true
	}
	return origins{allowed: allowed, file: o.FileOrigin}, nil
}

// permits reports whether the page that sent r may connect. A request without an Origin does not come from a browser, and
// is permitted.
func (o origins) permits(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	origin := values[0]
	if strings.EqualFold(origin, "null") || strings.EqualFold(origin, "file://") {
		return o.file
	}
	normal, ok := normalOrigin(origin)
	return ok && (o.allowed[normal] || isOwn(origin, r.Host))
}

// isOwn reports whether a page at origin was served by host, which is a Host header. Behind a proxy that terminates TLS, the
// request does not tell http from https. So a host without a port gets the default port of the origin's scheme.
func isOwn(origin, host string) bool {
	scheme, ours, found := strings.Cut(origin, "://")
	if !found || !(strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return false
	}
	theirs, ok := normalOrigin(scheme + "://" + host)
	mine, _ := normalOrigin(scheme + "://" + ours)
	return ok && theirs == mine
}

// normalOrigin returns the normal form of an origin (RFC 6454, section 6.2). Equal origins have the same normal form. It
// reports false if the string is not an origin with a host.
func normalOrigin(origin string) (string, bool) {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" ||
		u.ForceQuery || strings.Contains(origin, "#") {
		return "", false
	}
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		}
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port), true
}
