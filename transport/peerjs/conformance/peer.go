package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// server is a server under test.
type server struct {
	Settings
	address string
	names   atomic.Int64
}

// prefix returns the path under which everything is, with a slash at both ends.
func (s *server) prefix() string { return "/" + strings.TrimPrefix(strings.Trim(s.Path, "/")+"/", "/") }

// keyed returns the key that the server wants.
func (s *server) keyOf() string {
	if s.Key != "" {
		return s.Key
	}
	return "peerjs"
}

// socket returns the target of a handshake with a query.
func (s *server) socket(query string) string { return s.prefix() + "peerjs?" + query }

// target returns what a PeerJS client requests. The client does not escape its values. Those here need no escape.
func (s *server) target(id, token string) string {
	return s.socket("key=" + s.keyOf() + "&id=" + id + "&token=" + token + "&version=1.5.5")
}

// answer is what a server answers to a request.
type answer struct {
	*http.Response
	text string
}

// ask makes a request with header lines, and reads the answer.
func (s *server) ask(t *testing.T, method, target string, lines ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (a answer) want(t *testing.T, status int, contentType string) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); a.StatusCode != status || contentType != "" && got != contentType {
		t.Errorf("%s %s: %s of type %q with %q; wanted %d of type %q", a.Request.Method, a.Request.URL.Path, a.Status, got, clip(a.text), status, contentType)
	}
}

func (a answer) wantHeader(t *testing.T, name, want string) {
	t.Helper()
	if got := strings.Join(a.Header.Values(name), ", "); got != want {
		t.Errorf("%s %s: the header %s is %q; wanted %q", a.Request.Method, a.Request.URL.Path, name, got, want)
	}
}

// wantVary checks that the answer depends on a header of the request. It may depend on others.
func (a answer) wantVary(t *testing.T, name string) {
	t.Helper()
	if got := strings.Join(a.Header.Values("Vary"), ", "); !slices.Contains(strings.Split(got, ", "), name) {
		t.Errorf("%s %s: the header Vary is %q; wanted %s in it", a.Request.Method, a.Request.URL.Path, got, name)
	}
}

func clip(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}

// patience bounds waits that end at once if all is well.
const patience = 30 * time.Second

// peer is a client of the server.
type peer struct {
	*rawws.Conn
	t      *testing.T
	id     string
	silent bool // answers no pings
	echoes int
}

// connect makes a TCP connection, which ends with the test.
func (s *server) connect(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// request makes a request byte by byte, and returns the status of the answer and its header.
func (s *server) request(t *testing.T, text string) *http.Response {
	t.Helper()
	conn := s.connect(t)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return readResponse(t, conn)
}

// dial opens a WebSocket.
func (s *server) dial(t *testing.T, target string, lines ...string) *peer {
	t.Helper()
	conn, err := rawws.Open(s.connect(t), rawws.Request(target, s.address, lines...))
	if err != nil {
		t.Fatal(err)
	}
	return &peer{Conn: conn, t: t}
}

// join opens a WebSocket under an id, which must be free.
func (s *server) join(t *testing.T, id, token string) *peer {
	t.Helper()
	p := s.dial(t, s.target(id, token))
	p.id = id
	p.want(`{"type":"OPEN"}`)
	return p
}

// rejoin opens a WebSocket under an id as soon as it is free.
func (s *server) rejoin(t *testing.T, id, token string) *peer {
	t.Helper()
	for {
		p := s.dial(t, s.target(id, token))
		p.id = id
		text, err := p.read()
		switch {
		case err == nil && text == `{"type":"OPEN"}`:
			return p
		case err != nil || !strings.HasPrefix(text, `{"type":"ID-TAKEN"`):
			t.Fatalf("%q joins again: %q, %v", id, text, err)
		}
		_ = p.Close()
		time.Sleep(time.Millisecond)
	}
}

// name returns an id that no other row has.
func (s *server) name(kind string) string { return fmt.Sprintf("%s-%d", kind, s.names.Add(1)) }

// read returns the next text. It answers pings.
func (p *peer) read() (string, error) {
	for {
		f, err := p.ReadFrame()
		switch {
		case err != nil:
			return "", err
		case f.Opcode == rawws.Text:
			return string(f.Payload), nil
		case f.Opcode == rawws.Ping && !p.silent:
			p.write(rawws.Frame{Opcode: rawws.Pong, Payload: f.Payload})
		case f.Opcode == rawws.Close:
			return "", &closedError{f}
		case f.Opcode != rawws.Ping && f.Opcode != rawws.Pong:
			return "", fmt.Errorf("the server sent %v", f)
		}
	}
}

// closedError is a close frame of the server.
type closedError struct{ frame rawws.Frame }

func (e *closedError) Error() string { return e.frame.String() }

func (p *peer) write(f rawws.Frame) {
	p.t.Helper()
	if _, err := p.Write(f.Append(nil)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) send(text string) {
	p.t.Helper()
	p.write(rawws.Frame{Opcode: rawws.Text, Payload: []byte(text)})
}

// want reads the next message. White space between tokens does not count.
func (p *peer) want(text string) {
	p.t.Helper()
	got, err := p.read()
	if err != nil || compact(got) != text {
		p.t.Fatalf("%q reads %q, %v; wanted %q", p.id, clip(got), err, clip(text))
	}
}

func compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

// wantNothing checks that nothing has come until now. What a peer sends to itself comes behind all that was sent to it before.
func (p *peer) wantNothing() {
	p.t.Helper()
	p.echoes++
	p.send(fmt.Sprintf(`{"type":"OFFER","dst":%q,"payload":"echo %d"}`, p.id, p.echoes))
	p.want(fmt.Sprintf(`{"type":"OFFER","src":%q,"dst":%[1]q,"payload":"echo %d"}`, p.id, p.echoes))
}

// wantClose reads the close frame, answers it, and waits for the end of the stream. It returns the status code, or 0 if there is none.
func (p *peer) wantClose() (code uint16) {
	p.t.Helper()
	text, err := p.read()
	closed, ok := errors.AsType[*closedError](err)
	if !ok {
		p.t.Fatalf("%q reads %q, %v; wanted a close frame", p.id, clip(text), err)
	}
	code, _ = closed.frame.CloseCode()
	p.write(rawws.Frame{Opcode: rawws.Close, Payload: closed.frame.Payload})
	p.wantEnd()
	return code
}

// wantEnd waits for the end of the TCP connection.
func (p *peer) wantEnd() {
	p.t.Helper()
	for {
		_, err := p.ReadFrame()
		if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
			p.t.Fatal("the server does not end the connection")
		}
		if err != nil {
			return
		}
	}
}

// leave ends the connection with a close frame, and waits for the server's end of it.
func (p *peer) leave() {
	p.t.Helper()
	p.write(rawws.Frame{Opcode: rawws.Close})
	p.wantEnd()
	_ = p.Close()
}

// wantRefused checks that all that comes is a frame, and then a close frame without a status code.
func (p *peer) wantRefused(text string) {
	p.t.Helper()
	p.want(text)
	if code := p.wantClose(); code != 0 {
		p.t.Errorf("the close frame has the status code %d; wanted none", code)
	}
}

// frame is a relayed frame as it arrives.
func frame(kind, src, dst, payload string) string {
	return fmt.Sprintf(`{"type":%q,"src":%q,"dst":%q,"payload":%s}`, kind, src, dst, payload)
}

// sent is a frame as a PeerJS client sends it.
func sent(kind, dst, payload string) string {
	return fmt.Sprintf(`{"type":%q,"payload":%s,"dst":%q}`, kind, payload, dst)
}

func expired(absent, sender string) string {
	return fmt.Sprintf(`{"type":"EXPIRE","src":%q,"dst":%q}`, absent, sender)
}

const (
	taken   = `{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}`
	opened  = `{"type":"OPEN"}`
	full    = `{"type":"ERROR","payload":{"msg":"Server has reached its concurrent user limit"}}`
	wrong   = `{"type":"ERROR","payload":{"msg":"Invalid key provided"}}`
	lacking = `{"type":"ERROR","payload":{"msg":"No id, token, or key supplied to websocket server"}}`
)
