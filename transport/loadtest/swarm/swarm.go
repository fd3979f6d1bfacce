// Package swarm opens very many WebSocket client connections (RFC 6455) from one process, for load generation.
//
// A [Swarm] has a few loops, and each connection belongs to one of them. Everything that concerns the connections of a
// loop happens one thing at a time: the calls of their handlers, [Options.Tick], and what was given to [Loop.Do]. So
// what belongs to one loop needs no locks. On Linux a loop over plain TCP is one goroutine with an epoll instance, and
// an idle connection costs a few hundred bytes; elsewhere, and over TLS, each connection has a goroutine that reads.
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

// Handler takes what happens on a connection. Its methods are called on the connection's loop and must not block.
type Handler interface {
	// Opened tells that the handshake is done.
	Opened(c *Conn)
	// Text brings a whole text message, which is valid during the call only. It is not checked to be UTF-8.
	Text(c *Conn, text []byte)
	// Closed tells that the connection has ended, or never came about. It is called exactly once for each [Loop.Dial].
	// The error is nil where [Conn.Close] or [Conn.Abort] asked for it; otherwise a [*CloseError], a
	// [*HandshakeError], a [*ProtocolError], [ErrTimeout], [ErrStopped], io.ErrUnexpectedEOF for an end without a close
	// frame, or what the network reports.
	Closed(c *Conn, err error)
}

// Targeted is a [Handler] whose connection asks for something else than what the URL names.
type Targeted interface {
	// Target returns the request target: a path, with a query perhaps.
	Target() string
}

// Never is a time that does not come.
const Never time.Duration = math.MaxInt64

// Options says where a [Swarm] connects to, and how.
type Options struct {
	// URL is the service's, ws or wss.
	URL string
	// TLS configures wss; nil stands for the defaults.
	TLS *tls.Config
	// Sources are the local addresses to connect from, in turn. None: the operating system chooses. One address can
	// connect to one service a few ten thousand times, until its ports are used up.
	Sources []netip.Addr
	// Loops is how many loops there are; 0: one for each processor that Go uses.
	Loops int
	// Prepare, where given, is called by New with all loops, before anything happens on them.
	Prepare func(loops []*Loop)
	// Tick, where given, is called on each loop after anything happened on it, and when the time comes that it
	// returned before, on the clock of [Swarm.Now]. [Never] waits for the next event.
	Tick func(l *Loop) (next time.Duration)
	// Flushed, where given, is called on a loop after what was sent on it since the last time went to the operating
	// system, or was found not to fit.
	Flushed func(l *Loop)
	// HandshakeTimeout bounds the time from Dial to Opened; 0: 30 s.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds how long Close waits for the other side; 0: 5 s.
	CloseTimeout time.Duration
	// SendLimit is how many bytes may wait on a connection before [Conn.Send] refuses; 0: 256 KiB.
	SendLimit int
	// MessageLimit is how long a message may be that comes in; 0: 1 MiB.
	MessageLimit int

	// goroutines chooses the implementation without epoll.
	goroutines bool
}

// A Swarm is a set of client connections to one service.
type Swarm struct {
	options Options
	loops   []*Loop
	began   time.Time
	address netip.AddrPort // of the service
	secure  *tls.Config    // nil for ws
	rules   frame.Rules    // for what the service sends
	host    string         // the Host header
	path    string         // the request target
	running sync.WaitGroup
}

// New resolves the service's address and starts the loops. It does not connect, unless the name stands for several
// addresses: then it finds out which of them answers. [Swarm.Stop] must be called in the end.
func New(ctx context.Context, o Options) (*Swarm, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the URL: %w", err)
	}
	s := &Swarm{options: o, began: time.Now(), host: u.Host, path: u.RequestURI()}
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
			s.secure.ServerName = u.Hostname()
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
			s.options.Tick, s.options.Flushed = nil, nil // they expect to be prepared for
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
		s.running.Go(l.driver.run)
	}
}

// drive gives l what it waits and transfers with.
func (s *Swarm) drive(l *Loop) error {
	if s.secure != nil || s.options.goroutines {
		l.driver = newBlocking(l)
		return nil
	}
	var err error
	l.driver, err = newDriver(l)
	return err
}

// complete fills in the defaults and what follows from the options.
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

// resolve returns an address of the service's. Where there are several, it is the first that takes a connection.
func resolve(ctx context.Context, host, port string) (netip.AddrPort, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look the service up: %w", err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look the service's port up: %w", err)
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

// Address returns the service's address.
func (s *Swarm) Address() netip.AddrPort { return s.address }

// Loops returns the loops, at least one.
func (s *Swarm) Loops() []*Loop { return s.loops }

// Now returns the time since the Swarm began, which is its clock. It never goes back.
func (s *Swarm) Now() time.Duration { return time.Since(s.began) }

// Stop ends all connections at once, without a close handshake, and the loops. When it returns, every handler has been
// told and nothing is called any more. It must not be called on a loop.
func (s *Swarm) Stop() {
	for _, l := range s.loops {
		l.Do(func() { l.stopping = true })
	}
	s.running.Wait()
}
