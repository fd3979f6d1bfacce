package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

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

// connection is one WebSocket connection to a service.
type connection struct {
	socket       *socket
	ws           *gws.Conn
	take         func(c *connection, text []byte) // gets each text message, on the reading goroutine
	writeTimeout time.Duration                    // bounds the write of one frame; 0: nothing bounds it

	closing chan struct{} // closed when this side begins to close
	done    chan struct{} // closed by the reading goroutine when it returns
	writing chan struct{} // a token that is held while a frame is being written
	pongs   sync.WaitGroup

	closingOnce sync.Once

	mu           sync.Mutex
	err          error  // why the connection ended
	serviceEnded bool   // the service sent a close frame
	ping         []byte // the payload of the latest ping that is not answered yet
	ponging      bool   // a goroutine is answering pings
	held         bool   // pings wait for answerHeld
}

// dial makes a connection. The reading goroutine gives each text message to take.
func dial(ctx context.Context, target *url.URL, s settings, take func(*connection, []byte)) (*connection, error) {
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

	c := &connection{
		socket:  newSocket(conn),
		take:    take,
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		writing: make(chan struct{}, 1),
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
			return nil, &HandshakeError{StatusCode: response.StatusCode, RetryAfter: retryAfter(response)}
		}
		return nil, fmt.Errorf("WebSocket handshake: %w", err)
	}
	c.socket.opened()
	go c.read()
	return c, nil
}

// retryAfter returns the wait that an answer asks for (RFC 9110, section 10.2.3), or 0. The service writes it in seconds.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// failure returns why the connection ended. It is nil while the connection is open.
func (c *connection) failure() error { return errorAfter(c.done, &c.mu, &c.err) }

// close does the closing handshake. It returns an error if the service did not send a close frame.
func (c *connection) close(limit time.Duration) error {
	defer c.pongs.Wait()
	if c.failure() != nil {
		return nil
	}
	c.beginClosing()
	cutOff := time.AfterFunc(limit, func() { _ = c.socket.Close() })
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

// cutOff ends the connection without a closing handshake. The reading goroutine has returned then.
func (c *connection) cutOff() {
	c.beginClosing()
	_ = c.socket.Close()
	<-c.done
	c.pongs.Wait()
}

func (c *connection) beginClosing() {
	c.end(ErrClosed)
	c.closingOnce.Do(func() { close(c.closing) })
}

// end records why the connection ends. Only the first reason counts.
func (c *connection) end(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = reason
	}
}

// acquire waits for a token and takes it. It returns an error if ctx or the connection ends first.
func (c *connection) acquire(ctx context.Context, token chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.failure()
	}
}

func release(token chan struct{}) { <-token }

// write sends one message. It gives up when ctx ends. If a part of the message may be out then, it ends the connection.
func (c *connection) write(ctx context.Context, opcode gws.Opcode, payload []byte) error {
	if err := c.acquire(ctx, c.writing); err != nil {
		return err
	}
	defer release(c.writing)
	select {
	case <-c.closing:
		return ErrClosed
	case <-c.done:
		return c.failure()
	default:
	}
	abandoned := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(abandoned)
		_ = c.socket.SetWriteDeadline(time.Unix(1, 0))
	})
	if c.writeTimeout > 0 {
		c.socket.limitWrites(time.Now().Add(c.writeTimeout))
	}
	err := c.ws.WriteMessage(opcode, payload)
	stopped := stop()
	if !stopped {
		<-abandoned
	}
	if !stopped || c.writeTimeout > 0 {
		c.socket.limitWrites(time.Time{})
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
func (c *connection) lastWords(ctx context.Context, err error) error {
	_ = c.socket.SetReadDeadline(time.Now().Add(lastWords))
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case <-c.done:
		return c.failure()
	case <-ctx.Done():
	case <-patience.C:
	}
	return err
}
