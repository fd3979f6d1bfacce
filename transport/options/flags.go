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
	HandshakeTimeout time.Duration `group:"timing" env:"P2P_HANDSHAKE_TIMEOUT" default:"${handshake_timeout}" placeholder:"TIME" help:"How long a client may take to send the headers of its request. Default: ${default}."`

	LogLevel  string `group:"log" env:"P2P_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Lowest level to log to stderr: debug, info, warn or error. Default: ${default}."`
	LogFormat string `group:"log" env:"P2P_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Format of the log: text or json. Default: ${default}."`
}

// Groups returns the groups of the flags.
func Groups() []kong.Group {
	return []kong.Group{
		{Key: "listen", Title: "Where to listen:"},
		{Key: "tls", Title: "TLS:"},
		{Key: "access", Title: "Pages that may connect, besides the service's own:"},
		{Key: "limits", Title: "Limits:"},
		{Key: "timing", Title: "Timing (as in 10s, 2m30s):"},
		{Key: "log", Title: "Log:"},
	}
}

// Vars returns the variables in the tags of [Flags]. Packages actors and transport set most of these defaults.
func Vars() map[string]string {
	o := transport.DefaultOptions()
	return map[string]string{
		"port":              strconv.Itoa(plainPort),
		"acme_directory":    certificates.LetsEncrypt,
		"file_origin":       strconv.FormatBool(o.FileOrigin),
		"rate":              strconv.Itoa(o.Rate),
		"burst":             strconv.Itoa(o.Burst),
		"queue_limit":       size(actors.DefaultQueueLimit).String(),
		"max_connections":   strconv.Itoa(o.MaxConnections),
		"write_timeout":     o.WriteTimeout.String(),
		"message_timeout":   o.MessageTimeout.String(),
		"ping_interval":     o.PingInterval.String(),
		"idle_timeout":      o.IdleTimeout.String(),
		"handshake_timeout": o.HandshakeTimeout.String(),
	}
}
