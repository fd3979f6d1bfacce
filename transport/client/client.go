// Package client speaks the signaling protocol to a service: it dials, logs in, sends what the service relays, and
// receives what others send.
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
// A login that the service refuses is a [*RefusedError]; an error that the service reports about something that was
// sent comes as a [Message] of type "error", whose Err method gives a [*ServiceError]; a connection that the service
// closed is a [*CloseError]; a service that does not accept the WebSocket connection is a [*HandshakeError]. Where a
// context ended first, errors.Is finds [context.Canceled] or [context.DeadlineExceeded].
//
// # A client that does not receive
//
// A client reads the socket into a buffer of a fixed number of messages ([WithBuffer]). While that buffer is full,
// because nobody calls [Client.Receive], nothing more is read from the socket: pings are not answered, Login sees no
// reply, and what the service sends waits in the network and then in the service. To a service such a client is a slow
// reader.
package client

import (
	"bytes"
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
	// closeTimeout bounds the closing handshake: after it the connection is cut off.
	closeTimeout = 5 * time.Second
	// lastWords is how long a client whose write failed goes on reading, because the close frame that says why may
	// already be on its way.
	lastWords = time.Second
)

// Client is one connection to a service. [Dial] makes it; it ends when [Client.Close] or [Client.CloseNow] is called,
// when the service closes it or the network loses it, and when a context ends in the middle of a write. Whoever
// dialed calls one of the two closing methods in any case; once that has returned, no goroutine of the client is left.
//
// All methods may be called by several goroutines at once. Messages go out in the order in which the calls that send
// them are made by one goroutine; several goroutines in Receive get different messages.
type Client struct {
	socket *socket
	ws     *gws.Conn

	incoming chan Message  // filled by the reading goroutine only
	closing  chan struct{} // closed when this side begins to close
	done     chan struct{} // closed by the reading goroutine, as its last act
	writing  chan struct{} // a token: held while a frame is being written
	session  chan struct{} // a token: held during Login and Logout
	pongs    sync.WaitGroup

	closeOnce   sync.Once
	closeErr    error
	closingOnce sync.Once

	mu           sync.Mutex
	login        string       // "" while not logged in
	reply        chan Message // waits for the reply to a login, nil when nobody does
	err          error        // why the connection ended
	serviceEnded bool         // the service sent a close frame
	ping         []byte       // the payload of the latest ping that was not answered yet
	ponging      bool         // a goroutine is answering pings
}

// Dial connects to the service at address, a ws: or wss: URL, and carries out the WebSocket handshake. ctx bounds
// both, and nothing later. A service that answers with another HTTP status than 101 is a [*HandshakeError].
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
	// gws times its handshake with a deadline of its own and leaves a goroutine behind when that passes; ctx ends the
	// handshake here, by closing the connection beneath.
	stop := context.AfterFunc(ctx, func() { _ = c.socket.Close() })
	var response *http.Response
	c.ws, response, err = gws.NewClientFromConn(events{c}, &gws.ClientOption{
		Addr:                target.String(),
		RequestHeader:       header,
		HandshakeTimeout:    24 * time.Hour,
		ReadMaxPayloadSize:  s.maxMessageBytes,
		WriteMaxPayloadSize: 1 << 30, // what is too long is for the service to refuse
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

// Login asks for login and waits for the service's reply. A refusal is a [*RefusedError]; the connection stays, and
// another Login may follow. Messages that come before the reply are kept, in order, for Receive; see the package's
// documentation for what a full buffer does.
//
// When ctx ends before the reply came, nobody could say whether the login was accepted: the connection is closed.
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
	// The service answers a malformed message with an error that does not say what it answers: ask nothing of it that
	// it would answer so.
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
		case m = <-reply: // the reply was the last thing that came
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

// Logout gives up the current login. The service sends no reply; the connection stays and may log in again, also as
// somebody else. Without a login it is [ErrNotLoggedIn].
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

// LoggedInAs is the login that [Client.Login] obtained, as it was given there; "" when there is none.
func (c *Client) LoggedInAs() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.login
}

// Send sends a message of a relayed type to another login:
//
//	{"type":T,T:payload,"from":<the current login>,"to":to}
//
// with the payload as encoding/json writes it; for [messages.TypeBye] the payload is the reason and stands under
// "reason". Whether the message could be delivered is not known when Send returns: if not, an error message comes to
// Receive. When ctx ends in the middle of writing, the connection is closed, because half a message is out.
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

// SendText sends text as one text message, as it stands; the service refuses what is no message of the protocol.
// Only text that is not UTF-8 is refused here, because no text message may carry it (RFC 6455, section 5.6). A login
// or logout sent in this way is the caller's own affair: Login, Send and Logout know nothing of it, and the reply
// comes to Receive. As to ctx, see [Client.Send].
func (c *Client) SendText(ctx context.Context, text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("send text: not valid UTF-8")
	}
	if err := c.write(ctx, gws.OpcodeText, text); err != nil {
		return fmt.Errorf("send text: %w", err)
	}
	return nil
}

// Receive waits for the next message: one that another login sent, or an error that the service reports. Once the
// connection has ended, what came before is still received, and then the error is that of [Client.Err].
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

// Done is closed when the connection has ended, for whatever reason.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection ended: a [*CloseError] when the service closed it, [ErrClosed] when this side did,
// something else when the network lost it or the service broke the protocol. It is nil while the connection is open.
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

// Close closes the connection with the closing handshake of RFC 6455, section 7.1.2: it sends a close frame with code
// 1000 and waits for the service's, 5 s at most, then cuts the connection off. What comes meanwhile may be lost. The
// error tells that there was no proper end; a connection that had ended before is none. Further calls wait for the
// first and return the same.
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

// CloseNow cuts the connection off without a closing handshake, as a network that fails does.
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

// end notes why the connection ends. Only the first reason counts.
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

// acquire takes a token, unless ctx ends or the connection does.
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

// write sends one message, or gives up when ctx ends. Once a part of it may be out, giving up ends the connection.
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

// lastWords turns the failure of a write into what the service said about it, where that can still be read.
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

// read is the reading goroutine: it lives from Dial until the connection has ended.
func (c *Client) read() {
	defer close(c.done)
	defer func() {
		// gws 1.8.9 panics on a frame whose length has its top bit set (RFC 6455, section 5.2, forbids that), and
		// calls no OnClose then.
		if cause := recover(); cause != nil {
			c.fail(messages.CloseProtocolError, fmt.Errorf("the service broke the WebSocket protocol: reading a frame: %v", cause))
		}
		_ = c.socket.Close()
	}()
	c.ws.ReadLoop()
}

// fail ends the connection because of what the service sent.
func (c *Client) fail(code messages.CloseCode, reason error) {
	c.end(reason)
	_ = c.ws.WriteClose(uint16(code), nil)
}

// take handles one text message, on the reading goroutine. It waits while the buffer is full.
func (c *Client) take(text []byte) {
	m, err := parse(text)
	if err != nil {
		c.fail(messages.CloseInvalidPayload, fmt.Errorf("the service sent a text that is no message: %w", err))
		return
	}
	if m.concernsLogin() {
		c.mu.Lock()
		reply := c.reply
		c.reply = nil
		c.mu.Unlock()
		if reply != nil {
			reply <- m
			return
		}
	}
	select {
	case c.incoming <- m:
	case <-c.closing:
	}
}

// answerPings sends pongs until no ping waits. Where several came meanwhile only the last is answered, which RFC 6455,
// section 5.5.3, allows.
func (c *Client) answerPings() {
	defer c.pongs.Done()
	for {
		c.mu.Lock()
		payload := c.ping
		c.ping = nil
		if payload == nil {
			c.ponging = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		// Whatever is wrong with the connection, the reading goroutine finds out by itself.
		_ = c.write(context.Background(), gws.OpcodePong, payload)
	}
}

// events passes on what gws reads; all of it is called on the reading goroutine.
type events struct{ client *Client }

func (events) OnOpen(*gws.Conn) {}

func (events) OnPong(*gws.Conn, []byte) {}

func (e events) OnPing(_ *gws.Conn, payload []byte) {
	c := e.client
	if payload == nil {
		payload = []byte{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ping = payload
	if !c.ponging {
		// Not here: a service that does not read would keep the client from reading, too.
		c.ponging = true
		c.pongs.Add(1)
		go c.answerPings()
	}
}

func (e events) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	if m.Opcode != gws.OpcodeText {
		e.client.fail(messages.CloseUnsupportedData, errors.New("the service sent a binary message"))
		return
	}
	e.client.take(bytes.Clone(m.Bytes())) // gws takes its buffer back
}

func (e events) OnClose(_ *gws.Conn, err error) {
	c := e.client
	var closed *gws.CloseError
	switch {
	case errors.As(err, &closed):
		c.mu.Lock()
		c.serviceEnded = true
		c.mu.Unlock()
		code := messages.CloseCode(closed.Code)
		if code == 0 {
			code = closeNoStatus
		}
		c.end(&CloseError{Code: code, Reason: string(closed.Reason)})
	case c.socket.readError() != nil:
		c.end(fmt.Errorf("connection to the service lost: %w", c.socket.readError()))
	default:
		c.end(fmt.Errorf("the service broke the WebSocket protocol: %w", err))
	}
}
