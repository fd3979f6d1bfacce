package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Options says how a [Server] behaves. [DefaultOptions] returns every default. A duration of zero means its default too.
type Options struct {
	// Logger gets faults at error level. It gets requests for a WebSocket that are refused as warnings, with the address of the
	// client. At debug level it gets the beginning and the end of each connection, and what net/http finds wrong with a request or its
	// socket. Nil means slog.Default(). Contents and logins are never logged.
	Logger *slog.Logger

	// Measure counts what is relayed and how long that takes, for [Server.Figures].
	Measure bool

	// Page has the files of the client's page, index.html among them. New reads them once. Nil means no page: GET /
	// answers 404.
	Page fs.FS

	// TLS makes [Server.Serve] speak TLS on its listeners. Serve copies it. A MinVersion below TLS 1.2 is raised to it, and the
	// protocols "h2" and "http/1.1" are added to NextProtos. GetConfigForClient, if it is set, must return configurations that
	// have both already. Nil means plain HTTP.
	TLS *tls.Config
	// STUN gets the connections over TLS whose first byte after the handshake is that of a STUN message (0 to 3; RFC 7983,
	// section 7). It is called on a goroutine of the connection's own, and may keep the connection after it has returned. The
	// first read of the connection returns the bytes that Serve has looked at. Like that of a client without a login, the
	// connection is closed when its place is needed, until its method Authenticated() was called: that says that the client has
	// shown the credentials of a login. Nil means that such connections are closed.
	STUN func(net.Conn)
	// StrictTransport is how long browsers remember to open this host by https only (RFC 6797). Zero means that they are not
	// asked to. Without TLS it has no effect.
	StrictTransport time.Duration

	// AllowedOrigins lists the origins, such as "https://chat.example.org", whose pages may connect besides those that
	// this service serves itself. [Server.SetOrigins] replaces them later.
	AllowedOrigins []string
	// FileOrigin allows pages that were opened from disk to connect. Their origin is "null" or "file://".
	FileOrigin bool

	// TrustedProxies are the networks of proxies before this service. If a request comes from one of them, its headers
	// X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto and Forwarded (RFC 7239) count: the host and the scheme in them
	// stand in place of the header Host where the service compares the Origin of a page and names its own address. The lists
	// in these headers are read from the right end, up to the first address that is not in these networks. IPv4 networks must
	// not be written as IPv6. The headers of others are ignored.
	TrustedProxies []netip.Prefix
	// ProxyProtocol makes [Server.Serve] expect a header of the PROXY protocol, version 1 or 2, at the start of each
	// connection from one of TrustedProxies. The address in it stands in place of the proxy's. A connection without it is
	// closed. So is one with it from anybody else. It needs TrustedProxies.
	ProxyProtocol bool

	// PeerJS makes the server serve clients that speak PeerJS, too. Nil means that it does not.
	PeerJS *PeerJS

	// Limits bound what clients may ask for. [Server.SetLimits] replaces them later.
	Limits

	// WriteTimeout is how long a write may make no progress. After that the service ends the connection, because its
	// client reads too slowly (close code 4000). WriteTimeout is also how long the client of a connection that is being
	// closed has to take the waiting frames. Default: 10 s.
	WriteTimeout time.Duration
	// MessageTimeout is how long a client may take to finish a message that it has begun, over all its fragments. After
	// that the service ends the connection (close code 1008). The time in which the service does not read the client does
	// not count. Default: 10 s.
	MessageTimeout time.Duration
	// PingInterval is the time between two pings to a connection. Default: 25 s.
	PingInterval time.Duration
	// IdleTimeout is how long a client may send nothing, not even a pong. After that the service ends the connection
	// (close code 4001). IdleTimeout must be longer than PingInterval. Default: 60 s.
	IdleTimeout time.Duration
	// RetrySpread is the time over which clients come back after a Shutdown. Each is told when, at random. Default: 5 s.
	RetrySpread time.Duration
	// HandshakeTimeout is how long a client may take to send a request's headers. Over TLS, it is also how long the client may
	// take for the TLS handshake and the first bytes behind it. [Server.Serve] enforces it. If the Server
	// is mounted in another [http.Server], the ReadHeaderTimeout of that server applies instead. Default: 10 s.
	HandshakeTimeout time.Duration
}

// DefaultOptions returns the options of a service that nobody configured.
func DefaultOptions() Options {
	return Options{
		FileOrigin: true,
		Limits: Limits{
			Rate:     500,
			Burst:    1000,
			ByteRate: 4 << 20, // messages of up to 8 KiB are bounded by Rate alone

			ConnectionsPerAddress: AddressLimit{Most: 2000},
			LoginsPerAddress:      AddressLimit{Most: 200},
		},
		WriteTimeout:     10 * time.Second,
		MessageTimeout:   10 * time.Second,
		PingInterval:     25 * time.Second,
		IdleTimeout:      60 * time.Second,
		RetrySpread:      5 * time.Second,
		HandshakeTimeout: 10 * time.Second,
	}
}

// Check returns an error that says which option is wrong, as [New] does. It does not look at Page.
func (o Options) Check() error {
	if err := o.complete(); err != nil {
		return err
	}
	_, err := newOrigins(o.AllowedOrigins, o.FileOrigin)
	return err
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
		{"message timeout", &o.MessageTimeout, defaults.MessageTimeout},
		{"ping interval", &o.PingInterval, defaults.PingInterval},
		{"idle timeout", &o.IdleTimeout, defaults.IdleTimeout},
		{"retry spread", &o.RetrySpread, defaults.RetrySpread},
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
	if o.ProxyProtocol && len(o.TrustedProxies) == 0 {
		return errors.New("the PROXY protocol needs the addresses of trusted proxies: anybody else could claim any address")
	}
	if o.PeerJS != nil {
		var err error
		if o.PeerJS, err = o.PeerJS.completed(); err != nil {
			return err
		}
	}
	return o.Limits.Check()
}
