package transport

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// origins decides which pages may connect.
type origins struct {
	allowed map[string]bool // as normalOrigin writes them
	file    bool
}

func newOrigins(list []string, file bool) (origins, error) {
	allowed := make(map[string]bool, len(list))
	for _, origin := range list {
		origin = strings.TrimSpace(origin)
		if fault := originFault(origin); fault != "" {
			return origins{}, fmt.Errorf("the allowed origin %q cannot work: %s", origin, fault)
		}
		normal, _ := normalOrigin(origin)
		allowed[normal] = true
	}
	return origins{allowed: allowed, file: file}, nil
}

// permits reports whether the page that sent r may connect. A request without an Origin does not come from a browser, and
// is permitted.
func (o origins) permits(r *http.Request, at route) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	return o.permitsPage(values[0], at)
}

// permitsPage reports whether a page of origin may connect by this route.
func (o origins) permitsPage(origin string, at route) bool {
	if isFileOrigin(origin) {
		return o.file
	}
	normal, ok := normalOrigin(origin)
	return ok && (o.allowed[normal] || isOwn(origin, at))
}

// isFileOrigin reports whether browsers send this origin for a page opened from disk.
func isFileOrigin(origin string) bool {
	return strings.EqualFold(origin, "null") || strings.EqualFold(origin, "file://")
}

// isOwn reports whether a page at origin was served by the host of this route. Behind a proxy that terminates TLS, the
// request does not tell http from https, unless the proxy is trusted and says it. So a host without a port gets the default
// port of the origin's scheme.
func isOwn(origin string, at route) bool {
	scheme, ours, found := strings.Cut(origin, "://")
	if !found || !(strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return false
	}
	if at.scheme != "" && !strings.EqualFold(scheme, at.scheme) {
		return false
	}
	theirs, ok := normalOrigin(scheme + "://" + at.host)
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

// originFault says why no browser sends this origin (RFC 6454, section 6.2; URL Standard, section 3.5), and what to write
// instead. It returns "" if one may.
func originFault(origin string) string {
	const example = "write it like https://chat.example.org or http://localhost:8080"
	u, err := url.Parse(origin)
	switch {
	case origin == "":
		return "it is empty; leave out the comma, or " + example
	case strings.EqualFold(origin, "null"), u != nil && u.Scheme == "file":
		return "pages opened from disk have an option of their own, --file-origin"
	case strings.Contains(origin, "*"):
		return "there are no wildcards; name each origin by itself, separated by commas"
	case strings.ContainsAny(origin, " \t;"):
		return "it has a space or a semicolon in it; separate origins by commas"
	case !strings.Contains(origin, "://"):
		return "it has no scheme; write https://" + origin + " if the page comes by https"
	case err != nil || u.Hostname() == "":
		return example
	case u.Scheme == "ws", u.Scheme == "wss":
		return "its scheme is that of the WebSocket and not of the page; write http" + strings.TrimPrefix(u.Scheme, "ws") + "://" + u.Host
	case u.User != nil, u.Path != "", u.RawQuery != "", u.ForceQuery, strings.Contains(origin, "#"):
		return "it is more than scheme, host and port; write " + u.Scheme + "://" + u.Host
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "port " + port + " does not exist; give one from 1 to 65535"
		} else if plain := strconv.FormatUint(n, 10); plain != port {
			return "write its port as " + plain
		}
	}
	return hostFault(u.Scheme, strings.ToLower(u.Hostname()), u.Port())
}

// hostFault says why no browser sends an origin with this host, in small letters.
func hostFault(scheme, host, port string) string {
	written := host
	address, err := netip.ParseAddr(host)
	switch {
	case err == nil && address.Zone() != "":
		return "browsers do not open addresses with a zone"
	case err == nil && address.Is4In6(): // browsers write the IPv4 address in hexadecimal
		b := address.As16()
		written = fmt.Sprintf("::ffff:%x:%x", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15]))
	case err == nil:
		written = address.String()
	case strings.Contains(host, ":"):
		return "[" + host + "] is no IPv6 address"
	case endsInNumber(host):
		return host + " is no IPv4 address with four numbers from 0 to 255, without leading zeros"
	default:
		if written, err = idna.Lookup.ToASCII(host); err != nil {
			if isASCII(host) {
				return "" // with an underscore, for example, which browsers send
			}
			return host + " is no name of a host"
		}
	}
	if written == host {
		return ""
	}
	if port != "" {
		written = net.JoinHostPort(written, port)
	} else if strings.Contains(written, ":") {
		written = "[" + written + "]"
	}
	return "write it as browsers do, " + scheme + "://" + written
}

// endsInNumber reports whether the last label of a host is a number. Browsers read such a host as an IPv4 address.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	_, err := strconv.ParseUint(host[strings.LastIndexByte(host, '.')+1:], 0, 64)
	return err == nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > '~' }) < 0
}
