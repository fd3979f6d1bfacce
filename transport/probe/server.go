package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"
)

// addressError means that a relay gives out an address at which nobody reaches it.
type addressError struct{ relayed, reached netip.Addr }

func (e *addressError) Error() string {
	return fmt.Sprintf("the relayed address is %s, the server was reached at %s, and nothing gets to the relayed one", e.relayed, e.reached)
}

// credentialsError means that a server refuses the credentials of a login that was just made.
type credentialsError struct {
	username string
	err      error
}

func (e *credentialsError) Error() string {
	return "the fresh credentials are refused: " + e.err.Error()
}

func (e *credentialsError) Unwrap() error { return e.err }

// serverError is a failure with a STUN or TURN server.
type serverError struct {
	url *stun.URI
	err error
}

func (e *serverError) Error() string { return e.url.String() + ": " + e.err.Error() }

func (e *serverError) Unwrap() error { return e.err }

// serverReflexive asks a STUN server for the own address, and makes a call by that.
func (p *prober) serverReflexive(ctx context.Context, pair [2]*session, u *stun.URI) {
	var mapped netip.Addr
	if u.Scheme == stun.SchemeTypeSTUNS {
		p.add(Step{Way: "STUN", Name: "binding", OK: true, Detail: u.String() + " is not tried: browsers do not use it"})
		return
	}
	err := p.step(ctx, "STUN", "binding", func(ctx context.Context) (string, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "udp", at(u))
		if err != nil {
			return "", &serverError{u, err}
		}
		c, ctx, err := newClient(ctx, &packets{Conn: conn}, conn.RemoteAddr(), iceServer{})
		if err != nil {
			return "", &serverError{u, err}
		}
		defer c.Close()
		address, err := within(ctx, c.SendBindingRequest)
		if err != nil {
			return "", &serverError{u, err}
		}
		mapped = addressOf(address)
		return u.String() + " sees " + mapped.String(), nil
	})
	if err != nil {
		return
	}
	servers := []webrtc.ICEServer{{URLs: []string{u.String()}}}
	w := way{name: "STUN", only: webrtc.ICECandidateTypeSrflx, servers: [2][]webrtc.ICEServer{servers, servers}}
	p.try(ctx, pair, w, func() (string, bool) {
		if isOwn(mapped) {
			return "", false
		}
		return "not known: the NAT here does not let two of its own reach each other by their outer address", true
	})
}

// isOwn reports whether an interface of this machine has the address.
func isOwn(address netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == address {
			return true
		}
	}
	return false
}

// allocation makes an allocation at a TURN server, and looks whether the relayed address is right.
func (p *prober) allocation(ctx context.Context, name string, u *stun.URI, who iceServer) error {
	var conn net.Conn
	network := "udp"
	if u.Proto == stun.ProtoTypeTCP {
		network = "tcp"
	}
	connect := func(ctx context.Context) (detail string, err error) {
		if conn, err = new(net.Dialer).DialContext(ctx, network, at(u)); err != nil {
			return u.String(), &serverError{u, err}
		}
		return conn.RemoteAddr().String(), nil
	}
	if network == "udp" {
		if err := quietly(ctx, "", "", connect); err != nil {
			return p.step(ctx, name, "allocate", func(context.Context) (string, error) { return u.String(), err })
		}
	} else if err := p.step(ctx, name, "connect", connect); err != nil {
		return err
	}
	reached := addressOf(conn.RemoteAddr())
	if u.Scheme == stun.SchemeTypeTURNS {
		err := p.step(ctx, name, "TLS", func(ctx context.Context) (detail string, err error) {
			if conn, detail, err = p.secure(ctx, conn, u.Host); err != nil {
				return u.String(), &serverError{u, err}
			}
			return detail, nil
		})
		if err != nil {
			return err
		}
	}
	return p.step(ctx, name, "allocate", func(ctx context.Context) (string, error) {
		var socket net.PacketConn = &packets{Conn: conn}
		if network == "tcp" {
			socket = pion.NewSTUNConn(conn)
		}
		c, ctx, err := newClient(ctx, socket, conn.RemoteAddr(), who)
		if err != nil {
			return u.String(), &serverError{u, err}
		}
		defer c.Close()
		relay, err := c.AllocateWithContext(ctx)
		if err != nil {
			return u.String(), &serverError{u, refusal(ctx, who, err)}
		}
		defer relay.Close()
		relayed := addressOf(relay.LocalAddr())
		detail := fmt.Sprintf("%s relays at %s", u, relay.LocalAddr())
		if relayed != reached && !arrives(ctx, c, relay) {
			return detail, &addressError{relayed, reached}
		}
		return detail, nil
	})
}

// refusal returns the reason of a failed allocation.
func refusal(ctx context.Context, who iceServer, err error) error {
	if turn, ok := errors.AsType[*stun.TurnError](err); ok {
		if turn.ErrorCodeAttr.Code == stun.CodeUnauthorized {
			return &credentialsError{who.Username, err}
		}
		return err
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// arrivalPatience is how long a datagram may take to a relay.
const arrivalPatience = 2 * time.Second

// arrives reports whether a datagram from this machine gets to a relayed address.
func arrives(ctx context.Context, c *stunClient, relay net.PacketConn) bool {
	mapped, err := within(ctx, c.SendBindingRequest)
	if err != nil {
		return false
	}
	own := addressOf(mapped)
	if c.CreatePermission(net.UDPAddrFromAddrPort(netip.AddrPortFrom(own, 9))) != nil { // only the address counts
		return false
	}
	sender, err := net.Dial("udp", relay.LocalAddr().String())
	if err != nil {
		return false
	}
	defer sender.Close()
	if relay.SetReadDeadline(time.Now().Add(arrivalPatience)) != nil {
		return false
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			_, _ = sender.Write([]byte("probe")) // the reader notices
			select {
			case <-stop:
				return
			case <-time.After(arrivalPatience / 10):
			}
		}
	}()
	_, _, err = relay.ReadFrom(make([]byte, 64))
	return err == nil
}

// newClient returns a client that speaks with a server by socket, and owns it. The context that it returns ends when the socket fails.
func newClient(ctx context.Context, socket net.PacketConn, remote net.Addr, who iceServer) (*stunClient, context.Context, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := &watchedSocket{PacketConn: socket, failed: cancel}
	family := pion.RequestedAddressFamilyIPv4
	if addressOf(remote).Is6() {
		family = pion.RequestedAddressFamilyIPv6
	}
	c, err := pion.NewClient(&pion.ClientConfig{
		STUNServerAddr: remote.String(), TURNServerAddr: remote.String(), Conn: watched,
		Username: who.Username, Password: who.Credential, RequestedAddressFamily: family,
		LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err == nil {
		err = c.Listen()
	}
	if err != nil {
		cancel(err)
		return nil, nil, errors.Join(err, socket.Close())
	}
	return &stunClient{c, watched, cancel}, ctx, nil
}
