package certificates

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// secrets matches what may be a challenge's token or key authorization (RFC 8555, section 8.1), in an ACME server's words.
var secrets = regexp.MustCompile(`[A-Za-z0-9_-]{40,}(\.[A-Za-z0-9_-]{40,})?`)

// stopGrace is how long the end of the service waits for what is being asked of an ACME server.
const stopGrace = 250 * time.Millisecond

// maxCause bounds the length of an ACME server's words in the log.
const maxCause = 500

// managed is certificates that package certmagic obtains by ACME and renews. It keeps them in the state directory, so they
// stay in use while the ACME server does not answer.
type managed struct {
	logger  *slog.Logger
	options Options
	config  atomic.Pointer[certmagic.Config]                 // nil before run
	change  func(*certmagic.CacheOptions, *certmagic.Config) // what tests change, or nil
}

func newManaged(o Options) (*managed, error) {
	if err := checkStateDir(o.StateDir); err != nil {
		return nil, err
	}
	return &managed{logger: o.Logger, options: o}, nil
}

func (m *managed) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	config := m.config.Load()
	if config == nil {
		return nil, errors.New("the service is starting")
	}
	return config.GetCertificate(hello)
}

func (m *managed) protocols() []string { return []string{acmeProtocol} }

// acmeProtocol is the protocol of the challenge tls-alpn-01 (RFC 8737, section 6.2).
const acmeProtocol = "acme-tls/1"

func (m *managed) names() []string { return m.options.Domains }

func (m *managed) holds(host string) bool { return slices.Contains(m.options.Domains, host) }

// answer answers the challenge http-01 and leaves all else to next.
func (m *managed) answer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if config := m.config.Load(); config != nil && certmagic.LooksLikeHTTPChallenge(r) {
			challenge, ok := certmagic.GetACMEChallenge(hostOf(r.Host))
			if ok && certmagic.SolveHTTPChallenge(config.Logger, w, r, challenge.Challenge) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// run obtains the certificates that are missing and renews all.
func (m *managed) run(ctx context.Context, service, redirect net.Addr) {
	logger := zap.New(zapCore{logger: m.logger})
	cacheOptions := certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.config.Load(), nil },
		Logger:           logger,
	}
	template := certmagic.Config{
		Storage:            &certmagic.FileStorage{Path: filepath.Join(m.options.StateDir, "acme")},
		Logger:             logger,
		OnEvent:            m.tell,
		DefaultServerName:  m.options.Domains[0],
		FallbackServerName: m.options.Domains[0],
	}
	if m.change != nil {
		m.change(&cacheOptions, &template)
	}
	cache := certmagic.NewCache(cacheOptions)
	config := certmagic.New(cache, template)
	issuer := certmagic.ACMEIssuer{
		CA:           m.options.Directory,
		TrustedRoots: m.options.Roots,
		Email:        m.options.Email,
		Agreed:       true,
		Logger:       logger,
		// The challenges come to this process, so no other needs to find them in the state directory.
		DisableDistributedSolvers: true,
		DisableHTTPChallenge:      redirect == nil,
	}
	// Certmagic opens the ports of the challenges itself if they are not open. These are.
	issuer.ListenHost, issuer.AltTLSALPNPort = hostPort(service)
	if redirect != nil {
		_, issuer.AltHTTPPort = hostPort(redirect)
	}
	config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(config, issuer)}
	m.config.Store(config)
	if err := config.ManageAsync(ctx, m.options.Domains); err != nil {
		m.logger.Error("certificates cannot be managed", slog.Any("error", err))
	}
	<-ctx.Done()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		cache.Stop()
		certmagic.CleanUpOwnLocks(context.Background(), logger)
	}()
	select {
	case <-stopped:
	case <-time.After(stopGrace): // an ACME server is slow to answer
	}
}

func hostPort(address net.Addr) (host string, port int) {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	if !tcp.IP.IsUnspecified() {
		host = tcp.IP.String()
	}
	return host, tcp.Port
}

// tell logs what happens to certificates.
func (m *managed) tell(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	domain := slog.String("domain", name)
	switch event {
	case "cert_obtaining":
		m.logger.Info("a certificate is being asked for", domain, slog.String("directory", m.options.Directory))
	case "cert_obtained":
		m.logger.Info("a certificate was obtained", domain)
	case "cert_failed":
		err, _ := data["error"].(error)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		sentence := "a certificate could not be obtained, and the service cannot be reached by that name until one is: it will be tried again"
		if renewal, _ := data["renewal"].(bool); renewal {
			sentence = "a certificate could not be renewed, and the one of before stays in use: it will be tried again"
		}
		m.logger.Warn(sentence, domain, slog.String("cause", cause(err)))
	}
	return nil
}

// cause returns the reason of a failure in one line of bounded length.
func cause(err error) string {
	if err == nil {
		return "unknown"
	}
	text := err.Error()
	var problem acme.Problem
	if errors.As(err, &problem) && problem.Detail != "" {
		text = problem.Detail
		for _, sub := range problem.Subproblems {
			text += "; " + sub.Detail
		}
	}
	return plain(text)
}

// plain returns a foreign text in one line of bounded length, without secrets.
func plain(text string) string {
	text = secrets.ReplaceAllString(text, "…")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxCause {
		text = strings.ToValidUTF8(text[:maxCause], "") + "…"
	}
	return text
}

// checkStateDir makes the state directory, and finds out whether files can be written there.
func checkStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--state-dir: the folder %s cannot be made: %w", dir, errors.Unwrap(err))
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("--state-dir: this user may not write in %s", dir)
	}
	_ = probe.Close()
	return os.Remove(probe.Name())
}
