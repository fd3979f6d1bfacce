package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"
)

// AddressLimit bounds what comes from one address at a time. All addresses of IPv6 with the same first 64 bits count as one:
// that is what a household or a machine has (RFC 6177). Addresses of trusted proxies are never bounded.
type AddressLimit struct {
	// Most is the limit. 0 means no limit.
	Most int
	// Private says that the limit also holds for addresses that are not public: private, loopback and link-local ones. A
	// proxy that the options do not name as trusted, or a load test, may come from there.
	Private bool
}

// holds reports whether there is a limit for an address.
func (l AddressLimit) holds(from address) bool {
	return l.Most > 0 && from != unknown && (l.Private || from.isPublic())
}

// address is where a client comes from: an address of IPv4, or the first 64 bits of one of IPv6. It is short, because each
// connection has one.
type address uint64

const (
	// unknown is the address of a client that has none, or is hidden by a trusted proxy that does not name it.
	unknown address = 0
	// reserved stands for ::/31, from which nobody comes but ::1 (RFC 4291, section 2.5.3). Below it are the addresses of IPv4.
	reserved address = 1 << 32
)

// nat64 is the prefix under which a translator shows clients of IPv4 to a service that has IPv6 only (RFC 6052, section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// addressFrom returns the address for an address of a socket or a header.
func addressFrom(a netip.Addr) address {
	switch {
	case !a.IsValid():
		return unknown
	case nat64.Contains(a):
		b := a.As16()
		return address(binary.BigEndian.Uint32(b[12:]))
	case a.Is4() || a.Is4In6():
		b := a.As4()
		return address(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return max(address(binary.BigEndian.Uint64(b[:])), reserved)
}

// isPublic reports whether the address is one of the internet.
func (a address) isPublic() bool {
	if a == reserved {
		return false
	}
	var b [16]byte
	var ip netip.Addr
	if a < reserved {
		binary.BigEndian.PutUint32(b[:], uint32(a))
		ip = netip.AddrFrom4([4]byte(b[:4]))
	} else {
		binary.BigEndian.PutUint64(b[:], uint64(a))
		ip = netip.AddrFrom16(b)
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared.Contains(ip)
}

// shared are the addresses behind a carrier's translator (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// addressOfClient returns the address for the client's address in a route. A client that has the address of a trusted proxy is
// hidden by it.
func (s *Server) addressOfClient(client netip.Addr) address {
	if s.proxies.trust(client) {
		return unknown
	}
	return addressFrom(client)
}

// addressOfSocket returns the address for the other side of a socket.
func (s *Server) addressOfSocket(socket net.Conn) address {
	return s.addressOfClient(addressOf(socket.RemoteAddr()))
}

const (
	// loginBurst is how many seconds' worth of logins may come from an address at once.
	loginBurst = 10
	// maxAccounts bounds the accounts of one generation.
	maxAccounts = 32 << 10
	// recallTime is how long after its start the service takes a login that brings the secret of a kept session for that of a
	// client which comes back after a restart. All people of a campus behind one address come back within [Options.RetrySpread].
	recallTime = time.Minute
)

// logins bounds how many logins come from one address in a second. It keeps an account for each address, as [conn.charge] does
// for each connection. An account that nobody has charged for the time of two bursts says nothing any more. So there are two
// generations of accounts: after that time, or when there are too many, the older one is dropped as a whole. Its zero value is
// ready.
type logins struct {
	mu           sync.Mutex
	young, older map[address]int64 // the time from which the next login is allowed, in the server's nanoseconds
	born         int64             // when the young generation began
}

// admit counts a login from an address, and reports whether it is allowed now. One that is not allowed does not count. Most is
// how many logins a second are allowed.
func (l *logins) admit(from address, now int64, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.next(from, now, most)
	if next > now {
		return false
	}
	l.store(from, next, now, most)
	return true
}

// count counts a login from an address, whether or not it is allowed. An address can be ahead by another burst, and no further.
func (l *logins) count(from address, now int64, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store(from, min(l.next(from, now, most), now+burstOf(most)), now, most)
}

// exhausted reports whether admit would refuse a login.
func (l *logins) exhausted(from address, now int64, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next(from, now, most) > now
}

// next returns the time from which the next login from an address is allowed. The caller holds mu.
func (l *logins) next(from address, now int64, most int) int64 {
	next := now - burstOf(most)
	for _, accounts := range []map[address]int64{l.older, l.young} {
		if charged, ok := accounts[from]; ok {
			next = max(next, charged)
		}
	}
	return next + intervalOf(most)
}

// store writes an account. The caller holds mu.
func (l *logins) store(from address, next, now int64, most int) {
	memory := 2 * burstOf(most)
	if l.young == nil || now-l.born >= memory || len(l.young) >= maxAccounts {
		if now-l.born >= 2*memory {
			l.young = nil
		}
		l.older, l.young, l.born = l.young, make(map[address]int64), now
	}
	l.young[from] = next
}

// intervalOf returns the time between two logins at the rate of a limit, and burstOf how far ahead of that an address may be.
func intervalOf(most int) int64 { return int64(time.Second) / int64(most) }
func burstOf(most int) int64    { return intervalOf(most) * int64(most) * loginBurst }

// Admit implements [actors.Link].
func (c *conn) Admit(brings bool) bool {
	limit, now := c.server.limits.Load().LoginsPerAddress, c.server.now()
	if !limit.holds(c.from) || brings && now < int64(recallTime) {
		return true
	}
	return c.server.logins.admit(c.from, now, limit.Most)
}

// Address implements [actors.Link].
func (c *conn) Address() uint64 { return uint64(c.from) }

// Exhausted implements [actors.Link].
func (c *conn) Exhausted() bool {
	limit := c.server.limits.Load().LoginsPerAddress
	return limit.holds(c.from) && c.server.logins.exhausted(c.from, c.server.now(), limit.Most)
}

// CountLogin implements [actors.Link].
func (c *conn) CountLogin() {
	if limit := c.server.limits.Load().LoginsPerAddress; limit.holds(c.from) {
		c.server.logins.count(c.from, c.server.now(), limit.Most)
	}
}
