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
}

func defaults() settings {
	return settings{
		dialContext: new(net.Dialer).DialContext,
		tls:         &tls.Config{},
		// An error of the service repeats the `to` of a message, which may fill almost all of it.
		maxMessageBytes: 2 * messages.MaxMessageBytes,
		buffer:          64,
	}
}

// WithOrigin sends an Origin header, as a browser does. By default there is none.
func WithOrigin(origin string) Option {
	return func(s *settings) { s.origin = origin }
}

// WithDialContext makes the network connection with dial, which is called with the network "tcp" and the host and port
// of the URL; for a wss: URL, TLS is spoken on what it returns. The default is a [net.Dialer]'s.
func WithDialContext(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *settings) { s.dialContext = dial }
}

// WithTLSConfig sets how TLS is spoken to a wss: URL; config is copied. An empty ServerName becomes the URL's host,
// and nil is the default configuration.
func WithTLSConfig(config *tls.Config) Option {
	return func(s *settings) {
		if config != nil {
			s.tls = config
		}
	}
}

// WithMaxMessageBytes bounds the messages that are received; a longer one ends the connection with close code 1009.
// The default is 128 KiB, twice what the protocol allows a client to send.
func WithMaxMessageBytes(n int) Option {
	return func(s *settings) { s.maxMessageBytes = n }
}

// WithBuffer sets how many messages are read ahead of [Client.Receive]. The default is 64. With 0 none is, though one
// message may have left the network.
func WithBuffer(messages int) Option {
	return func(s *settings) { s.buffer = messages }
}
