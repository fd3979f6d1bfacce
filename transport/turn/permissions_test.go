package turn_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"

	"p2p-messaging/messages"
	"p2p-messaging/transport/turn"
)

// most is how many permissions, and how many channels, an allocation may have.
const most = 128

// asker is a client with an allocation, by any way, whose requests a test writes itself.
type asker struct {
	net.PacketConn
	server net.Addr
	signed []stun.Setter // what its requests end with
}

func newAsker(t *testing.T, w way, s *turn.Server, who messages.ICEServer) *asker {
	t.Helper()
	a := &asker{PacketConn: w.dial(t, s), server: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address(s)))}
	t.Cleanup(func() { a.Close() })
	var realm stun.Realm
	var nonce stun.Nonce
	if err := a.ask(t, a.request(t, stun.MethodAllocate, udp()))[0].Parse(&realm, &nonce); err != nil {
		t.Fatal(err)
	}
	a.signed = []stun.Setter{stun.NewUsername(who.Username), realm, nonce, stun.NewLongTermIntegrity(who.Username, realm.String(), who.Credential)}
	a.wantCodes(t, "an allocation", []stun.ErrorCode{0}, a.request(t, stun.MethodAllocate, udp()))
	return a
}

// udp asks for an allocation of UDP.
func udp() stun.Setter {
	return stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
}

func (a *asker) request(t *testing.T, method stun.Method, attributes ...stun.Setter) *stun.Message {
	t.Helper()
	all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	request, err := stun.Build(append(all, a.signed...)...)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// permission asks for permissions.
func (a *asker) permission(t *testing.T, peers ...netip.AddrPort) *stun.Message {
	t.Helper()
	var all []stun.Setter
	for _, peer := range peers {
		all = append(all, peerAddress{IP: peer.Addr().AsSlice(), Port: int(peer.Port())})
	}
	return a.request(t, stun.MethodCreatePermission, all...)
}

// channel asks for a channel.
func (a *asker) channel(t *testing.T, number int, peer netip.AddrPort) *stun.Message {
	t.Helper()
	return a.request(t, stun.MethodChannelBind, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: binary.BigEndian.AppendUint32(nil, uint32(number)<<16)},
		peerAddress{IP: peer.Addr().AsSlice(), Port: int(peer.Port())})
}

// end ends the allocation.
func (a *asker) end(t *testing.T) *stun.Message {
	t.Helper()
	return a.request(t, stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)})
}

// ask sends requests, by a stream together, and returns the answers.
func (a *asker) ask(t *testing.T, requests ...*stun.Message) []*stun.Message {
	t.Helper()
	var together []byte
	for _, request := range requests {
		together = append(together, request.Raw...)
		if _, datagrams := a.PacketConn.(*net.UDPConn); datagrams || request == requests[len(requests)-1] {
			if _, err := a.WriteTo(together, a.server); err != nil {
				t.Fatal(err)
			}
			together = nil
		}
	}
	var answers []*stun.Message
	_ = a.SetReadDeadline(time.Now().Add(patience))
	for _, request := range requests {
		b := make([]byte, 1600)
		n, _, err := a.ReadFrom(b)
		answer := &stun.Message{Raw: b[:n]}
		if err != nil || answer.Decode() != nil || answer.TransactionID != request.TransactionID {
			t.Fatalf("after %v: %v, %v", request, answer, err)
		}
		answers = append(answers, answer)
	}
	return answers
}

// wantCodes sends requests and compares the codes of the answers. 0 stands for success.
func (a *asker) wantCodes(t *testing.T, what string, want []stun.ErrorCode, requests ...*stun.Message) {
	t.Helper()
	for i, answer := range a.ask(t, requests...) {
		var code stun.ErrorCodeAttribute
		if answer.Type.Class == stun.ClassErrorResponse {
			if err := code.GetFrom(answer); err != nil {
				t.Fatal(err)
			}
		}
		if code.Code != want[i] {
			t.Errorf("%s: the code of answer %d is %d, want %d", what, i, code.Code, want[i])
		}
	}
}

// Codes of refusals. Pion/turn has its own for channels, in place of 403 (RFC 8656, section 12.2).
const (
	noPermission = stun.CodeForbidden
	noChannel    = stun.CodeUnauthorized
)

// host returns one of many addresses.
func host(i, port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), uint16(port))
}

func TestPermissionsOfAnAllocationAreBounded(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			s := start(t, allowLoopback)
			alice, bob := newAsker(t, w, s, credentials(s, "alice")), newAsker(t, w, s, credentials(s, "bob"))
			for i := range most {
				alice.wantCodes(t, "a permission", []stun.ErrorCode{0}, alice.permission(t, host(i, 9)))
			}
			for range 2 {
				alice.wantCodes(t, "one too many", []stun.ErrorCode{noPermission, noChannel, noPermission},
					alice.permission(t, host(most, 9)), alice.channel(t, 0x4000, host(most, 9)), alice.permission(t, host(0, 9), host(most, 9)))
				alice.wantCodes(t, "one that is there", []stun.ErrorCode{0, 0, 0, 0},
					alice.permission(t, host(0, 9)), alice.permission(t, host(1, 10), host(most-1, 9)), alice.channel(t, 0x4000, host(2, 9)), alice.channel(t, 0x4000, host(2, 9)))
			}
			bob.wantCodes(t, "another allocation", []stun.ErrorCode{0, 0}, bob.permission(t, host(most, 9)), bob.channel(t, 0x4000, host(most+1, 9)))

			alice.wantCodes(t, "the end", []stun.ErrorCode{0}, alice.end(t))
			bob.wantCodes(t, "the end", []stun.ErrorCode{0}, bob.end(t))
			if n := s.Kept(); n != 0 {
				t.Errorf("%d entries are left after the end", n)
			}
		})
	}
}

func TestManyPermissionsInOneRequestAreBounded(t *testing.T) {
	for _, w := range ways() {
		s := start(t, allowLoopback)
		alice := newAsker(t, w, s, credentials(s, "alice"))
		for first := 0; first < most; first += 50 {
			want := stun.ErrorCode(0)
			var peers []netip.AddrPort
			for i := first; i < first+50; i++ {
				peers = append(peers, host(i, 9))
			}
			if first+50 > most {
				want = noPermission
			}
			alice.wantCodes(t, w.name, []stun.ErrorCode{want}, alice.permission(t, peers...))
		}
		alice.wantCodes(t, w.name, []stun.ErrorCode{0, noPermission}, alice.permission(t, host(most-1, 9)), alice.permission(t, host(most, 9)))
	}
}

func TestChannelsOfAnAllocationAreBounded(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			s := start(t, allowLoopback)
			alice, bob := newAsker(t, w, s, credentials(s, "alice")), newAsker(t, w, s, credentials(s, "bob"))
			for i := range most {
				alice.wantCodes(t, "a channel", []stun.ErrorCode{0}, alice.channel(t, 0x4000+i, host(0, 100+i)))
			}
			for range 2 {
				// Requests that come together are told apart.
				alice.wantCodes(t, "one too many among those that are there", []stun.ErrorCode{0, noChannel, 0, noChannel, 0, noChannel, 0},
					alice.channel(t, 0x4000, host(0, 100)), alice.channel(t, 0x4000+most, host(0, 100+most)), alice.permission(t, host(0, 9)),
					alice.channel(t, 0x4fff, host(0, 99)), alice.channel(t, 0x4000+most-1, host(0, 100+most-1)), alice.channel(t, 0x4001+most, host(1, 9)),
					alice.permission(t, host(2, 9)))
			}
			bob.wantCodes(t, "another allocation", []stun.ErrorCode{0}, bob.channel(t, 0x4000, host(0, 9)))

			alice.wantCodes(t, "the end", []stun.ErrorCode{0}, alice.end(t))
			bob.wantCodes(t, "the end", []stun.ErrorCode{0}, bob.end(t))
			if n := s.Kept(); n != 0 {
				t.Errorf("%d entries are left after the end", n)
			}
		})
	}
}

// between is a connection from an address that others may have, too, to an address of its own.
type between struct {
	net.Conn
	client *net.TCPAddr
	port   int
}

func (b between) RemoteAddr() net.Addr { return b.client }
func (b between) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(198, 18, 0, 2), Port: b.port} }

func TestStreamsFromOneAddressAreBoundedApart(t *testing.T) {
	s := start(t, allowLoopback)
	from := &net.TCPAddr{IP: net.IPv4(198, 18, 0, 1), Port: 1}
	to := func(port int) way {
		return way{"TCP", func(t testing.TB, s *turn.Server) net.PacketConn {
			client, server := net.Pipe()
			s.ServeConn(between{server, from, port})
			return pion.NewSTUNConn(client)
		}}
	}
	alice, bob := newAsker(t, to(443), s, credentials(s, "alice")), newAsker(t, to(3478), s, credentials(s, "bob"))
	for i := range most {
		alice.wantCodes(t, "a permission", []stun.ErrorCode{0}, alice.permission(t, host(i, 9)))
		alice.wantCodes(t, "a channel", []stun.ErrorCode{0}, alice.channel(t, 0x4000+i, host(0, 100+i)))
	}
	alice.wantCodes(t, "one too many", []stun.ErrorCode{noPermission}, alice.permission(t, host(most, 9)))
	alice.wantCodes(t, "one too many", []stun.ErrorCode{noChannel}, alice.channel(t, 0x4fff, host(0, 9)))
	bob.wantCodes(t, "another allocation", []stun.ErrorCode{0}, bob.permission(t, host(most, 9)))
	bob.wantCodes(t, "another allocation", []stun.ErrorCode{0}, bob.channel(t, 0x4fff, host(0, 9)))
	alice.wantCodes(t, "the end", []stun.ErrorCode{0}, alice.end(t))
	bob.wantCodes(t, "another allocation", []stun.ErrorCode{0}, bob.channel(t, 0x4ffe, host(1, 9)))
}
