package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/pion/stun/v4"
)

// A call needs a few dozen permissions and channels. Each takes memory of pion/turn for minutes, and pion/turn does not bound their number.
const (
	maxPermissions = 128
	maxChannels    = 128
)

// client is whose allocation it is. One of the two is set. Two streams may come from one address, to two addresses of this machine. So a stream is
// known by its pointer (see [stream.RemoteAddr]).
type client struct {
	datagrams netip.AddrPort
	stream    *net.TCPAddr
}

func clientOf(a net.Addr) client {
	switch a := a.(type) {
	case *net.UDPAddr:
		return client{datagrams: a.AddrPort()}
	case *net.TCPAddr:
		return client{stream: a}
	}
	return client{}
}

// granted is what pion/turn has granted an allocation.
type granted struct {
	client    client
	request   *request
	permitted []netip.Addr
	channels  []uint16
}

// setClient notes whose allocation it is. The request is read only by the goroutine that calls permits.
func (r *relays) setClient(from, relayed net.Addr, asked *request) {
	at, ok := relayed.(*net.UDPAddr)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if relay := r.open[unmapped(at.AddrPort())]; relay != nil {
		relay.granted = granted{client: clientOf(from), request: asked}
		r.asking[relay.granted.client] = relay
	}
}

// forget removes what clients find an allocation by. The caller holds mu.
func (r *relays) forget(relay *relay) {
	of := relay.granted.client
	if r.asking[of] == relay {
		delete(r.asking, of)
	}
	// A channel that is bound while the allocation ends would stay.
	if r.byClient[of.datagrams] == relay {
		delete(r.byClient, of.datagrams)
	}
}

// setPermitted notes that a client has a permission now, or has it no more.
func (r *relays) setPermitted(from, relayed net.Addr, peer net.IP, add bool) {
	address, _ := netip.AddrFromSlice(peer)
	r.grant(from, relayed, func(g *granted) { g.permitted = with(g.permitted, address.Unmap(), add) })
}

// setBound notes that a client has a channel now, or has it no more.
func (r *relays) setBound(from, relayed net.Addr, number uint16, add bool) {
	r.grant(from, relayed, func(g *granted) { g.channels = with(g.channels, number, add) })
}

// grant changes what a client is granted, unless its allocation has ended.
func (r *relays) grant(from, relayed net.Addr, change func(*granted)) {
	at, ok := relayed.(*net.UDPAddr)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if relay := r.asking[clientOf(from)]; relay != nil && relay.address == unmapped(at.AddrPort()) {
		change(&relay.granted)
	}
}

func with[T comparable](all []T, one T, add bool) []T {
	at := slices.Index(all, one)
	switch {
	case add && at < 0:
		return append(all, one)
	case !add && at >= 0:
		return slices.Delete(all, at, at+1)
	}
	return all
}

// hasRoom reports whether the allocation of a client may have what it asks for: a permission for this address, or a channel to it. What is there
// may be refreshed. Pion/turn deals with the requests of a client one after the other, and grants before it asks again.
func (r *relays) hasRoom(from net.Addr, peer netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	relay := r.asking[clientOf(from)]
	if relay == nil {
		return false // it has ended
	}
	g := &relay.granted
	if len(g.permitted) >= maxPermissions && !slices.Contains(g.permitted, peer) {
		return false
	}
	if len(g.channels) < maxChannels {
		return true
	}
	number, ok := g.request.channel()
	return ok && (number == 0 || slices.Contains(g.channels, number))
}

// request is the request that pion/turn deals with. Pion/turn reads all that one goroutine serves into one buffer, and each message is at its
// beginning until the next is read.
type request struct{ buffer []byte }

// channel returns the channel that the client asks for, or 0 if it asks for something else.
func (r *request) channel() (number uint16, ok bool) {
	message := stun.Message{Raw: r.buffer}
	if message.Decode() != nil {
		return 0, false
	}
	if message.Type.Method != stun.MethodChannelBind {
		return 0, true
	}
	value, err := message.Get(stun.AttrChannelNumber)
	if err != nil || len(value) < 2 {
		return 0, false
	}
	number = binary.BigEndian.Uint16(value)
	return number, number != 0
}
