// Package turn is the service's own STUN and TURN server (RFC 8489, RFC 8656), and makes the credentials for it. Two people whose networks let
// no direct connection through are connected by the relays that it allocates. What is relayed is encrypted between the two browsers.
//
// pion/turn reads and writes the messages. This package decides who may allocate (credentials.go), how much is relayed, between which
// addresses (relay.go), and where an allocation may send at all (peers.go). It relays what goes through the channels of clients over UDP itself
// (channels.go), on Linux many datagrams with one system call (pump_linux.go).
package turn

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v5"

	"p2p-messaging/messages"
)

// realm is the realm of the credentials (RFC 8489, section 9.2).
const realm = "p2p-messaging"

// Options says how a [Server] behaves. [DefaultOptions] returns every default but the public addresses and the secret.
type Options struct {
	// Public has the addresses by which clients and peers reach this machine: at most one of IPv4 and one of IPv6.
	Public []netip.Addr
	// Listen is the address for UDP and TCP, such as ":3478".
	Listen string
	// MinPort and MaxPort bound the ports of relayed transport addresses.
	MinPort, MaxPort uint16
	// Secret is what credentials are made from.
	Secret []byte
	// AllowPeers lists networks to which allocations may send although they are not the internet, such as 10.0.0.0/8.
	AllowPeers []netip.Prefix
	// AllocationsPerLogin and Allocations bound how many allocations there are at once. 0 means no limit.
	AllocationsPerLogin, Allocations int
	// RatePerLogin and Rate bound what is relayed, in bytes a second, both directions together. What is over is dropped. 0 means no limit.
	RatePerLogin, Rate int
	// TLS lists the URLs by which clients reach the connections that are given to [Server.ServeConn], such as
	// "turns:chat.example.org:443?transport=tcp".
	TLS []string
	// Logger gets what goes wrong. Addresses and credentials are never logged.
	Logger *slog.Logger
}

// DefaultOptions returns the options of a server that nobody configured.
func DefaultOptions() Options {
	return Options{
		Listen:  ":3478",
		MinPort: 49152, // RFC 8656, section 7.2: the dynamic ports
		MaxPort: 65535,
		// A browser makes one allocation for each of its network interfaces and each way to the server.
		AllocationsPerLogin: 32,
		Allocations:         4096,
		RatePerLogin:        4 << 20,
	}
}

// Server is a STUN and TURN server that runs.
type Server struct {
	options Options
	relays  *relays
	server  *pion.Server
	streams *streams
	port    uint16
	close   sync.Once
}

// Start opens the sockets and serves. The error says what is wrong in a sentence.
func Start(o Options) (*Server, error) {
	s := &Server{options: o}
	if err := o.check(); err != nil {
		return nil, err
	}
	own, err := newOwnAddresses(o.Public)
	if err != nil {
		return nil, err
	}
	packets, stream, err := listen(o.Listen)
	if err != nil {
		return nil, err
	}
	socket, err := newSocket(packets)
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	s.relays = newRelays(&s.options, peers{allowed: o.AllowPeers, refused: refused(), own: own.contains}, socket)
	s.port = packets.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	s.streams = newStreams(stream)
	datagrams := newDatagrams(s.relays)
	s.server, err = pion.NewServer(pion.ServerConfig{
		Realm:             realm,
		AuthHandler:       authenticate(o.Secret, time.Now),
		LoggerFactory:     loggers{o.Logger},
		EventHandler:      s.events(datagrams),
		PacketConnConfigs: []pion.PacketConnConfig{{PacketConn: datagrams, RelayAddressGenerator: s.relays, PermissionHandler: s.relays.permits}},
		ListenerConfigs:   []pion.ListenerConfig{{Listener: s.streams, RelayAddressGenerator: s.relays, PermissionHandler: s.relays.permits}},
	})
	if err != nil {
		return nil, errors.Join(err, packets.Close(), stream.Close())
	}
	return s, nil
}

// events tells the streams which clients have an allocation, and the relays whose it is, which permissions and which channels there are.
func (s *Server) events(d *datagrams) pion.EventHandler {
	events := s.relays.events()
	events.OnAllocationCreated = func(client, server net.Addr, _, _, _ string, relayed net.Addr, _ int) {
		asked := &d.request
		if client.Network() != "udp" {
			one := s.streams.setAllocated(client, server, true)
			if one == nil {
				return // its stream has ended
			}
			asked = &one.request
		}
		s.relays.setClient(client, relayed, asked)
	}
	events.OnAllocationDeleted = func(client, server net.Addr, _, _, _ string) { s.streams.setAllocated(client, server, false) }
	return events
}

func (o *Options) check() error {
	if len(o.Public) == 0 || len(o.Public) > 2 || len(o.Public) == 2 && o.Public[0].Is4() == o.Public[1].Is4() {
		return errors.New("a TURN server needs one public address, or one of IPv4 and one of IPv6")
	}
	for _, address := range o.Public {
		if !address.IsValid() || address.IsUnspecified() || address.IsMulticast() || address.Zone() != "" || address.Is4In6() {
			return fmt.Errorf("%s is no public address", address)
		}
	}
	if o.MinPort == 0 || o.MinPort > o.MaxPort {
		return fmt.Errorf("%d to %d is no range of ports", o.MinPort, o.MaxPort)
	}
	if len(o.Secret) == 0 {
		return errors.New("a TURN server needs a secret")
	}
	return nil
}

// listen opens the sockets for UDP and TCP, at the same port.
func listen(address string) (*net.UDPConn, net.Listener, error) {
	packets, stream, err := listenOnce(address)
	// If the system chooses the port for UDP, somebody else may have it for TCP.
	for range attempts {
		if err == nil || !strings.HasSuffix(address, ":0") {
			break
		}
		packets, stream, err = listenOnce(address)
	}
	return packets, stream, err
}

func listenOnce(address string) (*net.UDPConn, net.Listener, error) {
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, nil, err
	}
	port := packets.LocalAddr().(*net.UDPAddr).Port
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		var stream net.Listener
		if stream, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			return packets.(*net.UDPConn), stream, nil
		}
	}
	return nil, nil, errors.Join(err, packets.Close())
}

// ServeConn serves a connection that somebody else has accepted, such as one over TLS. It returns at once, and closes the
// connection at its end. If the connection has a method Authenticated(), that is called when the client has an allocation.
func (s *Server) ServeConn(c net.Conn) { s.streams.serve(c) }

// STUN returns what takes the connections over TLS that the service has accepted, or nil if there is no server.
func (s *Server) STUN() func(net.Conn) {
	if s == nil {
		return nil
	}
	return s.ServeConn
}

// ICEServers returns how a client reaches the server, with credentials of its own.
func (s *Server) ICEServers(login string) []messages.ICEServer {
	return Servers{URLs: s.urls(), Secret: s.options.Secret}.For(login, time.Now())
}

func (s *Server) urls() []string {
	var stun, turn []string
	for _, address := range s.options.Public {
		at := netip.AddrPortFrom(address, s.port).String()
		stun = append(stun, "stun:"+at)
		turn = append(turn, "turn:"+at+"?transport=udp", "turn:"+at+"?transport=tcp")
	}
	return append(append(stun, turn...), s.options.TLS...)
}

// Close ends the server and all allocations. It may be called again, and without a server.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	err := net.ErrClosed
	s.close.Do(func() { err = s.server.Close() })
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// loggers passes the errors of pion/turn on to a logger, at debug level: clients cause them. What it logs below that names clients.
type loggers struct{ logger *slog.Logger }

func (l loggers) NewLogger(string) logging.LeveledLogger { return leveled(l) }

type leveled struct{ logger *slog.Logger }

func (leveled) Trace(string)          {}
func (leveled) Tracef(string, ...any) {}
func (leveled) Debug(string)          {}
func (leveled) Debugf(string, ...any) {}
func (leveled) Info(string)           {}
func (leveled) Infof(string, ...any)  {}
func (leveled) Warn(string)           {}
func (leveled) Warnf(string, ...any)  {}
func (l leveled) Error(said string)   { l.logger.Debug("TURN: " + said) }
func (l leveled) Errorf(format string, _ ...any) {
	l.logger.Debug("TURN: " + format) // the values are addresses and usernames
}
