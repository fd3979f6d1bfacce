package turn

import (
	"net"
	"net/netip"
	"testing"
)

// newGranted returns relays with one allocation of a client, and its relayed transport address.
func newGranted(from net.Addr) (*relays, *relay, net.Addr) {
	r := newRelays(&Options{}, peers{own: func(netip.Addr) bool { return false }}, nil)
	relay := &relay{relays: r, address: netip.MustParseAddrPort("203.0.113.1:50000")}
	r.open[relay.address] = relay
	at := net.UDPAddrFromAddrPort(relay.address)
	r.setClient(from, at, &request{})
	return r, relay, at
}

func clients() map[string]net.Addr {
	return map[string]net.Addr{"UDP": &net.UDPAddr{IP: net.IPv4(198, 18, 0, 1), Port: 1}, "TCP": &net.TCPAddr{IP: net.IPv4(198, 18, 0, 1), Port: 1}}
}

func TestAPermissionThatExpiresMakesRoom(t *testing.T) {
	for name, from := range clients() {
		r, relay, at := newGranted(from)
		events := r.events()
		peer := func(i int) net.IP { return net.IPv4(8, 8, 0, byte(i)) }
		for i := range maxPermissions {
			if !r.permits(from, peer(i)) {
				t.Fatalf("%s: permission %d is refused", name, i)
			}
			events.OnPermissionCreated(from, nil, "", "", "", at, peer(i))
			events.OnPermissionCreated(from, nil, "", "", "", at, peer(i).To4()) // the same address
		}
		if r.permits(from, peer(maxPermissions)) || !r.permits(from, peer(1)) || !r.permits(from, peer(1).To4()) {
			t.Errorf("%s: there are %d permissions, and one more is granted, or one of them refused", name, maxPermissions)
		}
		// Those of an allocation before are not those of this one.
		events.OnPermissionDeleted(from, nil, "", "", "", &net.UDPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 50001}, peer(1))
		if r.permits(from, peer(maxPermissions)) {
			t.Errorf("%s: a permission of another allocation makes room", name)
		}
		for range 2 { // pion/turn may tell of it twice
			events.OnPermissionDeleted(from, nil, "", "", "", at, peer(1))
		}
		if !r.permits(from, peer(maxPermissions)) {
			t.Errorf("%s: one has expired, and another is refused", name)
		}
		for i := range maxPermissions {
			events.OnPermissionDeleted(from, nil, "", "", "", at, peer(i))
		}
		if n := len(relay.granted.permitted); n != 0 {
			t.Errorf("%s: %d permissions are left", name, n)
		}
	}
}

func TestAChannelThatExpiresMakesRoom(t *testing.T) {
	for name, from := range clients() {
		r, relay, at := newGranted(from)
		events := r.events()
		ip := net.IPv4(8, 8, 0, 1)
		for i := range maxChannels {
			events.OnChannelCreated(from, nil, "", "", "", at, &net.UDPAddr{IP: ip, Port: i}, uint16(0x4000+i))
		}
		if r.permits(from, ip) { // The request cannot be read.
			t.Errorf("%s: there are %d channels, and one more is granted", name, maxChannels)
		}
		events.OnChannelDeleted(from, nil, "", "", "", at, &net.UDPAddr{IP: ip, Port: 7}, 0x4007)
		if !r.permits(from, ip) {
			t.Errorf("%s: one has expired, and another is refused", name)
		}
		for i := range maxChannels {
			events.OnChannelDeleted(from, nil, "", "", "", at, &net.UDPAddr{IP: ip, Port: i}, uint16(0x4000+i))
		}
		if n := len(relay.granted.channels); n != 0 {
			t.Errorf("%s: %d channels are left", name, n)
		}
	}
}

func TestNothingIsLeftOfAnAllocationThatEndsWhileItIsGranted(t *testing.T) {
	for name, from := range clients() {
		r, relay, at := newGranted(from)
		events := r.events()
		peer := &net.UDPAddr{IP: net.IPv4(8, 8, 0, 1), Port: 1}
		events.OnChannelCreated(from, nil, "", "", "", at, peer, 0x4000)
		r.mu.Lock()
		delete(r.open, relay.address)
		r.forget(relay)
		r.mu.Unlock()
		// Pion/turn tells of what it was about to grant.
		events.OnPermissionCreated(from, nil, "", "", "", at, peer.IP)
		events.OnChannelCreated(from, nil, "", "", "", at, peer, 0x4001)
		r.setClient(from, at, &request{})
		if n := len(r.asking) + len(r.byClient); n != 0 {
			t.Errorf("%s: %d entries are left", name, n)
		}
		if r.permits(from, peer.IP) {
			t.Errorf("%s: an allocation that has ended is granted a permission", name)
		}
	}
}
