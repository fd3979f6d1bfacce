package client

import (
	"context"
	"crypto/tls"
	"net"

	"p2p-messaging/messages"
)

// Option changes how [Dial] connects.
type Option func(*settings)

type settings struct {
	origin          string
	dialContext     func(ctx context.Context, network, address string) (net.Conn, error)
	tls             *tls.Config
	maxMessageBytes int
	buffer          int
	keep            bool
	token           func(ctx context.Context, login string) (string, error)
	timing          timing
}

func defaults() settings {
	return settings{
		dialContext: new(net.Dialer).DialContext,
		tls:         &tls.Config{},
		// An error of the service repeats the `to` of a message. It may be almost as long as the message.
		maxMessageBytes: 2 * messages.MaxMessageBytes,
		buffer:          64,
		timing:          defaultTiming(),
	}
}

// WithOrigin sends an Origin header, as a browser does. By default the client sends none.
func WithOrigin(origin string) Option {
	return func(s *settings) { s.origin = origin }
}

// WithDialContext makes the network connection with dial. It is called with the network "tcp" and the host and port of the
// URL. For a wss: URL the client speaks TLS over the connection that dial returns. The default is the method of a
// [net.Dialer].
func WithDialContext(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *settings) { s.dialContext = dial }
}

// WithTLSConfig sets the TLS configuration for a wss: URL. Dial copies config. If its ServerName is empty, Dial uses the host
// of the URL. Nil means the default configuration.
func WithTLSConfig(config *tls.Config) Option {
	return func(s *settings) {
		if config != nil {
			s.tls = config
		}
	}
}

// WithMaxMessageBytes sets how many bytes a received message may have. A longer message ends the connection with close code
// 1009. The default is 128 KiB. That is twice the longest message that the protocol allows a client to send.
func WithMaxMessageBytes(n int) Option {
	return func(s *settings) { s.maxMessageBytes = n }
}

// WithBuffer sets how many messages the client reads before [Client.Receive] asks for them. The default is 64. With 0 the
// client buffers none, but it may already have read one message from the network.
func WithBuffer(messages int) Option {
	return func(s *settings) { s.buffer = messages }
}

// WithKeep asks for a kept session with each login, and comes back by itself after a connection that dropped. The package
// documentation says what that means.
func WithKeep() Option {
	return func(s *settings) { s.keep = true }
}

// WithToken sends a token with each login, for a service that wants tokens. Fresh returns one for the login; it is called for each
// attempt to log in. If the token is a JWT that says when it ends, fresh is called again before that, and the service gets the new
// one. Its answer is a [Message] of type "token".
//
// With [WithKeep] the client comes back with a fresh token after the service has closed the connection because the old one had
// ended. If the service refuses five tokens in a row, the client ends.
func WithToken(fresh func(ctx context.Context, login string) (string, error)) Option {
	return func(s *settings) { s.token = fresh }
}
