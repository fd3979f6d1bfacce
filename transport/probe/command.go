// Package probe is the command probe: it answers whether two people can talk by way of a service. It logs two clients in, and
// sets up a call between them over each way that the service offers: directly, by the address that STUN finds, and by relays
// over UDP, TCP and TLS. Each step is told with its time. A step that fails is told with its likely cause.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport/arguments"
)

// UsageError says what is wrong with the command line.
type UsageError = arguments.UsageError

// ServiceError says that there is no service at the URL, or that it takes no logins.
type ServiceError struct {
	Reason string
	Err    error // the cause
}

func (e *ServiceError) Error() string { return e.Reason }

func (e *ServiceError) Unwrap() error { return e.Err }

// ExitStatus is that of a wrong command line, because the URL is wrong.
func (e *ServiceError) ExitStatus() int { return arguments.StatusUsage }

// FaultsError says that something that the service offers does not work.
type FaultsError struct{ Failed, Steps int }

func (e *FaultsError) Error() string {
	return fmt.Sprintf("%d of %d steps failed", e.Failed, e.Steps)
}

// Flags are the command line of a probe, for kong.
type Flags struct {
	URL string `arg:"" name:"url" placeholder:"URL" help:"The service, as it is typed into a browser, such as https://chat.example.org. ws:// and wss:// are taken, too."`

	LoginToken string        `env:"P2P_PROBE_LOGIN_TOKEN" placeholder:"TOKEN" help:"Token that is sent with the logins, for a service that asks for one."`
	CA         string        `name:"ca" type:"path" placeholder:"FILE" help:"Trust the authorities in this PEM file, too."`
	Insecure   bool          `help:"Do not check certificates."`
	Timeout    time.Duration `default:"10s" placeholder:"TIME" help:"How long a step may take. Default: ${default}."`
	JSON       bool          `name:"json" help:"Print the steps as JSON."`
}

// Help returns the description of the command, which stands above its flags.
func (*Flags) Help() string {
	return `It logs two clients in, which get logins of their own, and sets up calls between them over each way that the service offers: ` +
		`directly, by the address that STUN finds, and by relays over UDP, TCP and TLS. Run it outside of the network of the service, where people are.

Examples:

  p2p-messaging probe https://chat.example.org
  p2p-messaging probe http://localhost:7777
  p2p-messaging probe --ca ca.pem --json wss://chat.example.org/ws

The exit status is 0 if all works that the service offers, 1 if something fails, and 2 for a wrong command line or if there is no service. ` +
		`A service that offers no relay is told so. That is no failure.`
}

// Run runs the command for kong.
func (f *Flags) Run(parsed *kong.Context) error { return arguments.Program(f.Execute).Run(parsed) }

// Execute probes until all ways are tried or ctx ends, and prints the steps on stdout. The error is a *[UsageError], a
// *[ServiceError] or a *[FaultsError], that of ctx if it ended, or another one if the output could not be written.
func (f *Flags) Execute(ctx context.Context, stdout, _ io.Writer) error {
	at, err := parseTarget(f.URL)
	if err != nil {
		return err
	}
	if f.Timeout <= 0 {
		return &UsageError{Reason: "--timeout: a step needs some time: give 1s or more"}
	}
	trust, err := f.trust()
	if err != nil {
		return err
	}
	p := &prober{target: at, token: f.LoginToken, trust: trust, timeout: f.Timeout, report: Report{URL: at.String(), Steps: []Step{}}}
	if !f.JSON {
		p.show = func(s Step) { _, err = io.WriteString(stdout, s.text()) }
	}
	unusable := p.run(ctx)
	p.report.OK = unusable == nil && p.report.failed() == 0
	if f.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(p.report)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: not all ways were tried: %w", ctx.Err())
	case unusable != nil:
		return unusable
	case err != nil:
		return fmt.Errorf("print the steps: %w", err)
	case !p.report.OK:
		return &FaultsError{p.report.failed(), len(p.report.Steps)}
	}
	return nil
}

// trust returns the TLS configuration for all connections.
func (f *Flags) trust() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.Insecure} //nolint:gosec // if it is asked for
	if f.CA == "" {
		return config, nil
	}
	if f.Insecure {
		return nil, &UsageError{Reason: "--ca and --insecure exclude each other: give one"}
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, &UsageError{Reason: "--ca: " + err.Error()}
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, &UsageError{Reason: "--ca: there is no certificate in " + f.CA + ": give a PEM file"}
	}
	return config, nil
}
