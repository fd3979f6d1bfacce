package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	pion "github.com/pion/turn/v5"
)

// Nearly all that a client relays goes through channels (RFC 8656, section 12). pion/turn allocates memory for each datagram and formats its
// addresses. So what is relayed between a channel of a client over UDP and its peer does not pass through it. It decides which channels there are.

// channelHeader is the size in bytes of the header of a ChannelData message: the channel's number and the length of the data (RFC 8656,
// section 12.4).
const channelHeader = 4

// maxDatagram is the size in bytes of the largest datagram that is relayed. In practice no datagram is larger than what networks carry in one
// piece.
const maxDatagram = 1596

// channels are the channels of one allocation.
type channels struct {
	client netip.AddrPort // as the server's socket reads it
	bound  []binding
}

// binding is one channel.
type binding struct {
	number uint16
	peer   netip.AddrPort
}

// boundTo has the channels of an allocation. They are replaced, never changed.
type boundTo struct{ current atomic.Pointer[channels] }

// peer returns the peer of a channel.
func (b *boundTo) peer(number uint16) (peer netip.AddrPort, ok bool) {
	if c := b.current.Load(); c != nil {
		for i := range c.bound {
			if c.bound[i].number == number {
				return c.bound[i].peer, true
			}
		}
	}
	return netip.AddrPort{}, false
}

// number returns the channel to a peer, and the client whose channel it is.
func (b *boundTo) number(peer netip.AddrPort) (number uint16, client netip.AddrPort, ok bool) {
	if c := b.current.Load(); c != nil {
		for i := range c.bound {
			if c.bound[i].peer == peer {
				return c.bound[i].number, c.client, true
			}
		}
	}
	return 0, netip.AddrPort{}, false
}

// events returns what pion/turn tells of permissions and channels.
func (r *relays) events() pion.EventHandler {
	changed := func(source, relayed, peer net.Addr, number uint16, add bool) {
		r.setBound(source, relayed, number, add)
		client, isUDP := source.(*net.UDPAddr)
		at, isUDP2 := relayed.(*net.UDPAddr)
		to, isUDP3 := peer.(*net.UDPAddr)
		if !isUDP || !isUDP2 || !isUDP3 {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		relay := r.open[unmapped(at.AddrPort())]
		if relay == nil {
			return
		}
		now := &channels{client: client.AddrPort()}
		if before := relay.channels.current.Load(); before != nil {
			now.bound = slices.DeleteFunc(slices.Clone(before.bound), func(b binding) bool { return b.number == number })
		}
		if add {
			now.bound = append(now.bound, binding{number, unmapped(to.AddrPort())})
		}
		relay.channels.current.Store(now)
		if add {
			r.byClient[now.client] = relay
		} else if len(now.bound) == 0 && r.byClient[now.client] == relay {
			delete(r.byClient, now.client)
		}
	}
	return pion.EventHandler{
		OnPermissionCreated: func(source, _ net.Addr, _, _, _ string, relayed net.Addr, peer net.IP) {
			r.setPermitted(source, relayed, peer, true)
		},
		OnPermissionDeleted: func(source, _ net.Addr, _, _, _ string, relayed net.Addr, peer net.IP) {
			r.setPermitted(source, relayed, peer, false)
		},
		OnChannelCreated: func(source, _ net.Addr, _, _, _ string, relayed, peer net.Addr, number uint16) {
			changed(source, relayed, peer, number, true)
		},
		OnChannelDeleted: func(source, _ net.Addr, _, _, _ string, relayed, peer net.Addr, number uint16) {
			changed(source, relayed, peer, number, false)
		},
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// datagrams is the server's socket for UDP. It relays what comes through a channel, and hands on the rest.
type datagrams struct {
	*socket
	relays  *relays
	pump    *pump
	request request
}

func newDatagrams(r *relays) *datagrams {
	return &datagrams{socket: r.socket, relays: r, pump: newPump(r.socket, &r.batches)}
}

// ReadFrom implements net.PacketConn.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		message, from, err := d.pump.read()
		if err != nil {
			return 0, nil, err
		}
		if message = message[channelHeader:]; d.fromClient(from, message) {
			continue
		}
		d.pump.flush()
		d.request.buffer = b
		return copy(b, message), net.UDPAddrFromAddrPort(from), nil
	}
}

// fromClient relays a ChannelData message of a client to the peer of the channel. It reports false for everything else.
func (d *datagrams) fromClient(client netip.AddrPort, message []byte) bool {
	if len(message) < channelHeader || message[0]>>6 != 1 { // RFC 8656, section 12
		return false
	}
	data := message[channelHeader:]
	length := int(binary.BigEndian.Uint16(message[2:]))
	if length > len(data) {
		return false
	}
	d.relays.mu.Lock()
	relay := d.relays.byClient[client]
	d.relays.mu.Unlock()
	if relay == nil {
		return false
	}
	peer, ok := relay.channels.peer(binary.BigEndian.Uint16(message))
	if !ok {
		return false
	}
	if to, ok := relay.reaches(peer, length); ok {
		d.pump.send(data[:length], relay.socket, to)
	}
	return true
}

// toClient relays what a peer has sent to the client, if it has a channel to it. The data is behind room for a header.
func (r *relay) toClient(message []byte, peer netip.AddrPort) bool {
	number, client, ok := r.channels.number(peer)
	if ok {
		binary.BigEndian.PutUint16(message, number)
		binary.BigEndian.PutUint16(message[2:], uint16(len(message)-channelHeader))
		r.pump.send(message, r.relays.socket, client)
	}
	return ok
}
