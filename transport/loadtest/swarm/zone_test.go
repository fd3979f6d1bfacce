package swarm

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// linkLocal returns a link-local address of this machine with its zone.
func linkLocal(t *testing.T) netip.Addr {
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
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return p.Addr().WithZone(i.Name)
			}
		}
	}
	t.Skip("this machine has no link-local address")
	return netip.Addr{}
}

func TestALinkLocalAddressIsReachedThroughItsInterface(t *testing.T) {
	address := linkLocal(t)
	l, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		t.Fatal(err)
	}
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
		if host := <-hosts; strings.Contains(host, "%") || !strings.HasPrefix(host, "[fe80:") || !strings.Contains(host, "]:") {
			t.Errorf("the header Host is %q; wanted the address without the name of its interface, and the port", host)
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
