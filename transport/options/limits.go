package options

import "p2p-messaging/transport"

// checkLimits finds limits that cannot be used, or do nothing.
func (f *Flags) checkLimits() error {
	if f.Rate == 0 && f.ByteRate != 0 && int(f.ByteRate) != transport.DefaultOptions().ByteRate {
		return usage("--byte-rate has no effect with --rate 0, which takes both limits away: give a --rate, too")
	}
	limits := f.limits()
	if err := limits.Check(); err != nil {
		return named(err)
	}
	return nil
}

// limits returns the limits of the server.
func (f *Flags) limits() transport.Limits {
	defaults := transport.DefaultOptions()
	return transport.Limits{
		Rate:           f.Rate,
		Burst:          f.Burst,
		ByteRate:       int(f.ByteRate),
		MaxConnections: f.MaxConnections,
		LoginTimeout:   f.LoginTimeout,

		ConnectionsPerAddress: perAddress(f.ConnectionsPerAddress, defaults.ConnectionsPerAddress),
		LoginsPerAddress:      perAddress(f.LoginsPerAddress, defaults.LoginsPerAddress),
	}
}

// perAddress returns the limit that a flag gives. A limit that is given holds for all addresses.
func perAddress(given *int, otherwise transport.AddressLimit) transport.AddressLimit {
	if given == nil {
		return otherwise
	}
	return transport.AddressLimit{Most: *given, Private: true}
}
