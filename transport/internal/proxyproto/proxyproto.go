// Package proxyproto reads the headers of the PROXY protocol, versions 1 and 2, by which a proxy that passes on TCP tells the
// address of its client. Willy Tarreau, "The PROXY protocol", describes it:
// https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. Sections in the comments are those of that document.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// MaxSize is the size of the longest header that is taken, in bytes. A header of version 2 may announce more.
	MaxSize = 4 << 10

	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"

	maxSize1  = 107 // section 2.1
	fixedSize = 16  // of version 2, section 2.2
	sizeIPv4  = 12  // two addresses and two ports
	sizeIPv6  = 36
)

var (
	// ErrNone is the error for bytes that begin no header.
	ErrNone = errors.New("there is no PROXY header")
	// ErrMalformed is the error for a header that is not as the protocol says, or that is too long.
	ErrMalformed = errors.New("the PROXY header is malformed")
)

// Begins reports whether b begins with the signature of a header.
func Begins(b []byte) bool {
	return bytes.HasPrefix(b, []byte(signature1)) || bytes.HasPrefix(b, []byte(signature2))
}

// Parse reads the header at the start of b. It returns the client's address and the size of the header. The address is
// invalid if the proxy speaks for itself, as for a health check, or does not know an IP address. The size is 0 if b is the
// beginning of a header. The error is [ErrNone] or [ErrMalformed].
func Parse(b []byte) (source netip.AddrPort, size int, err error) {
	switch {
	case beginsLike(b, signature1):
		return parse1(b)
	case beginsLike(b, signature2):
		return parse2(b)
	}
	return netip.AddrPort{}, 0, ErrNone
}

// beginsLike reports whether b and signature are the same, as far as both go.
func beginsLike(b []byte, signature string) bool {
	n := min(len(b), len(signature))
	return string(b[:n]) == signature[:n]
}

// parse1 reads a header of version 1, which is a line of text (section 2.1).
func parse1(b []byte) (source netip.AddrPort, size int, err error) {
	b = b[:min(len(b), maxSize1)]
	end := bytes.IndexAny(b, "\r\n")
	switch {
	case end < 0 && len(b) == maxSize1:
		return source, 0, ErrMalformed
	case end < 0, end == len(b)-1 && b[end] == '\r' && len(b) < maxSize1:
		return source, 0, nil
	case b[end] == '\n', end == len(b)-1, b[end+1] != '\n':
		return source, 0, ErrMalformed
	}
	fields := strings.Split(string(b[:end]), " ")
	if fields[1] == "UNKNOWN" {
		return source, end + 2, nil
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return source, 0, ErrMalformed
	}
	source, ok := parseAddrPort(fields[1], fields[2], fields[4])
	if _, okay := parseAddrPort(fields[1], fields[3], fields[5]); !ok || !okay {
		return netip.AddrPort{}, 0, ErrMalformed
	}
	return source, end + 2, nil
}

// parseAddrPort reads an address and a port of version 1.
func parseAddrPort(family, address, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" || a.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// parse2 reads a header of version 2, which is binary (section 2.2). It skips the fields behind the addresses.
func parse2(b []byte) (source netip.AddrPort, size int, err error) {
	if len(b) < fixedSize {
		return source, 0, nil
	}
	const (
		local = 0x20 // version 2, and the proxy speaks for itself
		proxy = 0x21

		unspecified = 0x00
		tcp4        = 0x11
		tcp6        = 0x21
		unixStream  = 0x31
	)
	command, family := b[12], b[13]
	size = fixedSize + int(binary.BigEndian.Uint16(b[14:]))
	least := 0
	switch family {
	case tcp4:
		least = sizeIPv4
	case tcp6:
		least = sizeIPv6
	}
	switch {
	case size > MaxSize, command != local && command != proxy, command == proxy && size-fixedSize < least:
		return source, 0, ErrMalformed
	case len(b) < size:
		return source, 0, nil
	case command == local:
		return source, size, nil
	}
	body := b[fixedSize:size]
	switch family {
	case tcp4:
		source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:]))
	case tcp6:
		source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(body)).Unmap(), binary.BigEndian.Uint16(body[32:]))
	case unspecified, unixStream:
	default:
		return source, 0, ErrMalformed
	}
	return source, size, nil
}
