package transport

import (
	"net"
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

// Package gws answers the handshakes of connections that goroutines carry. It gets only requests that were checked before.
// It never touches the socket: the bytes that it writes go into the outbox, and it reads nothing. So the known faults of
// version 1.8.9 have no effect here. They are: a frame whose length has its top bit set ends the process, a ping is answered
// without its payload, a stalled client blocks the writer, and the reason in a close frame can contain an address of the
// service.

// newGWSUpgrader returns the upgrader that answers the handshakes.
func newGWSUpgrader() *gws.Upgrader {
	return gws.NewUpgrader(new(gws.BuiltinEventHandler), &gws.ServerOption{
		Logger:     gwsSilence{},
		NewSession: func() gws.SessionStorage { return nil },
	})
}

// answerByGWS queues the response to a handshake with this key. The handshake has been checked.
func answerByGWS(upgrader *gws.Upgrader, c *blocking, key string) error {
	// The request has a canonical form of each header, because gws accepts fewer forms than RFC 6455 allows.
	request := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {key},
	}}
	_, err := upgrader.UpgradeFromConn(gwsSocket{c.socket, c}, nil, request)
	return err
}

// gwsSocket is the socket as gws sees it during the handshake.
type gwsSocket struct {
	net.Conn
	conn *blocking
}

// Write puts the bytes that gws writes into the outbox.
func (g gwsSocket) Write(p []byte) (int, error) {
	g.conn.queue(opRaw, p, nil, nil)
	return len(p), nil
}

// Close does nothing: gws does not end the connection.
func (gwsSocket) Close() error { return nil }

// Deadlines are ignored: the reader and the flusher set their own.
func (gwsSocket) SetDeadline(time.Time) error      { return nil }
func (gwsSocket) SetReadDeadline(time.Time) error  { return nil }
func (gwsSocket) SetWriteDeadline(time.Time) error { return nil }

// gwsSilence keeps gws from logging.
type gwsSilence struct{}

func (gwsSilence) Error(...any) {}
