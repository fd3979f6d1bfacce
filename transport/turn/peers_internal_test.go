package turn

import (
	"net/netip"
	"testing"
)

func TestAllocationsSendOnlyToTheInternet(t *testing.T) {
	own := map[netip.Addr]bool{netip.MustParseAddr("9.9.9.1"): true, netip.MustParseAddr("2620:fe::1"): true}
	p := peers{refused: refused(), own: func(a netip.Addr) bool { return own[a] }}
	for _, address := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"100.64.0.1", "100.127.255.255", "169.254.1.1", "169.254.169.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.5",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"9.9.9.1", "2620:fe::1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1", "64:ff9b:1::1", "2001:10::1", "5f00::1",
		// IPv4 addresses that are written as IPv6.
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:9.9.9.1", "::ffff:0:127.0.0.1",
		"::127.0.0.1", "::10.1.2.3", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::9.9.9.1",
		"2002:7f00:1::1", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:909:901::1",
		"2001:0:4136:e378:8000:63bf:80ff:fffe", // Teredo, 127.0.0.1
		"2001:0:4136:e378:8000:63bf:f5ff:fffe", // Teredo, 10.0.0.1
		"2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1", "fe80::5efe:8.8.8.8",
		// Two of them in one address.
		"2002:808:808::5efe:127.0.0.1", "2002:808:808:1:200:5efe:10.0.0.1", "2002:7f00:1::5efe:8.8.8.8", "2002:808:808::5efe:9.9.9.1",
		// Azure's services for the machine.
		"168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::168.63.129.16", "100.100.100.200",
	} {
		if p.permits(netip.MustParseAddr(address)) {
			t.Errorf("an allocation may send to %s", address)
		}
	}
	if p.permits(netip.Addr{}) {
		t.Error("an allocation may send to no address")
	}
	for _, address := range []string{
		"8.8.8.8", "1.1.1.1", "9.9.9.2", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "169.253.0.1", "198.17.0.1", "223.255.255.255",
		"2a00:1450:4001:800::200e", "2620:fe::2", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2a00:1450::5efe:8.8.8.8", "2002:808:808::5efe:8.8.4.4", "168.63.129.17",
	} {
		if !p.permits(netip.MustParseAddr(address)) {
			t.Errorf("no allocation may send to %s", address)
		}
	}
	p.allowed = []netip.Prefix{netip.MustParsePrefix("2001::/32")} // of Teredo, whose server and client must be permitted, too
	for address, want := range map[string]bool{
		"2001:0:4136:e378:8000:63bf:f7f7:f7f7": true, "2001:0:a00:1:8000:63bf:f7f7:f7f7": false, "2001:0:4136:e378:8000:63bf:f5ff:fffe": false,
		"2001:0:4136:e378:0:5efe:f7f7:f7f7": false, // of ISATAP, 247.247.247.247
	} {
		if got := p.permits(netip.MustParseAddr(address)); got != want {
			t.Errorf("where Teredo is allowed, %s is permitted: %v", address, got)
		}
	}
	p.allowed = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64")}
	for address, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "2002:a01:203::1": true, "fd00::7": true, "fd00:0:0:1::7": false, "127.0.0.1": false,
	} {
		if got := p.permits(netip.MustParseAddr(address)); got != want {
			t.Errorf("where 10.1.0.0/16 and fd00::/64 are allowed, %s is permitted: %v", address, got)
		}
	}
}

func FuzzNoSpellingOfALoopbackAddressIsPermitted(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("64:ff9b::127.0.0.1").AsSlice())
	f.Add(netip.MustParseAddr("2002:7f00:1::1").AsSlice())
	p := peers{refused: refused(), own: func(netip.Addr) bool { return false }}
	f.Fuzz(func(t *testing.T, b []byte) {
		address, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		if unmapped := address.Unmap(); p.permits(address) && (unmapped.IsLoopback() || unmapped.IsPrivate() || unmapped.IsLinkLocalUnicast() || unmapped.IsMulticast() || unmapped.IsUnspecified()) {
			t.Errorf("%s is permitted", address)
		}
		for _, inside := range embedded(address) {
			if inside.IsValid() && p.permits(address) && !p.permits(inside) {
				t.Errorf("%s is permitted, and %s in it is not", address, inside)
			}
		}
	})
}
