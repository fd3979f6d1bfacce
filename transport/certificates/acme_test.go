package certificates

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

const domain = "chat.example.org"

// journal collects what is logged. It can wait for a text.
type journal struct {
	mu      sync.Mutex
	changed chan struct{}
	text    bytes.Buffer
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// patience bounds the wait for a certificate. If an attempt to get one fails, certmagic tries again after a minute.
const patience = 3 * time.Minute

func (j *journal) wait(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		j.mu.Lock()
		found, changed := strings.Contains(j.text.String(), text), j.changed
		j.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("nothing was logged with %q; the log:\n%s", text, j)
		}
	}
}

// ports are the open ports of a service.
type ports struct{ service, redirect net.Listener }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// stateDir returns a folder for the state of a service. Certmagic may still write there when the service has ended.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "certificates")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve runs a service with certificates from a until the test ends, or until stop is called.
func serve(t *testing.T, a *authority, p ports, state string, change func(*certmagic.CacheOptions, *certmagic.Config)) (log *journal, stop func()) {
	t.Helper()
	log = newJournal()
	logger := log.logger()
	managed, err := newManaged(Options{Logger: logger, Domains: []string{domain}, Directory: a.directory, Roots: a.client, StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	managed.change = change
	c := &Certificates{logger: logger, source: managed}
	system := actors.NewSystem(actors.Options{Logger: logger})
	o := transport.DefaultOptions()
	o.Logger, o.TLS = logger, c.TLS()
	server, err := transport.New(system, o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(p.service) }()
	stopCertificates := c.Start(p.service, p.redirect)
	stop = sync.OnceFunc(func() {
		stopCertificates()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-served
		_ = system.Stop(ctx)
	})
	t.Cleanup(stop)
	return log, stop
}

// handshake returns a TLS connection to l, for HTTP/1.1.
func handshake(l net.Listener, roots *x509.CertPool) (*tls.Conn, error) {
	return tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: domain, RootCAs: roots, NextProtos: []string{"http/1.1"}})
}

// certificateOf waits until a handshake with l succeeds and shows a certificate that is not the one with the serial number
// before. It returns the connection.
func certificateOf(t *testing.T, l net.Listener, roots *x509.CertPool, before string) (conn *tls.Conn, serial string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err = handshake(l, roots); err != nil {
			continue
		}
		if serial = conn.ConnectionState().PeerCertificates[0].SerialNumber.String(); serial != before {
			t.Cleanup(func() { _ = conn.Close() })
			return conn, serial
		}
		_ = conn.Close()
	}
	t.Fatalf("no handshake has shown a new certificate: %v", err)
	return nil, ""
}

func TestACertificateComesByTLSALPN01(t *testing.T) {
	p := ports{service: listen(t)}
	a := startAuthority(t, 1, portOf(p.service))
	state := filepath.Join(stateDir(t), "state")
	log, _ := serve(t, a, p, state, nil)
	log.wait(t, "a certificate was obtained")
	certificateOf(t, p.service, a.issued, "")

	err := filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has the mode %o; wanted it closed to others", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if token := regexp.MustCompile(`[A-Za-z0-9_-]{43}`).FindString(log.String()); token != "" || strings.Contains(log.String(), "PRIVATE KEY") {
		t.Errorf("the log has %q in it, or a key", token)
	}
}

func TestACertificateComesByHTTP01(t *testing.T) {
	p := ports{service: listen(t), redirect: listen(t)}
	a := startAuthority(t, portOf(p.redirect), 1) // nothing answers tls-alpn-01
	log, _ := serve(t, a, p, stateDir(t), nil)
	log.wait(t, "a certificate was obtained")
	certificateOf(t, p.service, a.issued, "")
}

func TestARenewalDropsNoConnection(t *testing.T) {
	p := ports{service: listen(t)}
	a := startAuthority(t, 1, portOf(p.service))
	serve(t, a, p, stateDir(t), func(o *certmagic.CacheOptions, c *certmagic.Config) {
		o.RenewCheckInterval = 100 * time.Millisecond
		c.RenewalWindowRatio = 1 - 1e-7 // a certificate of 90 days is due after a second
		c.DisableARI = true
	})
	conn, serial := certificateOf(t, p.service, a.issued, "")
	session, err := rawws.Open(conn, rawws.Request("/", domain))
	if err != nil {
		t.Fatal(err)
	}
	certificateOf(t, p.service, a.issued, serial)
	if _, err := conn.Write(rawws.Message(`{"type":"login","login":"alice"}`)); err != nil {
		t.Fatal(err)
	}
	text, err := session.ReadText()
	if err != nil || !strings.Contains(text, `"success":true`) {
		t.Errorf("on the session of before the login is answered %q, %v", text, err)
	}
}

func TestAnAuthorityThatFailsIsToldAndTheCertificateOfBeforeStaysInUse(t *testing.T) {
	p := ports{service: listen(t)}
	a := startAuthority(t, 1, portOf(p.service))
	kept := stateDir(t)
	_, stop := serve(t, a, p, kept, nil)
	_, serial := certificateOf(t, p.service, a.issued, "")
	stop()

	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	answers := map[string]http.HandlerFunc{
		"down": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"refuses": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"this account is blocked"}`)
		},
		"errors":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"nonsense": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x00\x1b[31m welcome") },
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		},
	}
	for _, name := range []string{"down", "refuses", "errors", "nonsense", "slow"} { // in this order: a slow answer keeps certmagic busy
		answer := answers[name]
		t.Run(name, func(t *testing.T) {
			a.instead.Store(&answer)
			with, without := ports{service: listen(t)}, ports{service: listen(t)}
			// The certificate is due, and the authority does not give another.
			due, stopDue := serve(t, a, with, kept, func(o *certmagic.CacheOptions, c *certmagic.Config) {
				o.RenewCheckInterval = 50 * time.Millisecond
				c.RenewalWindowRatio, c.DisableARI = 1-1e-9, true
			})
			none, stopNone := serve(t, a, without, stateDir(t), nil)
			none.wait(t, "a certificate is being asked for")
			due.wait(t, "a certificate is being asked for")
			if name != "slow" { // which takes 30 s to be told
				none.wait(t, "a certificate could not be obtained")
				due.wait(t, "a certificate could not be renewed")
			}
			conn, err := handshake(with.service, a.issued)
			if err != nil {
				t.Fatalf("the handshake with the certificate of before: %v", err)
			}
			if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.String(); got != serial {
				t.Errorf("the certificate is %s; wanted %s, the one of before", got, serial)
			}
			_ = conn.Close()
			if _, err := handshake(without.service, a.issued); err == nil {
				t.Error("a handshake without a certificate succeeded")
			}
			stopDue()
			stopNone()
		})
	}
}
