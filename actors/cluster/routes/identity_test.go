package routes

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates of nodes.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "authority.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	der := a.sign(template, template, &a.key.PublicKey, a.key)
	a.certificate, _ = x509.ParseCertificate(der)
	a.write(a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *authority) write(file, kind string, der []byte) {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// files writes the certificate of a node and its key, and returns the names of the files. Change changes what is signed.
func (a *authority) files(change func(*x509.Certificate)) (certificate, key string) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "node"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	folder := a.t.TempDir()
	certificate, key = filepath.Join(folder, "node.pem"), filepath.Join(folder, "node-key.pem")
	private := a.newKey()
	a.write(certificate, "CERTIFICATE", a.sign(template, a.certificate, &private.PublicKey, a.key))
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(key, "PRIVATE KEY", der)
	return certificate, key
}

// identity returns an identity that this authority has signed, and that trusts an authority.
func (a *authority) identity(trusts *authority, change func(*x509.Certificate)) *Identity {
	certificate, key := a.files(change)
	i, err := LoadIdentity(certificate, key, trusts.file)
	if err != nil {
		a.t.Fatal(err)
	}
	return i
}

func secureConfig(name string, i *Identity, peers ...string) Config {
	c := config(name, peers...)
	c.Insecure, c.Identity = false, i
	return c
}

func TestRoutesUseMutualTLS(t *testing.T) {
	t.Parallel()
	right := newAuthority(t)
	log := newFaultLog()
	c := secureConfig("a", right.identity(right, nil))
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	a := start(t, c)
	b := start(t, secureConfig("b", right.identity(right, nil), a.Listening()))
	third := start(t, secureConfig("c", right.identity(right, nil), a.Listening()))
	together(t, a, b, third)

	wrong := newAuthority(t)
	for name, i := range map[string]*Identity{
		"another authority":             wrong.identity(right, nil),
		"another trust":                 right.identity(wrong, nil),
		"a certificate that is too old": right.identity(right, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"a certificate for servers only": right.identity(right, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}),
	} {
		refused(t, name, log, secureConfig("stranger", i, a.Listening()), a)
	}
	refused(t, "no TLS", log, config("stranger", a.Listening()), a)

	// A node whose certificate names another host is not connected to.
	other := start(t, secureConfig("other", right.identity(right, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} })))
	refused(t, "a certificate for another host", log, secureConfig("d", right.identity(right, nil), other.Listening()), other)

	conn, err := tls.Dial("tcp", a.Listening(), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_, _ = conn.Write([]byte("CONNECT {}\r\n"))
		_ = conn.Close()
	}
	together(t, a, b, third)
	if a.Figures().Routes != 2 {
		t.Errorf("%d routes are up, want 2", a.Figures().Routes)
	}
}

func TestACertificateIsReadAgain(t *testing.T) {
	right, wrong := newAuthority(t), newAuthority(t)
	t.Parallel()
	log := newFaultLog()
	c := secureConfig("a", right.identity(right, nil))
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	a := start(t, c)
	certificate, key := wrong.files(nil)
	i, err := LoadIdentity(certificate, key, right.file)
	if err != nil {
		t.Fatal(err)
	}
	b := refused(t, "another authority", log, secureConfig("b", i, a.Listening()), a)
	newCertificate, newKey := right.files(nil)
	for from, to := range map[string]string{newCertificate: certificate, newKey: key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	together(t, a, b)
	if err := os.WriteFile(certificate, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.Reload(); err == nil {
		t.Error("a file without a certificate was read")
	}
	if i.current.Load() == nil {
		t.Error("the certificate that was read before is gone")
	}
}

func TestFilesThatAreWrongAreNamed(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.files(nil)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, files := range map[string][3]string{
		"the certificate of this node":             {empty, key, a.file},
		"no such file":                             {"nowhere.pem", key, a.file},
		"key input":                                {certificate, empty, a.file},
		"empty.pem has no certificate in PEM":      {certificate, key, empty},
		"the authority of the nodes' certificates": {certificate, key, "nowhere.pem"},
	} {
		if _, err := LoadIdentity(files[0], files[1], files[2]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
}
