package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"
)

// at is the address of a server.
func at(u *stun.URI) string { return net.JoinHostPort(u.Host, strconv.Itoa(u.Port)) }

// packets is a connected UDP socket as a net.PacketConn. A connected one is told that a port is closed (ICMP).
type packets struct{ net.Conn }

func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	return n, p.RemoteAddr(), err
}

func (p *packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }

// watchedSocket tells of the first failure.
type watchedSocket struct {
	net.PacketConn
	failed context.CancelCauseFunc
}

func (s *watchedSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(b)
	if err != nil {
		s.failed(err)
	}
	return n, from, err
}

// stunClient is a client of a STUN or TURN server that owns its socket.
type stunClient struct {
	*pion.Client
	socket net.PacketConn
	cancel context.CancelCauseFunc
}

func (c *stunClient) Close() {
	c.cancel(net.ErrClosed)
	c.Client.Close()
	_ = c.socket.Close() // nothing is written any more
}

// within waits for ask until ctx ends. The error is then the cause of that end.
func within(ctx context.Context, ask func() (net.Addr, error)) (net.Addr, error) {
	type answer struct {
		address net.Addr
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		address, err := ask()
		answers <- answer{address, err}
	}()
	select {
	case a := <-answers:
		return a.address, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// bridge is a TCP port of this machine that leads to a server over TLS. Peers connect to the port, so that the probe alone decides which
// certificates it trusts.
type bridge struct {
	listener net.Listener
	ending   sync.WaitGroup

	mu    sync.Mutex
	ended bool
	open  []net.Conn
}

func (p *prober) bridge(ctx context.Context, u *stun.URI) (*bridge, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bridge{listener: listener}
	b.ending.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			b.ending.Go(func() {
				defer near.Close()
				far, err := p.dialTLS(ctx, u)
				if err != nil {
					return // the call does not come about
				}
				defer far.Close()
				if b.keep(near, far) {
					b.carry(near, far)
				}
			})
		}
	})
	return b, nil
}

func (p *prober) dialTLS(ctx context.Context, u *stun.URI) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at(u))
	if err != nil {
		return nil, err
	}
	conn, _, err = p.secure(ctx, conn, u.Host)
	return conn, err
}

// keep notes connections that are closed with the bridge. It returns false if the bridge is closed already.
func (b *bridge) keep(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, conns...)
	return !b.ended
}

// carry returns when either side has ended.
func (b *bridge) carry(near, far net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, err := io.Copy(way[0], way[1])
			_ = errors.Join(err, near.Close(), far.Close()) // the end of one is the end of both
		})
	}
	both.Wait()
}

// url is that of the port.
func (b *bridge) url() string {
	return "turn:" + b.listener.Addr().String() + "?transport=tcp"
}

// close ends all connections.
func (b *bridge) close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.ended = true
	for _, c := range b.open {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.ending.Wait()
}
