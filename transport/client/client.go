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
// # Sessions that outlive their connection
//
// Without an option, a [Client] ends with its connection, and its login with it. With [WithKeep] it asks the service to keep the
// session for a while after the connection drops. The client comes back by itself and goes on where it was: each message
// arrives once and in order, in both directions.
//
//   - Send, SendText and Watch put a message into a queue and return. The message goes out when there is a connection. It stays
//     in the queue until the service has confirmed it. If its connection drops before, it is sent again on the next one. The
//     queue holds 256 KiB. If it is full, the methods wait.
//   - The client confirms a message to the service once Receive has returned it. If the session ends before, the service tells
//     the sender that the message may not have arrived.
//   - A session can end all the same, most often because no connection was possible for longer than the service keeps it. Then
//     nobody knows whether the last messages have arrived. Receive returns a [*SessionLostError] with them. The client
//     does not send them again. If it can, it has begun a new session under the same login, and its methods work as before.
//   - The client ends if its login is refused, if the service closes the connection with a code that tells it to stay away
//     ([messages.CloseCode.Retry]), or if another connection took the session over. Until then it tries to come back,
//     after waits that become longer up to 30 s and are random, or as long as the service asks for.
//   - Logout, Close and the end of a Login's context give the login up even if there is no connection: the client comes back
//     once more and logs out. CloseNow does not, so the service keeps the session until its time is over.
//   - A service that keeps no sessions is used as it is. Then a connection that drops is the end of the session, and the client
//     logs in anew.
//
// # Tokens
//
// A service may want a token with each login. [WithToken] gets them, and brings the service a fresh one before the old one ends.
//
// # Presence
//
// [Client.Watch] asks which logins are online. The service answers with a [Message] of type "presence", and sends another
// whenever one of them comes or goes.
//
// # Errors
//
//   - [*HandshakeError]: the service did not accept the WebSocket connection.
//   - [*RefusedError]: the service refused a login.
//   - [*CloseError]: the service closed the connection.
//   - [*SessionLostError]: a kept session has ended, and with it what nobody has confirmed.
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
	"errors"
	"fmt"
	"net/url"
	"sync"
	"unicode/utf8"

	"github.com/lxzan/gws"

	"p2p-messaging/messages"
)

// Client is one connection to a service or, with [WithKeep], one connection after another. [Dial] makes it. It ends in one of
// these ways:
//
//   - [Client.Close] or [Client.CloseNow] is called;
//   - the service closes the connection or breaks the protocol, or the network loses it; with WithKeep only if the client
//     should not come back;
//   - a context ends in the middle of a write, or before the reply to a login came; not with WithKeep.
//
// The caller of Dial must always call Close or CloseNow. When that has returned, no goroutine of the client is left.
//
// Several goroutines may call the methods at the same time. The messages of one goroutine go out in the order of its calls.
// If several goroutines call Receive, each message goes to one of them.
type Client struct {
	conn     *connection // nil if keeper is set
	keeper   *keeper     // set by WithKeep
	incoming chan delivery
	done     <-chan struct{} // closed when the client has ended
	session  chan struct{}   // an element is held during Login and Logout
	tokens   *tokens         // nil without tokens, and with keeper

	closeOnce sync.Once
	closeErr  error

	mu    sync.Mutex   // for the fields below, which keeper does not need
	login string       // the current login; "" without one
	reply chan Message // gets the reply to a login; nil if nobody waits for one
}

// delivery is what one call of [Client.Receive] returns.
type delivery struct {
	message Message
	err     error
	ledger  *ledger // of the session whose message it is; nil if it is not counted
	number  uint64  // in ledger
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
	c := &Client{incoming: make(chan delivery, s.buffer), session: make(chan struct{}, 1)}
	if s.keep {
		c.keeper, err = newKeeper(ctx, target, s, c.incoming)
	} else {
		c.conn, err = dial(ctx, target, s, c.take)
		c.tokens = newTokens(s.token, c.renew)
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target.Redacted(), err)
	}
	if s.keep {
		c.done = c.keeper.done
	} else {
		c.done = c.conn.done
	}
	return c, nil
}

// Login asks for login and waits for the reply of the service. If the service refuses, the error is a [*RefusedError]. The
// connection stays open then, and another Login may follow. Receive returns messages that come before the reply, in order.
// The package documentation says what a full buffer does.
//
// If ctx ends before the reply came, nobody can say whether the login was accepted. So Login closes the connection. With
// [WithKeep] the client gives the login up instead, as soon as it can, and the next Login waits for that. It also asks again if
// the connection drops before the reply came.
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
	if err := c.acquireSession(ctx); err != nil {
		return err
	}
	defer release(c.session)
	text, err := loginText(messages.TypeLogin, login, "")
	if err != nil {
		return err
	}
	// A service of the original protocol answers a malformed message with an error that does not say which message it is
	// about. So the client does not send one.
	if _, err := messages.Decode(text); err != nil {
		return &RefusedError{Code: messages.CodeLoginInvalid, Message: err.(*messages.DecodeError).Reason}
	}
	if c.keeper != nil {
		return c.keeper.logIn(ctx, login)
	}
	token, err := c.tokens.get(ctx, login)
	if err == nil {
		text, err = loginText(messages.TypeLogin, login, token)
	}
	if err != nil {
		return fmt.Errorf("no token: %w", err)
	}
	reply := make(chan Message, 1)
	c.awaitReply(reply)
	defer c.awaitReply(nil)
	if err := c.conn.write(ctx, gws.OpcodeText, text); err != nil {
		return err
	}
	var m Message
	select {
	case m = <-reply:
	case <-ctx.Done():
		c.conn.end(fmt.Errorf("login given up before the reply came: %w", ctx.Err()))
		_ = c.conn.socket.Close()
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
	c.tokens.hold(login, token)
	return nil
}

// renew brings the service a fresh token of a login.
func (c *Client) renew(login, token string) {
	if c.LoggedInAs() == login {
		_ = c.conn.write(c.tokens.ctx, gws.OpcodeText, tokenText(token)) // if it fails, the connection has ended
	}
}

// Logout gives up the current login. The service sends no reply. The connection stays open and may log in again, with the
// same login or another one. Without a login the error is [ErrNotLoggedIn].
//
// With [WithKeep], Logout waits until the service has read the logout and all messages before it. If ctx ends first, the client
// goes on to log out in the background.
func (c *Client) Logout(ctx context.Context) error {
	if err := c.logOut(ctx); err != nil {
		return fmt.Errorf("logout: %w", err)
	}
	return nil
}

func (c *Client) logOut(ctx context.Context) error {
	if err := c.acquireSession(ctx); err != nil {
		return err
	}
	defer release(c.session)
	if c.keeper != nil {
		return c.keeper.logOut(ctx)
	}
	login := c.LoggedInAs()
	if login == "" {
		return ErrNotLoggedIn
	}
	c.tokens.drop()
	text, err := loginText(messages.TypeLogout, login, "")
	if err != nil {
		return err
	}
	if err := c.conn.write(ctx, gws.OpcodeText, text); err != nil {
		return err
	}
	c.mu.Lock()
	c.login = ""
	c.mu.Unlock()
	return nil
}

// LoggedInAs returns the current login as it was given to [Client.Login], or "" if there is none.
func (c *Client) LoggedInAs() string {
	if c.keeper != nil {
		return c.keeper.loggedInAs()
	}
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
// If ctx ends in the middle of the write, Send closes the connection, because half a message may be out. With [WithKeep] it does
// not write, but puts the message into the queue; an error means that the message is not in the queue.
func (c *Client) Send(ctx context.Context, typ messages.Type, to string, payload any) error {
	login := c.LoggedInAs()
	if login == "" {
		return fmt.Errorf("send %s: %w", typ, ErrNotLoggedIn)
	}
	text, err := relayText(typ, payload, login, to)
	if err == nil {
		err = c.send(ctx, text)
	}
	if err != nil {
		return fmt.Errorf("send %s: %w", typ, err)
	}
	return nil
}

// Watch asks which of logins are online, and to be told when that changes. The service answers with a [Message] of type
// "presence". Each Watch replaces the one before. Without logins it ends the watch, which is answered too. The service takes
// [messages.MaxWatched] logins at most.
//
// A watch ends with its session. If a kept session ends and the client begins a new one, it sends the watch again.
func (c *Client) Watch(ctx context.Context, logins ...string) error {
	if c.LoggedInAs() == "" {
		return fmt.Errorf("watch: %w", ErrNotLoggedIn)
	}
	text, err := watchText(logins)
	if err == nil {
		if c.keeper != nil {
			err = c.keeper.watch(ctx, text, len(logins) > 0)
		} else {
			err = c.conn.write(ctx, gws.OpcodeText, text)
		}
	}
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// SendText sends text unchanged as one text message. The service refuses text that is not a message of the protocol.
// SendText itself refuses only text that is not valid UTF-8, because no text message may contain it (RFC 6455, section
// 5.6). For ctx see [Client.Send].
//
// Login, Send and Logout do not know about a login or logout that was sent with SendText. Receive returns its reply. With
// [WithKeep], SendText refuses these two.
func (c *Client) SendText(ctx context.Context, text []byte) error {
	err := errors.New("not valid UTF-8")
	if utf8.Valid(text) {
		if c.keeper != nil {
			err = c.keeper.sendText(ctx, text)
		} else {
			err = c.conn.write(ctx, gws.OpcodeText, text)
		}
	}
	if err != nil {
		return fmt.Errorf("send text: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, text []byte) error {
	if c.keeper != nil {
		return c.keeper.send(ctx, text)
	}
	return c.conn.write(ctx, gws.OpcodeText, text)
}

// Receive waits for the next message. It is a message of another login, an error that the service reports, a change of presence,
// or a pong. After the client has ended, Receive still returns the messages that came before. Then it returns the error of
// [Client.Err].
//
// With [WithKeep] it also returns a [*SessionLostError] when a session has ended and another one has begun. Then it may be called
// again. The messages that it returns after that belong to the new session.
func (c *Client) Receive(ctx context.Context) (Message, error) {
	select {
	case d := <-c.incoming:
		return c.received(d)
	default:
	}
	select {
	case d := <-c.incoming:
		return c.received(d)
	case <-c.done:
		select {
		case d := <-c.incoming:
			return c.received(d)
		default:
			return Message{}, fmt.Errorf("receive: %w", c.Err())
		}
	case <-ctx.Done():
		return Message{}, fmt.Errorf("receive: %w", ctx.Err())
	}
}

func (c *Client) received(d delivery) (Message, error) {
	if d.err != nil {
		return Message{}, fmt.Errorf("receive: %w", d.err)
	}
	if d.ledger != nil {
		c.keeper.handled(d)
	}
	return d.message, nil
}

// Done returns a channel that is closed when the client has ended, for any reason.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client ended. It is nil before that. It is a [*CloseError] if the service closed the connection, and
// [ErrClosed] if this side did. It is another error if the network lost the connection, if the service broke the protocol,
// or if a context ended. With [WithKeep] it is a [*SessionLostError] that wraps one of these if nobody knows whether all messages
// have arrived.
func (c *Client) Err() error {
	if c.keeper != nil {
		return c.keeper.failure()
	}
	return c.conn.failure()
}

// Close closes the connection with the closing handshake of RFC 6455, section 7.1.2. It sends a close frame with code 1000
// and waits at most 5 s for the close frame of the service. Then it cuts off the connection. Messages that arrive meanwhile
// may be lost. Close returns an error if the service did not send a close frame. It returns nil if the client had ended
// before. Further calls wait for the first one and return the same error.
//
// With [WithKeep] Close first gives the login up, within the same 5 s, and returns an error if it could not.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		if c.keeper != nil {
			c.closeErr = c.keeper.close()
		} else {
			c.closeErr = c.conn.close(closeTimeout)
			c.tokens.stop()
		}
	})
	return c.closeErr
}

// CloseNow cuts off the connection without a closing handshake, like a network failure. With [WithKeep] the service keeps the
// session until its time is over.
func (c *Client) CloseNow() {
	if c.keeper != nil {
		c.keeper.closeNow()
		return
	}
	c.conn.cutOff()
	c.tokens.stop()
}

func (c *Client) awaitReply(reply chan Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply = reply
}

// acquireSession waits for the token of Login and Logout.
func (c *Client) acquireSession(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.session <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.Err()
	}
}

// take handles one text message. The reading goroutine calls it. It waits while the buffer is full.
func (c *Client) take(conn *connection, text []byte) {
	m, err := parse(text)
	if err != nil {
		conn.fail(messages.CloseInvalidPayload, noMessage(err))
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
	case c.incoming <- delivery{message: m}:
	case <-conn.closing:
	}
}
