package options

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/turn"
)

// iceURL is the URL of a STUN or TURN server (RFC 7064 and RFC 7065).
var iceURL = regexp.MustCompile(`^(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*\.?)(:[0-9]{1,5})?(\?transport=(udp|tcp))?$`)

// ports is a range of ports on the command line.
type ports struct{ low, high uint16 }

func (p *ports) UnmarshalText(text []byte) error {
	first, last, _ := strings.Cut(string(text), "-")
	low, err := strconv.ParseUint(first, 10, 16)
	high, errHigh := strconv.ParseUint(last, 10, 16)
	if err != nil || errHigh != nil || low == 0 || low > high {
		return fmt.Errorf("%q is no range of ports: give it as in 49152-65535", text)
	}
	*p = ports{uint16(low), uint16(high)}
	return nil
}

func (p ports) String() string { return fmt.Sprintf("%d-%d", p.low, p.high) }

// checkICE finds options of STUN and TURN that can never work.
func (f *Flags) checkICE() error {
	if err := f.checkTurn(); err != nil {
		return err
	}
	for _, server := range f.IceServer {
		parts := iceURL.FindStringSubmatch(server)
		port := 1
		if parts != nil && parts[3] != "" {
			port, _ = strconv.Atoi(parts[3][1:])
		}
		switch {
		case parts == nil, port == 0, port > 65535, !isHost(parts[2]):
			return usage("--ice-server: %q is no STUN or TURN server: write it as in stun:stun.example.org:3478 or turns:turn.example.org:443?transport=tcp", server)
		case parts[4] != "" && strings.HasPrefix(parts[1], "stun"):
			return usage("--ice-server: %q has a transport, and STUN URLs have none: write %s", server, strings.TrimSuffix(server, parts[4]))
		case strings.HasPrefix(parts[1], "turn") && f.IceServerSecret == "":
			return usage("--ice-server: browsers take %s only with credentials: give --ice-server-secret", server)
		}
	}
	switch {
	case f.IceServerSecret != "" && len(f.IceServer) == 0:
		return usage("--ice-server-secret is for the servers of --ice-server: give one")
	case f.IceServerSecret != "" && !f.hasICEServer("turn"):
		return usage("--ice-server-secret is for TURN servers, and --ice-server names none: give one, or leave out the secret")
	}
	return nil
}

// hasICEServer reports whether the URL of a server of --ice-server begins with a prefix.
func (f *Flags) hasICEServer(prefix string) bool {
	return slices.ContainsFunc(f.IceServer, func(server string) bool { return strings.HasPrefix(server, prefix) })
}

// isHost reports whether an address in brackets is one of IPv6. Names are.
func isHost(host string) bool {
	inside, isAddress := strings.CutPrefix(host, "[")
	address, _ := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
	return !isAddress || address.Is6()
}

// checkTurn finds options of the TURN server that can never work, or do nothing because there is no such server.
func (f *Flags) checkTurn() error {
	if len(f.TurnPublicIP) > 0 {
		_, err := f.turnOptions(nil)
		return err
	}
	if f.TurnSecret != "" {
		return usage("--turn-secret is for the TURN server of this service: give --turn-public-ip, too, or --ice-server-secret for somebody else's")
	}
	defaults := turn.DefaultOptions()
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"--turn-listen", f.TurnListen != defaults.Listen},
		{"--turn-ports", f.TurnPorts != ports{defaults.MinPort, defaults.MaxPort}},
		{"--turn-allow-peer", len(f.TurnAllowPeer) > 0},
		{"--turn-allocations", f.TurnAllocations != defaults.Allocations},
		{"--turn-allocations-per-login", f.TurnAllocationsPerLogin != defaults.AllocationsPerLogin},
		{"--turn-rate", int(f.TurnRate) != defaults.Rate},
		{"--turn-rate-per-login", int(f.TurnRatePerLogin) != defaults.RatePerLogin},
	} {
		if flag.given {
			return usage("%s is for the TURN server of this service: give --turn-public-ip, too", flag.name)
		}
	}
	return nil
}

// turnOptions returns the options of the TURN server.
func (f *Flags) turnOptions(logger *slog.Logger) (turn.Options, error) {
	o := turn.DefaultOptions()
	for _, text := range f.TurnPublicIP {
		address, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(text), "[]"))
		switch {
		case err != nil:
			return o, usage("--turn-public-ip: %q is no IP address: give the one by which the internet reaches this machine", text)
		case address.IsUnspecified() || address.IsMulticast() || address.Zone() != "" || address.Is4In6():
			return o, usage("--turn-public-ip: nobody can reach %s: give the address by which the internet reaches this machine", address)
		case len(o.Public) > 0 && o.Public[0].Is4() == address.Is4() || len(o.Public) == 2:
			return o, usage("--turn-public-ip: give one address of IPv4 and one of IPv6 at most")
		}
		o.Public = append(o.Public, address)
	}
	if _, at, err := net.SplitHostPort(f.TurnListen); err != nil || new(port).UnmarshalText([]byte(at)) != nil {
		return o, usage("--turn-listen: %q is no address with a port: write it as in :3478 or 192.0.2.1:3478", f.TurnListen)
	}
	for _, text := range f.TurnAllowPeer {
		network, err := parseNetwork(text)
		if err != nil {
			return o, usage("--turn-allow-peer: %q is no network: write it as in 10.0.0.0/8", text)
		}
		o.AllowPeers = append(o.AllowPeers, network)
	}
	if f.TurnAllocations < 0 || f.TurnAllocationsPerLogin < 0 {
		return o, usage("--turn-allocations and --turn-allocations-per-login cannot be negative: give 0 for no limit")
	}
	o.Listen, o.MinPort, o.MaxPort, o.Logger = f.TurnListen, f.TurnPorts.low, f.TurnPorts.high, logger
	o.Allocations, o.AllocationsPerLogin = f.TurnAllocations, f.TurnAllocationsPerLogin
	o.Rate, o.RatePerLogin = int(f.TurnRate), int(f.TurnRatePerLogin)
	if o.Secret = []byte(f.TurnSecret); f.TurnSecret == "" {
		o.Secret = []byte(rand.Text())
	}
	return o, nil
}

// ICE starts the TURN server, if there is to be one, and returns the ICE servers that clients get. Both are nil if there are none. Names are
// those of the service's certificates, without wildcards. The error says what the operator can do.
func (f *Flags) ICE(logger *slog.Logger, names []string) (*turn.Server, func(login string) []messages.ICEServer, error) {
	elsewhere := turn.Servers{URLs: f.IceServer, Secret: []byte(f.IceServerSecret)}
	if len(f.TurnPublicIP) == 0 {
		if len(f.IceServer) == 0 {
			return nil, nil, nil
		}
		return nil, func(login string) []messages.ICEServer { return elsewhere.For(login, time.Now()) }, nil
	}
	o, err := f.turnOptions(logger)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if f.port() != 0 {
			o.TLS = append(o.TLS, fmt.Sprintf("turns:%s?transport=tcp", net.JoinHostPort(name, strconv.Itoa(f.port()))))
		}
	}
	if f.TLSCert != "" && len(names) == 0 && !f.hasICEServer("turns:") {
		logger.Warn("TURN over TLS is not offered, because the certificate names no host but wildcards: give the service's own name with " +
			"--ice-server turns:NAME:443?transport=tcp, and the same secret with --turn-secret and --ice-server-secret")
	}
	server, err := turn.Start(o)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, nil, fmt.Errorf("the TURN address %s is in use: stop what listens there, or choose another one with --turn-listen", f.TurnListen)
	case errors.Is(err, syscall.EACCES):
		return nil, nil, fmt.Errorf("this user may not listen on the TURN address %s: choose a port above 1023 with --turn-listen", f.TurnListen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, nil, usage("--turn-listen: %s is no address of this machine", f.TurnListen)
	case err != nil:
		return nil, nil, fmt.Errorf("starting TURN: %w", err)
	}
	return server, func(login string) []messages.ICEServer {
		return append(server.ICEServers(login), elsewhere.For(login, time.Now())...)
	}, nil
}
