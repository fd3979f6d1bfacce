package options

import (
	"net/netip"
	"strings"
)

// trustedProxies returns the networks of --trusted-proxy.
func (f *Flags) trustedProxies() (networks []netip.Prefix, err error) {
	for _, text := range f.TrustedProxy {
		network, err := parseNetwork(text)
		switch {
		case strings.TrimSpace(text) == "":
			return nil, usage("--trusted-proxy: an address is empty: leave out the comma, or write one such as 127.0.0.1 or 10.0.0.0/8")
		case err != nil:
			return nil, usage("--trusted-proxy: %q is no address or network: write it as in 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32", text)
		case network.Bits() == 0:
			return nil, usage("--trusted-proxy: %s is everybody, and anybody could claim any address: give the addresses of your proxies", text)
		case network.Addr().IsUnspecified() && network.IsSingleIP(), network.Addr().IsMulticast():
			return nil, usage("--trusted-proxy: no connection comes from %s: give the addresses of your proxies", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// parseNetwork returns the network that a prefix or an address stands for. IPv4 networks may be written as IPv6.
func parseNetwork(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	network, err := netip.ParsePrefix(text)
	if address, errAddress := netip.ParseAddr(strings.Trim(text, "[]")); errAddress == nil {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if address := network.Addr(); address.Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(address.Unmap(), network.Bits()-96)
	}
	return network.Masked(), err
}
