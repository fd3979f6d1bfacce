package probe

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// target is where a service is.
type target struct {
	secure bool
	host   string   // without brackets and port
	port   string   // "" for the usual one
	paths  []string // where the WebSocket may be, the likeliest first
}

// parseTarget reads a URL as people type it. Without a scheme, it means https, and http for this machine.
func parseTarget(text string) (target, error) {
	text = strings.TrimSpace(text)
	typed := text
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	u, err := url.Parse(typed)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsAny(u.Hostname(), " \t") {
		return target{}, &UsageError{Reason: "this is no URL of a service: write it as in https://chat.example.org"}
	}
	t := target{host: u.Hostname(), port: u.Port()}
	scheme := strings.ToLower(u.Scheme)
	if typed != text && isThisMachine(t.host) {
		scheme = "http"
	}
	switch scheme {
	case "https", "wss":
		t.secure = true
	case "http", "ws":
	default:
		return target{}, &UsageError{Reason: "the URL of a service begins with https://, http://, wss:// or ws://, and not with " + u.Scheme + "://"}
	}
	base := u.EscapedPath()
	page := base
	if page != "" && !strings.HasSuffix(page, "/") && strings.Contains(path.Base(page), ".") { // …/index.html
		page = path.Dir(page)
	}
	below := path.Join("/", page, "ws")
	switch {
	case path.Base(base) == "ws" || strings.HasPrefix(scheme, "ws") && strings.Trim(base, "/") != "":
		t.paths = []string{base}
	default:
		t.paths = []string{below, strings.TrimSuffix(path.Join("/", page), "/") + "/"}
	}
	return t, nil
}

func isThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// address returns host and port to connect to.
func (t target) address() string {
	port := t.port
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[t.secure]
	}
	return net.JoinHostPort(t.host, port)
}

// authority is host and port as in a URL.
func (t target) authority() string {
	if t.port != "" {
		return net.JoinHostPort(t.host, t.port)
	}
	return strings.TrimSuffix(net.JoinHostPort(t.host, ""), ":")
}

// webSocket returns the URL for a connection on which TLS, if there is any, is spoken already.
func (t target) webSocket(at string) string { return "ws://" + t.authority() + at }

func (t target) String() string {
	scheme := map[bool]string{false: "ws", true: "wss"}[t.secure]
	return scheme + "://" + t.authority() + t.paths[0]
}
