// Package health is the command health: it asks a running service by its admin address whether it is ready. The image of the
// service has no other program that could do so.
package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport/arguments"
)

// UsageError says what is wrong with the command line.
type UsageError = arguments.UsageError

// Flags are the command line, for kong.
type Flags struct {
	Admin   string        `env:"P2P_ADMIN" required:"" placeholder:"ADDRESS" help:"Address that the service has in --admin, such as 127.0.0.1:7778."`
	Timeout time.Duration `default:"3s" placeholder:"TIME" help:"How long the service may take to answer. Default: ${default}."`
}

// Help returns the description of the command, which stands above its flags.
func (*Flags) Help() string {
	return `The exit status is 0 if the service is ready, 1 if it is not or does not answer, and 2 for a wrong command line. ` +
		`Health checks of containers use it.`
}

// Run runs the command for kong.
func (f *Flags) Run(parsed *kong.Context) error { return arguments.Program(f.Execute).Run(parsed) }

// Execute asks the service. The error is nil if the service is ready, and a *[UsageError] if the flags cannot work.
func (f *Flags) Execute(ctx context.Context, _, _ io.Writer) error {
	at, err := readiness(f.Admin)
	if err != nil {
		return err
	}
	if f.Timeout <= 0 {
		return &UsageError{Reason: "--timeout: an answer needs some time: give 1s or more"}
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return &UsageError{Reason: "--admin: " + err.Error()}
	}
	transport := &http.Transport{DisableKeepAlives: true} // without a proxy
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("the service does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return fmt.Errorf("the service is not ready: %s: %s", response.Status, strings.TrimSpace(string(said)))
	}
	return nil
}

// readiness returns the URL that tells whether the service with an admin address is ready. A service that listens on all
// addresses is asked on this machine.
func readiness(admin string) (string, error) {
	host, port, err := net.SplitHostPort(admin)
	if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil {
		return "", &UsageError{Reason: fmt.Sprintf("--admin: %q is no address with a port, such as 127.0.0.1:7778", admin)}
	}
	switch address, _ := netip.ParseAddr(host); {
	case host == "":
		host = "localhost"
	case address == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case address == netip.IPv6Unspecified():
		host = "::1"
	}
	return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: "/readyz"}).String(), nil
}
