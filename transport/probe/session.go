package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// iceServer is one entry of iceServers.
type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// session is one client that is logged in.
type session struct {
	client  *client.Client
	login   string
	servers []iceServer
	read    chan struct{} // closed when receive has returned

	mu     sync.Mutex
	handle func(client.Message) // gets what arrives; nil: there is no call
}

// refusedError says that a login is refused.
type refusedError struct {
	code    messages.Code
	message string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("the service refuses the login: %s (%s)", e.message, e.code)
}

// errForeign means that a login is answered with something that is not of the protocol.
var errForeign = errors.New("a login is answered with something else")

// connect makes a connection to the service, with TLS if the service is secure. Step is called for each part.
func (p *prober) connect(ctx context.Context, step func(context.Context, string, string, func(context.Context) (string, error)) error) (net.Conn, error) {
	var conn net.Conn
	err := step(ctx, "service", "connect", func(ctx context.Context) (detail string, err error) {
		if conn, err = new(net.Dialer).DialContext(ctx, "tcp", p.target.address()); err != nil {
			return "", err
		}
		p.service = addressOf(conn.RemoteAddr())
		return conn.RemoteAddr().String(), nil
	})
	if err != nil || !p.target.secure {
		return conn, err
	}
	err = step(ctx, "service", "TLS", func(ctx context.Context) (detail string, err error) {
		conn, detail, err = p.secure(ctx, conn, p.target.host, "http/1.1")
		return detail, err
	})
	return conn, err
}

// secure speaks TLS on conn, which it closes if that fails.
func (p *prober) secure(ctx context.Context, conn net.Conn, host string, protocols ...string) (secured net.Conn, detail string, err error) {
	config := p.trust.Clone()
	config.ServerName, config.NextProtos = host, protocols
	c := tls.Client(conn, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, "", errors.Join(&handshakeError{err}, conn.Close())
	}
	state := c.ConnectionState()
	detail = tls.VersionName(state.Version)
	if len(state.PeerCertificates) > 0 {
		detail += ", certificate until " + state.PeerCertificates[0].NotAfter.UTC().Format("2006-01-02")
	}
	return c, detail, nil
}

// handshakeError is the failure of a TLS handshake.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }

func (e *handshakeError) Unwrap() error { return e.err }

// quietly is a step that is not told.
func quietly(ctx context.Context, _, _ string, do func(context.Context) (string, error)) error {
	_, err := do(ctx)
	return err
}

// logIn opens the session with a number, 0 or 1.
func (p *prober) logIn(ctx context.Context, number int) (*session, error) {
	s := &session{login: fmt.Sprintf("probe-%s-%d", strings.ToLower(rand.Text()[:10]), number+1), read: make(chan struct{})}
	conn, err := p.connect(ctx, p.step)
	if err != nil {
		return nil, err
	}
	err = p.step(ctx, "service", "WebSocket", func(ctx context.Context) (string, error) { return p.upgrade(ctx, s, conn) })
	if err != nil {
		return nil, err
	}
	err = p.step(ctx, "service", "login", func(ctx context.Context) (string, error) { return s.login, s.authenticate(ctx, p.token) })
	if err != nil {
		s.client.CloseNow()
		return nil, err
	}
	go s.receive()
	return s, nil
}

// upgrade makes a WebSocket of a connection. It tries the paths of the target one after another, and keeps the one that works.
func (p *prober) upgrade(ctx context.Context, s *session, conn net.Conn) (detail string, err error) {
	var first error
	for n, at := range p.target.paths {
		if n > 0 {
			if conn, err = p.connect(ctx, quietly); err != nil {
				return "", first
			}
		}
		s.client, err = client.Dial(ctx, p.target.webSocket(at), client.WithDialContext(func(context.Context, string, string) (net.Conn, error) { return conn, nil }))
		if err == nil {
			p.target.paths = []string{at}
			return at, nil
		}
		_ = conn.Close() // the error of the handshake tells more
		first = cmp.Or(first, err)
		if _, isStatus := errors.AsType[*client.HandshakeError](err); !isStatus {
			break
		}
	}
	return "", first
}

// authenticate logs in, and keeps the ICE servers of the answer.
func (s *session) authenticate(ctx context.Context, token string) error {
	text, err := json.Marshal(struct {
		Type  string `json:"type"`
		Login string `json:"login"`
		Token string `json:"token,omitempty"`
	}{messages.TypeLogin.String(), s.login, token})
	if err != nil {
		return err
	}
	if err := s.client.SendText(ctx, text); err != nil {
		return err
	}
	m, err := s.client.Receive(ctx)
	if err != nil {
		return err
	}
	var reply struct {
		Success    *bool         `json:"success"`
		Code       messages.Code `json:"code"`
		Message    string        `json:"message"`
		ICEServers []iceServer   `json:"iceServers"`
	}
	isReply := m.Type == messages.TypeLogin.String() || m.Err() != nil
	switch err := json.Unmarshal(m.Text, &reply); {
	case err != nil || !isReply:
		return errForeign
	case reply.Success == nil || !*reply.Success:
		return &refusedError{reply.Code, reply.Message}
	}
	s.servers = reply.ICEServers
	return nil
}

// receive passes on what arrives, until the connection ends.
func (s *session) receive() {
	defer close(s.read)
	for {
		m, err := s.client.Receive(context.Background())
		if err != nil {
			return
		}
		s.mu.Lock()
		handle := s.handle
		s.mu.Unlock()
		if handle != nil {
			handle(m)
		}
	}
}

func (s *session) handleWith(handle func(client.Message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle = handle
}

func (s *session) close() {
	_ = s.client.Close() // the probe is over
	<-s.read
}

// urls returns those of all servers, each once.
func (s *session) urls() []string {
	var all []string
	for _, server := range s.servers {
		for _, u := range server.URLs {
			if !slices.Contains(all, u) {
				all = append(all, u)
			}
		}
	}
	return all
}

// credentials returns those for a URL.
func (s *session) credentials(url string) iceServer {
	for _, server := range s.servers {
		if slices.Contains(server.URLs, url) {
			return server
		}
	}
	return iceServer{}
}

func addressOf(a net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
