package transport

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
	"p2p-messaging/transport/internal/frame"
)

// PeerJS makes a [Server] serve clients that speak PeerJS (npm peerjs 1.x), as a PeerJS server does. [DefaultPeerJS] returns every default. A
// zero or empty value means its default too.
type PeerJS struct {
	// Path is the prefix of all addresses: the WebSocket is opened at Path + "peerjs". At "/" the page stays, and who asks for HTML gets
	// it. Default: "/".
	Path string
	// Key is what clients must name. "*" takes any. Default: "peerjs".
	Key string
	// Discovery lets everybody list the ids that are connected. The [actors.System] must know of it, too.
	Discovery bool
	// Origins are the origins whose pages may read what HTTP requests return. Empty means all. WebSockets are opened for all pages.
	Origins []string
	// MaxMessage is the size in bytes of the longest message. Default: 256 KiB.
	MaxMessage int
	// AliveTimeout is how long a client may send nothing, not even a pong. It is pinged three times in this time at least. Default: 90 s.
	AliveTimeout time.Duration
}

// Bounds of the options.
const (
	minPeerMessage  = 1 << 10
	maxPeerMessage  = 16 << 20
	minAliveTimeout = time.Second
)

// DefaultPeerJS returns the options of a service that nobody configured.
func DefaultPeerJS() PeerJS {
	return PeerJS{Path: "/", Key: "peerjs", MaxMessage: 256 << 10, AliveTimeout: 90 * time.Second}
}

// completed returns o with defaults and a path that begins and ends with a slash. The error says what cannot be used.
func (o PeerJS) completed() (*PeerJS, error) {
	defaults := DefaultPeerJS()
	if o.Path = "/" + strings.Trim(o.Path, "/") + "/"; o.Path == "//" {
		o.Path = "/"
	}
	for _, c := range o.Path {
		if !strings.ContainsRune("/-._~", c) && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return nil, fmt.Errorf("the path for PeerJS may have letters, digits and -._~ between its slashes, and %q has %q", o.Path, c)
		}
	}
	if strings.Contains(o.Path, "//") {
		return nil, fmt.Errorf("the path for PeerJS must not have two slashes in a row, as %q has", o.Path)
	}
	if strings.Contains(o.Path, "/./") || strings.Contains(o.Path, "/../") {
		return nil, fmt.Errorf("the path for PeerJS must not have a part that is . or .., as %q has: clients leave such parts out", o.Path)
	}
	if o.Key == "" {
		o.Key = defaults.Key
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = defaults.MaxMessage
	}
	if o.AliveTimeout == 0 {
		o.AliveTimeout = defaults.AliveTimeout
	}
	if o.MaxMessage < minPeerMessage || o.MaxMessage > maxPeerMessage {
		return nil, fmt.Errorf("the longest message of PeerJS must have from %d to %d bytes, not %d", minPeerMessage, maxPeerMessage, o.MaxMessage)
	}
	if o.AliveTimeout < minAliveTimeout {
		return nil, fmt.Errorf("the time after which a PeerJS client counts as dead must be at least %v, not %v", minAliveTimeout, o.AliveTimeout)
	}
	return &o, nil
}

// peers is what a server needs to serve PeerJS clients.
type peers struct {
	PeerJS
	system *actors.System
	rules  *frame.Rules
	ping   int64 // between two pings, in nanoseconds
}

func newPeers(system *actors.System, o PeerJS, pingInterval time.Duration) *peers {
	return &peers{
		PeerJS: o,
		system: system,
		rules:  &frame.Rules{FromClient: true, Binary: true, MaxMessage: o.MaxMessage, MaxFragments: 2 * o.MaxMessage},
		ping:   int64(min(pingInterval, o.AliveTimeout/3)),
	}
}

// hasSocket reports whether the WebSockets of PeerJS clients are opened at a path.
func (p *peers) hasSocket(path string) bool {
	if p == nil {
		return false
	}
	rest, ok := strings.CutPrefix(path, p.Path)
	return ok && rest == "peerjs"
}

// checkPeerHandshake is checkHandshake for a PeerJS client. Its refusals have the status codes of a PeerJS server.
func checkPeerHandshake(r *http.Request) *refusal {
	if version := r.Header["Sec-Websocket-Version"]; len(version) == 1 && version[0] == "8" { // the draft that the RFC has made 13
		r.Header["Sec-Websocket-Version"] = []string{"13"}
	}
	refusal := checkHandshake(r)
	if refusal != nil && refusal.status == http.StatusUpgradeRequired && hasToken(r.Header, "Upgrade", "websocket") {
		refusal.status = http.StatusBadRequest
	}
	return refusal
}

// refuse refuses a WebSocket at a path where a PeerJS server opens none. It returns false if the path is not one of PeerJS.
func (p *peers) refuse(w http.ResponseWriter, r *http.Request, at route, l *refusals) bool {
	if p == nil {
		return false
	}
	if _, under := p.under(pathOf(r)); !under {
		return false
	}
	l.add(r, at, http.StatusBadRequest, "PeerJS clients open WebSockets at "+p.Path+"peerjs, and others at / and at /ws")
	w.Header().Set("Connection", "close")
	tell(w, http.StatusBadRequest, "text/html", http.StatusText(http.StatusBadRequest))
	return true
}

// offersProtocol reports whether the head of a request offers a subprotocol, which [headReader] does not read.
func offersProtocol(head []byte) bool {
	return bytes.Contains(bytes.ToLower(head), []byte("\r\nsec-websocket-protocol"))
}

// entry is what the request for a WebSocket says.
type entry struct {
	key      string        // Sec-WebSocket-Key
	hello    *peerjs.Hello // of a PeerJS client; otherwise nil
	protocol string        // the subprotocol that a PeerJS client has offered first, or none
}

// openingOf reads a request that was checked.
func (s *Server) openingOf(r *http.Request) entry {
	o := entry{key: r.Header.Get("Sec-Websocket-Key")}
	if s.peers.hasSocket(pathOf(r)) {
		hello := peerjs.ParseQuery(r.URL.RawQuery)
		first, _, _ := strings.Cut(r.Header.Get("Sec-Websocket-Protocol"), ",")
		o.hello, o.protocol = &hello, strings.Trim(first, " \t")
	}
	return o
}

// sessionFor returns the session of a new connection.
func (s *Server) sessionFor(l actors.Link, o entry) session {
	if o.hello != nil {
		return s.peers.system.ConnectPeer(l)
	}
	return s.connect(l)
}

// appendResponse appends the answer to a handshake.
func (o *entry) appendResponse(b []byte) []byte {
	b = appendHandshakeResponse(b, o.key)
	if o.protocol != "" {
		b = append(b[:len(b)-len(crlf)], "Sec-WebSocket-Protocol: "...)
		b = append(append(append(b, o.protocol...), crlf...), crlf...)
	}
	return b
}

// peer returns the session of a PeerJS client, or nil if the client is none.
func (c *conn) peer() *actors.Peer {
	p, _ := c.session.(*actors.Peer)
	return p
}

// begin asks for the id of a PeerJS client that has said hello. The reader calls it before it reads. For any other client, hello is nil.
func (c *conn) begin(hello *peerjs.Hello) {
	if hello == nil || !c.outbox.isOpen() {
		return
	}
	key := c.server.peers.Key
	if key == "*" {
		key = ""
	}
	c.outbox.await(true)
	if c.peer().Begin(*hello, key) || !c.awaitDecision() {
		c.noteLogin()
	}
}

// peerText acts on one message of a PeerJS client.
func (c *conn) peerText(p *actors.Peer, text []byte) {
	m, kind := peerjs.Read(text, p.ID())
	switch kind {
	case peerjs.Ignored:
		if !utf8.Valid(text) {
			c.atFault = true
			c.finish(frame.AppendClose(nil, uint16(messages.CloseInvalidPayload), reasonEncoding))
		}
	case peerjs.Left:
		p.Leave()
	case peerjs.Relayed:
		m.Via = c.carrier
		c.relay(len(text))
		if !p.Receive(m) {
			c.awaitDecision()
		}
	}
}

// rhythm returns the time between two pings to the client, the time after which a silent client counts as dead, in nanoseconds, and the
// code with which its connection is closed then.
func (c *conn) rhythm() (ping, idle int64, code messages.CloseCode) {
	if c.server.peers != nil && c.peer() != nil {
		return c.server.peers.ping, int64(c.server.peers.AliveTimeout), messages.CloseNoStatus
	}
	return int64(c.server.options.PingInterval), int64(c.server.options.IdleTimeout), messages.CloseNoSignOfLife
}
