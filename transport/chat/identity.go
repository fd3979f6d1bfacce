package chat

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

// identityYears is how long a new certificate is valid.
const identityYears = 20

// maxIdentityBytes is the longest file that is read as an identity.
const maxIdentityBytes = 64 * 1024

// identity is what others know this person by.
type identity struct {
	certificate webrtc.Certificate
	fingerprint string // as fingerprintText writes it
}

// defaultIdentityFile returns where the identity is unless --identity says something else.
func defaultIdentityFile() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification says to ignore others
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "p2p-messaging", "identity.pem"), nil
}

// loadIdentity reads the identity in a file. If there is no such file, it makes an identity and writes the file.
func loadIdentity(file string) (identity, error) {
	id, err := readIdentity(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	certificate, err := newCertificate()
	if err != nil {
		return identity{}, err
	}
	text, err := certificate.PEM()
	if err != nil {
		return identity{}, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return identity{}, err
	}
	// Another process may do the same at once. Both use the file that is there first. A link makes a complete file appear.
	whole, err := writeAside(file, []byte(text))
	if err != nil {
		return identity{}, err
	}
	err = os.Link(whole, file)
	if err := errors.Join(ignore(err, fs.ErrExist), os.Remove(whole)); err != nil {
		return identity{}, err
	}
	return readIdentity(file)
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// writeAside writes a file for this user alone, beside the one whose place it is to take, and returns its name.
func writeAside(file string, content []byte) (name string, err error) {
	aside, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // its mode is 0600
	if err != nil {
		return "", err
	}
	_, err = aside.Write(content)
	if err := errors.Join(err, aside.Close()); err != nil {
		return "", errors.Join(err, os.Remove(aside.Name()))
	}
	return aside.Name(), nil
}

func readIdentity(file string) (identity, error) {
	info, err := os.Stat(file)
	if err != nil {
		return identity{}, err
	}
	switch {
	case !info.Mode().IsRegular(), info.Size() > maxIdentityBytes:
		return identity{}, fmt.Errorf("%s is no identity: give another file with --identity", file)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return identity{}, fmt.Errorf("others can read or change the private key in %s: run chmod 600 on it, or move it away to get a new identity", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return identity{}, err
	}
	certificate, err := webrtc.CertificateFromPEM(string(text))
	if err != nil {
		return identity{}, fmt.Errorf("%s is no identity: give another file with --identity, or move it away to get a new identity", file)
	}
	if time.Now().After(certificate.Expires()) {
		return identity{}, fmt.Errorf("the identity in %s has expired: move it away to get a new one", file)
	}
	fingerprints, err := certificate.GetFingerprints()
	if err != nil {
		return identity{}, err
	}
	return identity{*certificate, strings.ToUpper(fingerprints[0].Value)}, nil
}

func newCertificate() (*webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	name := pkix.Name{CommonName: "p2p-messaging"}
	now := time.Now()
	return webrtc.NewCertificate(key, x509.Certificate{
		Issuer: name, Subject: name, SerialNumber: serial, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(identityYears, 0, 0),
	})
}
