package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// scrapeInterval is how often the metrics of a service are read while it is measured.
const scrapeInterval = time.Second

// scrapeTimeout is how long a service may take to tell its metrics. It is that of Prometheus.
const scrapeTimeout = 10 * time.Second

// fully returns the service of a program with everything on that an operator may want: tokens, limits and metrics. The limits are
// such that no client meets them.
func fully(s service, program, scratch string) (service, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	text := hex.EncodeToString(secret)
	file := filepath.Join(scratch, "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return s, fmt.Errorf("write the secret of the tokens: %w", err)
	}
	admin, err := freeAddress()
	if err != nil {
		return s, fmt.Errorf("find a port for the metrics: %w", err)
	}
	s.token = newToken([]byte(text), time.Now().Add(24*time.Hour))
	s.metrics = "http://" + admin + "/metrics"
	s.command = []string{program, "serve", "--host", "127.0.0.1", "--port", "0", "--log-level", "error",
		"--auth-jwt-secret", file, "--admin", admin,
		"--rate", "1000000", "--burst", "1000000", "--byte-rate", "900MiB", "--connections-per-address", "1000000", "--logins-per-address", "1000000",
		"--login-timeout", "1m"}
	return s, nil
}

// metricsHost is the address of this machine that has the port of the metrics. The clients of a measurement have thousands of ports of
// 127.0.0.1, and a service could not listen at one of those.
const metricsHost = "127.0.0.2"

// freeAddress returns an address of this machine at which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(metricsHost, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// newToken returns a token for any login (RFC 7519), signed with HS256 (RFC 7518, section 3.2).
func newToken(secret []byte, expires time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"logins":["*"],"exp":%d}`, expires.Unix()))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(token))
	return token + "." + encode(mac.Sum(nil))
}

// scraping reads the metrics at a URL over and over, as Prometheus does, until end is called. End returns the first fault:
// without the scrapes the figures would not be those of a service with everything on.
func scraping(ctx context.Context, url string) (end func() error) {
	if url == "" {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- scrapeUntilDone(ctx, url) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func scrapeUntilDone(ctx context.Context, url string) error {
	ticker := time.NewTicker(scrapeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := scrape(ctx, url); err != nil && ctx.Err() == nil {
			return fmt.Errorf("read the metrics: %w", err)
		}
	}
}

func scrape(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
