package transport

import (
	"fmt"
	"io/fs"
	"log/slog"
	"time"
)

// Options says how a [Server] behaves. [DefaultOptions] returns every default. A duration of zero means its default too.
type Options struct {
	// Logger gets faults at error level and, at debug level, what net/http finds wrong with a request or its socket. Nil
	// means slog.Default(). Connections, contents and logins are never logged.
	Logger *slog.Logger

	// Page has the files of the client's page, index.html among them. New reads them once. Nil means no page: GET /
	// answers 404.
	Page fs.FS

	// AllowedOrigins lists the origins, such as "https://chat.example.org", whose pages may connect besides those that
	// this service serves itself.
	AllowedOrigins []string
	// FileOrigin lets pages connect that were opened from disk. Their origin is "null" or "file://".
	FileOrigin bool

	// Rate is how many frames a second a connection may send in the long run, after a Burst. A connection over it is
	// read more slowly; nothing is lost. 0: no limit. Memory does not depend on the rate: a connection for whose client
	// the service holds more than [actors.Options.QueueLimit] is not read, with any rate or none.
	Rate int
	// Burst is how many frames a connection may send at once before Rate applies; at least one.
	Burst int

	// WriteTimeout is how long a write may make no progress before the connection is ended as too slow a reader (close
	// code 4000), and how long a connection that is being closed has to take what waits for it. Default: 10 s.
	WriteTimeout time.Duration
	// PingInterval is the time between two pings to a connection. Default: 25 s.
	PingInterval time.Duration
	// IdleTimeout is how long nothing at all, not even a pong, may come from a client before its connection is ended
	// (close code 4001). It must be longer than PingInterval. Default: 60 s.
	IdleTimeout time.Duration
	// HandshakeTimeout is how long a client may take to send a request's headers. [Server.Serve] enforces it. Where the
	// Server is mounted in another http.Server, that one's ReadHeaderTimeout counts. Default: 10 s.
	HandshakeTimeout time.Duration
}

// DefaultOptions returns the options of a service that nobody configured.
func DefaultOptions() Options {
	return Options{
		FileOrigin:       true,
		Rate:             500,
		Burst:            1000,
		WriteTimeout:     10 * time.Second,
		PingInterval:     25 * time.Second,
		IdleTimeout:      60 * time.Second,
		HandshakeTimeout: 10 * time.Second,
	}
}

// complete fills in defaults and checks what was given.
func (o *Options) complete() error {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	defaults := DefaultOptions()
	for _, d := range []struct {
		name      string
		value     *time.Duration
		otherwise time.Duration
	}{
		{"write timeout", &o.WriteTimeout, defaults.WriteTimeout},
		{"ping interval", &o.PingInterval, defaults.PingInterval},
		{"idle timeout", &o.IdleTimeout, defaults.IdleTimeout},
		{"handshake timeout", &o.HandshakeTimeout, defaults.HandshakeTimeout},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < time.Millisecond {
			return fmt.Errorf("the %s must be at least %v, not %v", d.name, time.Millisecond, *d.value)
		}
	}
	if o.IdleTimeout <= o.PingInterval {
		return fmt.Errorf("the idle timeout (%v) must be longer than the ping interval (%v), or every quiet client is cut off", o.IdleTimeout, o.PingInterval)
	}
	if o.Rate < 0 || o.Rate > maxRate {
		return fmt.Errorf("the rate must be from 0 to %d frames a second, not %d", maxRate, o.Rate)
	}
	if o.Rate > 0 && (o.Burst < 1 || o.Burst > maxRate) {
		return fmt.Errorf("the burst must be from 1 to %d frames where there is a rate, not %d", maxRate, o.Burst)
	}
	return nil
}
