// Package options is the command line of the service: its flags and environment variables, their defaults, and the
// sentences that say what is wrong with them. [Flags] become the options of packages actors and transport, a logger and
// a listener.
package options

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster"
	"p2p-messaging/transport"
	"p2p-messaging/transport/certificates"
	"p2p-messaging/transport/turn"
)

// Flags are the service's options on the command line, for kong. [Vars] has their defaults, and [Groups] the titles
// of their groups. Each flag has one environment variable, and a key of its name in the file of --config. The flag wins over the
// variable, and the variable over the file. The tag secret keeps a value out of --print-config. The tag reload says that the option
// can change while the service runs; see [Parsed.Reload]. The tag first puts the option into the short help; see
// [PrintFirst].
type Flags struct {
	Port *port  `group:"listen" first:"" env:"PORT" placeholder:"PORT" help:"TCP port to listen on. 0 picks a free port and prints it. Default: ${port}, or 443 with --domain."`
	Host string `group:"listen" first:"" env:"P2P_HOST" placeholder:"ADDRESS" help:"Address to listen on. Default: all addresses of this machine."`

	ReusePort bool `group:"listen" env:"P2P_REUSE_PORT" help:"Let another process of this program listen on the same port: start the new one, then stop the old one. Default: off."`

	Domain        []string `group:"tls" first:"" env:"P2P_DOMAIN" placeholder:"NAME" help:"Speak TLS, with a certificate for this name of this machine, such as chat.example.org. It is obtained by ACME and renewed. Repeat the flag, or separate names by commas. You agree to the terms of the certificate authority. The authority must reach this service on port 443 of that name, or --http-redirect on port 80. Default: none."`
	ACMEDirectory string   `group:"tls" name:"acme-directory" env:"P2P_ACME_DIRECTORY" placeholder:"URL" help:"Directory of the ACME server to ask for certificates. Default: ${acme_directory}, which is Let's Encrypt."`
	ACMECA        string   `group:"tls" name:"acme-ca" env:"P2P_ACME_CA" placeholder:"FILE" help:"PEM file of the authorities that the ACME server's own certificate may come from. Default: those that this machine trusts."`
	ACMEEmail     string   `group:"tls" name:"acme-email" env:"P2P_ACME_EMAIL" placeholder:"ADDRESS" help:"Mail address at which the certificate authority may reach you. Default: none."`
	StateDir      string   `group:"tls" env:"P2P_STATE_DIR" placeholder:"FOLDER" help:"Folder for the certificates of --domain, their keys and the ACME account, and for what waits for PeerJS clients while the service restarts. Keep it: authorities limit how often they give a certificate. Default: p2p-messaging in $$XDG_STATE_HOME, which is ~/.local/state unless it is set."`
	TLSCert       string   `group:"tls" first:"" name:"tls-cert" env:"P2P_TLS_CERT" placeholder:"FILE" help:"Speak TLS, with the certificate in this PEM file: the server's own first, then its chain. It is read again when it changes, and on SIGHUP. Default: none."`
	TLSKey        string   `group:"tls" name:"tls-key" env:"P2P_TLS_KEY" placeholder:"FILE" help:"PEM file of the private key of --tls-cert. Default: none."`
	HTTPRedirect  string   `group:"tls" name:"http-redirect" env:"P2P_HTTP_REDIRECT" placeholder:"ADDRESS" help:"Redirect from plain http at this address to https, and answer the ACME challenge http-01 there. Off means not to. Default: off, or :80 with --domain."`

	TrustedProxy  []string `group:"proxy" first:"" env:"P2P_TRUSTED_PROXY" placeholder:"NETWORK" help:"Address or network of your proxy, such as 127.0.0.1 or 10.0.0.0/8. From there the headers X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto and Forwarded count. Repeat the flag, or separate networks by commas. Default: none."`
	ProxyProtocol bool     `group:"proxy" env:"P2P_PROXY_PROTOCOL" help:"Expect a header of the PROXY protocol, version 1 or 2, at the start of each connection from --trusted-proxy. Default: off."`

	AuthJWTSecret   string `group:"auth" name:"auth-jwt-secret" env:"P2P_AUTH_JWT_SECRET" placeholder:"FILE" help:"Let only those log in who bring a token (JWT) that is signed with the secret in this file, by HMAC. The file is read again when it changes. Default: none, and anybody may log in."`
	AuthJWTJWKS     string `group:"auth" name:"auth-jwt-jwks" env:"P2P_AUTH_JWT_JWKS" placeholder:"URL|FILE" help:"Let only those log in who bring a token (JWT) that is signed with a private key whose public key is in this JWK set. A file is read again when it changes, and a URL every 5 minutes and when a token names a key that is not there. Default: none."`
	AuthJWTAudience string `group:"auth" name:"auth-jwt-audience" env:"P2P_AUTH_JWT_AUDIENCE" placeholder:"NAME" help:"Take only tokens for this audience (claim aud). Default: only those for none."`
	AuthJWTIssuer   string `group:"auth" name:"auth-jwt-issuer" env:"P2P_AUTH_JWT_ISSUER" placeholder:"NAME" help:"Take only tokens of this issuer (claim iss). Default: of any."`
	AuthURL         string `group:"auth" name:"auth-url" env:"P2P_AUTH_URL" placeholder:"URL" help:"Ask this HTTP endpoint about each token instead, by POST of login and token. Nobody can log in while it does not answer. Default: none."`

	AllowOrigin []string `group:"access" first:"" reload:"" env:"P2P_ALLOW_ORIGIN" placeholder:"ORIGIN" help:"Let pages of this other origin connect, such as https://chat.example.org. Repeat the flag, or separate origins by commas. Default: none."`
	FileOrigin  bool     `group:"access" reload:"" env:"P2P_FILE_ORIGIN" default:"${file_origin}" negatable:"" help:"Let pages opened from disk connect. --no-file-origin refuses them. Default: ${default}."`

	Rate       int  `group:"limits" reload:"" env:"P2P_RATE" default:"${rate}" placeholder:"N" help:"Messages a second that one connection may send in the long run. A connection that sends more is read more slowly. 0 means no limit. Default: ${default}."`
	Burst      int  `group:"limits" reload:"" env:"P2P_BURST" default:"${burst}" placeholder:"N" help:"Messages that one connection may send at once before --rate applies. Default: ${default}."`
	ByteRate   rate `group:"limits" reload:"" env:"P2P_BYTE_RATE" default:"${byte_rate}" placeholder:"SIZE" help:"How much one connection may send in a second in the long run, as in 4MiB. It may be ahead by as many seconds as --burst takes at --rate. A connection that sends more is read more slowly. 0 means no limit, and so does --rate 0. Default: ${default}."`
	QueueLimit size `group:"limits" env:"P2P_QUEUE_LIMIT" default:"${queue_limit}" placeholder:"SIZE" help:"How much the service holds for one client, as a number of bytes, or such as 256KiB or 1MiB. Messages for it beyond that are refused. Default: ${default}."`

	MaxConnections        int           `group:"limits" first:"" reload:"" env:"P2P_MAX_CONNECTIONS" default:"${max_connections}" placeholder:"N" help:"Connections that may be open at once. When there are more, those that have been there longest without a login are closed, and then new ones are refused. 0 means as many as the limit of open files allows. Default: ${default}."`
	ConnectionsPerAddress *int          `group:"limits" reload:"" env:"P2P_CONNECTIONS_PER_ADDRESS" placeholder:"N" help:"Connections that one address may have open at once. An IPv6 network of 64 bits counts as one address. When there are more, those of this address that have been there longest without a login are closed, and then new ones are refused. Behind a proxy, give --trusted-proxy. 0 means no limit. A limit that is given counts for private addresses, too. Default: ${connections_per_address}, for public addresses only."`
	LoginsPerAddress      *int          `group:"limits" reload:"" env:"P2P_LOGINS_PER_ADDRESS" placeholder:"N" help:"Logins a second from one address in the long run. Ten times as many may come at once. More are refused; one that resumes a session does not count. 0 means no limit. A limit that is given counts for private addresses, too. Default: ${logins_per_address}, for public addresses only."`
	LoginTimeout          time.Duration `group:"limits" reload:"" env:"P2P_LOGIN_TIMEOUT" default:"${login_timeout}" placeholder:"TIME" help:"How long a client may be connected without a login. 0 means no limit, because the page connects when it is opened. Default: ${default}."`

	WriteTimeout     time.Duration `group:"timing" env:"P2P_WRITE_TIMEOUT" default:"${write_timeout}" placeholder:"TIME" help:"How long a client may read nothing of what is sent to it before it is cut off. Default: ${default}."`
	MessageTimeout   time.Duration `group:"timing" env:"P2P_MESSAGE_TIMEOUT" default:"${message_timeout}" placeholder:"TIME" help:"How long a client may take to finish a message that it has begun. Default: ${default}."`
	PingInterval     time.Duration `group:"timing" env:"P2P_PING_INTERVAL" default:"${ping_interval}" placeholder:"TIME" help:"Time between two pings to a client. Default: ${default}."`
	IdleTimeout      time.Duration `group:"timing" env:"P2P_IDLE_TIMEOUT" default:"${idle_timeout}" placeholder:"TIME" help:"How long a client may send nothing, not even the answer to a ping. Must be longer than --ping-interval. Default: ${default}."`
	RetrySpread      time.Duration `group:"timing" env:"P2P_RETRY_SPREAD" default:"${retry_spread}" placeholder:"TIME" help:"When the service stops, its clients are told to come back at random times within this, so that they do not all come at once. Default: ${default}."`
	HandshakeTimeout time.Duration `group:"timing" env:"P2P_HANDSHAKE_TIMEOUT" default:"${handshake_timeout}" placeholder:"TIME" help:"How long a client may take to send the headers of its request. Default: ${default}."`

	ResumeWindow time.Duration `group:"sessions" env:"P2P_RESUME_WINDOW" default:"${resume_window}" placeholder:"TIME" help:"How long the session of a client that has lost its connection is kept, if the client asks for that. In whole seconds. 0 means that none is kept. Default: ${default}."`
	Presence     bool          `group:"sessions" env:"P2P_PRESENCE" default:"true" negatable:"" help:"Tell clients that ask whether a login is taken, and when that changes. --no-presence refuses. Default: ${default}."`

	TurnPublicIP            []string `group:"ice" first:"" env:"P2P_TURN_PUBLIC_IP" placeholder:"ADDRESS" help:"Run a STUN and TURN server that clients reach at this address of this machine. One of IPv4 and one of IPv6 at most, separated by a comma. Default: no such server."`
	TurnListen              string   `group:"ice" env:"P2P_TURN_LISTEN" default:"${turn_listen}" placeholder:"ADDRESS" help:"Where the TURN server listens, by UDP and TCP. Default: ${default}."`
	TurnPorts               ports    `group:"ice" env:"P2P_TURN_PORTS" default:"${turn_ports}" placeholder:"FROM-TO" help:"UDP ports that the TURN server relays through. Default: ${default}."`
	TurnSecret              string   `group:"ice" env:"P2P_TURN_SECRET" secret:"" placeholder:"SECRET" help:"Secret from which the TURN credentials are made. Others can read it in a command line, so prefer the variable. Default: a random one at each start."`
	TurnAllowPeer           []string `group:"ice" env:"P2P_TURN_ALLOW_PEER" placeholder:"NETWORK" help:"Let the TURN server relay to this network, such as 10.0.0.0/8. It relays to the internet only, and to no private, local or own address. Default: none."`
	TurnAllocations         int      `group:"ice" env:"P2P_TURN_ALLOCATIONS" default:"${turn_allocations}" placeholder:"N" help:"Allocations (relayed addresses) at once. Each is an open file. 0 means no limit. Default: ${default}."`
	TurnAllocationsPerLogin int      `group:"ice" env:"P2P_TURN_ALLOCATIONS_PER_LOGIN" default:"${turn_allocations_per_login}" placeholder:"N" help:"Allocations at once of one login. 0 means no limit. Default: ${default}."`
	TurnRate                rate     `group:"ice" env:"P2P_TURN_RATE" default:"${turn_rate}" placeholder:"SIZE" help:"How much the TURN server relays in a second, both directions together, as in 100MiB. What is over is dropped. 0 means no limit. Default: ${default}."`
	TurnRatePerLogin        rate     `group:"ice" env:"P2P_TURN_RATE_PER_LOGIN" default:"${turn_rate_per_login}" placeholder:"SIZE" help:"How much the TURN server relays in a second for one login, both directions together. What is over is dropped. 0 means no limit. Default: ${default}."`
	IceServer               []string `group:"ice" env:"P2P_ICE_SERVER" placeholder:"URL" help:"Offer clients somebody else's server, such as stun:stun.example.org or turn:turn.example.org?transport=udp. Repeat the flag, or separate URLs by commas. Default: none."`
	IceServerSecret         string   `group:"ice" env:"P2P_ICE_SERVER_SECRET" secret:"" placeholder:"SECRET" help:"Secret that those TURN servers share with this service (coturn's static-auth-secret). Prefer the variable. Default: none."`

	PeerJS                bool          `group:"peerjs" name:"peerjs" env:"P2P_PEERJS" help:"Serve PeerJS clients, too, in place of a PeerJS server. Default: off."`
	PeerJSPath            string        `group:"peerjs" name:"peerjs-path" env:"P2P_PEERJS_PATH" default:"${peerjs_path}" placeholder:"PATH" help:"Path under which PeerJS clients find the service: their option path. At / the page stays. Default: ${default}."`
	PeerJSKey             string        `group:"peerjs" name:"peerjs-key" env:"P2P_PEERJS_KEY" default:"${peerjs_key}" placeholder:"KEY" help:"Key that PeerJS clients must name: their option key. * takes any. Default: ${default}."`
	PeerJSAllowDiscovery  bool          `group:"peerjs" name:"peerjs-allow-discovery" env:"P2P_PEERJS_ALLOW_DISCOVERY" help:"Let everybody list the ids of the PeerJS clients that are connected. Default: off."`
	PeerJSCORS            []string      `group:"peerjs" name:"peerjs-cors" env:"P2P_PEERJS_CORS" placeholder:"ORIGIN" help:"Let only pages of this origin ask for ids over HTTP. Repeat the flag, or separate origins by commas. Default: all."`
	PeerJSConcurrentLimit int           `group:"peerjs" name:"peerjs-concurrent-limit" env:"P2P_PEERJS_CONCURRENT_LIMIT" default:"${peerjs_concurrent_limit}" placeholder:"N" help:"PeerJS ids that may be taken at once, those included that are reserved. Where room gets scarce, at most half of it stays reserved. 0 means no limit. Default: ${default}."`
	PeerJSExpireTimeout   time.Duration `group:"peerjs" name:"peerjs-expire-timeout" env:"P2P_PEERJS_EXPIRE_TIMEOUT" default:"${peerjs_expire_timeout}" placeholder:"TIME" help:"How long messages wait for a PeerJS client that is not there, before their senders are told. Default: ${default}."`
	PeerJSAliveTimeout    time.Duration `group:"peerjs" name:"peerjs-alive-timeout" env:"P2P_PEERJS_ALIVE_TIMEOUT" default:"${peerjs_alive_timeout}" placeholder:"TIME" help:"How long a PeerJS client may send nothing, not even the answer to a ping. Default: ${default}."`
	PeerJSReserve         time.Duration `group:"peerjs" name:"peerjs-reserve" env:"P2P_PEERJS_RESERVE" default:"${peerjs_reserve}" placeholder:"TIME" help:"How long the id of a PeerJS client that has lost its connection stays free for it alone, such as 30s. The client's token says who it is. 0 means that anybody may have the id at once. Default: ${default}."`
	PeerJSMessageLimit    size          `group:"peerjs" name:"peerjs-message-limit" env:"P2P_PEERJS_MESSAGE_LIMIT" default:"${peerjs_message_limit}" placeholder:"SIZE" help:"Size of the longest message of a PeerJS client. Default: ${default}."`

	Admin         string `group:"admin" env:"P2P_ADMIN" placeholder:"ADDRESS" help:"Show what the service does at this address, such as 127.0.0.1:7778: metrics for Prometheus, health, and profiles. It asks for no password, so only you should reach it. Default: off."`
	AdminSessions bool   `group:"admin" env:"P2P_ADMIN_SESSIONS" help:"Let requests to --admin list who is connected, and end sessions. Default: off."`

	Cluster          bool          `group:"cluster" env:"P2P_CLUSTER" help:"Share the logins with other nodes: a login is unique among them, and messages find it on whichever node it is. Default: off."`
	NodeID           string        `group:"cluster" name:"node-id" env:"P2P_NODE_ID" placeholder:"NAME" help:"Name of this node, such as n1. No other node has it. Default: none."`
	Etcd             []string      `group:"cluster" env:"P2P_ETCD" placeholder:"URL" help:"The members of etcd that say which node has a login. Repeat the flag, or separate URLs by commas. Default: none."`
	ClusterListen    string        `group:"cluster" env:"P2P_CLUSTER_LISTEN" placeholder:"ADDRESS" help:"Host and port on which other nodes connect to this one. Default: none."`
	ClusterPeers     []string      `group:"cluster" env:"P2P_CLUSTER_PEERS" placeholder:"ADDRESS" help:"Where other nodes listen. One that is there is enough to find the rest. Repeat the flag, or separate addresses by commas. Default: none."`
	ClusterAdvertise string        `group:"cluster" env:"P2P_CLUSTER_ADVERTISE" placeholder:"ADDRESS" help:"Host and port that other nodes are told to connect to, if that is not the one of --cluster-listen. Default: none."`
	ClusterCert      string        `group:"cluster" env:"P2P_CLUSTER_CERT" placeholder:"FILE" help:"PEM file of this node's certificate, for other nodes and for etcd. Default: none."`
	ClusterKey       string        `group:"cluster" env:"P2P_CLUSTER_KEY" placeholder:"FILE" help:"PEM file of the private key of --cluster-cert. Default: none."`
	ClusterCA        string        `group:"cluster" name:"cluster-ca" env:"P2P_CLUSTER_CA" placeholder:"FILE" help:"PEM file of the authority that has signed the certificates of all nodes and of etcd. Default: none."`
	ClusterInsecure  bool          `group:"cluster" env:"P2P_CLUSTER_INSECURE" help:"Use no TLS between nodes and to etcd. Only for a network that nobody else reaches. Default: off."`
	LeaseTTL         time.Duration `group:"cluster" name:"lease-ttl" env:"P2P_LEASE_TTL" default:"${lease_ttl}" placeholder:"TIME" help:"How long the logins of a node that has died stay taken at most. In whole seconds, 3s at least. Default: ${default}."`
	DrainTimeout     time.Duration `group:"cluster" env:"P2P_DRAIN_TIMEOUT" default:"10s" placeholder:"TIME" help:"How long a node that stops waits until its clients have taken their sessions over at other nodes. Default: ${default}."`

	Config      string `group:"config" first:"" env:"P2P_CONFIG" placeholder:"FILE" help:"File in TOML that has options, each by the name of its flag, as in rate = 100 or allow-origin = [\"https://chat.example.org\"]. A flag wins over its variable, and both win over the file. Default: none."`
	PrintConfig bool   `group:"config" env:"P2P_PRINT_CONFIG" help:"Print all options, their values and where those come from, and end. Secrets are hidden. Default: off."`

	LogLevel  string `group:"log" first:"" reload:"" env:"P2P_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Lowest level to log to stderr: debug, info, warn or error. Default: ${default}."`
	LogFormat string `group:"log" env:"P2P_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Format of the log: text or json. Default: ${default}."`
	LogLogins bool   `group:"log" env:"P2P_LOG_LOGINS" help:"Write the logins into the log, too, in lines about their sessions. Default: off."`

	level slog.LevelVar // that of the logger
	file  *file         // that of --config; nil without one
}

// Groups returns the groups of the flags.
func Groups() []kong.Group {
	return []kong.Group{
		{Key: "listen", Title: "Where to listen:"},
		{Key: "tls", Title: "TLS:"},
		{Key: "proxy", Title: "Behind a proxy:"},
		{Key: "auth", Title: "Who may log in:"},
		{Key: "access", Title: "Pages that may connect, besides the service's own:"},
		{Key: "limits", Title: "Limits:"},
		{Key: "sessions", Title: "Sessions:"},
		{Key: "timing", Title: "Timing (as in 10s, 2m30s):"},
		{Key: "ice", Title: "Connections across the internet (STUN and TURN):"},
		{Key: "cluster", Title: "Several machines:"},
		{Key: "peerjs", Title: "PeerJS clients:"},
		{Key: "admin", Title: "Seeing inside:"},
		{Key: "config", Title: "Configuration:"},
		{Key: "log", Title: "Log:"},
	}
}

// Vars returns the variables in the tags of [Flags]. Packages actors and transport set most of these defaults.
func Vars() map[string]string {
	o, t, p := transport.DefaultOptions(), turn.DefaultOptions(), transport.DefaultPeerJS()
	return map[string]string{
		"port":                    strconv.Itoa(plainPort),
		"acme_directory":          certificates.LetsEncrypt,
		"file_origin":             strconv.FormatBool(o.FileOrigin),
		"rate":                    strconv.Itoa(o.Rate),
		"burst":                   strconv.Itoa(o.Burst),
		"byte_rate":               rate(o.ByteRate).String(),
		"connections_per_address": strconv.Itoa(o.ConnectionsPerAddress.Most),
		"logins_per_address":      strconv.Itoa(o.LoginsPerAddress.Most),
		"login_timeout":           o.LoginTimeout.String(),
		"queue_limit":             size(actors.DefaultQueueLimit).String(),
		"max_connections":         strconv.Itoa(o.MaxConnections),
		"resume_window":           actors.DefaultResumeWindow.String(),
		"write_timeout":           o.WriteTimeout.String(),
		"message_timeout":         o.MessageTimeout.String(),
		"ping_interval":           o.PingInterval.String(),
		"idle_timeout":            o.IdleTimeout.String(),
		"retry_spread":            o.RetrySpread.String(),
		"handshake_timeout":       o.HandshakeTimeout.String(),

		"lease_ttl":               cluster.DefaultLeaseTTL.String(),
		"peerjs_path":             p.Path,
		"peerjs_key":              p.Key,
		"peerjs_concurrent_limit": strconv.Itoa(defaultPeerJSLimit),
		"peerjs_expire_timeout":   actors.DefaultPeerExpireTimeout.String(),
		"peerjs_alive_timeout":    p.AliveTimeout.String(),
		"peerjs_reserve":          "0s",
		"peerjs_message_limit":    size(p.MaxMessage).String(),

		"turn_listen":                t.Listen,
		"turn_ports":                 ports{t.MinPort, t.MaxPort}.String(),
		"turn_allocations":           strconv.Itoa(t.Allocations),
		"turn_allocations_per_login": strconv.Itoa(t.AllocationsPerLogin),
		"turn_rate":                  rate(t.Rate).String(),
		"turn_rate_per_login":        rate(t.RatePerLogin).String(),
	}
}
