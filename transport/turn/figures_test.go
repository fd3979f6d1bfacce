package turn_test

import (
	"testing"

	"github.com/pion/stun/v4"

	"p2p-messaging/transport/turn"
)

func TestFiguresCountAllocationsAndBytes(t *testing.T) {
	if f := (*turn.Server)(nil).Figures(); f != (turn.Figures{}) {
		t.Errorf("without a server the figures are %+v", f)
	}
	s := start(t, func(o *turn.Options) { o.AllocationsPerLogin = 1 })
	alice, bob := newChannelClient(t, address(s), credentials(s, "alice")), newChannelClient(t, address(s), credentials(s, "bob"))
	alice.bind(t, 0x4001, bob.relayed)
	bob.bind(t, 0x4002, alice.relayed)
	alice.say(t, 0x4001, []byte("hello"))
	wantNext(t, bob.UDPConn, channelData(0x4002, []byte("hello")), "from one allocation to another")
	if _, err := ways()[0].client(t, s, credentials(s, "alice")).Allocate(); err == nil {
		t.Error("a second allocation is made")
	}
	f := s.Figures()
	if f.Allocations != 2 || f.Made != 2 || f.Refused == 0 || f.ToPeers != 5 || f.ToClients != 5 {
		t.Errorf("the figures are %+v; want 2 allocations and 5 bytes in each direction", f)
	}
	// What an allocation has relayed counts when it has ended, too.
	alice.ask(t, stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)})
	if f := s.Figures(); f.Allocations != 1 || f.ToPeers != 5 || f.ToClients != 5 {
		t.Errorf("afterwards they are %+v", f)
	}
}
