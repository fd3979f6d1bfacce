package turn

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// refused lists where no allocation may send, unless the operator allows it: addresses that are not those of one host on the
// internet (IANA IPv4 and IPv6 Special-Purpose Address Registries, RFC 6890; RFC 5771 and RFC 4291 for multicast). Cloud providers
// serve credentials of the machine on 169.254.169.254, 100.100.100.200, 192.0.0.192 and fd00:ec2::254, which are among them.
func refused() []netip.Prefix {
	var all []netip.Prefix
	for _, prefix := range []string{
		"0.0.0.0/8",        // this network
		"10.0.0.0/8",       // private
		"100.64.0.0/10",    // shared between a provider and its customers
		"127.0.0.0/8",      // loopback
		"168.63.129.16/32", // Azure's services for the machine (learn.microsoft.com, "What is IP address 168.63.129.16?")
		"169.254.0.0/16",   // link-local
		"172.16.0.0/12",    // private
		"192.0.0.0/24",     // protocol assignments
		"192.0.2.0/24",     // documentation
		"192.31.196.0/24",  // AS112
		"192.52.193.0/24",  // automatic multicast tunneling
		"192.88.99.0/24",   // 6to4 relays
		"192.168.0.0/16",   // private
		"192.175.48.0/24",  // AS112
		"198.18.0.0/15",    // benchmarks
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved, and broadcast

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
	own     func(netip.Addr) bool // reports whether an address is one of this machine
}

// permits reports whether an allocation may send to an address. All IPv4 addresses that an IPv6 address contains must be permitted,
// too.
func (p peers) permits(address netip.Addr) bool {
	address = address.Unmap().WithZone("") // RFC 4291, section 2.5.5.2
	for _, inside := range embedded(address) {
		if inside.IsValid() && !p.permitsAlone(inside) {
			return false
		}
	}
	return address.IsValid() && p.permitsAlone(address)
}

func (p peers) permitsAlone(address netip.Addr) bool {
	if contains(p.allowed, address) {
		return true
	}
	return !contains(p.refused, address) && !p.own(address)
}

func contains(prefixes []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// embedded returns the IPv4 addresses that an IPv6 address contains. The others are the zero Addr. A router on the way to the peer may
// deliver a datagram to such an IPv4 address instead.
func embedded(address netip.Addr) (inside [3]netip.Addr) {
	if !address.Is6() || address.Is4In6() {
		return inside
	}
	b := address.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	switch {
	case high == 0 && low>>32 == 0 && low > 1: // IPv4-compatible: RFC 4291, section 2.5.5.1
		inside[0] = at(12)
	case high == 0 && low>>32 == 0xffff0000: // IPv4-translated: RFC 2765
		inside[0] = at(12)
	case high == 0x0064ff9b_00000000 && low>>32 == 0: // NAT64: RFC 6052
		inside[0] = at(12)
	case high>>48 == 0x2002: // 6to4: RFC 3056
		inside[0] = at(2)
	case high>>32 == 0x20010000: // Teredo, the addresses of the server and of the client: RFC 4380, section 4
		inside[0] = at(4)
		inside[1] = netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	}
	if low>>32&^0x02000000 == 0x00005efe { // ISATAP, in whatever network: RFC 5214, section 6.1
		inside[2] = at(12)
	}
	return inside
}

// ownAddresses are the addresses of this machine. Each datagram is looked up in them.
type ownAddresses struct {
	public []netip.Addr
	read   atomic.Pointer[map[netip.Addr]bool]
	due    atomic.Int64 // when they are to be read again, in Unix nanoseconds
}

// readInterval is the time after which new addresses of the machine are noticed.
const readInterval = time.Minute

func newOwnAddresses(public []netip.Addr) (*ownAddresses, error) {
	o := &ownAddresses{public: public}
	o.due.Store(time.Now().Add(readInterval).UnixNano())
	return o, o.readAgain()
}

// contains reports whether an address is one of this machine.
func (o *ownAddresses) contains(address netip.Addr) bool {
	now := time.Now()
	if due := o.due.Load(); now.UnixNano() >= due && o.due.CompareAndSwap(due, now.Add(readInterval).UnixNano()) {
		_ = o.readAgain() // The old ones stay.
	}
	return (*o.read.Load())[address]
}

func (o *ownAddresses) readAgain() error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("read the addresses of this machine: %w", err)
	}
	own := make(map[netip.Addr]bool)
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			own[prefix.Addr().Unmap().WithZone("")] = true
		}
	}
	for _, address := range o.public {
		own[address] = true
	}
	o.read.Store(&own)
	return nil
}
