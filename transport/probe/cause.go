package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/pion/stun/v4"

	"p2p-messaging/transport/client"
)

// Code names a kind of cause, for programs.
type Code string

// The kinds of causes.
const (
	CodePortClosed       Code = "port-closed"         // connection refused
	CodeNoAnswer         Code = "no-answer"           // nothing came back: a firewall, or a wrong address
	CodeNoHost           Code = "no-host"             // the name is not known
	CodeNoRoute          Code = "no-route"            // no way leads there from this machine
	CodeAddress          Code = "public-address"      // the public address of the relay is wrong
	CodeCredentials      Code = "credentials"         // the server does not know the secret
	CodeClock            Code = "clock"               // the service's clock and this machine's differ
	CodeUnknownAuthority Code = "unknown-authority"   // the certificate is of an authority that is not trusted
	CodeOtherName        Code = "other-name"          // the certificate is for another name
	CodeExpired          Code = "certificate-expired" // the certificate is over
	CodeNotYetValid      Code = "certificate-early"   // the certificate is not valid yet
	CodeTLS              Code = "tls"                 // another failure of the TLS handshake
	CodeNoTLS            Code = "no-tls"              // the port speaks no TLS
	CodeNoWebSocket      Code = "no-websocket"        // something else than the service is there
	CodeLogin            Code = "login"               // the service refuses the login
	CodeFull             Code = "full"                // the TURN server makes no more allocations
	CodeForbidden        Code = "forbidden"           // the TURN server forbids it
	CodeNoWay            Code = "no-way"              // the call found no way
	CodeOther            Code = "other"
)

// cause returns the likely cause of an error, and what to do about it. The sentence is empty if the error says it all.
func (p *prober) cause(err error) (Code, string) {
	if code, sentence := certificateCause(err); code != "" {
		return code, sentence
	}
	if refused, ok := errors.AsType[*credentialsError](err); ok {
		return credentialsCause(refused, time.Now())
	}
	if wrong, ok := errors.AsType[*addressError](err); ok {
		return CodeAddress, fmt.Sprintf("the TURN server has a wrong public address: set --turn-public-ip to the address by which the internet reaches it, %s perhaps. Or a firewall closes the relay ports (--turn-ports, UDP)", wrong.reached)
	}
	if turn, ok := errors.AsType[*stun.TurnError](err); ok {
		switch turn.ErrorCodeAttr.Code {
		case stun.CodeAllocQuotaReached, stun.CodeInsufficientCapacity:
			return CodeFull, "the TURN server makes no more allocations: wait, or raise its limits"
		case stun.CodeForbidden:
			return CodeForbidden, "the TURN server forbids it: look at its settings"
		}
		return CodeOther, ""
	}
	if shake, ok := errors.AsType[*client.HandshakeError](err); ok {
		return CodeNoWebSocket, p.webSocketCause(shake.StatusCode)
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		if strings.HasPrefix(string(refused.code), "auth") {
			return CodeLogin, "the service asks for a token: give one with --login-token"
		}
		return CodeLogin, "the service takes no more logins now: look at its log"
	}
	at, _ := errors.AsType[*serverError](err)
	hint := p.addressHint(at)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case isDNS && !dns.IsNotFound:
		return CodeNoHost, "no name server answers for " + printable(dns.Name) + ": check the network of this machine, and the DNS of that name"
	case isDNS:
		return CodeNoHost, "there is no host " + printable(dns.Name) + ": check the name and its DNS records"
	case errors.Is(err, syscall.ECONNREFUSED):
		return CodePortClosed, "the port is closed: nothing listens there, or a firewall refuses" + hint
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return CodeNoRoute, "no way leads there from this machine: check the address and the network" + hint
	case errors.Is(err, errForeign):
		return CodeNoWebSocket, "this is no service of this protocol: check the URL"
	case errors.Is(err, errRelaysApart):
		return CodeNoWay, "a firewall drops UDP to the relay ports (--turn-ports), also from the TURN server's own machine, or the server forbids to send there"
	case errors.Is(err, errNoWay), errors.Is(err, errNoCandidate):
		return CodeNoWay, "a firewall between the two, or of this machine, drops UDP"
	case errors.Is(err, errNoAnswer):
		return CodeOther, "something on the way holds messages back: a proxy that buffers perhaps"
	case isTimeout(err):
		if at != nil && at.url.Proto == stun.ProtoTypeUDP {
			return CodeNoAnswer, "no answer by UDP: a firewall drops it (open this port for UDP), or the address is wrong" + hint
		}
		return CodeNoAnswer, "no answer: a firewall drops what is sent there (open this port for TCP), or the address is wrong" + hint
	case isEnd(err):
		return CodeNoWebSocket, "it ended the connection: this is something else, or " + p.otherScheme()
	case strings.Contains(err.Error(), "malformed HTTP"):
		return CodeNoWebSocket, "this is something else than a web server, or " + p.otherScheme()
	}
	if _, ok := errors.AsType[*handshakeError](err); ok {
		return CodeTLS, "the server refuses the TLS handshake: it may have no certificate for this name"
	}
	return CodeOther, ""
}

// addressHint says that a server is offered by another address than the service's own.
func (p *prober) addressHint(at *serverError) string {
	if at == nil {
		return ""
	}
	address, err := netip.ParseAddr(at.url.Host)
	if err != nil || !p.service.IsValid() || address == p.service || address.Is4() != p.service.Is4() {
		return ""
	}
	return fmt.Sprintf(". The service itself is at %s, and offers %s: the public address may be wrong (--turn-public-ip)", p.service, address)
}

// otherScheme tells to try TLS, or to try without.
func (p *prober) otherScheme() string {
	if p.target.secure {
		return "it does not speak TLS: try http://" + p.target.authority()
	}
	return "it speaks TLS: try https://" + p.target.authority()
}

// certificateCause returns the cause of a failed TLS handshake. The code is empty if the handshake has not failed because of what the
// server sent.
func certificateCause(err error) (Code, string) {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return CodeNoTLS, "the port does not speak TLS: give http:// or ws://, or let the service have a certificate (--domain or --tls-cert)"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return CodeUnknownAuthority, "the certificate is of an authority that this machine does not trust: browsers will refuse it, too. Send the whole chain, or give the authority with --ca"
	}
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok {
		return CodeOtherName, fmt.Sprintf("the certificate is for another name than %s: use the name that it is for, or get one for this name (--domain)", printable(wrong.Host))
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok || invalid.Cert == nil:
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return CodeTLS, "the certificate is not to be trusted"
		}
		return "", ""
	case invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return CodeNotYetValid, fmt.Sprintf("the certificate is valid only from %s: the clock of this machine is off, or that of the one that made it", invalid.Cert.NotBefore.UTC().Format(time.RFC3339))
	case invalid.Reason == x509.Expired:
		return CodeExpired, fmt.Sprintf("the certificate has expired at %s: renew it, or set the clock of this machine", invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return CodeTLS, "the certificate is not to be trusted"
}

const (
	// validity is how long credentials are valid (messages/PROTOCOL.md, "ICE servers").
	validity = time.Hour
	// slack is by how much two clocks may differ without harm.
	slack = 2 * time.Minute
)

// credentialsCause says why a server refuses credentials that were just made. Their username begins with the time until which they are valid.
func credentialsCause(refused *credentialsError, now time.Time) (Code, string) {
	until, _, _ := strings.Cut(refused.username, ":")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err == nil {
		made := time.Unix(seconds, 0).Add(-validity)
		if off := now.Sub(made).Round(time.Second); off.Abs() > slack {
			return CodeClock, fmt.Sprintf("the service's clock differs by %v from this machine's: set the clocks by NTP", off.Abs())
		}
	}
	return CodeCredentials, "the TURN server has another secret than the service (--ice-server-secret, --turn-secret), or its clock is off by an hour or more"
}

// webSocketCause says what the status means that answered a WebSocket handshake.
func (p *prober) webSocketCause(status int) string {
	switch {
	case status < 300:
		return "a web page is there, and no WebSocket: this is another web server, or not the path of the service"
	case status < 400:
		return "the server sends clients to another address: give that, https:// perhaps"
	case status == http.StatusBadRequest, status == http.StatusUpgradeRequired:
		return "a proxy there does not pass on the headers Upgrade and Connection, or " + p.otherScheme()
	case status == http.StatusForbidden:
		return "the service or a proxy there forbids it"
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired:
		return "a proxy there wants a user and a password"
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		return "the service is full, or a proxy does not reach it"
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return "a proxy there does not reach the service: start the service behind it"
	case status >= 500:
		return "the service or a proxy there has failed: look at its log"
	}
	return "there is no WebSocket at that path: this is another web server, or the path is wrong"
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) ||
		strings.Contains(err.Error(), "all retransmissions failed") // the words of pion/turn
}

func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// printable returns text without what a terminal would act on. It may come from a server.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
