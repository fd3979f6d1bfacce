package options

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/logs"
)

// UsageError says what is wrong with the command line.
type UsageError = arguments.UsageError

func usage(format string, arguments ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, arguments...)}
}

// Check finds values that kong accepts but the service cannot use. Its error is a *[UsageError].
func (f *Flags) Check() error {
	if err := f.checkHost(); err != nil {
		return err
	}
	if err := f.checkTLS(); err != nil {
		return err
	}
	if _, err := f.trustedProxies(); err != nil {
		return err
	}
	if f.ProxyProtocol && len(f.TrustedProxy) == 0 {
		return usage("--proxy-protocol needs --trusted-proxy: anybody else could claim any address")
	}
	if err := f.checkLimits(); err != nil {
		return err
	}
	if f.QueueLimit < actors.MinQueueLimit {
		return usage("--queue-limit must be %v or more: the longest message must fit", size(actors.MinQueueLimit))
	}
	if f.ResumeWindow < 0 || f.ResumeWindow > actors.MaxResumeWindow || f.ResumeWindow%time.Second != 0 {
		return usage("--resume-window must be a whole number of seconds, %v at most", actors.MaxResumeWindow)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"--write-timeout", f.WriteTimeout},
		{"--message-timeout", f.MessageTimeout},
		{"--ping-interval", f.PingInterval},
		{"--idle-timeout", f.IdleTimeout},
		{"--retry-spread", f.RetrySpread},
		{"--handshake-timeout", f.HandshakeTimeout},
	} {
		if d.value == 0 { // transport.New would take 0 for the default
			return usage("%s cannot be 0: give a time such as 10s", d.flag)
		}
	}
	if err := f.checkAdmin(); err != nil {
		return err
	}
	if err := f.checkCluster(); err != nil {
		return err
	}
	if err := f.checkICE(); err != nil {
		return err
	}
	if err := f.checkPeerJS(); err != nil {
		return err
	}
	if err := f.Transport(nil, nil).Check(); err != nil {
		return named(err)
	}
	return nil
}

// Actors returns the options of the actor system.
func (f *Flags) Actors(logger *slog.Logger) actors.Options {
	return actors.Options{Logger: logger, QueueLimit: int(f.QueueLimit), ResumeWindow: f.ResumeWindow, NoPresence: !f.Presence, LogLogins: f.LogLogins, PeerJS: f.peersInside()}
}

// Transport returns the options of the server. Page has the files of the client's page.
func (f *Flags) Transport(logger *slog.Logger, page fs.FS) transport.Options {
	trusted, _ := f.trustedProxies() // Check has found the errors
	return transport.Options{
		Logger:           logger,
		Measure:          f.Admin != "",
		Page:             page,
		TrustedProxies:   trusted,
		ProxyProtocol:    f.ProxyProtocol,
		AllowedOrigins:   f.AllowOrigin,
		FileOrigin:       f.FileOrigin,
		StrictTransport:  f.strictTransport(),
		PeerJS:           f.peersOutside(),
		Limits:           f.limits(),
		WriteTimeout:     f.WriteTimeout,
		MessageTimeout:   f.MessageTimeout,
		PingInterval:     f.PingInterval,
		IdleTimeout:      f.IdleTimeout,
		RetrySpread:      f.RetrySpread,
		HandshakeTimeout: f.HandshakeTimeout,
	}
}

// logLevel returns the level of --log-level.
func (f *Flags) logLevel() (level slog.Level) {
	_ = level.UnmarshalText([]byte(f.LogLevel)) // kong has checked it
	return level
}

// Logger returns a logger that writes to w. [Parsed.Reload] changes its level.
func (f *Flags) Logger(w io.Writer) *slog.Logger {
	f.level.Set(f.logLevel())
	options := &slog.HandlerOptions{Level: &f.level}
	if f.LogFormat == "json" {
		return slog.New(logs.Bound(slog.NewJSONHandler(w, options)))
	}
	return slog.New(logs.Bound(slog.NewTextHandler(w, options)))
}
