package transport

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

func TestAnAddressIsOneOfIPv4OrANetworkOfIPv6(t *testing.T) {
	for _, row := range []struct {
		one, other   string
		same, public bool
	}{
		{"203.0.113.9", "203.0.113.9", true, true},
		{"203.0.113.9", "203.0.113.8", false, true},
		{"203.0.113.9", "::ffff:203.0.113.9", true, true},
		{"203.0.113.9", "64:ff9b::203.0.113.9", true, true},
		{"64:ff9b::203.0.113.9", "64:ff9b::203.0.113.8", false, true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true, true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false, true},
		{"2001:db8::1", "2001:db8::1%eth0", true, true},
		{"255.255.255.255", "::1", false, false},
		{"::1", "::1", true, false},
		{"::1", "::2", true, false},
		{"127.0.0.1", "127.0.0.2", false, false},
		{"10.1.2.3", "10.1.2.3", true, false},
		{"172.16.0.1", "172.16.0.1", true, false},
		{"192.168.1.1", "192.168.1.1", true, false},
		{"169.254.1.1", "169.254.1.1", true, false},
		{"100.64.0.1", "100.64.0.1", true, false},
		{"100.128.0.1", "100.128.0.1", true, true},
		{"fe80::1", "fe80::1%eth0", true, false},
		{"fd00:1::1", "fd00:1::2", true, false},
	} {
		one, other := addressFrom(netip.MustParseAddr(row.one)), addressFrom(netip.MustParseAddr(row.other))
		if (one == other) != row.same || one == unknown {
			t.Errorf("%s is %#x and %s is %#x; same: want %t", row.one, one, row.other, other, row.same)
		}
		if one.isPublic() != row.public {
			t.Errorf("%s is public: %t", row.one, one.isPublic())
		}
	}
	if a := addressFrom(netip.Addr{}); a != unknown {
		t.Errorf("no address is %#x", a)
	}
}

func TestALimitHoldsForPublicAddressesUnlessItIsGiven(t *testing.T) {
	public, private := addressFrom(netip.MustParseAddr("203.0.113.9")), addressFrom(netip.MustParseAddr("10.0.0.1"))
	for _, row := range []struct {
		limit           AddressLimit
		public, private bool
	}{
		{AddressLimit{}, false, false},
		{AddressLimit{Private: true}, false, false},
		{AddressLimit{Most: 1}, true, false},
		{AddressLimit{Most: 1, Private: true}, true, true},
	} {
		if row.limit.holds(public) != row.public || row.limit.holds(private) != row.private || row.limit.holds(unknown) {
			t.Errorf("%+v holds for a public address: %t, for a private one: %t, for none: %t",
				row.limit, row.limit.holds(public), row.limit.holds(private), row.limit.holds(unknown))
		}
	}
}

func TestLoginsOfAnAddressComeAtTheRateAfterABurst(t *testing.T) {
	const most = 200
	var l logins
	now := int64(time.Hour)
	admits := func(from address) (n int) {
		for l.admit(from, now, most) {
			n++
		}
		return n
	}
	if n := admits(1); n != most*loginBurst {
		t.Errorf("%d logins came at once, want %d", n, most*loginBurst)
	}
	for range 3 * most { // what is refused does not count
		l.admit(1, now, most)
	}
	if n := admits(2); n != most*loginBurst {
		t.Errorf("%d logins of another address came at once, want %d", n, most*loginBurst)
	}
	for range 60 {
		now += int64(time.Second)
		if n := admits(1); n != most {
			t.Errorf("%d logins came in a second, want %d", n, most)
		}
	}
	now += loginBurst * int64(time.Second)
	if n := admits(1); n != most*loginBurst {
		t.Errorf("%d logins came at once after a rest, want %d", n, most*loginBurst)
	}
}

// An attacker with a /32 of IPv6 has four thousand million networks.
func TestTheAccountsOfManyAddressesAreBoundedAndFreed(t *testing.T) {
	var l logins
	now := int64(time.Hour)
	flooded, networks := 0, netip.MustParseAddr("2001:db8::").As16()
	for i := range 20 * maxAccounts {
		binary.BigEndian.PutUint32(networks[4:], uint32(i))
		if l.admit(addressFrom(netip.AddrFrom16(networks)), now+int64(i), 200) {
			flooded++
		}
		if n := len(l.young) + len(l.older); n > 2*maxAccounts {
			t.Fatalf("there are %d accounts, want no more than %d", n, 2*maxAccounts)
		}
	}
	if flooded != 20*maxAccounts {
		t.Errorf("%d first logins were allowed, want all", flooded)
	}
	now += int64(time.Minute)
	l.admit(1, now, 200)
	if n := len(l.young) + len(l.older); n != 1 {
		t.Errorf("%d accounts are left after a minute, want one", n)
	}
}

// An address that is slowed down stays so while its account passes from one generation to the next.
func TestAnAccountIsNotForgottenWhileItMatters(t *testing.T) {
	const most = 10
	var l logins
	now, allowed := int64(time.Hour), 0
	for range 1000 {
		for l.admit(1, now, most) {
			allowed++
		}
		now += int64(100 * time.Millisecond)
	}
	if want := most*loginBurst + 999; allowed != want {
		t.Errorf("%d logins were allowed in 100 s, want %d", allowed, want)
	}
}

// Many logins may be under way when one of them is refused, and each counts.
func TestLoginsBeyondTheBoundCountIfTheyWereRefusedForAnotherReason(t *testing.T) {
	const most = 10
	var l logins
	now := int64(time.Hour)
	if l.exhausted(1, now, most) {
		t.Error("an address is exhausted from the start")
	}
	for range 100 * most * loginBurst {
		l.count(1, now, most)
	}
	if !l.exhausted(1, now, most) || l.exhausted(2, now, most) {
		t.Error("what is refused does not exhaust its own address alone")
	}
	later := 0
	for ; l.exhausted(1, now, most) && later < 100; later++ {
		now += int64(time.Second)
		if allowed := !l.exhausted(1, now, most); allowed != l.admit(1, now, most) {
			t.Error("exhausted and admit do not agree")
		}
	}
	if later <= loginBurst/2 || later > loginBurst+1 {
		t.Errorf("the address was exhausted for %d s, want about %d", later, loginBurst)
	}
	now = l.born + 2*burstOf(most) - 1 // the next generation begins
	for range 100 * most * loginBurst {
		l.count(3, now, most)
	}
	for range 3 * loginBurst / 2 {
		now += int64(time.Second)
		l.admit(4, now, most)
	}
	n := 0
	for l.admit(3, now, most) {
		n++
	}
	if want := most * loginBurst / 2; n < want-1 || n > want+1 {
		t.Errorf("half a burst after the address was exhausted no more, %d logins came at once, want %d", n, want)
	}
}

func TestALoginThatMayComeBackAfterARestartIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulate(t)
		limits := DefaultOptions().Limits
		limits.LoginsPerAddress = AddressLimit{Most: 1}
		if err := m.SetLimits(limits); err != nil {
			t.Fatal(err)
		}
		c := m.adopt()
		c.server, c.from = m.Server, addressFrom(netip.MustParseAddr("203.0.113.9"))
		admits := func(brings bool) (n int) {
			for n < 1000 && c.Admit(brings) {
				n++
			}
			return n
		}
		if n := admits(false); n != loginBurst {
			t.Errorf("%d ordinary logins came at once, want %d", n, loginBurst)
		}
		if n := admits(true); n != 1000 {
			t.Errorf("%d logins with a secret came just after the start, want as many as were tried", n)
		}
		time.Sleep(recallTime)
		if n := admits(true); n != loginBurst {
			t.Errorf("%d logins with a secret came later, want %d", n, loginBurst)
		}
		m.stop()
	})
}

// What is bounded by address elsewhere, such as the tokens that wait, counts by the same address as logins and connections.
func TestAnAddressIsTheSameForEveryBound(t *testing.T) {
	addresses := map[uint64]string{}
	for _, same := range [][]string{{"203.0.113.9", "::ffff:203.0.113.9", "64:ff9b::203.0.113.9"}, {"2001:db8:1:2::1", "2001:db8:1:2:ffff::2"}, {"2001:db8:1:3::1"}} {
		for _, text := range same {
			c := &conn{from: addressFrom(netip.MustParseAddr(text))}
			first, known := addresses[c.Address()]
			if known != (text != same[0]) || known && first != same[0] {
				t.Errorf("%s has the address of %s", text, first)
			}
			if !known {
				addresses[c.Address()] = text
			}
		}
	}
}

// comeFrom is come for a client from an address.
func (p *places) comeFrom(done *[]string, name string, from address) *place {
	if room := p.makeRoom(nil, from, 0); room != roomFree {
		*done = append(*done, fmt.Sprint("refused ", name, " ", room))
		return nil
	}
	p.enter(from)
	return p.await(standIn{name: name, done: done}, from)
}

func TestAnAddressMakesRoomForItselfAlone(t *testing.T) {
	p := newPlaces(new(lockedBuffer), 100, 100)
	p.setLimits(Limits{MaxConnections: 100, ConnectionsPerAddress: AddressLimit{Most: 2}})
	public, other, private := addressFrom(netip.MustParseAddr("203.0.113.9")), addressFrom(netip.MustParseAddr("203.0.113.8")), addressFrom(netip.MustParseAddr("10.0.0.1"))
	var done []string
	other1 := p.comeFrom(&done, "other 1", other)
	a := p.comeFrom(&done, "a", public)
	p.release(a) // it logs in
	b := p.comeFrom(&done, "b", public)
	for i := range 4 {
		p.comeFrom(&done, fmt.Sprint("private ", i), private)
		p.comeFrom(&done, fmt.Sprint("unknown ", i), unknown)
	}
	c := p.comeFrom(&done, "c", public) // b goes
	p.release(c)
	if got := p.look(nil, public); got != roomCrowded {
		t.Errorf("with two logins the room is %d", got)
	}
	p.comeFrom(&done, "d", public)
	p.leave(public) // c leaves
	if got := p.look(nil, public); got != roomFree {
		t.Errorf("with one login the room is %d", got)
	}
	d := p.comeFrom(&done, "d again", public)
	want := []string{"away b", fmt.Sprint("refused d ", roomCrowded)}
	if !slices.Equal(done, want) {
		t.Errorf("the clients were treated so: %q, want %q", done, want)
	}
	if c := p.crowds[public]; c.taken != 3 || c.leaving != 1 || c.waiting.Len() != 1 {
		t.Errorf("the crowd is %+v", c)
	}
	p.leave(public) // a leaves
	for from, at := range map[address][]*place{public: {b, d}, other: {other1}} {
		for _, at := range at {
			p.release(at)
			p.leave(from)
		}
	}
	if len(p.crowds) != 1 {
		t.Errorf("%d crowds are left, want the private one", len(p.crowds))
	}
}

func TestAVisitorCountsForTheAddressThatItIsFoundToHave(t *testing.T) {
	p := newPlaces(new(lockedBuffer), 100, 100)
	near, _ := loopback(t)
	at := p.visit(near, unknown)
	if len(p.crowds) != 0 {
		t.Errorf("there are crowds: %v", p.crowds)
	}
	p.locate(near, 7)
	if c := p.crowds[7]; c.taken != 1 || c.waiting.Len() != 1 || at.from != 7 {
		t.Errorf("the crowd is %+v", c)
	}
	p.settle(near)
	if c := p.crowds[7]; c.taken != 1 || c.waiting != nil {
		t.Errorf("with a login the crowd is %+v", c)
	}
	p.visited(near)
	if p.crowds != nil || p.taken != 0 {
		t.Errorf("there are crowds at the end: %v", p.crowds)
	}
}

// Connections from many addresses leave nothing behind.
func TestTheAddressesOfConnectionsAreForgottenWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulate(t)
		var all []*looped
		for i := range 1000 {
			from := address(1)<<61 + address(i/2)
			m.connections.enter(from)
			c := m.adopt()
			m.openLooped(c, from, entry{key: sampleKey}, nil)
			m.opening.run()
			if i%2 == 0 {
				c.Receive(rawws.Message(`{"type":"login","login":"`+fmt.Sprint(i)+`"}`), time.Now())
				m.opening.run()
			}
			all = append(all, c)
		}
		if n := len(m.connections.places.crowds); n != 500 {
			t.Errorf("there are %d crowds, want 500", n)
		}
		for _, c := range all {
			m.close(c)
		}
		if m.connections.places.crowds != nil {
			t.Errorf("%d crowds are left", len(m.connections.places.crowds))
		}
		m.stop()
	})
}
