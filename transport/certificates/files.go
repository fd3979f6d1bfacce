package certificates

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"p2p-messaging/transport/internal/regular"
)

const (
	// pollInterval is the time between two looks at the files.
	pollInterval = 5 * time.Second
	// maxFile bounds the size of a file; a chain of certificates takes a few kilobytes.
	maxFile = 1 << 20
)

// files is a certificate and its key that are read from files, and read again when these change. The contents are compared, and
// not the times, so links may be swapped and files be renamed.
type files struct {
	logger            *slog.Logger
	certFile, keyFile string
	interval          time.Duration
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]

	// Only the goroutine that reads the files uses these.
	used    [sha256.Size]byte // what current was read from
	seen    [sha256.Size]byte // what the last look found, if it could not be used
	refused [sha256.Size]byte // what was logged as broken
	ended   bool              // the end of current was logged
}

// newFiles reads the files. An expired certificate is used, with a warning.
func newFiles(o Options) (*files, error) {
	f := &files{logger: o.Logger, certFile: o.CertFile, keyFile: o.KeyFile, interval: pollInterval, now: time.Now}
	pair, sum, err := f.read()
	if err != nil {
		return nil, err
	}
	f.use(pair, sum)
	if err := f.valid(pair); err != nil {
		f.ended = true
		f.logger.Warn("browsers will refuse this service: " + err.Error())
	}
	return f, nil
}

func (f *files) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.current.Load(), nil
}

func (f *files) protocols() []string { return nil }

func (f *files) names() (names []string) {
	leaf := f.current.Load().Leaf
	for _, name := range leaf.DNSNames {
		if !strings.HasPrefix(name, "*.") {
			names = append(names, name)
		}
	}
	for _, address := range leaf.IPAddresses {
		names = append(names, address.String())
	}
	return names
}

func (f *files) holds(host string) bool { return f.current.Load().Leaf.VerifyHostname(host) == nil }

// run looks at the files from time to time, and on SIGHUP.
func (f *files) run(ctx context.Context, _, _ net.Addr) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	f.logger.Debug("the certificate's files are watched")
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look(false)
		case <-hangup:
			f.look(true)
		}
	}
}

// look reads the files, and uses them if they have changed and are in order. Files that are not in order may be half-written. So
// they are logged when the next look finds the same, or if now is set.
func (f *files) look(now bool) {
	pair, sum, err := f.read()
	if sum == f.used && err == nil {
		f.seen, f.refused = f.used, f.used
		if now {
			f.logger.Info("the certificate's files have not changed")
		}
		if err := f.valid(f.current.Load()); err != nil && !f.ended {
			f.ended = true
			f.logger.Warn("browsers refuse this service: " + err.Error())
		}
		return
	}
	if err == nil {
		err = f.valid(pair)
	}
	if err == nil {
		f.use(pair, sum)
		f.logger.Info("a new certificate is in use", slog.Any("names", pair.Leaf.DNSNames), slog.Time("until", pair.Leaf.NotAfter))
		return
	}
	if now || sum == f.seen && sum != f.refused {
		f.refused = sum
		f.logger.Warn("the certificate's files cannot be used, and the certificate of before stays in use: " + err.Error())
	}
	f.seen = sum
}

func (f *files) use(pair *tls.Certificate, sum [sha256.Size]byte) {
	f.used, f.seen, f.refused, f.ended = sum, sum, sum, false
	f.current.Store(pair)
}

// valid says why browsers refuse a certificate at this time.
func (f *files) valid(pair *tls.Certificate) error {
	switch now := f.now(); {
	case now.After(pair.Leaf.NotAfter):
		return fmt.Errorf("the certificate in %s ended on %s: put a new one there", f.certFile, pair.Leaf.NotAfter.UTC().Format(time.DateTime))
	case now.Before(pair.Leaf.NotBefore):
		return fmt.Errorf("the certificate in %s begins on %s only: set the clock of this machine, or put another certificate there",
			f.certFile, pair.Leaf.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

// read returns the pair in the files. Sum stands for the files' contents, or for the fault that kept them from being read.
func (f *files) read() (pair *tls.Certificate, sum [sha256.Size]byte, err error) {
	chain, err := readFile("--tls-cert", f.certFile)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), err
	}
	key, err := readFile("--tls-key", f.keyFile)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), err
	}
	certSum, keySum := sha256.Sum256(chain), sha256.Sum256(key)
	sum = sha256.Sum256(append(certSum[:], keySum[:]...))
	loaded, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, sum, f.fault(chain, key, err)
	}
	return &loaded, sum, nil
}

// fault says in words what is wrong with a pair that package tls refuses.
func (f *files) fault(chain, key []byte, err error) error {
	certificates, err1 := parseChain(chain)
	switch {
	case len(bytes.TrimSpace(chain)) == 0:
		return fmt.Errorf("--tls-cert: %s is empty", f.certFile)
	case len(bytes.TrimSpace(key)) == 0:
		return fmt.Errorf("--tls-key: %s is empty", f.keyFile)
	case bytes.Contains(key, []byte("ENCRYPTED")):
		return fmt.Errorf("--tls-key: the key in %s is encrypted: take the passphrase away, as with openssl pkey -in KEY -out NEW", f.keyFile)
	case bytes.Contains(key, []byte("BEGIN CERTIFICATE")) && !bytes.Contains(key, []byte("PRIVATE KEY")):
		return fmt.Errorf("--tls-key: %s has a certificate and no private key: give the file with the key", f.keyFile)
	case len(certificates) == 0 && err1 == nil && bytes.Contains(chain, []byte("PRIVATE KEY")):
		return fmt.Errorf("--tls-cert: %s has a private key and no certificate: give the file with the certificate", f.certFile)
	case len(certificates) == 0 && err1 == nil:
		return fmt.Errorf("--tls-cert: %s has no whole certificate in PEM form", f.certFile)
	case err1 != nil:
		return fmt.Errorf("--tls-cert: the certificate in %s cannot be read: %w", f.certFile, err1)
	case !hasKey(key):
		return fmt.Errorf("--tls-key: %s has no whole private key in PEM form", f.keyFile)
	}
	for _, c := range certificates[1:] {
		alone := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if _, err := tls.X509KeyPair(alone, key); err == nil {
			return fmt.Errorf("--tls-cert: the first certificate in %s is not the server's own: put that one first, and its chain behind it", f.certFile)
		}
	}
	if strings.Contains(err.Error(), "match") {
		return fmt.Errorf("the key in %s does not belong to the certificate in %s: give two files that were made together", f.keyFile, f.certFile)
	}
	return fmt.Errorf("--tls-key: the key in %s cannot be used: %s", f.keyFile, strings.TrimPrefix(err.Error(), "tls: "))
}

// hasKey reports whether a PEM file has a whole private key.
func hasKey(file []byte) bool {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return true
		}
	}
	return false
}

// parseChain returns the certificates in a PEM file.
func parseChain(file []byte) (chain []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return chain, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
}

// readFile reads a file that a flag names.
func readFile(flag, name string) ([]byte, error) {
	content, err := regular.Read(name, maxFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return content, nil
}

// Roots reads the certificates of authorities from a PEM file. Its error is a sentence that begins with flag.
func Roots(flag, name string) (*x509.CertPool, error) {
	content, err := readFile(flag, name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s: %s has no certificate in PEM form", flag, name)
	}
	return pool, nil
}
