package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

func TestThePageIsServedByHTTP2AndWebSocketsByHTTP1(t *testing.T) {
	s := onLoopsOverTLS.listen(t, withPage)
	for name, protocols := range map[string]func(*http.Protocols){
		"HTTP/2.0": func(p *http.Protocols) { p.SetHTTP2(true) },
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
	} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{TLSClientConfig: trusting.Clone(), Protocols: new(http.Protocols)}
			protocols(transport.Protocols)
			defer transport.CloseIdleConnections()
			for range 2 {
				response, err := (&http.Client{Transport: transport}).Get("https://" + s.host)
				if err != nil {
					t.Fatal(err)
				}
				page, err := io.ReadAll(response.Body)
				response.Body.Close()
				if response.Proto != name || !strings.Contains(string(page), "<") || err != nil {
					t.Errorf("answered by %s with %q, %v", response.Proto, page, err)
				}
			}
		})
	}
	// A connection that has brought the page may open a WebSocket, and go to a loop then.
	socket, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	write(t, socket, []byte("GET / HTTP/1.1\r\nHost: service.test\r\n\r\n"))
	reader := bufio.NewReader(socket)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	c, err := rawws.Open(socket, rawws.Request("/ws", s.host), rawws.Message(loginFrame)...)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, c, loginAccepted)
}

func TestTLSIsOfVersion12AtLeast(t *testing.T) {
	s := onLoopsOverTLS.listen(t)
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			socket, err := net.Dial("tcp", s.host)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			_ = socket.SetDeadline(time.Now().Add(patience))
			secure := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			c, err := rawws.Open(secure, rawws.Request("/ws", s.host), rawws.Message(loginFrame)...)
			if !want {
				if err == nil || !strings.Contains(err.Error(), "protocol version") {
					t.Errorf("the handshake: %v, want it refused for its version", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantText(t, c, loginAccepted)
			write(t, c, rawws.CloseFrame(1000, ""))
			wantClose(t, c, 1000)
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("behind the close frame: %v, want close_notify", err)
			}
			c.Close()
			s.empties(t) // the next one has the same login
		})
	}
}

func TestPlainHTTPOnThePortForTLSIsToldTheAddress(t *testing.T) {
	s := onLoopsOverTLS.listen(t)
	for name, row := range map[string]struct{ request, want string }{
		"the page":                  {"GET / HTTP/1.1\r\nHost: chat.test\r\n\r\n", "Use this address: https://chat.test/\n"},
		"a file on a port":          {"GET /a%20b?c HTTP/1.1\r\nHost: chat.test:443\r\n\r\n", "Use this address: https://chat.test:443/a%20b\n"},
		"a WebSocket":               {rawws.Request("/ws", "chat.test:7777"), "Use this address: wss://chat.test:7777/ws\n"},
		"of HTTP/1.0":               {"GET / HTTP/1.0\r\n\r\n", "begins with https:// or wss://"},
		"a host that is none":       {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "begins with https:// or wss://"},
		"a host with an address":    {"GET / HTTP/1.1\r\nHost: evil.test/x?y\r\n\r\n", "begins with https:// or wss://"},
		"with a body":               {"POST /x HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), "https://chat.test/x\n"},
		"very long":                 {"GET /" + strings.Repeat("x", 10000) + " HTTP/1.1\r\nHost: chat.test\r\n\r\n", "begins with https:// or wss://"},
		"HTTP/2 without an upgrade": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "https:// or wss://"},
	} {
		t.Run(name, func(t *testing.T) {
			socket, err := net.Dial("tcp", s.host)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			_ = socket.SetDeadline(time.Now().Add(patience))
			for _, part := range []string{row.request[:10], row.request[10:]} {
				write(t, socket, []byte(part))
			}
			reader := bufio.NewReader(socket)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			words, err := io.ReadAll(response.Body)
			if response.StatusCode != 400 || !strings.Contains(string(words), row.want) || err != nil {
				t.Errorf("answered with %d %q, %v; want 400 and %q", response.StatusCode, words, err, row.want)
			}
			_ = socket.(*net.TCPConn).CloseWrite()
			if _, err := reader.ReadByte(); err != io.EOF {
				t.Errorf("behind the answer: %v, want the end", err)
			}
		})
	}
}

func TestWhatIsNeitherTLSNorHTTPIsClosed(t *testing.T) {
	s := onLoopsOverTLS.listen(t, func(o *transport.Options) { o.HandshakeTimeout = time.Hour })
	for _, bytes := range []string{"\x00\x01\x00\x00", "\x16\x02\x00\x00", "\xff", "\n\n", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x04abcd", "SSH-2.0-x\r\n\r\n"} {
		socket, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		_ = socket.SetDeadline(time.Now().Add(patience))
		write(t, socket, []byte(bytes))
		if _, err := io.Copy(io.Discard, socket); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: the connection is still open", bytes)
		}
		socket.Close()
	}
	s.wantRelays(t)
}

func TestTLSOnAPortWithoutItIsClosedAtOnceAndTheOperatorHearsOnce(t *testing.T) {
	s := onLoops.listen(t, func(o *transport.Options) { o.HandshakeTimeout = time.Hour })
	for range 3 {
		socket, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		_ = socket.SetDeadline(time.Now().Add(patience))
		err = tls.Client(socket, trusting).Handshake()
		if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok {
			t.Errorf("the handshake: %v, want an answer that is no TLS", err)
		}
	}
	s.wantRelays(t)
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if lines := strings.Join(s.log.lines, "\n"); strings.Count(lines, "WARN a client speaks TLS to a port") != 1 {
		t.Errorf("the log is\n%s\nwant one warning", lines)
	}
	s.log.lines = nil
}

// The flood is of clients that begin a handshake and do not go on. In a second each, they fill all places for handshakes.
func TestAFloodOfHalfOpenHandshakesStarvesNobody(t *testing.T) {
	for name, first := range map[string]string{"that send nothing": "", "that send half a ClientHello": "\x16\x03\x01\x02\x00\x01\x00"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := memnet.Listen(4 << 10)
				s := onLoopsOverTLS.start(t, l, "service.test", func() (net.Conn, error) { return l.Dial() }, func(o *transport.Options) { o.MaxConnections = 1 << 20 })
				transport.SetMaxHandshakes(s.Server, 64)
				early := s.login(t, "early")
				const flood = 600
				begun := time.Now()
				var all []*memnet.Conn
				flooded := make(chan struct{})
				go func() {
					defer close(flooded)
					for range flood {
						c, err := l.Dial()
						if err != nil {
							t.Error(err)
							return
						}
						all = append(all, c)
						_, _ = c.Write([]byte(first))
					}
				}()
				time.Sleep(time.Second)
				late := s.login(t, "late")
				if waited := time.Since(begun); waited > 20*time.Second {
					t.Errorf("a client had to wait for %v", waited)
				}
				relays(t, early, late, "early", "late")
				<-flooded
				time.Sleep(11 * time.Second)
				synctest.Wait()
				for i, c := range all {
					if state, _, _ := c.State(); !state.Ended && !state.HungUp {
						t.Fatalf("connection %d of the flood is still open", i)
					}
					c.Close()
				}
				relays(t, early, late, "early", "late")
			})
		})
	}
}

// A connection that is closed for another one is forgotten: the end of the service does not close it once more.
func TestAHandshakeThatGaveItsPlaceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closes atomic.Int64
		var before int64
		t.Cleanup(func() { // after the service
			synctest.Wait()
			if after := closes.Load(); after != before {
				t.Errorf("the end of the service closed %d connections that had ended, want none", after-before)
			}
		})
		l := memnet.Listen(4 << 10)
		counted := wrappingListener{l, func(c net.Conn) net.Conn { return &countedCloses{c, &closes} }}
		s := onLoopsOverTLS.start(t, counted, "service.test", func() (net.Conn, error) { return l.Dial() })
		transport.SetMaxHandshakes(s.Server, 1)
		for range 5 {
			c, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			time.Sleep(2 * time.Second)
		}
		time.Sleep(11 * time.Second) // The last one takes too long.
		synctest.Wait()
		if before = closes.Load(); before < 5 {
			t.Errorf("%d calls of Close, want one for each of the 5 connections", before)
		}
	})
}

// countedCloses counts the calls of Close of all connections.
type countedCloses struct {
	net.Conn
	closes *atomic.Int64
}

func (c *countedCloses) Close() error {
	c.closes.Add(1)
	return c.Conn.Close()
}

func TestSTUNOverTLSGoesToItsOperator(t *testing.T) {
	const message = "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"
	given := make(chan net.Conn, 1)
	s := onLoopsOverTLS.listen(t, func(o *transport.Options) {
		o.STUN = func(c net.Conn) { given <- c }
		o.MaxConnections = 1 << 10
	})
	for _, protocols := range [][]string{nil, {"stun.turn"}, {"http/1.1"}} {
		socket, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		_ = c.SetDeadline(time.Now().Add(patience))
		write(t, c, []byte(message))
		server := <-given
		write(t, c, []byte("more"))
		b := make([]byte, len(message)+4)
		if _, err := io.ReadFull(server, b); err != nil || string(b) != message+"more" {
			t.Errorf("the operator of STUN received %q, %v", b, err)
		}
		write(t, server, []byte("answer"))
		if _, err := io.ReadFull(c, b[:6]); err != nil || string(b[:6]) != "answer" {
			t.Errorf("the client received %q, %v", b[:6], err)
		}
		if server.RemoteAddr().String() != socket.LocalAddr().String() {
			t.Errorf("the client's address is %v, want %v", server.RemoteAddr(), socket.LocalAddr())
		}
		if n := transport.PlacesTaken(s.Server); n != 1 {
			t.Errorf("%d places are taken, want the client's", n)
		}
		server.Close()
		server.Close()
		if n := transport.PlacesTaken(s.Server); n != 0 {
			t.Errorf("%d places are taken after Close, want none", n)
		}
		c.Close()
	}
	s.wantRelays(t)
}

// Calls by way of TURN over TLS must not end because others connect and do nothing.
func TestWhereASTUNClientHasShownCredentialsItKeepsItsPlace(t *testing.T) {
	given := make(chan net.Conn, 1)
	s := onLoopsOverTLS.listen(t, func(o *transport.Options) {
		o.STUN = func(c net.Conn) { given <- c }
		o.MaxConnections = 3
	})
	open := func() (client, server net.Conn) {
		client, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		write(t, client, []byte("\x00\x01\x00\x00"))
		return client, <-given
	}
	stranger, _ := open()
	known, server := open()
	server.(interface{ Authenticated() }).Authenticated()
	for range 5 {
		s.connect(t)
	}
	if _, err := stranger.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection without credentials: %v, want it closed", err)
	}
	write(t, server, []byte("answer"))
	if _, err := io.ReadFull(known, make([]byte, 6)); err != nil {
		t.Errorf("the connection with credentials has ended: %v", err)
	}
	server.Close()
	s.wantScarce(t)
}

func TestSTUNOverTLSIsClosedIfNobodyTakesIt(t *testing.T) {
	s := onLoopsOverTLS.listen(t)
	c, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, []byte("\x00\x01\x00\x00"))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection: %v, want it closed", err)
	}
}

func TestACertificateThatTakesLongHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen(4 << 10)
		release := make(chan struct{})
		s := onLoopsOverTLS.start(t, l, "service.test", func() (net.Conn, error) { return l.Dial() }, func(o *transport.Options) {
			certificate := &transport.Certified().Certificates[0]
			o.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName == "slow.test" {
					<-release
				}
				return certificate, nil
			}}
		})
		for range 20 {
			c, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() {
				_ = tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "slow.test"}).Handshake()
			}()
		}
		synctest.Wait()
		s.login(t, "alice")
		close(release)
	})
}

func TestShutdownEndsHandshakes(t *testing.T) {
	s := onLoopsOverTLS.listen(t, func(o *transport.Options) { o.HandshakeTimeout = time.Hour })
	for _, first := range []string{"", "\x16\x03\x01", "GET"} {
		socket, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		write(t, socket, []byte(first))
	}
	open, err := s.dial() // its handshake is done, and it has sent nothing
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := open.(*tls.Conn).HandshakeContext(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestAnIdleConnectionOverTLSHasNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no loops here")
	}
	s := onLoopsOverTLS.listen(t)
	s.login(t, "the first") // it starts the loops and the sweep
	before := runtime.NumGoroutine()
	for i := range 50 {
		s.login(t, fmt.Sprint("user ", i))
	}
	for begun := time.Now(); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Since(begun) > patience {
			t.Fatalf("%d goroutines for 50 more connections, want none", runtime.NumGoroutine()-before)
		}
	}
}

func TestHandshakesThatDoNotGoOnMakeRoomForUsers(t *testing.T) {
	for name, first := range map[string]string{"TLS": "\x16\x03\x01\x02\x00\x01", "plain HTTP": "GET / HTTP/1.1\r\n"} {
		t.Run(name, func(t *testing.T) {
			const most, idlers = 20, 50
			s := onLoopsOverTLS.listen(t, func(o *transport.Options) { o.MaxConnections, o.HandshakeTimeout = most, time.Hour })
			for range idlers {
				socket, err := net.Dial("tcp", s.host)
				if err != nil {
					t.Fatal(err)
				}
				defer socket.Close()
				write(t, socket, []byte(first))
			}
			early := s.login(t, "early")
			for i := range most / 2 {
				login := fmt.Sprint("user ", i)
				relays(t, early, s.login(t, login), "early", login)
			}
			s.log.mu.Lock()
			s.log.lines = nil // they say that the service is full
			s.log.mu.Unlock()
		})
	}
}
