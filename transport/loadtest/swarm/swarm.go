// Package swarm opens very many WebSocket client connections (RFC 6455) from one process, to generate load.
//
// A [Swarm] has a few loops. Each connection belongs to one of them. A loop does one thing at a time: it calls the handlers
// of its connections, [Options.Tick], or a function that was given to [Loop.Do]. So data that belongs to one loop needs no
// lock.
//
// On Linux, a loop over plain TCP is one goroutine with an epoll instance. An idle connection costs a few hundred bytes
// there. On other systems, and over TLS, each connection has a goroutine that reads.
package swarm

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"p2p-messaging/transport/internal/frame"
)

// Handler handles the events of a connection. The connection's loop calls its methods. They must not block.
type Handler interface {
	// Opened is called when the handshake is done.
	Opened(c *Conn)
	// Text is called with a whole text message. The text is valid only during the call. It may be invalid UTF-8.
	Text(c *Conn, text []byte)
	// Closed is called when the connection has ended or could not be made. It is called exactly once for each [Loop.Dial].
	//
	// The error is a [*CloseError], a [*HandshakeError], a [*ProtocolError], [ErrTimeout], [ErrStopped] or an error of the
	// network. It is io.ErrUnexpectedEOF if the connection ended without a close frame. It is nil if [Conn.Close] or
	// [Conn.Abort] asked for the end, unless the service did not answer in time or gave another reason.
	Closed(c *Conn, err error)
}

// Targeted is a [Handler] whose connection requests another target than that of [Options.URL].
type Targeted interface {
	// Target returns the request target: a path, perhaps with a query. An empty one is that of [Options.URL].
	Target() string
}

// Never is a time that never comes.
const Never time.Duration = math.MaxInt64

// Options configures a [Swarm].
type Options struct {
	// URL is the address of the service, ws: or wss:.
	URL string
	// TLS is the configuration for a wss: URL. Nil means the default configuration.
	TLS *tls.Config
	// Sources are the local addresses to connect from. The connections use them in turn. If there are none, the operating
	// system chooses. One address can have a few ten thousand connections to one service. Then its ports are used up.
	Sources []netip.Addr
	// Loops is the number of loops. If it is 0, there is one for each processor that Go uses.
	Loops int
	// Prepare is called by New with all loops, before anything happens on them. It may be nil.
	Prepare func(loops []*Loop)
	// Tick is called on each loop after anything has happened on it. It returns the time at which it wants to be called
	// again if nothing happens before, on the clock of [Swarm.Now]. If it returns [Never], it waits for the next event. It
	// may be nil.
	Tick func(l *Loop) (next time.Duration)
	// Flushed is called on a loop after it has written the bytes that were sent, as far as the operating system takes them.
	// Without epoll, a goroutine may still be writing them. It may be nil.
	Flushed func(l *Loop)
	// HandshakeTimeout bounds the time from Dial to Opened. If it is 0, it is 30 s.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds how long Close waits for the service. If it is 0, it is 5 s.
	CloseTimeout time.Duration
	// SendLimit is how many bytes may wait on a connection before [Conn.Send] refuses more. If it is 0, it is 256 KiB.
	SendLimit int
	// MessageLimit is how many bytes a received message may have. If it is 0, it is 1 MiB.
	MessageLimit int

	// goroutines selects the implementation without epoll.
	goroutines bool
}

// A Swarm is a set of client connections to one service.
type Swarm struct {
	options Options
	loops   []*Loop
	began   time.Time
	address netip.AddrPort // of the service
	secure  *tls.Config    // nil for ws
	rules   frame.Rules    // for the frames that the service sends
	host    string         // the Host header
	path    string         // the request target
	running sync.WaitGroup
}

// New resolves the address of the service and starts the loops. If the name of the service has several addresses, New
// connects once to find one that answers. Otherwise it does not connect. The caller must call [Swarm.Stop] in the end.
func New(ctx context.Context, o Options) (*Swarm, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the URL: %w", err)
	}
	s := &Swarm{options: o, began: time.Now(), host: withoutZone(u.Host), path: u.RequestURI()}
	port := u.Port()
	switch strings.ToLower(u.Scheme) {
	case "ws":
		if port == "" {
			port = "80"
		}
	case "wss":
		if port == "" {
			port = "443"
		}
		s.secure = &tls.Config{}
		if o.TLS != nil {
			s.secure = o.TLS.Clone()
		}
		if s.secure.ServerName == "" {
			s.secure.ServerName = withoutZone(u.Hostname())
		}
	default:
		return nil, fmt.Errorf("the URL %q is not one of a WebSocket: it must begin with ws:// or wss://", u.Redacted())
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("the URL %q names no host", u.Redacted())
	}
	if s.address, err = resolve(ctx, u.Hostname(), port); err != nil {
		return nil, err
	}
	s.complete()
	for i := range s.options.Loops {
		l := &Loop{swarm: s, index: i, seed: randomSeed()}
		if err := s.drive(l); err != nil {
			s.options.Tick, s.options.Flushed = nil, nil // they may rely on Prepare, which was not called
			s.start()
			s.Stop()
			return nil, fmt.Errorf("start a loop: %w", err)
		}
		s.loops = append(s.loops, l)
	}
	if o.Prepare != nil {
		o.Prepare(s.loops)
	}
	s.start()
	return s, nil
}

func (s *Swarm) start() {
	for _, l := range s.loops {
		s.running.Go(l.run)
	}
}

// drive sets the driver of l.
func (s *Swarm) drive(l *Loop) error {
	if s.secure != nil || s.options.goroutines {
		l.driver = newBlocking(l)
		return nil
	}
	var err error
	l.driver, err = newDriver(l)
	return err
}

// complete sets the defaults of the options and the rules for frames.
func (s *Swarm) complete() {
	o := &s.options
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = 30 * time.Second
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.SendLimit <= 0 {
		o.SendLimit = 256 << 10
	}
	if o.MessageLimit <= 0 {
		o.MessageLimit = 1 << 20
	}
	s.rules = frame.Rules{MaxMessage: o.MessageLimit}
}

// resolve returns the address of the service. If the name has several addresses, it returns one that accepted a connection.
func resolve(ctx context.Context, host, port string) (netip.AddrPort, error) {
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look the service's port up: %w", err)
	}
	if address, err := netip.ParseAddr(host); err == nil { // LookupNetIP would drop its zone
		if zone := address.Zone(); zone != "" {
			if _, err := net.InterfaceByName(zone); err != nil {
				return netip.AddrPort{}, fmt.Errorf("look the network interface %s up: %w", zone, err)
			}
		}
		return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look the service up: %w", err)
	}
	if len(addresses) == 1 {
		return netip.AddrPortFrom(addresses[0].Unmap(), uint16(number)), nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer conn.Close()
	found := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(found.Addr().Unmap(), found.Port()), nil
}

// withoutZone removes the zone from an IPv6 address, with or without brackets and a port. It only means something on this machine.
func withoutZone(host string) string {
	before, rest, _ := strings.Cut(host, "%")
	if _, port, ok := strings.Cut(rest, "]"); ok {
		return before + "]" + port
	}
	return before
}

// Address returns the service's address.
func (s *Swarm) Address() netip.AddrPort { return s.address }

// Loops returns the loops, at least one.
func (s *Swarm) Loops() []*Loop { return s.loops }

// Now returns the time since New was called. It is the clock of the Swarm, and never goes back.
func (s *Swarm) Now() time.Duration { return time.Since(s.began) }

// Stop ends all connections at once, without a close handshake, and then the loops. When it returns, every handler has
// heard of the end of its connection, and no loop calls anything any more. Stop must not be called on a loop.
func (s *Swarm) Stop() {
	for _, l := range s.loops {
		l.Do(func() { l.stopping = true })
	}
	s.running.Wait()
}
