package options

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"p2p-messaging/transport/certificates"
)

const (
	plainPort  = 7777 // where the service listens unless the flags say otherwise
	domainPort = 443  // the same with --domain
	// rememberHTTPS is how long browsers remember that a service with --domain speaks https only.
	rememberHTTPS = 180 * 24 * time.Hour
)

// port returns the port to listen on.
func (f *Flags) port() int {
	switch {
	case f.Port != nil:
		return int(*f.Port)
	case len(f.Domain) > 0:
		return domainPort
	}
	return plainPort
}

// strictTransport returns how long browsers are to remember that the service speaks https. Only certificates that are renewed
// by themselves are worth such a promise.
func (f *Flags) strictTransport() time.Duration {
	if len(f.Domain) > 0 {
		return rememberHTTPS
	}
	return 0
}

// checkTLS finds options of TLS that can never work together, or alone.
func (f *Flags) checkTLS() error {
	managed, files := len(f.Domain) > 0, f.TLSCert != "" || f.TLSKey != ""
	switch {
	case managed && files:
		return usage("--domain and --tls-cert exclude each other: certificates come from ACME or from files")
	case files && f.TLSKey == "":
		return usage("--tls-cert needs --tls-key, the file with the certificate's private key")
	case files && f.TLSCert == "":
		return usage("--tls-key needs --tls-cert, the file with the key's certificate")
	case !managed && !files && f.HTTPRedirect != "" && !f.redirectOff():
		return usage("--http-redirect redirects to https, and there is none: give --domain, or --tls-cert and --tls-key")
	}
	if !managed {
		for _, flag := range []struct{ name, value string }{
			{"--acme-directory", f.ACMEDirectory}, {"--acme-ca", f.ACMECA}, {"--acme-email", f.ACMEEmail},
		} {
			if flag.value != "" {
				return usage("%s is for certificates by ACME: give --domain too", flag.name)
			}
		}
		if f.StateDir != "" && !f.PeerJS {
			return usage("--state-dir is for certificates by ACME, and for what waits for PeerJS clients: give --domain or --peerjs too")
		}
	}
	if _, err := f.domains(); err != nil {
		return err
	}
	if f.ACMEDirectory != "" {
		if u, err := url.Parse(f.ACMEDirectory); err != nil || u.Scheme != "https" || u.Hostname() == "" {
			return usage("--acme-directory: %q is no https URL: give one such as %s", f.ACMEDirectory, certificates.LetsEncrypt)
		}
	}
	if f.ACMEEmail != "" {
		if a, err := mail.ParseAddress(f.ACMEEmail); err != nil || a.Address != f.ACMEEmail {
			return usage("--acme-email: %q is no mail address", f.ACMEEmail)
		}
	}
	return f.checkRedirect()
}

// checkRedirect finds addresses that no redirecting server can listen at.
func (f *Flags) checkRedirect() error {
	if f.HTTPRedirect == "" || f.redirectOff() {
		return nil
	}
	_, p, err := net.SplitHostPort(f.HTTPRedirect)
	var number port
	if err != nil || number.UnmarshalText([]byte(p)) != nil {
		return usage("--http-redirect: %q is no address: give one such as :80, or 192.0.2.1:80", f.HTTPRedirect)
	}
	if number != 0 && int(number) == f.port() {
		return usage("--http-redirect: port %d is that of the service: give another, such as :80", number)
	}
	return nil
}

func (f *Flags) redirectOff() bool { return strings.EqualFold(f.HTTPRedirect, "off") }

// domains returns the names of --domain as certificates have them.
func (f *Flags) domains() (names []string, err error) {
	public := f.ACMEDirectory == "" || f.ACMEDirectory == certificates.LetsEncrypt
	for _, domain := range f.Domain {
		name, err := certificates.Name(domain, public)
		if err != nil {
			return nil, usage("--domain: %s", err)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// stateDir returns the folder of --state-dir, or its default (XDG Base Directory Specification).
func (f *Flags) stateDir() (string, error) {
	if f.StateDir != "" {
		return f.StateDir, nil
	}
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usage("--state-dir: this user has no home: name a folder")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "p2p-messaging"), nil
}

// Certificates returns the certificates that the flags name, or nil without TLS. Its error is a *[UsageError].
func (f *Flags) Certificates(logger *slog.Logger) (*certificates.Certificates, error) {
	o := certificates.Options{Logger: logger, CertFile: f.TLSCert, KeyFile: f.TLSKey, Directory: f.ACMEDirectory, Email: f.ACMEEmail}
	if len(f.Domain) > 0 {
		var err error
		if o.Domains, err = f.domains(); err != nil {
			return nil, err
		}
		if o.StateDir, err = f.stateDir(); err != nil {
			return nil, err
		}
		if o.Directory == "" {
			o.Directory = certificates.LetsEncrypt
		}
		if f.ACMECA != "" {
			if o.Roots, err = certificates.Roots("--acme-ca", f.ACMECA); err != nil {
				return nil, usage("%s", err)
			}
		}
	}
	c, err := certificates.New(o)
	if err != nil {
		return nil, usage("%s", err)
	}
	return c, nil
}

// Open opens the service's port, as [Flags.Listen] does, and that of the redirecting server, as [Flags.ListenRedirect] does.
func (f *Flags) Open(logger *slog.Logger) (service, redirect net.Listener, err error) {
	if service, err = f.Listen(); err != nil {
		return nil, nil, err
	}
	if redirect, err = f.ListenRedirect(logger); err != nil {
		_ = service.Close()
		return nil, nil, err
	}
	return service, redirect, nil
}

// ListenRedirect opens the port of the redirecting server. It returns nil if there is to be none. Where nobody asked for the
// port by --http-redirect, a port that cannot be opened is logged, and the service goes without.
func (f *Flags) ListenRedirect(logger *slog.Logger) (net.Listener, error) {
	address := f.HTTPRedirect
	if f.redirectOff() || address == "" && len(f.Domain) == 0 {
		return nil, nil
	}
	if address == "" {
		address = net.JoinHostPort(f.host(), "80")
	}
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	var reason string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		reason = "it is in use"
	case errors.Is(err, syscall.EACCES):
		reason = "this user may not listen there"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = "it is no address of this machine"
	default:
		reason = err.Error()
	}
	if f.HTTPRedirect != "" {
		return nil, fmt.Errorf("--http-redirect: %s cannot be listened at: %s", address, reason)
	}
	logger.Warn("nothing redirects from http to https, because the port cannot be opened: free it, or give --http-redirect another address or off",
		slog.String("address", address), slog.String("reason", reason))
	return nil, nil
}
