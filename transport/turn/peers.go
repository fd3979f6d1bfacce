package turn

import (
	"encoding/binary"
	"net/netip"
)

// refused lists where no allocation may send, unless the operator allows it: addresses that are not those of one host on the
// internet (IANA IPv4 and IPv6 Special-Purpose Address Registries, RFC 6890; RFC 5771 and RFC 4291 for multicast). Cloud providers serve credentials
// of the machine on 169.254.169.254 and fd00:ec2::254, which are among them.
func refused() []netip.Prefix {
	var all []netip.Prefix
	for _, prefix := range []string{
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // shared between a provider and its customers
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.31.196.0/24", // AS112
		"192.52.193.0/24", // automatic multicast tunneling
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"192.175.48.0/24", // AS112
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and broadcast

		"::/128",         // unspecified
		"::1/128",        // loopback
		"64:ff9b:1::/48", // NAT64 of a network of its own
		"100::/64",       // discard
		"2001::/23",      // protocol assignments
		"2001:db8::/32",  // documentation
		"3fff::/20",      // documentation
		"5f00::/16",      // segment routing
		"fc00::/7",       // private
		"fe80::/10",      // link-local
		"fec0::/10",      // site-local
		"ff00::/8",       // multicast
	} {
		all = append(all, netip.MustParsePrefix(prefix))
	}
	return all
}

// peers decides where allocations may send.
type peers struct {
	allowed []netip.Prefix // by the operator
	refused []netip.Prefix
	// own reports whether an address is one of this machine.
	own func(netip.Addr) bool
}

// permits reports whether an allocation may send to an address. IPv6 addresses that stand for an IPv4 address are judged by that one, too.
func (p peers) permits(address netip.Addr) bool {
	if !address.IsValid() {
		return false
	}
	address = address.WithZone("")
	if inside := embedded(address); inside.IsValid() {
		return p.permits(inside) && (address.Is4In6() || p.permitsAlone(address))
	}
	return p.permitsAlone(address)
}

func (p peers) permitsAlone(address netip.Addr) bool {
	if contains(p.allowed, address) {
		return true
	}
	return !contains(p.refused, address) && !p.own(address)
}

func contains(prefixes []netip.Prefix, address netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// embedded returns the IPv4 address for which an IPv6 address stands, or the zero Addr. Somebody between here and the peer may send what is
// meant for one to the other.
func embedded(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return netip.Addr{}
	}
	b := address.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	high := binary.BigEndian.Uint64(b[:8])
	switch {
	case address.Is4In6(): // RFC 4291, section 2.5.5.2
		return at(12)
	case high == 0 && binary.BigEndian.Uint32(b[8:12]) == 0 && binary.BigEndian.Uint32(b[12:]) > 1: // IPv4-compatible: RFC 4291, section 2.5.5.1
		return at(12)
	case high == 0 && binary.BigEndian.Uint32(b[8:12]) == 0xffff0000: // IPv4-translated: RFC 2765
		return at(12)
	case high == 0x0064ff9b_00000000 && binary.BigEndian.Uint32(b[8:12]) == 0: // NAT64: RFC 6052
		return at(12)
	case high>>48 == 0x2002: // 6to4: RFC 3056
		return at(2)
	case high>>32 == 0x20010000: // Teredo, the address of the client: RFC 4380, section 4
		for i := 12; i < 16; i++ {
			b[i] = ^b[i]
		}
		return at(12)
	case binary.BigEndian.Uint32(b[8:12])&^0x02000000 == 0x00005efe: // ISATAP: RFC 5214, section 6.1
		return at(12)
	}
	return netip.Addr{}
}
