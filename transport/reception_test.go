package transport_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// The reception may pass a request to a loop only if net/http would accept it. So this test sends each request both ways.
func TestWhatIsAcceptedDoesNotDependOnTheWay(t *testing.T) {
	const rest = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	const host = "Host: service.test\r\n"
	inPieces := onLoops.listenWith(t, func(l net.Listener) net.Listener { return plainListener{l} })
	atOnce := onLoops.listen(t)
	for name, request := range map[string]string{
		"proper":                           "GET /ws HTTP/1.1\r\n" + host + rest + "\r\n",
		"with bare line feeds":             strings.ReplaceAll("GET /ws HTTP/1.1\r\n"+host+rest+"\r\n", "\r\n", "\n"),
		"with a bare line feed at the end": "GET /ws HTTP/1.1\r\n" + host + rest + "\n",
		"without a host":                   "GET /ws HTTP/1.1\r\n" + rest + "\r\n",
		"with an empty host":               "GET /ws HTTP/1.1\r\nHost:\r\n" + rest + "\r\n",
		"with two hosts":                   "GET /ws HTTP/1.1\r\n" + host + host + rest + "\r\n",
		"with a host that is none":         "GET /ws HTTP/1.1\r\nHost: a b\r\n" + rest + "\r\n",
		"for a whole address":              "GET http://service.test/ws HTTP/1.1\r\n" + host + rest + "\r\n",
		"for a whole address, no host":     "GET http://service.test/ws HTTP/1.1\r\n" + rest + "\r\n",
		"for a whole address, a bad host":  "GET http://service.test/ws HTTP/1.1\r\nHost: a b\r\n" + rest + "\r\n",
		"with an expectation":              "GET /ws HTTP/1.1\r\n" + host + "Expect: wonders\r\n" + rest + "\r\n",
		"with a bad name":                  "GET /ws HTTP/1.1\r\n" + host + "A B: c\r\n" + rest + "\r\n",
		"with a bad value":                 "GET /ws HTTP/1.1\r\n" + host + "A: b\x01c\r\n" + rest + "\r\n",
		"with a folded line":               "GET /ws HTTP/1.1\r\n" + host + "A: b\r\n c\r\n" + rest + "\r\n",
		"of HTTP/1.0":                      "GET /ws HTTP/1.0\r\n" + host + rest + "\r\n",
		"elsewhere":                        "GET /elsewhere HTTP/1.1\r\n" + host + rest + "\r\n",
		"with a body":                      "GET /ws HTTP/1.1\r\n" + host + "Content-Length: 1\r\n" + rest + "\r\n",
		"in chunks":                        "GET /ws HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n" + rest + "\r\n",
		"from another site":                "GET /ws HTTP/1.1\r\n" + host + "Origin: https://evil.example\r\n" + rest + "\r\n",
		"that is long":                     "GET /ws HTTP/1.1\r\n" + host + "A: " + strings.Repeat("x", 5000) + "\r\n" + rest + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			want, got := status(t, inPieces, request), status(t, atOnce, request)
			if got != want {
				t.Errorf("answered with %d, want %d as by net/http", got, want)
			}
		})
	}
}

// plainListener hides that a listener is a *[net.TCPListener]. So the server leaves every connection to net/http.
type plainListener struct{ net.Listener }

// status sends a request with two malformed messages behind it, and returns the status code of the answer. If the request
// opens a WebSocket, both messages must be answered too. The status is 0 if there is no answer.
func status(t *testing.T, s *service, request string) int {
	t.Helper()
	socket, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	write(t, socket, []byte(request+string(rawws.Message("{}"))+string(rawws.Message("\r\n\r\n"))))
	reader := bufio.NewReader(socket)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		for range 2 {
			var head [4]byte
			_ = socket.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(reader, head[:2]); err != nil || head[0] != 0x81 {
				t.Fatalf("the answer to a message begins with %#x, %v", head[0], err)
			}
			size := int(head[1])
			if size == 126 {
				if _, err := io.ReadFull(reader, head[2:]); err != nil {
					t.Fatal(err)
				}
				size = int(head[2])<<8 | int(head[3])
			}
			if _, err := reader.Discard(size); err != nil {
				t.Fatal(err)
			}
		}
	}
	return response.StatusCode
}
