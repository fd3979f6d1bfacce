package service

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Announce prints the URLs of the page of a service that listens at host and port. An empty or unspecified host means all
// addresses of this machine. An IPv6 address may stand in brackets. Secured are the names that a service with TLS has
// certificates for; its page is at those.
func Announce(w io.Writer, host string, port int, secured ...string) {
	for i, name := range secured {
		if port != 443 {
			name = net.JoinHostPort(name, strconv.Itoa(port))
		} else if strings.Contains(name, ":") {
			name = "[" + name + "]"
		}
		page := (&url.URL{Scheme: "https", Host: name, Path: "/"}).String()
		if i == 0 {
			fmt.Fprintf(w, "P2P Messaging is ready: open %s in two browser windows\n", page)
		} else {
			fmt.Fprintf(w, "It is also at %s\n", page)
		}
	}
	if len(secured) > 0 {
		return
	}
	page := func(host string) string {
		return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: "/"}).String()
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		fmt.Fprintf(w, "P2P Messaging is ready: open %s in two browser windows\n", page(host))
		return
	}
	fmt.Fprintf(w, "P2P Messaging is ready: open %s in two browser windows\n", page("localhost"))
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return // The service works without these lines.
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			fmt.Fprintf(w, "From other devices on this network: %s\n", page(network.IP.String()))
		}
	}
}
