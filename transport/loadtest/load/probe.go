package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/loadtest/options"
	"p2p-messaging/transport/loadtest/swarm"
)

// ServiceError says that there is nothing to measure: no service at the URL, or one of another protocol. Reason is a
// sentence for people.
type ServiceError struct {
	Reason string
	Err    error // the cause; may be nil
}

func (e *ServiceError) Error() string { return e.Reason }

// ExitStatus is that of a wrong command line, because the URL is wrong.
func (e *ServiceError) ExitStatus() int { return arguments.StatusUsage }

func (e *ServiceError) Unwrap() error { return e.Err }

// probeTimeout bounds the first conversation with a service.
const probeTimeout = 10 * time.Second

// Found is what [Probe] learned of a service.
type Found struct {
	Address netip.AddrPort
	// StaysOpen says that the service did not end the TCP connection after a close frame, as RFC 6455, section 7.1.1, wants
	// it to.
	StaysOpen bool
}

// Probe checks that the service that o names speaks the protocol, by logging in. o must be resolved. The error is a *[ServiceError].
func Probe(ctx context.Context, o options.Options, run uint32, tokens Tokens) (Found, error) {
	outer, address := ctx, o.URL
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	s, err := swarm.New(ctx, swarm.Options{URL: address, Loops: 1, HandshakeTimeout: probeTimeout, CloseTimeout: endTimeout})
	if err != nil {
		return Found{}, noService(o, err)
	}
	defer s.Stop()
	login := appendLogin(nil, run, kindProbe, 0, 0)
	c := &probing{dialect: dialectOf(o), login: login, token: tokens.of(0, login), outcome: make(chan error, 1)}
	s.Loops()[0].Do(func() { s.Loops()[0].Dial(c) })
	select {
	case err = <-c.outcome:
	case <-ctx.Done():
		err = swarm.ErrTimeout
	}
	found := Found{Address: s.Address()}
	switch {
	case errors.Is(err, errStaysOpen):
		found.StaysOpen = true
	case err != nil:
		if outer.Err() == nil {
			err = cmp.Or(otherScheme(address, s.Address(), err), err)
		}
		return Found{}, noService(o, err)
	}
	return found, nil
}

// endTimeout bounds how long a service may take to end the connection of the probe.
const endTimeout = 2 * time.Second

// errStaysOpen means that the service took a login and a close frame, and did not end the connection.
var errStaysOpen = errors.New("the connection stays open after a close frame")

// errForeign means that the answer to a login is not one of the protocol.
var errForeign = errors.New("a login is answered with something else")

// refusedError means that the service refused a login.
type refusedError struct{ code string }

func (e *refusedError) Error() string { return "a login is refused (" + e.code + ")" }

// probing is a connection that logs in, and then closes.
type probing struct {
	dialect  dialect
	login    []byte
	token    []byte // nil: none
	accepted bool
	done     bool
	outcome  chan error
}

func (c *probing) tell(err error) {
	if !c.done {
		c.done = true
		c.outcome <- err
	}
}

// Target implements swarm.Targeted.
func (c *probing) Target() string { return c.dialect.target(c.login, c.token) }

func (c *probing) Opened(conn *swarm.Conn) {
	if text := c.dialect.appendLogin(nil, c.login, c.token); len(text) > 0 {
		_ = conn.Send(append(text, '}'))
	}
}

func (c *probing) Text(conn *swarm.Conn, text []byte) {
	r, ok := c.dialect.reply(text)
	switch {
	case !ok:
		c.tell(errForeign)
	case c.token == nil && r.Code == messages.CodeAuthFailed: // in PeerJS's protocol each session has a token of its own then
		c.tell(&refusedError{string(messages.CodeAuthRequired)})
	case r.Type == "error" || !*r.Success:
		c.tell(&refusedError{r.code()})
	case !c.accepted:
		c.accepted = true
		conn.Close()
		return
	}
	conn.Abort()
}

// Closed tells how the probe has ended. Once a login is accepted, it does not matter how the service ends the connection.
func (c *probing) Closed(_ *swarm.Conn, err error) {
	switch {
	case !c.accepted:
		c.tell(err)
	case errors.Is(err, swarm.ErrTimeout):
		c.tell(errStaysOpen)
	default:
		c.tell(nil)
	}
}

// noService returns a *[ServiceError] with a sentence for the person who gave the address.
func noService(o options.Options, err error) error {
	address := o.URL
	reason := err.Error()
	shake, isShake := errors.AsType[*swarm.HandshakeError](err)
	_, isProtocol := errors.AsType[*swarm.ProtocolError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	refused, isRefused := errors.AsType[*refusedError](err)
	_, isClose := errors.AsType[*swarm.CloseError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isScheme := errors.AsType[*schemeError](err)
	switch {
	case isScheme:
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "nothing listens there: start the service, or give --url"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		reason = "no way leads there from this machine: check --url and the network"
	case errors.Is(err, context.Canceled):
		reason = "interrupted"
	case isDNS:
		reason = "there is no host " + dns.Name + ": check --url"
	case isCertificate:
		reason = "its certificate is not to be trusted (" + err.Error() + "): check the name of the host, or let this machine trust the issuer"
	case isAlert(err):
		reason = "the TLS handshake failed (" + err.Error() + ")"
	case isShake && shake.Status != 0 && shake.Status != http.StatusSwitchingProtocols:
		reason = refusedHandshake(o.Dialect, shake.Status)
	case isShake:
		reason = err.Error() + ": this is no service of this protocol, or not its path: check --url"
	case isProtocol, errors.Is(err, errForeign), isClose:
		reason = err.Error() + ": this is no service of this protocol"
	case isRefused && refused.code == codeInvalidKey:
		reason = err.Error() + ": give the key of the service as --key"
	case isRefused && refused.code == codeCapacity:
		reason = err.Error() + ": the service is full"
	case isRefused && refused.code == codeIDTaken:
		reason = err.Error() + ": somebody has an id that nobody should have"
	case isRefused && refused.code == string(messages.CodeAuthRequired):
		reason = err.Error() + ": the service wants tokens: give --token-file. p2p-messaging token --logins '" + loginPrefix + "*' makes one for all logins of a load test"
	case isRefused && refused.code == string(messages.CodeAuthFailed):
		reason = err.Error() + ": the first token of --token-file does not hold for the logins of a load test, which begin with " + loginPrefix
	case isRefused:
		reason = err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		reason = "it ended the connection: this is no service of this protocol"
	case errors.Is(err, swarm.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		reason = fmt.Sprintf("no answer within %v", probeTimeout)
	}
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	return &ServiceError{Reason: fmt.Sprintf("no service to test at %s: %s", address, reason), Err: err}
}

// refusedHandshake says what the HTTP status means that answered a WebSocket handshake.
func refusedHandshake(spoken options.Dialect, status int) string {
	what := "something else than a WebSocket is there"
	switch {
	case status < 300:
		what = "a web page is there, and no WebSocket: check the path in --url"
	case status < 400:
		what = "it sends the client to another address: give that as --url, wss:// perhaps"
	case status == http.StatusBadRequest && spoken == options.DialectPeerJS:
		what = "that is not the path of the PeerJS server, or a proxy there does not pass on the header Upgrade: check --url"
	case status == http.StatusBadRequest, status == http.StatusUpgradeRequired:
		what = "the WebSocket handshake is not taken: a proxy there may not pass on the headers Upgrade and Connection"
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired:
		what = "something there wants a user and a password: if it is a proxy, go around it"
	case status == http.StatusForbidden:
		what = "the service or a proxy there forbids it: let it take clients that are no browsers"
	case status == http.StatusNotFound && spoken == options.DialectPeerJS:
		what = "there is no service for PeerJS at that path: check --url, or start the service with --peerjs"
	case status == http.StatusNotFound:
		what = "there is no WebSocket at that path: check --url"
	case status == http.StatusMethodNotAllowed:
		what = "there is no WebSocket at that path: check --url"
	case status == http.StatusTooManyRequests:
		what = "the service or a proxy there takes no more for now: wait, or lift its limit"
	case status == http.StatusServiceUnavailable:
		what = "the service is full, or a proxy there does not reach it: try again later, or start the service behind the proxy"
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		what = "a proxy there does not reach the service: start the service behind it"
	case status >= 500:
		what = "the service or a proxy there has failed: look at its log"
	}
	return fmt.Sprintf("%s (HTTP status %d)", what, status)
}
