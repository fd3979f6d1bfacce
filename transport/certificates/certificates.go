// Package certificates gives the service its TLS certificates: from files, or from a certificate authority by ACME (RFC 8555).
// It also runs the small HTTP server that redirects to https and answers the challenge http-01.
package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/netutil"
)

// Options says where certificates come from: from CertFile and KeyFile, or from a certificate authority for Domains.
type Options struct {
	Logger *slog.Logger

	// CertFile and KeyFile are PEM files: the server's certificate followed by its chain, and the private key.
	CertFile, KeyFile string

	// Domains are the names to ask certificates for, as [Name] writes them.
	Domains []string
	// Directory is the URL of the ACME server's directory (RFC 8555, section 7.1.1).
	Directory string
	// Roots are the authorities that the ACME server's own certificate may come from. Nil means those of the system.
	Roots *x509.CertPool
	// Email is the contact of the ACME account. It may be empty.
	Email string
	// StateDir is the folder for certificates, keys and the account. It is made if it is missing.
	StateDir string
}

// Certificates are the certificates of a running service. The methods of a nil *Certificates are those of a service without
// TLS.
type Certificates struct {
	logger *slog.Logger
	source source
}

// source is where certificates come from.
type source interface {
	// certificate is [tls.Config.GetCertificate].
	certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// protocols returns the protocols of ALPN besides those of HTTP.
	protocols() []string
	// names returns the names and addresses that the certificates are for, wildcards left out.
	names() []string
	// holds reports whether there is a certificate for a host, or will be.
	holds(host string) bool
	// run keeps the certificates fresh until ctx ends. Service is the address that the service listens at. Redirect is that
	// of the redirecting server, or nil.
	run(ctx context.Context, service, redirect net.Addr)
}

// New reads the files, or prepares the requests to the certificate authority. It returns nil if o names neither. Its error is a
// sentence for the operator.
func New(o Options) (*Certificates, error) {
	var (
		s   source
		err error
	)
	switch {
	case len(o.Domains) > 0:
		s, err = newManaged(o)
	case o.CertFile != "":
		s, err = newFiles(o)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Certificates{logger: o.Logger, source: s}, nil
}

// TLS returns the configuration of the service's TLS: version 1.2 at least, suites with forward secrecy and authenticated
// encryption only (RFC 9325, section 4.2), HTTP/2 and HTTP/1.1. It returns nil without TLS.
func (c *Certificates) TLS() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of TLS 1.3 are all of this kind
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     append([]string{"h2", "http/1.1"}, c.source.protocols()...),
		GetCertificate: c.source.certificate,
	}
}

// Names returns the names and addresses that the certificates are for, wildcards left out. There may be none. Without TLS it
// returns nothing.
func (c *Certificates) Names() []string {
	if c == nil {
		return nil
	}
	return c.source.names()
}

// Hosts returns the hosts at which people open the service: Names, or localhost if there is none. Without TLS it returns nothing.
func (c *Certificates) Hosts() []string {
	if names := c.Names(); c == nil || len(names) > 0 {
		return names
	}
	return []string{"localhost"}
}

// Start keeps the certificates fresh, and redirects the requests that come to redirect, which may be nil, to https at the
// service's listener. Stop ends both, and waits for their end.
func (c *Certificates) Start(service, redirect net.Listener) (stop func()) {
	if c == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var redirecting *http.Server
	var address net.Addr
	if redirect != nil {
		address = redirect.Addr()
		redirecting = c.redirectServer(service.Addr())
		running.Go(func() {
			if err := redirecting.Serve(netutil.LimitListener(redirect, redirectConnections)); !errors.Is(err, http.ErrServerClosed) {
				c.logger.Error("nothing redirects from http to https any more", slog.Any("error", err))
			}
		})
	}
	running.Go(func() { c.source.run(ctx, service.Addr(), address) })
	return func() {
		cancel()
		if redirecting != nil {
			_ = redirecting.Close()
		}
		running.Wait()
	}
}
