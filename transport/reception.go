package transport

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"p2p-messaging/transport/internal/epoll"
)

// maxPeek is how long a request may be that is answered here.
const maxPeek = 4 << 10

// reception is the listener that net/http accepts connections from. Those that come with a proper handshake for a
// WebSocket, which is what nearly all connections of a signaling service are, go to a loop at once, and net/http never
// sees them: a goroutine and buffers for each would cost more than everything that the session does later. All others
// are net/http's, and untouched.
type reception struct {
	net.Listener
	server *Server

	// Of the one goroutine that accepts.
	peeked [maxPeek]byte
	source bytes.Reader
	reader *bufio.Reader
}

func newReception(s *Server, l net.Listener) *reception {
	r := &reception{Listener: l, server: s, reader: bufio.NewReaderSize(nil, maxPeek)}
	if tcp, ok := l.(*net.TCPListener); ok {
		// A connection is worth a look when its request is there. Where the system cannot wait for that, some go the
		// longer way.
		_ = epoll.DeferAccept(tcp)
	}
	return r
}

// Accept implements net.Listener.
func (r *reception) Accept() (net.Conn, error) {
	for {
		c, err := r.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tcp, ok := c.(*net.TCPConn); !ok || !r.welcome(tcp) {
			return c, nil
		}
	}
}

// welcome opens a WebSocket if the whole of a proper handshake has come, and reports whether it did.
func (r *reception) welcome(c *net.TCPConn) bool {
	head := r.peeked[:epoll.Peek(c, r.peeked[:])]
	end := bytes.Index(head, []byte("\r\n\r\n")) + 4
	if end < 4 {
		return false
	}
	key, ok := r.check(head[:end])
	if !ok || !r.server.connections.enter() {
		return false
	}
	epoll.Discard(c, r.peeked[:end])
	r.server.open(c, key, nil)
	return true
}

// check returns the key of a handshake, and whether it is one that would be accepted after net/http had looked at it.
func (r *reception) check(head []byte) (key string, ok bool) {
	r.source.Reset(head)
	r.reader.Reset(&r.source)
	request, err := http.ReadRequest(r.reader)
	if err != nil || request.Host == "" || !httpguts.ValidHostHeader(request.Host) {
		return "", false
	}
	for name, values := range request.Header {
		if !httpguts.ValidHeaderFieldName(name) || !all(values, httpguts.ValidHeaderFieldValue) {
			return "", false
		}
	}
	if !asksForWebSocket(request) || checkHandshake(request) != nil || !r.server.origins.permits(request) {
		return "", false
	}
	return request.Header["Sec-Websocket-Key"][0], true
}

func all(values []string, f func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !f(v) })
}
