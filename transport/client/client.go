// Package client is a client of the signaling service. It dials, logs in, sends messages for the service to relay, and
// receives the messages of others.
//
//	c, err := client.Dial(ctx, "ws://localhost:7777")
//	…
//	defer c.Close()
//	err = c.Login(ctx, "alice")
//	err = c.Send(ctx, messages.TypeOffer, "bob", offer)
//	m, err := c.Receive(ctx)
//
// # Errors
//
//   - [*HandshakeError]: the service did not accept the WebSocket connection.
//   - [*RefusedError]: the service refused a login.
//   - [*CloseError]: the service closed the connection.
//   - [*ServiceError]: the service reports an error about a message that was sent. Such a report arrives as a [Message] of
//     type "error". [Message.Err] returns the error.
//
// If a context ended first, errors.Is finds [context.Canceled] or [context.DeadlineExceeded].
//
// # A client that does not receive
//
// A client reads messages from the socket into a buffer, which holds a fixed number of messages ([WithBuffer]). If nobody
// calls [Client.Receive], the buffer becomes full. Then the client stops reading from the socket: it does not answer pings,
// and Login gets no reply. Messages of the service wait in the network and then in the service. The service treats such a
// client as a slow reader.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lxzan/gws"

	"p2p-messaging/messages"
)

const (
	// closeTimeout bounds the closing handshake. Then the client cuts off the connection.
	closeTimeout = 5 * time.Second
	// lastWords is how long a client still reads after a failed write. The service may have sent a close frame that says
	// why.
	lastWords = time.Second
)

// Client is one connection to a service. [Dial] makes it. It ends in one of these ways:
//
//   - [Client.Close] or [Client.CloseNow] is called;
//   - the service closes it or breaks the protocol, or the network loses it;
//   - a context ends in the middle of a write, or before the reply to a login came.
//
// The caller of Dial must always call Close or CloseNow. When that has returned, no goroutine of the client is left.
//
// Several goroutines may call the methods at the same time. The messages of one goroutine go out in the order of its calls.
// If several goroutines call Receive, each message goes to one of them.
type Client struct {
	socket *socket
	ws     *gws.Conn

	incoming chan Message  // filled only by the reading goroutine
	closing  chan struct{} // closed when this side begins to close
	done     chan struct{} // closed by the reading goroutine when it returns
	writing  chan struct{} // a token that is held while a frame is being written
	session  chan struct{} // a token that is held during Login and Logout
	pongs    sync.WaitGroup

	closeOnce   sync.Once
	closeErr    error
	closingOnce sync.Once

	mu           sync.Mutex
	login        string       // the current login; "" without one
	reply        chan Message // gets the reply to a login; nil if nobody waits for one
	err          error        // why the connection ended
	serviceEnded bool         // the service sent a close frame
	ping         []byte       // the payload of the latest ping that is not answered yet
	ponging      bool         // a goroutine is answering pings
}

// Dial connects to the service at address, a ws: or wss: URL, and does the WebSocket handshake. ctx bounds these two steps
// only. If the service answers with another HTTP status than 101, the error is a [*HandshakeError].
func Dial(ctx context.Context, address string, options ...Option) (*Client, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	s := defaults()
	for _, option := range options {
		option(&s)
	}
	c, err := dial(ctx, target, s)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target.Redacted(), err)
	}
	return c, nil
}

func dial(ctx context.Context, target *url.URL, s settings) (*Client, error) {
	if (target.Scheme != "ws" && target.Scheme != "wss") || target.Host == "" {
		return nil, errors.New("the address must look like ws://host:port or wss://host:port")
	}
	port := target.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[target.Scheme]
	}
	conn, err := s.dialContext(ctx, "tcp", net.JoinHostPort(target.Hostname(), port))
	if err != nil {
		return nil, err
	}
	if target.Scheme == "wss" {
		config := s.tls.Clone()
		if config.ServerName == "" {
			config.ServerName = target.Hostname()
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		conn = secured
	}

	c := &Client{
		socket:   newSocket(conn),
		incoming: make(chan Message, s.buffer),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		writing:  make(chan struct{}, 1),
		session:  make(chan struct{}, 1),
	}
	header := http.Header{}
	if s.origin != "" {
		header.Set("Origin", s.origin)
	}
	// gws bounds the handshake with its own timeout, and leaves a goroutine behind when that passes. So this timeout is too
	// long to matter. Instead, the end of ctx closes the underlying connection, which ends the handshake.
	stop := context.AfterFunc(ctx, func() { _ = c.socket.Close() })
	var response *http.Response
	c.ws, response, err = gws.NewClientFromConn(events{c}, &gws.ClientOption{
		Addr:                target.String(),
		RequestHeader:       header,
		HandshakeTimeout:    24 * time.Hour,
		ReadMaxPayloadSize:  s.maxMessageBytes,
		WriteMaxPayloadSize: 1 << 30, // the service refuses messages that are too long
		CheckUtf8Enabled:    true,
	}, c.socket)
	if !stop() {
		_ = c.socket.Close()
		return nil, fmt.Errorf("WebSocket handshake: %w", ctx.Err())
	}
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			return nil, &HandshakeError{StatusCode: response.StatusCode}
		}
		return nil, fmt.Errorf("WebSocket handshake: %w", err)
	}
	c.socket.opened()
	go c.read()
	return c, nil
}

// Login asks for login and waits for the reply of the service. If the service refuses, the error is a [*RefusedError]. The
// connection stays open then, and another Login may follow. Receive returns messages that come before the reply, in order.
// The package documentation says what a full buffer does.
//
// If ctx ends before the reply came, nobody can say whether the login was accepted. So Login closes the connection.
func (c *Client) Login(ctx context.Context, login string) error {
	if err := c.logIn(ctx, login); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return nil
}

func (c *Client) logIn(ctx context.Context, login string) error {
	if !utf8.ValidString(login) {
		return errors.New("a login must be valid UTF-8")
	}
	if err := c.acquire(ctx, c.session); err != nil {
		return err
	}
	defer release(c.session)
	reply := make(chan Message, 1)
	c.awaitReply(reply)
	defer c.awaitReply(nil)
	text, err := loginText(messages.TypeLogin, login)
	if err != nil {
		return err
	}
	// A service of the original protocol answers a malformed message with an error that does not say which message it is
	// about. So the client does not send one.
	if _, err := messages.Decode(text); err != nil {
		return &RefusedError{Code: messages.CodeLoginInvalid, Message: err.(*messages.DecodeError).Reason}
	}
	if err := c.write(ctx, gws.OpcodeText, text); err != nil {
		return err
	}
	var m Message
	select {
	case m = <-reply:
	case <-ctx.Done():
		c.end(fmt.Errorf("login given up before the reply came: %w", ctx.Err()))
		_ = c.socket.Close()
		return ctx.Err()
	case <-c.done:
		select {
		case m = <-reply: // the reply was the last message
		default:
			return c.Err()
		}
	}
	if refused := m.refusal(); refused != nil {
		return refused
	}
	c.mu.Lock()
	c.login = login
	c.mu.Unlock()
	return nil
}

// Logout gives up the current login. The service sends no reply. The connection stays open and may log in again, with the
// same login or another one. Without a login the error is [ErrNotLoggedIn].
func (c *Client) Logout(ctx context.Context) error {
	if err := c.logOut(ctx); err != nil {
		return fmt.Errorf("logout: %w", err)
	}
	return nil
}

func (c *Client) logOut(ctx context.Context) error {
	if err := c.acquire(ctx, c.session); err != nil {
		return err
	}
	defer release(c.session)
	login := c.LoggedInAs()
	if login == "" {
		return ErrNotLoggedIn
	}
	text, err := loginText(messages.TypeLogout, login)
	if err != nil {
		return err
	}
	if err := c.write(ctx, gws.OpcodeText, text); err != nil {
		return err
	}
	c.mu.Lock()
	c.login = ""
	c.mu.Unlock()
	return nil
}

// LoggedInAs returns the current login as it was given to [Client.Login], or "" if there is none.
func (c *Client) LoggedInAs() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.login
}

// Send sends a message of a relayed type to another login:
//
//	{"type":T,T:payload,"from":<the current login>,"to":to}
//
// The payload is encoded with encoding/json. For [messages.TypeBye] the payload is the reason, and its key is "reason".
//
// When Send returns, it is not known whether the message can be delivered. If it cannot, Receive returns an error message.
// If ctx ends in the middle of the write, Send closes the connection, because half a message may be out.
func (c *Client) Send(ctx context.Context, typ messages.Type, to string, payload any) error {
	login := c.LoggedInAs()
	if login == "" {
		return fmt.Errorf("send %s: %w", typ, ErrNotLoggedIn)
	}
	text, err := relayText(typ, payload, login, to)
	if err == nil {
		err = c.write(ctx, gws.OpcodeText, text)
	}
	if err != nil {
		return fmt.Errorf("send %s: %w", typ, err)
	}
	return nil
}

// SendText sends text unchanged as one text message. The service refuses text that is not a message of the protocol.
// SendText itself refuses only text that is not valid UTF-8, because no text message may contain it (RFC 6455, section
// 5.6). For ctx see [Client.Send].
//
// Login, Send and Logout do not know about a login or logout that was sent with SendText. Receive returns its reply.
func (c *Client) SendText(ctx context.Context, text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("send text: not valid UTF-8")
	}
	if err := c.write(ctx, gws.OpcodeText, text); err != nil {
		return fmt.Errorf("send text: %w", err)
	}
	return nil
}

// Receive waits for the next message. It is a message of another login, an error that the service reports, or a pong. After the
// connection has ended, Receive still returns the messages that came before. Then it returns the error of [Client.Err].
func (c *Client) Receive(ctx context.Context) (Message, error) {
	select {
	case m := <-c.incoming:
		return m, nil
	default:
	}
	select {
	case m := <-c.incoming:
		return m, nil
	case <-c.done:
		select {
		case m := <-c.incoming:
			return m, nil
		default:
			return Message{}, fmt.Errorf("receive: %w", c.Err())
		}
	case <-ctx.Done():
		return Message{}, fmt.Errorf("receive: %w", ctx.Err())
	}
}

// Done returns a channel that is closed when the connection has ended, for any reason.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended. It is nil while the connection is open. It is a [*CloseError] if the service closed
// the connection, and [ErrClosed] if this side did. It is another error if the network lost the connection, if the service
// broke the protocol, or if a context ended.
func (c *Client) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection with the closing handshake of RFC 6455, section 7.1.2. It sends a close frame with code 1000
// and waits at most 5 s for the close frame of the service. Then it cuts off the connection. Messages that arrive meanwhile
// may be lost. Close returns an error if the service did not send a close frame. It returns nil if the connection had ended
// before. Further calls wait for the first one and return the same error.
func (c *Client) Close() error {
	c.closeOnce.Do(func() { c.closeErr = c.closeHandshake() })
	return c.closeErr
}

func (c *Client) closeHandshake() error {
	defer c.pongs.Wait()
	if c.Err() != nil {
		return nil
	}
	c.beginClosing()
	cutOff := time.AfterFunc(closeTimeout, func() { _ = c.socket.Close() })
	defer cutOff.Stop()
	select {
	case c.writing <- struct{}{}:
		normal := messages.CloseNormal
		_ = c.ws.WriteMessage(gws.OpcodeCloseConnection, []byte{byte(normal >> 8), byte(normal & 0xff)})
		release(c.writing)
	case <-c.done:
	}
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.serviceEnded {
		return errors.New("close: the service did not answer with a close frame")
	}
	return nil
}

// CloseNow cuts off the connection without a closing handshake, like a network failure.
func (c *Client) CloseNow() {
	c.beginClosing()
	_ = c.socket.Close()
	<-c.done
	c.pongs.Wait()
}

func (c *Client) beginClosing() {
	c.end(ErrClosed)
	c.closingOnce.Do(func() { close(c.closing) })
}

// end records why the connection ends. Only the first reason counts.
func (c *Client) end(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = reason
	}
}

func (c *Client) awaitReply(reply chan Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply = reply
}

// acquire waits for a token and takes it. It returns an error if ctx or the connection ends first.
func (c *Client) acquire(ctx context.Context, token chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.Err()
	}
}

func release(token chan struct{}) { <-token }

// write sends one message. It gives up when ctx ends. If a part of the message may be out then, it ends the connection.
func (c *Client) write(ctx context.Context, opcode gws.Opcode, payload []byte) error {
	if err := c.acquire(ctx, c.writing); err != nil {
		return err
	}
	defer release(c.writing)
	select {
	case <-c.closing:
		return ErrClosed
	case <-c.done:
		return c.Err()
	default:
	}
	abandoned := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(abandoned)
		_ = c.socket.SetWriteDeadline(time.Unix(1, 0))
	})
	err := c.ws.WriteMessage(opcode, payload)
	if !stop() {
		<-abandoned
		_ = c.socket.SetWriteDeadline(time.Time{})
	}
	if err == nil {
		err = c.socket.writeError()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		c.end(fmt.Errorf("connection cut off in the middle of a message: %w", ctx.Err()))
		_ = c.socket.Close()
		return ctx.Err()
	}
	return c.lastWords(ctx, err)
}

// lastWords returns the best reason for a failed write. It reads on for a moment, because the service may have sent a close
// frame. If the connection ends in that time, the reason is that of its end. Otherwise it is err, the failure of the write.
func (c *Client) lastWords(ctx context.Context, err error) error {
	_ = c.socket.SetReadDeadline(time.Now().Add(lastWords))
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
	case <-patience.C:
	}
	return err
}
