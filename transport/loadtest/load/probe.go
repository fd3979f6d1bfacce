package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

// ServiceError says that there is nothing to measure: no service at the URL, or one of another protocol. Reason is a
// sentence for people.
type ServiceError struct {
	Reason string
	Err    error // the cause; may be nil
}

func (e *ServiceError) Error() string { return e.Reason }

func (e *ServiceError) Unwrap() error { return e.Err }

// probeTimeout bounds the first conversation with a service.
const probeTimeout = 10 * time.Second

// Probe checks that a service at url speaks the protocol, by logging in. It returns the service's address. The error is
// a *[ServiceError].
func Probe(ctx context.Context, url string, run uint32) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	s, err := swarm.New(ctx, swarm.Options{URL: url, Loops: 1, HandshakeTimeout: probeTimeout})
	if err != nil {
		return netip.AddrPort{}, noService(url, err)
	}
	defer s.Stop()
	c := &probing{run: run, outcome: make(chan error, 1)}
	s.Loops()[0].Do(func() { s.Loops()[0].Dial(c) })
	select {
	case err = <-c.outcome:
	case <-ctx.Done():
		err = swarm.ErrTimeout
	}
	if err != nil {
		return netip.AddrPort{}, noService(url, err)
	}
	return s.Address(), nil
}

// errForeign means that the answer to a login is not one of the protocol.
var errForeign = errors.New("a login is answered with something else")

// refusedError means that the service refused a login.
type refusedError struct{ code string }

func (e *refusedError) Error() string { return "a login is refused (" + e.code + ")" }

// probing is a connection that logs in, and then closes.
type probing struct {
	run     uint32
	done    bool
	outcome chan error
}

func (c *probing) tell(err error) {
	if !c.done {
		c.done = true
		c.outcome <- err
	}
}

func (c *probing) Opened(conn *swarm.Conn) {
	_ = conn.Send(append(appendLogin([]byte(`{"type":"login","login":"`), c.run, 'p', 0, 0), `"}`...))
}

func (c *probing) Text(conn *swarm.Conn, text []byte) {
	r, ok := parseReply(text)
	switch {
	case !ok:
		c.tell(errForeign)
	case r.Type == "error" || !*r.Success:
		c.tell(&refusedError{r.code()})
	default:
		conn.Close()
		return
	}
	conn.Abort()
}

func (c *probing) Closed(_ *swarm.Conn, err error) { c.tell(err) }

// noService returns a *ServiceError with a sentence for the person who gave the address.
func noService(address string, err error) error {
	reason := err.Error()
	shake, isShake := errors.AsType[*swarm.HandshakeError](err)
	_, isProtocol := errors.AsType[*swarm.ProtocolError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isRefused := errors.AsType[*refusedError](err)
	_, isClose := errors.AsType[*swarm.CloseError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "nothing listens there: start the service, or give --url"
	case errors.Is(err, context.Canceled):
		reason = "interrupted"
	case isDNS:
		reason = "there is no host " + dns.Name + ": check --url"
	case isShake && shake.Status == 404:
		reason = "there is no WebSocket at that path (HTTP status 404): check --url"
	case isShake:
		reason = err.Error() + ": this is no service of this protocol, or not its path: check --url"
	case isProtocol, errors.Is(err, errForeign), isClose:
		reason = err.Error() + ": this is no service of this protocol"
	case isRefused:
		reason = err.Error() + ": the load test logs in without a token, as in the original protocol"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		reason = "it ended the connection: this is no service of this protocol"
	case errors.Is(err, swarm.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		reason = fmt.Sprintf("no answer within %v", probeTimeout)
	}
	return &ServiceError{Reason: fmt.Sprintf("no service to test at %s: %s", address, reason), Err: err}
}
