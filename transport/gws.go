package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/messages"
)

const (
	// readBufferSize is what gws reads ahead.
	readBufferSize = 1 << 10
)

// What the service says to a client whose frames gws does not accept, and where it fails itself.
const (
	reasonProtocol = "the frames break RFC 6455"
	reasonEncoding = "the text is not valid UTF-8"
	reasonFailed   = "the service failed on this connection: please come back"
)

// errClosing is what gws reads once the connection is closing.
var errClosing = errors.New("the connection is closing")

// gwsSocket reads a connection with gws: it is the net.Conn that gws sees, and passes on what gws finds. gws reads the
// socket through it; what gws writes (the handshake's response, then nothing but its close frame) is put into the
// outbox or, the close frame, only looked at: end says what is sent. It carries what no loop does: TLS, and everything
// where there is no epoll. Its life is that of the goroutine in read.
type gwsSocket struct {
	blocking

	ahead     []byte // what net/http had read beyond the handshake
	frames    frames // what passes through
	upgraded  bool   // the handshake's response is queued
	closeCode messages.CloseCode
	err       error // why gws stopped reading
}

// newGWSUpgrader returns what does the handshakes and makes gws read.
func newGWSUpgrader() *gws.Upgrader {
	return gws.NewUpgrader(gwsEvents{}, &gws.ServerOption{
		ReadMaxPayloadSize: messages.MaxMessageBytes,
		ReadBufferSize:     readBufferSize,
		CheckUtf8Enabled:   true,
		ParallelGolimit:    1,
		Logger:             gwsSilence{},
		NewSession:         func() gws.SessionStorage { return nil },
	})
}

// upgrade answers a handshake that has been checked, on a socket that was taken over from net/http.
func (g *gwsSocket) upgrade(upgrader *gws.Upgrader, key string) (*gws.Conn, error) {
	// Only what has been checked is passed on; gws compares these headers more narrowly than RFC 6455 does.
	request := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {key},
	}}
	reader, err := upgrader.Upgrade(hijacked{socket: g}, request)
	g.upgraded = true
	return reader, err
}

// read reads until the end of the connection and brings that about.
func (g *gwsSocket) read(reader *gws.Conn) {
	g.end(g.readLoop(reader))
}

// readLoop returns what the close frame is to say, nil for none.
func (g *gwsSocket) readLoop(reader *gws.Conn) (payload []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			g.logPanic(cause)
			payload = appendClosePayload(nil, messages.CloseInternalError, reasonFailed)
		}
	}()
	reader.ReadLoop()
	return g.farewell()
}

// farewell turns gws's reason for stopping into what the close frame is to say.
func (g *gwsSocket) farewell() []byte {
	if client, ok := errors.AsType[*gws.CloseError](g.err); ok && g.closeCode == messages.CloseNormal {
		return appendClosePayload(nil, messages.CloseCode(client.Code), "")
	}
	switch g.closeCode {
	case 0: // a close frame without a code is answered with one
		return []byte{}
	case messages.CloseProtocolError:
		return appendClosePayload(nil, g.closeCode, reasonProtocol)
	case messages.CloseInvalidPayload:
		return appendClosePayload(nil, g.closeCode, reasonEncoding)
	case messages.CloseNormal: // gws's word for a socket that ended without a close frame
		return nil
	default: // a client's own code, echoed
		return appendClosePayload(nil, g.closeCode, "")
	}
}

// Read implements net.Conn for gws. What comes before a frame that is not acceptable is still acted on: gws asks for
// more when it has been.
func (g *gwsSocket) Read(p []byte) (n int, err error) {
	if g.closing.Load() {
		return 0, errClosing
	}
	if g.frames.fault == 0 {
		n, err = g.receiveBytes(p)
		passed := g.frames.scan(p[:n])
		if g.frames.fault == 0 {
			return n, err
		}
		if passed > 0 {
			return passed, nil
		}
	}
	g.seal(g.frames.fault.closePayload())
	return 0, errClosing
}

// admitFrame blocks the reader until it may act on a frame, and on the fragments before it, of which gws does not tell.
func (g *gwsSocket) admitFrame() {
	fragments := g.frames.fragments
	g.frames.fragments = 0
	g.admit(1 + fragments)
}

// receiveBytes reads what the client sent.
func (g *gwsSocket) receiveBytes(p []byte) (n int, err error) {
	if len(g.ahead) > 0 {
		n = copy(p, g.ahead)
		if g.ahead = g.ahead[n:]; len(g.ahead) == 0 {
			g.ahead = nil
		}
		return n, nil
	}
	if n, err = g.socket.Read(p); n > 0 {
		g.sawBytes()
	}
	return n, err
}

// Write implements net.Conn for gws.
func (g *gwsSocket) Write(p []byte) (int, error) {
	switch {
	case !g.upgraded:
		g.queue(opRaw, p, nil, nil)
	case p[0] == fin|opClose && len(p) >= 4:
		g.closeCode = messages.CloseCode(binary.BigEndian.Uint16(p[2:]))
	}
	return len(p), nil
}

// Close implements net.Conn for gws, which calls it before ReadLoop returns: the rest is end's.
func (g *gwsSocket) Close() error { return nil }

// The deadlines that gws sets around the handshake would be the outbox's: it has its own.
func (g *gwsSocket) SetDeadline(time.Time) error      { return nil }
func (g *gwsSocket) SetReadDeadline(time.Time) error  { return nil }
func (g *gwsSocket) SetWriteDeadline(time.Time) error { return nil }

func (g *gwsSocket) LocalAddr() net.Addr  { return g.socket.LocalAddr() }
func (g *gwsSocket) RemoteAddr() net.Addr { return g.socket.RemoteAddr() }

// hijacked is the http.ResponseWriter that gws takes a socket from: the connection's instead of net/http's.
type hijacked struct {
	http.ResponseWriter
	socket net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.socket, nil, nil }

// gwsEvents takes what gws finds in the frames to the connection that it found it on.
type gwsEvents struct{}

func (gwsEvents) OnOpen(*gws.Conn) {}

func (gwsEvents) OnClose(reader *gws.Conn, err error) { reader.NetConn().(*gwsSocket).err = err }

// OnPing answers with the ping's own payload (RFC 6455, section 5.5.3).
func (gwsEvents) OnPing(reader *gws.Conn, payload []byte) {
	g := reader.NetConn().(*gwsSocket)
	g.admitFrame()
	g.queue(opPong, payload, nil, nil)
	g.settle()
}

func (gwsEvents) OnPong(reader *gws.Conn, payload []byte) {
	g := reader.NetConn().(*gwsSocket)
	g.admitFrame()
}

func (gwsEvents) OnMessage(reader *gws.Conn, message *gws.Message) {
	g := reader.NetConn().(*gwsSocket)
	defer message.Close()
	g.admitFrame()
	g.act(message.Bytes())
}

// gwsSilence keeps gws from logging: what concerns anybody is logged here.
type gwsSilence struct{}

func (gwsSilence) Error(...any) {}
