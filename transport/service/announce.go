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
// addresses of this machine. An IPv6 address may stand in brackets.
func Announce(w io.Writer, host string, port int) {
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
