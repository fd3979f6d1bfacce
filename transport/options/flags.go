// Package options is the command line of the service: its flags and environment variables, their defaults, and the
// sentences that say what is wrong with them. [Flags] become the options of packages actors and transport, a logger and
// a listener.
package options

import (
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/certificates"
	"p2p-messaging/transport/turn"
)

// Flags are the service's options on the command line, for kong. [Vars] has their defaults, and [Groups] the titles
// of their groups. Each flag has one environment variable; kong prefers the flag.
type Flags struct {
	Port *port  `group:"listen" env:"PORT" placeholder:"PORT" help:"TCP port to listen on. 0 picks a free port and prints it. Default: ${port}, or 443 with --domain."`
	Host string `group:"listen" env:"P2P_HOST" placeholder:"ADDRESS" help:"Address to listen on. Default: all addresses of this machine."`

	Domain        []string `group:"tls" env:"P2P_DOMAIN" placeholder:"NAME" help:"Speak TLS, with a certificate for this name of this machine, such as chat.example.org. It is obtained by ACME and renewed. Repeat the flag, or separate names by commas. You agree to the terms of the certificate authority. The authority must reach this service on port 443 of that name, or --http-redirect on port 80. Default: none."`
	ACMEDirectory string   `group:"tls" name:"acme-directory" env:"P2P_ACME_DIRECTORY" placeholder:"URL" help:"Directory of the ACME server to ask for certificates. Default: ${acme_directory}, which is Let's Encrypt."`
	ACMECA        string   `group:"tls" name:"acme-ca" env:"P2P_ACME_CA" placeholder:"FILE" help:"PEM file of the authorities that the ACME server's own certificate may come from. Default: those that this machine trusts."`
	ACMEEmail     string   `group:"tls" name:"acme-email" env:"P2P_ACME_EMAIL" placeholder:"ADDRESS" help:"Mail address at which the certificate authority may reach you. Default: none."`
	StateDir      string   `group:"tls" env:"P2P_STATE_DIR" placeholder:"FOLDER" help:"Folder for the certificates of --domain, their keys and the ACME account. Keep it: authorities limit how often they give a certificate. Default: p2p-messaging in $$XDG_STATE_HOME, which is ~/.local/state unless it is set."`
	TLSCert       string   `group:"tls" name:"tls-cert" env:"P2P_TLS_CERT" placeholder:"FILE" help:"Speak TLS, with the certificate in this PEM file: the server's own first, then its chain. It is read again when it changes, and on SIGHUP. Default: none."`
	TLSKey        string   `group:"tls" name:"tls-key" env:"P2P_TLS_KEY" placeholder:"FILE" help:"PEM file of the private key of --tls-cert. Default: none."`
	HTTPRedirect  string   `group:"tls" name:"http-redirect" env:"P2P_HTTP_REDIRECT" placeholder:"ADDRESS" help:"Redirect from plain http at this address to https, and answer the ACME challenge http-01 there. Off means not to. Default: off, or :80 with --domain."`

	TrustedProxy  []string `group:"proxy" env:"P2P_TRUSTED_PROXY" placeholder:"NETWORK" help:"Address or network of your proxy, such as 127.0.0.1 or 10.0.0.0/8. From there the headers X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto and Forwarded count. Repeat the flag, or separate networks by commas. Default: none."`
	ProxyProtocol bool     `group:"proxy" env:"P2P_PROXY_PROTOCOL" help:"Expect a header of the PROXY protocol, version 1 or 2, at the start of each connection from --trusted-proxy. Default: off."`

	AllowOrigin []string `group:"access" env:"P2P_ALLOW_ORIGIN" placeholder:"ORIGIN" help:"Let pages of this other origin connect, such as https://chat.example.org. Repeat the flag, or separate origins by commas. Default: none."`
	FileOrigin  bool     `group:"access" env:"P2P_FILE_ORIGIN" default:"${file_origin}" negatable:"" help:"Let pages opened from disk connect. --no-file-origin refuses them. Default: ${default}."`

	Rate       int  `group:"limits" env:"P2P_RATE" default:"${rate}" placeholder:"N" help:"Messages a second that one connection may send in the long run. A connection that sends more is read more slowly. 0 means no limit. Default: ${default}."`
	Burst      int  `group:"limits" env:"P2P_BURST" default:"${burst}" placeholder:"N" help:"Messages that one connection may send at once before --rate applies. Default: ${default}."`
	QueueLimit size `group:"limits" env:"P2P_QUEUE_LIMIT" default:"${queue_limit}" placeholder:"SIZE" help:"How much the service holds for one client, as a number of bytes, or such as 256KiB or 1MiB. Messages for it beyond that are refused. Default: ${default}."`

	MaxConnections int `group:"limits" env:"P2P_MAX_CONNECTIONS" default:"${max_connections}" placeholder:"N" help:"Connections that may be open at once. When there are more, those that have been there longest without a login are closed, and then new ones are refused. 0 means as many as the limit of open files allows. Default: ${default}."`

	WriteTimeout     time.Duration `group:"timing" env:"P2P_WRITE_TIMEOUT" default:"${write_timeout}" placeholder:"TIME" help:"How long a client may read nothing of what is sent to it before it is cut off. Default: ${default}."`
	MessageTimeout   time.Duration `group:"timing" env:"P2P_MESSAGE_TIMEOUT" default:"${message_timeout}" placeholder:"TIME" help:"How long a client may take to finish a message that it has begun. Default: ${default}."`
	PingInterval     time.Duration `group:"timing" env:"P2P_PING_INTERVAL" default:"${ping_interval}" placeholder:"TIME" help:"Time between two pings to a client. Default: ${default}."`
	IdleTimeout      time.Duration `group:"timing" env:"P2P_IDLE_TIMEOUT" default:"${idle_timeout}" placeholder:"TIME" help:"How long a client may send nothing, not even the answer to a ping. Must be longer than --ping-interval. Default: ${default}."`
	RetrySpread      time.Duration `group:"timing" env:"P2P_RETRY_SPREAD" default:"${retry_spread}" placeholder:"TIME" help:"When the service stops, its clients are told to come back at random times within this, so that they do not all come at once. Default: ${default}."`
	HandshakeTimeout time.Duration `group:"timing" env:"P2P_HANDSHAKE_TIMEOUT" default:"${handshake_timeout}" placeholder:"TIME" help:"How long a client may take to send the headers of its request. Default: ${default}."`

	ResumeWindow time.Duration `group:"sessions" env:"P2P_RESUME_WINDOW" default:"${resume_window}" placeholder:"TIME" help:"How long the session of a client that has lost its connection is kept, if the client asks for that. In whole seconds. 0 means that none is kept. Default: ${default}."`
	Presence     bool          `group:"sessions" env:"P2P_PRESENCE" default:"true" negatable:"" help:"Tell clients that ask whether a login is taken, and when that changes. --no-presence refuses. Default: ${default}."`

	TurnPublicIP            []string `group:"ice" env:"P2P_TURN_PUBLIC_IP" placeholder:"ADDRESS" help:"Run a STUN and TURN server that clients reach at this address of this machine. One of IPv4 and one of IPv6 at most, separated by a comma. Default: no such server."`
	TurnListen              string   `group:"ice" env:"P2P_TURN_LISTEN" default:"${turn_listen}" placeholder:"ADDRESS" help:"Where the TURN server listens, by UDP and TCP. Default: ${default}."`
	TurnPorts               ports    `group:"ice" env:"P2P_TURN_PORTS" default:"${turn_ports}" placeholder:"FROM-TO" help:"UDP ports that the TURN server relays through. Default: ${default}."`
	TurnSecret              string   `group:"ice" env:"P2P_TURN_SECRET" placeholder:"SECRET" help:"Secret from which the TURN credentials are made. Others can read it in a command line, so prefer the variable. Default: a random one at each start."`
	TurnAllowPeer           []string `group:"ice" env:"P2P_TURN_ALLOW_PEER" placeholder:"NETWORK" help:"Let the TURN server relay to this network, such as 10.0.0.0/8. It relays to the internet only, and to no private, local or own address. Default: none."`
	TurnAllocations         int      `group:"ice" env:"P2P_TURN_ALLOCATIONS" default:"${turn_allocations}" placeholder:"N" help:"Allocations (relayed addresses) at once. Each is an open file. 0 means no limit. Default: ${default}."`
	TurnAllocationsPerLogin int      `group:"ice" env:"P2P_TURN_ALLOCATIONS_PER_LOGIN" default:"${turn_allocations_per_login}" placeholder:"N" help:"Allocations at once of one login. 0 means no limit. Default: ${default}."`
	TurnRate                rate     `group:"ice" env:"P2P_TURN_RATE" default:"${turn_rate}" placeholder:"SIZE" help:"How much the TURN server relays in a second, as in 100MiB. What is over is dropped. 0 means no limit. Default: ${default}."`
	TurnRatePerLogin        rate     `group:"ice" env:"P2P_TURN_RATE_PER_LOGIN" default:"${turn_rate_per_login}" placeholder:"SIZE" help:"The same for one login. Default: ${default}."`
	IceServer               []string `group:"ice" env:"P2P_ICE_SERVER" placeholder:"URL" help:"Offer clients somebody else's server, such as stun:stun.example.org or turn:turn.example.org?transport=udp. Repeat the flag, or separate URLs by commas. Default: none."`
	IceServerSecret         string   `group:"ice" env:"P2P_ICE_SERVER_SECRET" placeholder:"SECRET" help:"Secret that those TURN servers share with this service (coturn's static-auth-secret). Prefer the variable. Default: none."`

	LogLevel  string `group:"log" env:"P2P_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Lowest level to log to stderr: debug, info, warn or error. Default: ${default}."`
	LogFormat string `group:"log" env:"P2P_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Format of the log: text or json. Default: ${default}."`
}

// Groups returns the groups of the flags.
func Groups() []kong.Group {
	return []kong.Group{
		{Key: "listen", Title: "Where to listen:"},
		{Key: "tls", Title: "TLS:"},
		{Key: "proxy", Title: "Behind a proxy:"},
		{Key: "access", Title: "Pages that may connect, besides the service's own:"},
		{Key: "limits", Title: "Limits:"},
		{Key: "sessions", Title: "Sessions:"},
		{Key: "timing", Title: "Timing (as in 10s, 2m30s):"},
		{Key: "ice", Title: "Connections across the internet (STUN and TURN):"},
		{Key: "log", Title: "Log:"},
	}
}

// Vars returns the variables in the tags of [Flags]. Packages actors and transport set most of these defaults.
func Vars() map[string]string {
	o, t := transport.DefaultOptions(), turn.DefaultOptions()
	return map[string]string{
		"port":              strconv.Itoa(plainPort),
		"acme_directory":    certificates.LetsEncrypt,
		"file_origin":       strconv.FormatBool(o.FileOrigin),
		"rate":              strconv.Itoa(o.Rate),
		"burst":             strconv.Itoa(o.Burst),
		"queue_limit":       size(actors.DefaultQueueLimit).String(),
		"max_connections":   strconv.Itoa(o.MaxConnections),
		"resume_window":     actors.DefaultResumeWindow.String(),
		"write_timeout":     o.WriteTimeout.String(),
		"message_timeout":   o.MessageTimeout.String(),
		"ping_interval":     o.PingInterval.String(),
		"idle_timeout":      o.IdleTimeout.String(),
		"retry_spread":      o.RetrySpread.String(),
		"handshake_timeout": o.HandshakeTimeout.String(),

		"turn_listen":                t.Listen,
		"turn_ports":                 ports{t.MinPort, t.MaxPort}.String(),
		"turn_allocations":           strconv.Itoa(t.Allocations),
		"turn_allocations_per_login": strconv.Itoa(t.AllocationsPerLogin),
		"turn_rate":                  rate(t.Rate).String(),
		"turn_rate_per_login":        rate(t.RatePerLogin).String(),
	}
}
