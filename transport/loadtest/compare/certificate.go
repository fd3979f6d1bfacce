package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"time"

	"p2p-messaging/transport/internal/selfsigned"
)

// certificate names the files of a certificate for 127.0.0.1 that is its own authority. It is of the kind that ACME issues
// today: ECDSA with P-256.
type certificate struct{ chain, key string }

// newCertificate makes a certificate, valid for a week, and writes its files to a folder.
func newCertificate(folder string) (c certificate, err error) {
	now := time.Now()
	pair, err := selfsigned.New(x509.Certificate{
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	})
	if err != nil {
		return c, err
	}
	chain, key, err := selfsigned.PEM(pair)
	if err != nil {
		return c, err
	}
	c = certificate{filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "key.pem")}
	return c, errors.Join(os.WriteFile(c.chain, chain, 0o600), os.WriteFile(c.key, key, 0o600))
}

// trusting returns the configuration of clients that trust the certificate in a file, and no other.
func trusting(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("there is no certificate in " + file)
	}
	return &tls.Config{RootCAs: roots}, nil
}
