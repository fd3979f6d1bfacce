package routes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// everybody is the subject of broadcasts. The other subjects begin with one of these.
	everybody   = "all"
	toSubject   = "to."
	backSubject = "back."

	// A route is pinged every pingInterval, and ends after maxPings pings without an answer. It also ends if a write takes longer than
	// writeDeadline.
	pingInterval  = 2 * time.Second
	maxPings      = 2
	writeDeadline = 2 * time.Second
	// maxPending is how much may wait for the connection in the process. The peers bound what waits for it long before.
	maxPending = 1 << 30
	// startTimeout is how long Start waits for its ports. It looks for errors every startPoll.
	startTimeout = 10 * time.Second
	startPoll    = 30 * time.Millisecond
	// reconnectAfter is when the connection in the process is made again after it broke. It breaks if the process was stopped for long.
	reconnectAfter = 10 * time.Millisecond
)

func subject(a Address) string { return toSubject + string(a) }

// replySubject returns the subject on which NATS says that nobody got a batch. It says which batch.
func (r *Routes) replySubject(to Address, stream, first, count uint64) string {
	b := make([]byte, 0, len(backSubject)+2*maxAddress+3*20)
	b = append(append(b, backSubject...), r.address...)
	b = append(append(b, '.'), to...)
	for _, v := range [...]uint64{stream, first, count} {
		b = strconv.AppendUint(append(b, '.'), v, 10)
	}
	return string(b)
}

// startServer starts the NATS server of this node. Its clients need a token.
func (r *Routes) startServer(token string) error {
	o, err := r.config.serverOptions(token)
	if err != nil {
		return err
	}
	o.ServerName = string(r.address)
	s, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("the engine that joins nodes: %w", err)
	}
	log := newServerLog(r.config.Logger)
	s.SetLoggerV2(log, false, false, false)
	r.server = s
	s.Start()
	for end := time.Now().Add(startTimeout); !s.ReadyForConnections(startPoll); {
		cause := log.fatal.Load()
		if cause == nil && time.Now().Before(end) {
			continue
		}
		r.stopServer()
		if cause != nil {
			return *cause
		}
		return errNotReady
	}
	return nil
}

func (r *Routes) stopServer() {
	r.server.Shutdown()
	r.server.WaitForShutdown()
}

// serverOptions returns the options of the NATS server.
//
// The server opens its port for routes only if it also opens one for clients. That one is on the loopback interface, and
// nobody knows its token.
func (c *Config) serverOptions(token string) (*server.Options, error) {
	host, port, err := splitListen(c.Listen)
	if err != nil {
		return nil, err
	}
	user, password := c.credentials()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token,
		NoSigs: true, NoSystemAccount: true, DisableShortFirstPing: true,
		MaxPayload: MaxBody + chunkSize, MaxPending: maxPending,
		Cluster: server.ClusterOpts{
			Name: c.Cluster, Host: host, Port: port, Advertise: c.Advertise, Username: user, Password: password,
			PoolSize: -1, NoAdvertise: true, ConnectRetries: 10,
			PingInterval: pingInterval, MaxPingsOut: maxPings, WriteDeadline: writeDeadline, WriteTimeout: server.WriteTimeoutPolicyClose,
			Compression: server.CompressionOpts{Mode: server.CompressionOff},
		},
	}
	if c.Identity != nil {
		c.Identity.logger.Store(c.Logger)
		o.Cluster.TLSConfig = c.Identity.Config()
		o.Cluster.TLSTimeout = startTimeout.Seconds()
	}
	for _, peer := range c.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: peer, User: url.UserPassword(user, password)})
	}
	return o, nil
}

// credentials returns the name and password with which nodes of the cluster know each other.
func (c *Config) credentials() (user, password string) {
	sum := sha256.Sum256([]byte("p2p-messaging routes\x00" + c.Cluster + "\x00" + c.Secret))
	return "node", hex.EncodeToString(sum[:])
}

func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("the address to listen on for other nodes: %w", err)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("the port to listen on for other nodes is not a number from 0 to 65535: %q", text)
	}
	if number == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(number), nil
}

// connect connects this process to its NATS server, without a socket.
func (r *Routes) connect(token string) error {
	subjects := [subscriptions]string{subscribedTo: subject(r.address), subscribedAll: everybody, subscribedBack: backSubject + string(r.address) + ".>"}
	e := newEngine(r.server.InProcessConn, token, subjects, r.config.Logger)
	e.act = [subscriptions]func(subject, data []byte){
		subscribedTo:   func(_, data []byte) { r.receive(data) },
		subscribedAll:  func(_, data []byte) { r.hear(data) },
		subscribedBack: func(subject, _ []byte) { r.notReached(string(subject)) },
	}
	r.conn, r.engine = e, e
	if err := e.open(); err != nil {
		return fmt.Errorf("connecting to the engine that joins nodes: %w", err)
	}
	return nil
}

// publisher is what is used of an engine to publish.
type publisher interface {
	Publish(subject string, data []byte) error
	PublishRequest(subject, reply string, data []byte) error
}

// publish gives NATS one batch. It copies data.
func (r *Routes) publish(subject, reply string, data []byte) {
	r.counts.published.Add(1)
	// The only errors are that the connection is closed and that data is too large. Peers learn by asking that a batch is missing.
	if reply == "" {
		_ = r.engine.Publish(subject, data)
	} else {
		_ = r.engine.PublishRequest(subject, reply, data)
	}
}

// receive acts on one batch that came for this process.
func (r *Routes) receive(data []byte) {
	b, err := parseBatch(data, r.room)
	if err != nil {
		r.unreadable()
		return
	}
	r.room = b.answer.exceptions
	address := Address(b.sender)
	if !address.valid() {
		r.unreadable()
		return
	}
	for !r.ended.Load() && !r.peer(address).receive(b) {
	}
}

// hear acts on a batch of broadcasts.
func (r *Routes) hear(data []byte) {
	b, err := parseBatch(data, nil)
	if err != nil {
		r.unreadable()
		return
	}
	if r.config.Hear == nil || string(b.sender) == string(r.address) {
		return
	}
	from, bodies := Address(b.sender), b.bodies
	var body []byte
	for range b.count {
		body, bodies = nextBody(bodies)
		r.hearOne(from, body)
	}
}

func (r *Routes) hearOne(from Address, body []byte) {
	defer r.recovered()
	r.config.Hear(from, body)
}

func (r *Routes) unreadable() {
	r.counts.unreadable.Add(1)
	r.config.Logger.Warn("another node sends what this version cannot read")
}

// notReached acts on a batch that nobody got. The subject says which.
func (r *Routes) notReached(subject string) {
	tokens := strings.Split(subject, ".")
	if len(tokens) != 6 {
		return
	}
	var numbers [3]uint64
	for i, token := range tokens[3:] {
		n, err := strconv.ParseUint(token, 10, 64)
		if err != nil {
			return
		}
		numbers[i] = n
	}
	if p := r.known(Address(tokens[2])); p != nil {
		p.unreachable(numbers[0], numbers[1], numbers[2])
	}
}

// valid reports whether an address is one that Start makes.
func (a Address) valid() bool {
	end := strings.LastIndexByte(string(a), '-')
	return end > 0 && len(a) <= maxAddress && validNode(string(a[:end])) && validNode(string(a[end+1:]))
}

// validNode reports whether text can be the name of a node. NATS subjects and logs may have it.
func validNode(text string) bool {
	return text != "" && len(text) <= maxNode && !slices.ContainsFunc([]byte(text), func(c byte) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
	})
}
