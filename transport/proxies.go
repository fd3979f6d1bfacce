package transport

import (
	"iter"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// proxies are the networks of the proxies that the operator trusts. What their headers say of a client counts.
type proxies []netip.Prefix

// route says how a request has reached the service.
type route struct {
	client netip.Addr // the client's address; invalid if it is not known
	scheme string     // by which the browser has asked, http or https; "" if it is not known
	host   string     // that the browser has asked for, as a Host header
}

// trust reports whether a is the address of a trusted proxy.
func (p proxies) trust(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// route returns the route of a request that came from peer. The headers X-Forwarded-For, X-Forwarded-Host and
// X-Forwarded-Proto, and Forwarded (RFC 7239) count if peer is a trusted proxy. They are lists, to which each proxy adds at
// the right end. So they are read from there, and what stands to the left of the first address that is not trusted may be
// forged. Where X-Forwarded-For is there, Forwarded does not count, because a proxy that sets only the former passes on the
// Forwarded of the client.
//
// OverTLS says that the request has come over TLS. If no trusted proxy stands between, the browser has asked by https then.
func (p proxies) route(r *http.Request, peer netip.Addr, overTLS bool) route {
	if !p.trust(peer) {
		at := route{client: peer, host: r.Host}
		if overTLS {
			at.scheme = "https"
		}
		return at
	}
	var at route
	var hops int
	if list := r.Header["X-Forwarded-For"]; len(list) > 0 {
		at.client, hops = p.readForwardedFor(peer, list)
	} else {
		at, hops = p.readForwarded(peer, r.Header["Forwarded"])
	}
	if host := written(r.Header["X-Forwarded-Host"], hops); isHost(host) {
		at.host = host
	} else if at.host == "" {
		at.host = r.Host
	}
	if scheme := schemeOf(written(r.Header["X-Forwarded-Proto"], hops)); scheme != "" {
		at.scheme = scheme
	}
	return at
}

// readForwardedFor reads X-Forwarded-For. It returns the first address from the right that is no trusted proxy's, and how
// many elements it has read, at least 1. An element that is no address ends the reading. Then the last proxy stands for the
// client.
func (p proxies) readForwardedFor(peer netip.Addr, list []string) (client netip.Addr, hops int) {
	client = peer
	for element := range fromRight(list, ',') {
		hops++
		address, ok := nodeAddress(unquoted(element))
		if !ok {
			break
		}
		if client = address; !p.trust(client) {
			break
		}
	}
	return client, max(hops, 1)
}

// readForwarded reads Forwarded, like readForwardedFor.
func (p proxies) readForwarded(peer netip.Addr, list []string) (at route, hops int) {
	at.client = peer
	for element := range fromRight(list, ',') {
		hops++
		parameters, ok := parametersOf(element)
		if !ok {
			break
		}
		if host := parameters["host"]; isHost(host) {
			at.host = host
		}
		if scheme := schemeOf(parameters["proto"]); scheme != "" {
			at.scheme = scheme
		}
		address, ok := nodeAddress(parameters["for"])
		if !ok {
			break
		}
		if at.client = address; !p.trust(address) {
			break
		}
	}
	return at, max(hops, 1)
}

// parametersOf returns the parameters of an element of Forwarded (RFC 7239, section 4), by their names in small letters. It
// reports false if the element is none.
func parametersOf(element string) (parameters map[string]string, ok bool) {
	parameters = make(map[string]string)
	for pair := range fromRight([]string{element}, ';') {
		name, value, found := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		if _, twice := parameters[name]; twice || !found || !httpguts.ValidHeaderFieldName(name) {
			return nil, false
		}
		parameters[name] = unquoted(value)
	}
	return parameters, true
}

// written returns the element of a list that the outermost of the trusted proxies wrote. Hops is the number of these
// proxies. Not each of them adds to each list.
func written(list []string, hops int) (element string) {
	for element = range fromRight(list, ',') {
		if hops--; hops == 0 {
			break
		}
	}
	return unquoted(element)
}

// fromRight yields the elements of the lists, beginning with the last one of the last list. It leaves out empty elements. A
// separator in a quoted string separates nothing. The reading starts from the right, so that a quote that a client left open
// does not swallow what a proxy has added.
func fromRight(lists []string, separator byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for n := len(lists) - 1; n >= 0; n-- {
			for rest, more := lists[n], true; more; {
				var element string
				if rest, element, more = cutLast(rest, separator); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// cutLast cuts the last element off a list.
func cutLast(list string, separator byte) (before, last string, found bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch c := list[i]; {
		case c == '"' && !endsInEscape(list[:i]):
			quoted = !quoted
		case c == separator && !quoted:
			return list[:i], strings.Trim(list[i+1:], " \t"), true
		}
	}
	return "", strings.Trim(list, " \t"), false
}

// endsInEscape reports whether a backslash at the end of s escapes the next character.
func endsInEscape(s string) bool {
	return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1
}

// unquoted returns the value of a token or a quoted string (RFC 9110, section 5.6.4).
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// nodeAddress returns the address of a node (RFC 7239, section 6), or of an element of X-Forwarded-For. It may have a port.
// It reports false for an obfuscated identifier, "unknown" and nonsense.
func nodeAddress(node string) (netip.Addr, bool) {
	if inside, isBracketed := strings.CutPrefix(node, "["); isBracketed {
		address, port, closed := strings.Cut(inside, "]")
		if !closed || port != "" && port[0] != ':' || !strings.Contains(address, ":") {
			return netip.Addr{}, false
		}
		node = address
	} else if address, port, found := strings.Cut(node, ":"); found && !strings.Contains(port, ":") {
		node = address
	}
	address, err := netip.ParseAddr(node)
	return plainAddress(address), err == nil
}

// plainAddress returns an address without its zone, and without the prefix of an IPv4 address that is written as IPv6.
func plainAddress(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// isHost reports whether s can stand for a Host header.
func isHost(s string) bool { return s != "" && httpguts.ValidHostHeader(s) }

// schemeOf returns http or https, or "" if a proxy means neither. Some proxies name the scheme of the WebSocket.
func schemeOf(protocol string) string {
	switch strings.ToLower(protocol) {
	case "http", "ws":
		return "http"
	case "https", "wss":
		return "https"
	}
	return ""
}

// addressOf returns the address in the address of a socket. It is invalid if there is none, as on a network in memory.
func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return plainAddress(tcp.AddrPort().Addr())
	}
	return netip.Addr{}
}

// peerOf returns the address that a request came from.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plainAddress(peer.Addr())
}
