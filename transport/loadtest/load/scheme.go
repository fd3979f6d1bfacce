package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

// schemeError means that the service is there, under the other one of ws:// and wss://.
type schemeError struct{ reason string }

func (e *schemeError) Error() string { return e.reason }

// schemeTimeout bounds the attempt to reach a service in the other way.
const schemeTimeout = 2 * time.Second

// otherScheme returns a *schemeError if a probe failed with failure because its URL says ws:// of a port that speaks TLS, or
// wss:// of a port that does not. Otherwise it returns nil.
func otherScheme(address string, service netip.AddrPort, failure error) error {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	// Servers answer plain HTTP on a port for TLS with 400, if with anything. A server that answers 404 speaks plain HTTP.
	if answered, ok := errors.AsType[*swarm.HandshakeError](failure); ok && answered.Status == http.StatusNotFound {
		return nil
	}
	_, isNoTLS := errors.AsType[tls.RecordHeaderError](failure)
	failed, isNetwork := errors.AsType[*net.OpError](failure)
	isDial := isNetwork && failed.Op == "dial"
	isUnsaid := errors.Is(failure, io.ErrUnexpectedEOF) || errors.Is(failure, syscall.ECONNRESET) || errors.Is(failure, swarm.ErrTimeout)
	secure := strings.EqualFold(u.Scheme, "wss")
	switch {
	case secure && (isNoTLS || isUnsaid && speaksHTTP(service)):
		u.Scheme = "ws"
		return &schemeError{fmt.Sprintf("this port does not speak TLS: give %s", u.Redacted())}
	case !secure && !isDial && speaksTLS(service, u.Hostname()):
		u.Scheme = "wss"
		return &schemeError{fmt.Sprintf("this port speaks TLS: give %s", u.Redacted())}
	}
	return nil
}

// speaksTLS reports whether the other side of a new connection takes part in a TLS handshake, however that ends.
func speaksTLS(service netip.AddrPort, host string) bool {
	conn := connect(service)
	if conn == nil {
		return false
	}
	defer conn.Close()
	// Nothing is sent after the handshake, so that it does not matter who the other side is.
	err := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true}).Handshake()
	return err == nil || isAlert(err)
}

// isAlert reports whether a TLS handshake failed because the other side said so, for example because it knows no such host.
func isAlert(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "remote error"
}

// speaksHTTP reports whether the other side of a new connection answers plain HTTP.
func speaksHTTP(service netip.AddrPort) bool {
	conn := connect(service)
	if conn == nil {
		return false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+service.String()+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	answer := make([]byte, len("HTTP/"))
	_, err := io.ReadFull(conn, answer)
	return err == nil && string(answer) == "HTTP/"
}

// connect returns a connection that lasts for a short time, or nil.
func connect(service netip.AddrPort) net.Conn {
	conn, err := net.DialTimeout("tcp", service.String(), schemeTimeout)
	if err != nil {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(schemeTimeout))
	return conn
}
