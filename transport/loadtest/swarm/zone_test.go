package swarm

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// linkLocal returns a link-local address of this machine with its zone, and a listener there. Nobody can listen on an address that the
// system still checks for duplicates.
func linkLocal(t *testing.T) (netip.Addr, net.Listener) {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || !p.Addr().Is6() || !p.Addr().IsLinkLocalUnicast() || i.Flags&net.FlagUp == 0 {
				continue
			}
			address := p.Addr().WithZone(i.Name)
			if l, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String()); err == nil {
				return address, l
			}
		}
	}
	t.Skip("this machine has no link-local address that can be listened on")
	return netip.Addr{}, nil
}

func TestALinkLocalAddressIsReachedThroughItsInterface(t *testing.T) {
	address, l := linkLocal(t)
	at := netip.AddrPortFrom(address, l.Addr().(*net.TCPAddr).AddrPort().Port())
	hosts := make(chan string, 1)
	serve(t, l, func(s *server) {
		answer := s.answer()
		hosts <- s.request.Host
		_, _ = s.Write(answer)
		s.echo()
	})
	implementations(t, func(t *testing.T, start func(Options) *Swarm, listen func(script) string) {
		s := start(Options{URL: "ws://" + strings.Replace(at.String(), "%", "%25", 1) + "/ws"})
		h := newClient()
		h.opened = func(c *Conn) { c.Close() }
		dial(s.Loops()[0], h)
		h.want(t, "opened", "closed <nil>")
		if host, want := <-hosts, netip.AddrPortFrom(address.WithZone(""), at.Port()).String(); host != want {
			t.Errorf("the header Host is %q; wanted %q, the address without the name of its interface, and the port", host, want)
		}
	})
}

func TestTheInterfaceOfALinkLocalAddressMustExist(t *testing.T) {
	s, err := New(t.Context(), Options{URL: "ws://[fe80::1%25nowhere0]:7777/ws"})
	if err == nil {
		s.Stop()
	}
	if err == nil || !strings.Contains(err.Error(), "interface nowhere0") {
		t.Errorf("%v; wanted to hear of the interface", err)
	}
}
