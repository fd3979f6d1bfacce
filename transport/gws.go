package transport

import (
	"net"
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

// gws answers the handshakes of connections that a goroutine carries. It is told only of requests that were checked
// before, and neither reads the socket nor writes to it: what it writes goes into the outbox. That fences off what it is
// known for in version 1.8.9: a frame whose length has its top bit set ends the process, pings are answered without
// their payload, a stalled client blocks whoever writes, and reasons in close frames can tell addresses of the service.

// newGWSUpgrader returns what answers the handshakes.
func newGWSUpgrader() *gws.Upgrader {
	return gws.NewUpgrader(new(gws.BuiltinEventHandler), &gws.ServerOption{
		Logger:     gwsSilence{},
		NewSession: func() gws.SessionStorage { return nil },
	})
}

// answerByGWS queues the response to a handshake with this key, which has been checked.
func answerByGWS(upgrader *gws.Upgrader, c *blocking, key string) error {
	// Only what has been checked is passed on; gws compares these headers more narrowly than RFC 6455 does.
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

// Write puts what gws writes into the outbox.
func (g gwsSocket) Write(p []byte) (int, error) {
	g.conn.queue(opRaw, p, nil, nil)
	return len(p), nil
}

// Close does nothing: the connection's end is not for gws to bring about.
func (gwsSocket) Close() error { return nil }

// The deadlines that gws sets around the handshake would be those of the flusher, which has its own.
func (gwsSocket) SetDeadline(time.Time) error      { return nil }
func (gwsSocket) SetReadDeadline(time.Time) error  { return nil }
func (gwsSocket) SetWriteDeadline(time.Time) error { return nil }

// gwsSilence keeps gws from logging: what concerns anybody is logged here.
type gwsSilence struct{}

func (gwsSilence) Error(...any) {}
