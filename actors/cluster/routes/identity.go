package routes

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// Identity is the certificate of a node, and the authority that has signed the certificates of all nodes. It is read from files.
type Identity struct {
	certificate, key string // names of files
	authorities      *x509.CertPool

	current atomic.Pointer[tls.Certificate]
	logger  atomic.Pointer[slog.Logger] // set by Start
}

// LoadIdentity reads PEM files: the certificate of this node with its chain, its private key, and the certificate of the authority that has
// signed the certificate of every node, or several. A certificate must be good for servers and for clients, and must name
// the host by which other nodes connect.
func LoadIdentity(certificate, key, authority string) (*Identity, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, fmt.Errorf("the authority of the nodes' certificates: %w", err)
	}
	i := &Identity{certificate: certificate, key: key, authorities: x509.NewCertPool()}
	if !i.authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the authority of the nodes' certificates: %s has no certificate in PEM", authority)
	}
	return i, i.Reload()
}

// Reload reads the certificate and the key again. If it fails, what was read before stays in use. Routes that are up stay as they are.
// The authorities are read only once: give nodes the old and the new authority before certificates of the new one are used.
func (i *Identity) Reload() error {
	c, err := tls.LoadX509KeyPair(i.certificate, i.key)
	if err != nil {
		return fmt.Errorf("the certificate of this node: %w", err)
	}
	i.current.Store(&c)
	return nil
}

// newest reads the certificate again, and returns the one that was read last.
func (i *Identity) newest() (*tls.Certificate, error) {
	if err := i.Reload(); err != nil {
		if logger := i.logger.Load(); logger != nil {
			logger.Error("the certificate between nodes stays as it was", slog.Any("error", err))
		}
	}
	return i.current.Load(), nil
}

// Config returns a configuration for both ends of a connection between nodes. Each end verifies the other. The certificate is read
// again for each connection, because there are few of them.
func (i *Identity) Config() *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.newest() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return i.newest() },
		RootCAs:              i.authorities,
		ClientCAs:            i.authorities,
		ClientAuth:           tls.RequireAndVerifyClientCert,
	}
}
