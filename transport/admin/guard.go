package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard keeps pages in a browser of the operator from the port. A browser lets a page of any site send requests to a loopback address
// or into the operator's network.
type guard struct {
	host     string
	loopback bool
}

// foreign refuses what a page of another site sends. Browsers say so: with the header Origin, or with Sec-Fetch-Site (Fetch Metadata
// Request Headers, section 2.3). Programs send neither. On a loopback address it also refuses the names that
// protect refuses. A browser always names the host. HAProxy's health check names none (HTTP/1.0), and passes.
func (g guard) foreign(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
		default:
			refuse(w)
			return
		}
		if r.Header.Values("Origin") != nil {
			refuse(w)
			return
		}
		if g.loopback && r.Host != "" && !g.names(r.Host) {
			tellHost(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// protect refuses requests whose Host is a name, other than localhost and the one of the port. A page of another site can have its
// name lead to this machine (DNS rebinding), and the browser takes the port for a part of that site then. It cannot do so with an
// address.
func (g guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.names(r.Host) {
			tellHost(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// names reports whether a header Host names the port.
func (g guard) names(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") || g.host != "" && strings.EqualFold(host, g.host)
}

func refuse(w http.ResponseWriter) {
	http.Error(w, "Pages may not use this port.", http.StatusForbidden)
}

func tellHost(w http.ResponseWriter) {
	http.Error(w, "Name this port by its address, or by the host that --admin has.", http.StatusForbidden)
}
