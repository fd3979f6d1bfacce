package turn_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/turn"
)

// channelClient is a client over UDP with an allocation, whose datagrams a test writes itself.
type channelClient struct {
	*net.UDPConn
	relayed netip.AddrPort
	signed  []stun.Setter // what its requests end with
}

func newChannelClient(t testing.TB, server string, who messages.ICEServer) *channelClient {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(server)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &channelClient{UDPConn: conn}
	var realm stun.Realm
	var nonce stun.Nonce
	if err := c.ask(t, stun.MethodAllocate, c.wanted()...).Parse(&realm, &nonce); err != nil {
		t.Fatal(err)
	}
	c.signed = []stun.Setter{stun.NewUsername(who.Username), realm, nonce, stun.NewLongTermIntegrity(who.Username, realm.String(), who.Credential)}
	c.allocate(t)
	return c
}

// wanted returns what an allocation is to be: over UDP, and of the family by which the client reaches the server.
func (c *channelClient) wanted() []stun.Setter {
	all := []stun.Setter{stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}}
	if !localAddress(c.UDPConn).Addr().Is4() {
		all = append(all, stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{2, 0, 0, 0}})
	}
	return all
}

// allocate makes the allocation.
func (c *channelClient) allocate(t testing.TB) {
	t.Helper()
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(c.ask(t, stun.MethodAllocate, c.wanted()...), stun.AttrXORRelayedAddress); err != nil {
		t.Fatal(err)
	}
	address, _ := netip.AddrFromSlice(relayed.IP)
	c.relayed = netip.AddrPortFrom(address.Unmap(), uint16(relayed.Port))
}

// peerAddress is the attribute XOR-PEER-ADDRESS.
type peerAddress stun.XORMappedAddress

// AddTo implements [stun.Setter].
func (p peerAddress) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress(p).AddToAs(m, stun.AttrXORPeerAddress)
}

// bind makes a channel.
func (c *channelClient) bind(t testing.TB, number uint16, peer netip.AddrPort) {
	t.Helper()
	bound := c.ask(t, stun.MethodChannelBind, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: binary.BigEndian.AppendUint32(nil, uint32(number)<<16)},
		peerAddress{IP: peer.Addr().AsSlice(), Port: int(peer.Port())})
	if bound.Type.Class != stun.ClassSuccessResponse {
		t.Fatalf("a channel to %v is refused: %v", peer, bound)
	}
}

// ask sends a request and returns the answer. It drops everything else that comes.
func (c *channelClient) ask(t testing.TB, method stun.Method, attributes ...stun.Setter) *stun.Message {
	t.Helper()
	all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	request, err := stun.Build(append(all, c.signed...)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(request.Raw); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for {
		b := make([]byte, 1600)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		answer := &stun.Message{Raw: b[:n]}
		if stun.IsMessage(b[:n]) && answer.Decode() == nil && answer.TransactionID == request.TransactionID {
			return answer
		}
	}
}

// channelData returns a ChannelData message (RFC 8656, section 12.4).
func channelData(number uint16, data []byte) []byte {
	message := binary.BigEndian.AppendUint16(nil, number)
	return append(binary.BigEndian.AppendUint16(message, uint16(len(data))), data...)
}

func (c *channelClient) say(t testing.TB, number uint16, data []byte) {
	t.Helper()
	if _, err := c.Write(channelData(number, data)); err != nil {
		t.Fatal(err)
	}
}

// newPeer returns a socket on this machine.
func newPeer(t testing.TB, at ...netip.Addr) *net.UDPConn {
	t.Helper()
	address := append(at, netip.MustParseAddr("127.0.0.1"))[0]
	peer, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return peer
}

func localAddress(c *net.UDPConn) netip.AddrPort {
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// wantNext reads a datagram.
func wantNext(t testing.TB, c *net.UDPConn, want []byte, what string) {
	t.Helper()
	b := make([]byte, 2000)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, _, err := c.ReadFromUDPAddrPort(b); err != nil || !bytes.Equal(b[:n], want) {
		t.Fatalf("%s: read %d bytes (%.20q), %v; want %d (%.20q)", what, n, b[:n], err, len(want), want)
	}
}

// wantNothing fails the test if a datagram has come.
func wantNothing(t testing.TB, c *net.UDPConn, what string) {
	t.Helper()
	b := make([]byte, 2000)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, _, err := c.ReadFromUDPAddrPort(b); err == nil {
		t.Errorf("%s: %.20q has come", what, b[:n])
	}
}

// allowLoopback lets allocations send to this machine.
func allowLoopback(o *turn.Options) {
	o.AllowPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func TestChannelsRelayDatagramsOfEverySizeInTheirOrder(t *testing.T) {
	sizes := []int{1200, 1200, 1200, 300, 1200, 1, 0, 0, 1, 1592, 1592, 700, 700, 701, 700, 2, 3, 4, 5, 5, 5, 1200, 1200, 1199, 1200}
	for _, at := range []struct{ listen, public string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.1"}, {":0", "127.0.0.1"}, {"[::1]:0", "::1"}, {":0", "::1"},
	} {
		t.Run(at.listen+" for "+at.public, func(t *testing.T) {
			public := netip.MustParseAddr(at.public)
			if c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(public, 0))); err != nil {
				t.Skip("there is no IPv6 here")
			} else {
				c.Close()
			}
			s := start(t, allowLoopback, func(o *turn.Options) { o.Listen, o.Public = at.listen, []netip.Addr{public} })
			c := newChannelClient(t, address(s), credentials(s, "alice"))
			peers := []*net.UDPConn{newPeer(t, public), newPeer(t, public)}
			numbers := []uint16{0x4000, 0x4fff}
			for i, peer := range peers {
				c.bind(t, numbers[i], localAddress(peer))
			}
			// All are sent before any is read, so that many are relayed together.
			datagram := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, sizes[i]) }
			for i := range sizes {
				c.say(t, numbers[i/3%2], datagram(i))
			}
			for i := range sizes {
				wantNext(t, peers[i/3%2], datagram(i), fmt.Sprintf("datagram %d from the client", i))
			}
			relayed := netip.AddrPortFrom(public, c.relayed.Port())
			for i := range sizes {
				if _, err := peers[i/3%2].WriteToUDPAddrPort(datagram(i), relayed); err != nil {
					t.Fatal(err)
				}
			}
			for i := range sizes {
				wantNext(t, c.UDPConn, channelData(numbers[i/3%2], datagram(i)), fmt.Sprintf("datagram %d to the client", i))
			}
			// One that is too large for the server is dropped, and the next comes.
			if _, err := peers[0].WriteToUDPAddrPort(make([]byte, 1900), relayed); err != nil {
				t.Fatal(err)
			}
			if _, err := peers[0].WriteToUDPAddrPort([]byte("next"), relayed); err != nil {
				t.Fatal(err)
			}
			wantNext(t, c.UDPConn, channelData(numbers[0], []byte("next")), "the datagram after one that is too large")
			c.say(t, numbers[1], make([]byte, 1900))
			c.say(t, numbers[1], []byte("next"))
			wantNext(t, peers[1], []byte("next"), "the datagram after one that is too large")
		})
	}
}

func TestWhatIsNoChannelOfTheClientIsNotRelayed(t *testing.T) {
	s := start(t, allowLoopback)
	peer := newPeer(t)
	alice, bob := newChannelClient(t, address(s), credentials(s, "alice")), newChannelClient(t, address(s), credentials(s, "bob"))
	alice.bind(t, 0x4000, localAddress(peer))
	for what, message := range map[string][]byte{
		"another channel":       channelData(0x4001, []byte("x")),
		"a number that is none": channelData(0x7fff, []byte("x")),
		"less than it says":     channelData(0x4000, []byte("xyz"))[:6],
		"half a header":         {0x40, 0, 0},
		"a header that lies":    {0x40, 0, 0xff, 0xff},
	} {
		if _, err := alice.Write(message); err != nil {
			t.Fatal(err)
		}
		alice.say(t, 0x4000, []byte(what))
		wantNext(t, peer, []byte(what), "after "+what)
	}
	bob.say(t, 0x4000, []byte("by another client"))
	bob.bind(t, 0x4001, localAddress(newPeer(t))) // so what was sent before has been dealt with
	wantNothing(t, peer, "the channel of another client")
	// More than the data of a datagram is padding (RFC 8656, section 12.5).
	if _, err := alice.Write(append(channelData(0x4000, []byte("x")), 0, 0, 0)); err != nil {
		t.Fatal(err)
	}
	wantNext(t, peer, []byte("x"), "data with padding")
}

func TestChannelsEndWithTheirAllocation(t *testing.T) {
	s := start(t, allowLoopback)
	before, after := newPeer(t), newPeer(t)
	c := newChannelClient(t, address(s), credentials(s, "alice"))
	c.bind(t, 0x4000, localAddress(before))
	c.say(t, 0x4000, []byte("it works"))
	wantNext(t, before, []byte("it works"), "through the channel")

	c.ask(t, stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)})
	c.say(t, 0x4000, []byte("after its end"))
	c.allocate(t)
	c.say(t, 0x4000, []byte("of the allocation before"))
	c.bind(t, 0x4000, localAddress(after))
	c.say(t, 0x4000, []byte("new"))
	wantNext(t, after, []byte("new"), "through the new channel")
	wantNothing(t, before, "the peer of the allocation before")
}

func TestChannelsLeadToOtherAllocationsAndNotInside(t *testing.T) {
	s := start(t) // its public address is that of the peers, and no peer of this machine is allowed
	inside := newPeer(t)
	alice, bob := newChannelClient(t, address(s), credentials(s, "alice")), newChannelClient(t, address(s), credentials(s, "bob"))
	alice.bind(t, 0x4000, localAddress(inside))
	alice.bind(t, 0x4001, bob.relayed)
	bob.bind(t, 0x4002, alice.relayed)
	alice.say(t, 0x4000, []byte("knock"))
	alice.say(t, 0x4001, []byte("hello"))
	wantNext(t, bob.UDPConn, channelData(0x4002, []byte("hello")), "from one allocation to another")
	wantNothing(t, inside, "a port of the machine itself")
}
