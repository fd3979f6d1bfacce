package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lxzan/gws"

	"p2p-messaging/messages"
)

// read is the reading goroutine. It runs from dial until the connection has ended.
func (c *connection) read() {
	defer close(c.done)
	defer func() {
		// gws 1.8.9 panics if the top bit of a frame's 64-bit length is set, and does not call OnClose. RFC 6455, section
		// 5.2, forbids such a length.
		if cause := recover(); cause != nil {
			c.fail(messages.CloseProtocolError, fmt.Errorf("the service broke the WebSocket protocol: reading a frame: %v", cause))
		}
		_ = c.socket.Close()
	}()
	c.ws.ReadLoop()
}

// fail ends the connection because the service sent something wrong. It sends a close frame with code.
func (c *connection) fail(code messages.CloseCode, reason error) {
	c.end(&breachError{reason})
	_ = c.ws.WriteClose(uint16(code), nil)
}

// answerPings sends pongs until no ping waits. If several pings came meanwhile, it answers only the last one. RFC 6455,
// section 5.5.3, allows that.
func (c *connection) answerPings() {
	defer c.pongs.Done()
	for {
		c.mu.Lock()
		payload := c.ping
		if payload == nil || c.held {
			c.ponging = false
			c.mu.Unlock()
			return
		}
		c.ping = nil
		c.mu.Unlock()
		// The error is ignored, because the reading goroutine finds out by itself that the connection has failed.
		_ = c.write(context.Background(), gws.OpcodePong, payload)
	}
}

// holdPings lets pings wait for answerHeld. The reading goroutine calls it.
func (c *connection) holdPings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// answerHeld answers the last ping that waits, if there is one. Later ones do not wait any more.
func (c *connection) answerHeld() error {
	c.mu.Lock()
	payload, was := c.ping, c.held
	if was {
		c.ping, c.held = nil, false
	}
	c.mu.Unlock()
	if !was || payload == nil {
		return nil
	}
	return c.write(context.Background(), gws.OpcodePong, payload)
}

// events handles the events of gws. Its methods are called on the reading goroutine.
type events struct{ connection *connection }

func (events) OnOpen(*gws.Conn) {}

func (events) OnPong(*gws.Conn, []byte) {}

func (e events) OnPing(_ *gws.Conn, payload []byte) {
	c := e.connection
	if payload == nil {
		payload = []byte{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ping = payload
	if !c.ponging && !c.held {
		// Another goroutine writes the pong. If this one did, a service that does not read would stop the client's
		// reading too.
		c.ponging = true
		c.pongs.Add(1)
		go c.answerPings()
	}
}

func (e events) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	if m.Opcode != gws.OpcodeText {
		e.connection.fail(messages.CloseUnsupportedData, errors.New("the service sent a binary message"))
		return
	}
	e.connection.take(e.connection, bytes.Clone(m.Bytes())) // gws uses its buffer again
}

func (e events) OnClose(_ *gws.Conn, err error) {
	c := e.connection
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
		c.end(&breachError{fmt.Errorf("the service broke the WebSocket protocol: %w", err)})
	}
}
