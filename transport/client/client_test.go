package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin starts f and does not wait for its end. The channel has its error.
func begin(f func() error) chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func receive(t *testing.T, c *client.Client) client.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return m
}

// closeProperly closes c while f answers the closing handshake.
func closeProperly(t *testing.T, c *client.Client, f *fake) {
	t.Helper()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for {
			first, payload, err := f.read()
			if err != nil {
				t.Errorf("waiting for the client's close frame: %v", err)
				return
			}
			if first == closing {
				f.write(frame(closing, payload))
				return
			}
		}
	}()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v; wanted a proper end", err)
	}
	<-answered
}

func TestDialSendsWhatABrowserWould(t *testing.T) {
	dialer, conns := pipe()
	requests := make(chan *http.Request, 1)
	go func() {
		f := newFake(t, <-conns)
		r := f.request()
		requests <- r
		f.write(acceptance(r))
	}()
	c, err := client.Dial(t.Context(), "ws://service.test:7777/ws", dialer, client.WithOrigin("http://service.test:7777"))
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer c.CloseNow()
	r := <-requests
	if r.URL.Path != "/ws" || r.Host != "service.test:7777" {
		t.Errorf("the request was for %q at %q; wanted /ws at service.test:7777", r.URL.Path, r.Host)
	}
	if got := r.Header.Get("Origin"); got != "http://service.test:7777" {
		t.Errorf("Origin is %q; wanted the one given", got)
	}
	if got := r.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("the client offers the extensions %q; wanted none", got)
	}
}

func TestDialWithoutAnOriginSendsNone(t *testing.T) {
	dialer, conns := pipe()
	go func() {
		f := newFake(t, <-conns)
		r := f.request()
		if _, sent := r.Header["Origin"]; sent {
			t.Errorf("the request has an Origin header; wanted none")
		}
		f.write(acceptance(r))
	}()
	c, err := client.Dial(t.Context(), "ws://service.test", dialer)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	c.CloseNow()
}

func TestDialSaysWhyItFailed(t *testing.T) {
	refused := errors.New("connection refused")
	for name, c := range map[string]struct {
		address string
		dial    error  // the error of the network connection
		answer  string // the answer to the handshake
		want    string // a part of the error's text
		status  int    // the status of the HandshakeError; 0: the error is another one
	}{
		"no URL":               {address: "ws://[::1", want: "missing ']'"},
		"another scheme":       {address: "http://service.test", want: "ws://host:port"},
		"no host":              {address: "ws:///ws", want: "ws://host:port"},
		"nobody listens":       {address: "ws://service.test", dial: refused, want: "connection refused"},
		"the origin refused":   {address: "ws://service.test", answer: "HTTP/1.1 403 Forbidden\r\n\r\n", want: "403 Forbidden", status: 403},
		"a page":               {address: "ws://service.test", answer: "HTTP/1.1 200 OK\r\n\r\nhello", want: "200 OK", status: 200},
		"a foreign protocol":   {address: "ws://service.test", answer: "220 mail.test ESMTP\r\n", want: "malformed HTTP"},
		"a wrong accept key":   {address: "ws://service.test", answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: abc\r\n\r\n", want: "Sec-WebSocket-Accept"},
		"an end":               {address: "ws://service.test", answer: "HTTP/1.1 101 Switching", want: "EOF"},
		"headers without end":  {address: "ws://service.test", answer: "HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X-More: and more\r\n", 100_000), want: "too long"},
		"a header without end": {address: "ws://service.test", answer: "HTTP/1.1 101 Switching Protocols\r\nX-More: " + strings.Repeat("a", 1<<20), want: "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			dialer := client.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
				if c.dial != nil {
					return nil, c.dial
				}
				mine, others := net.Pipe()
				go func() {
					defer others.Close()
					f := &fake{t: t, conn: others}
					f.in = newFake(t, others).in
					f.request()
					_, _ = io.WriteString(others, c.answer) // the client may close the connection before the end
				}()
				return mine, nil
			})
			got, err := client.Dial(t.Context(), c.address, dialer)
			if err == nil {
				got.CloseNow()
				t.Fatal("Dial succeeded; wanted an error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %q; wanted it to contain %q", err, c.want)
			}
			if c.dial != nil && !errors.Is(err, c.dial) {
				t.Errorf("the error %q does not wrap the network's", err)
			}
			var handshake *client.HandshakeError
			if errors.As(err, &handshake) != (c.status != 0) || (c.status != 0 && handshake.StatusCode != c.status) {
				t.Errorf("the error is %#v; wanted a HandshakeError with status %d (0: none)", err, c.status)
			}
		})
	}
}

func TestDialGivesUpOnASilentServiceWhenItsContextEnds(t *testing.T) {
	for _, reads := range []bool{false, true} {
		t.Run(fmt.Sprintf("the service reads the request: %v", reads), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dialer, conns := pipe()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				go func() {
					conn := <-conns
					if reads {
						_, _ = io.Copy(io.Discard, conn)
					}
				}()
				_, err := client.Dial(ctx, "ws://service.test", dialer)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Dial: %v; wanted the context's error", err)
				}
			})
		})
	}
}

func TestDialSpeaksTLSToAWSSAddress(t *testing.T) {
	upgraded := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijacking the connection: %v", err)
			return
		}
		defer close(upgraded)
		f := newFake(t, conn)
		f.write(acceptance(r))
		f.expect(text, "hello")
		f.write(closeFrame(1001, "retry=250"))
		f.expectClose(1000)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // one handshake fails on purpose
	server.StartTLS()
	defer server.Close()
	address := "wss" + strings.TrimPrefix(server.URL, "https")

	if _, err := client.Dial(t.Context(), address); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Dial: %v; wanted the unknown certificate to be refused", err)
	}

	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c, err := client.Dial(t.Context(), address, client.WithTLSConfig(&tls.Config{RootCAs: roots}))
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer c.CloseNow()
	if err := c.SendText(t.Context(), []byte("hello")); err != nil {
		t.Errorf("SendText: %v", err)
	}
	<-upgraded
	var closed *client.CloseError
	if err := ended(t, c); !errors.As(err, &closed) || closed.Code != messages.CloseGoingAway || closed.Reason != "retry=250" {
		t.Errorf("the connection ended with %v; wanted close code 1001, retry=250", err)
	}
}

func TestMessagesBehindTheHandshakeInOneSegmentAreReceived(t *testing.T) {
	c, _ := connect(t, frame(text, []byte(`{"type":"offer","from":"bob","to":"alice","offer":1}`)))
	if m := receive(t, c); m.From != "bob" {
		t.Errorf("received %+v; wanted bob's offer", m)
	}
}

func TestLoginIsAcceptedOrRefusedWithAReason(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		want  *client.RefusedError
	}{
		"accepted":                       {`{"type":"login","success":true}`, nil},
		"refused as by the original":     {`{"type":"login","success":false}`, &client.RefusedError{}},
		"refused with a reason":          {`{"type":"login","success":false,"code":"login-taken","message":"In use."}`, &client.RefusedError{Code: messages.CodeLoginTaken, Message: "In use."}},
		"refused by way of an error":     {`{"type":"error","code":"already-logged-in","message":"You are."}`, &client.RefusedError{Code: messages.CodeAlreadyLoggedIn, Message: "You are."}},
		"success of the wrong JSON type": {`{"type":"login","success":"yes"}`, &client.RefusedError{}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, f := connect(t, nil)
			done := begin(func() error { return cl.Login(t.Context(), "alice") })
			f.expect(text, `{"type":"login","login":"alice"}`)
			f.send(text, c.reply)
			err := <-done
			if c.want == nil {
				if err != nil || cl.LoggedInAs() != "alice" {
					t.Errorf("Login: %v, logged in as %q; wanted alice", err, cl.LoggedInAs())
				}
				return
			}
			var refused *client.RefusedError
			if !errors.As(err, &refused) || *refused != *c.want {
				t.Errorf("Login: %#v; wanted %#v", err, c.want)
			}
			if cl.LoggedInAs() != "" {
				t.Errorf("logged in as %q; wanted nobody", cl.LoggedInAs())
			}
			f.login(cl, "bob")
		})
	}
}

func TestALoginThatCannotBeSentIsRefusedAtOnce(t *testing.T) {
	c, _ := connect(t, nil)
	err := c.Login(t.Context(), "a\uffff")
	var refused *client.RefusedError
	if !errors.As(err, &refused) || refused.Code != messages.CodeLoginInvalid {
		t.Errorf("Login: %v; wanted a refusal with code login-invalid", err)
	}
}

func TestTheDefaultTLSConfigurationMayBeNamed(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, err := client.Dial(t.Context(), "wss"+strings.TrimPrefix(server.URL, "https"), client.WithTLSConfig(nil))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("Dial: %v; wanted the test's certificate to be unknown", err)
	}
}

func TestWhatComesDuringALoginIsKeptInOrder(t *testing.T) {
	c, f := connect(t, nil)
	done := begin(func() error { return c.Login(t.Context(), "alice") })
	f.expect(text, `{"type":"login","login":"alice"}`)
	f.send(text, `{"type":"offer","offer":1,"from":"bob","to":"alice"}`)
	f.send(text, `{"type":"error","code":"peer-unavailable","message":"Gone.","to":"carol"}`)
	f.send(text, `{"type":"bye","reason":"left","from":"bob","to":"alice"}`)
	f.send(text, `{"type":"login","success":true}`)
	if err := <-done; err != nil {
		t.Fatalf("Login: %v", err)
	}
	for _, want := range []string{"offer", "error", "bye"} {
		if m := receive(t, c); m.Type != want {
			t.Errorf("received %q; wanted %q", m.Type, want)
		}
	}
}

func TestLoginEndsTheConnectionWhenItsContextEndsBeforeTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := connect(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go f.read()
		if err := c.Login(ctx, "alice"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Login: %v; wanted the context's error", err)
		}
		if err := ended(t, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the connection ended with %v; wanted the context's error", err)
		}
	})
}

func TestLoginSaysWhyTheServiceClosedTheConnectionInstead(t *testing.T) {
	c, f := connect(t, nil)
	done := begin(func() error { return c.Login(t.Context(), "alice") })
	f.expect(text, `{"type":"login","login":"alice"}`)
	f.write(closeFrame(1008, "refused too often"))
	f.expectClose(1000)
	var closed *client.CloseError
	if err := <-done; !errors.As(err, &closed) || closed.Code != messages.ClosePolicyViolation || closed.Reason != "refused too often" {
		t.Errorf("Login: %v; wanted close code 1008", err)
	}
}

func TestLogoutFreesTheLoginForAnother(t *testing.T) {
	c, f := connect(t, nil)
	if err := c.Logout(t.Context()); !errors.Is(err, client.ErrNotLoggedIn) {
		t.Errorf("Logout before a login: %v; wanted ErrNotLoggedIn", err)
	}
	f.login(c, "alice")
	done := begin(func() error { return c.Logout(t.Context()) })
	f.expect(text, `{"type":"logout","login":"alice"}`)
	if err := <-done; err != nil {
		t.Errorf("Logout: %v", err)
	}
	if err := c.Send(t.Context(), messages.TypeOffer, "bob", 1); !errors.Is(err, client.ErrNotLoggedIn) {
		t.Errorf("Send after a logout: %v; wanted ErrNotLoggedIn", err)
	}
	f.login(c, "bob")
}

func TestSendBuildsTheProtocolsMessages(t *testing.T) {
	c, f := connect(t, nil)
	f.login(c, "alice")
	for _, m := range []struct {
		typ     messages.Type
		to      string
		payload any
		want    string
	}{
		{messages.TypeOffer, "bob", map[string]string{"type": "offer", "sdp": "v=0\r\n<&>"}, `{"type":"offer","offer":{"sdp":"v=0\r\n<&>","type":"offer"},"from":"alice","to":"bob"}`},
		{messages.TypeAnswer, `b"o\b`, json.RawMessage(`{"sdp":""}`), `{"type":"answer","answer":{"sdp":""},"from":"alice","to":"b\"o\\b"}`},
		{messages.TypeICECandidate, "Zoë", nil, `{"type":"ice-candidate","ice-candidate":null,"from":"alice","to":"Zoë"}`},
		{messages.TypeBye, "bob", "left", `{"type":"bye","reason":"left","from":"alice","to":"bob"}`},
	} {
		done := begin(func() error { return c.Send(t.Context(), m.typ, m.to, m.payload) })
		f.expect(text, m.want)
		if err := <-done; err != nil {
			t.Errorf("Send %s: %v", m.typ, err)
		}
	}
}

func TestSendRefusesWhatTheServiceCannotRelay(t *testing.T) {
	c, f := connect(t, nil)
	f.login(c, "alice")
	for name, m := range map[string]struct {
		typ     messages.Type
		to      string
		payload any
	}{
		"a login":                       {messages.TypeLogin, "bob", 1},
		"no type":                       {0, "bob", 1},
		"what JSON cannot say":          {messages.TypeOffer, "bob", make(chan int)},
		"a payload over 64 KiB":         {messages.TypeOffer, "bob", strings.Repeat("a", messages.MaxMessageBytes)},
		"an addressee that is no UTF-8": {messages.TypeOffer, "b\xff", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.Send(t.Context(), m.typ, m.to, m.payload); err == nil {
				t.Error("Send succeeded; wanted an error")
			}
		})
	}
	if err := c.SendText(t.Context(), []byte("\xff")); err == nil {
		t.Error("SendText of what is no UTF-8 succeeded; wanted an error")
	}
	if err := c.Login(t.Context(), "\xff"); err == nil {
		t.Error("Login as what is no UTF-8 succeeded; wanted an error")
	}
	closeProperly(t, c, f) // the connection is still open after the refusals
}

func TestSendTextPassesAnyTextOn(t *testing.T) {
	c, f := connect(t, nil)
	for _, s := range []string{"", "no JSON", strings.Repeat("a", 126), strings.Repeat("b", 1<<16), strings.Repeat("c", 1<<20)} {
		done := begin(func() error { return c.SendText(t.Context(), []byte(s)) })
		f.expect(text, s)
		if err := <-done; err != nil {
			t.Errorf("SendText of %d bytes: %v", len(s), err)
		}
	}
}

func TestMessagesAreReadAsTheServiceReadsThem(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want client.Message
		err  *client.ServiceError
	}{
		"an offer":                     {`{"type":"offer","offer":{"sdp":""},"from":"bob","to":"alice"}`, client.Message{Type: "offer", From: "bob", To: "alice", Payload: json.RawMessage(`{"sdp":""}`)}, nil},
		"the README's candidate":       {`{"type":"ice-candidate","ice-candidate":1,"iceCandidate":2,"from":"bob","to":"alice"}`, client.Message{Type: "ice-candidate", From: "bob", To: "alice", Payload: json.RawMessage(`1`)}, nil},
		"the original's candidate":     {`{"type":"ice-candidate","iceCandidate":null,"from":"bob","to":"alice"}`, client.Message{Type: "ice-candidate", From: "bob", To: "alice", Payload: json.RawMessage(`null`)}, nil},
		"a bye":                        {`{"type":"bye","reason":"busy","from":"bob","to":"alice"}`, client.Message{Type: "bye", From: "bob", To: "alice", Payload: json.RawMessage(`"busy"`)}, nil},
		"keys in other cases":          {`{"type":"answer","from":"mallory","FROM":"bob","From":"bob","to":"alice"}`, client.Message{Type: "answer", From: "mallory", To: "alice"}, nil},
		"an escaped key and value":     {`{"type":"answer","fr\u006fm":"b\u006fb","to":"alice"}`, client.Message{Type: "answer", From: "bob", To: "alice"}, nil},
		"other uses of the keys":       {`{"type":"offer","offer":1,"code":[1],"message":{},"success":3,"from":"bob","to":"alice"}`, client.Message{Type: "offer", From: "bob", To: "alice", Payload: json.RawMessage(`1`)}, nil},
		"an error":                     {`{"type":"error","code":"peer-unavailable","message":"Gone.","to":"bob"}`, client.Message{Type: "error", To: "bob"}, &client.ServiceError{Code: messages.CodePeerUnavailable, Message: "Gone.", To: "bob"}},
		"an error of the original":     {`{"type":"error","message":"User not found"}`, client.Message{Type: "error"}, &client.ServiceError{Message: "User not found"}},
		"a type of a later service":    {`{"type":"presence","online":["bob"]}`, client.Message{Type: "presence"}, nil},
		"a login reply nobody awaits":  {`{"type":"login","success":true}`, client.Message{Type: "login"}, nil},
		"a login error nobody awaits":  {`{"type":"error","code":"login-invalid","message":"No."}`, client.Message{Type: "error"}, &client.ServiceError{Code: messages.CodeLoginInvalid, Message: "No."}},
		"a long message, near 128 KiB": {`{"type":"error","to":"` + strings.Repeat("a", 130_000) + `"}`, client.Message{Type: "error", To: strings.Repeat("a", 130_000)}, &client.ServiceError{To: strings.Repeat("a", 130_000)}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, f := connect(t, nil)
			f.send(text, c.text)
			m := receive(t, cl)
			if m.Type != c.want.Type || m.From != c.want.From || m.To != c.want.To || !bytes.Equal(m.Payload, c.want.Payload) {
				t.Errorf("received %+v; wanted %+v", m, c.want)
			}
			if string(m.Text) != c.text {
				t.Errorf("the text is %q; wanted it as it was sent", m.Text)
			}
			var service *client.ServiceError
			if errors.As(m.Err(), &service) != (c.err != nil) || (c.err != nil && *service != *c.err) {
				t.Errorf("Err is %#v; wanted %#v", m.Err(), c.err)
			}
		})
	}
}

func TestAMessageOverTheGivenLimitEndsTheConnection(t *testing.T) {
	const atTheLimit = `{"type":"offer"}`
	c, f := connect(t, nil, client.WithMaxMessageBytes(len(atTheLimit)))
	f.send(text, atTheLimit)
	if m := receive(t, c); m.Type != "offer" {
		t.Errorf("received %+v; wanted the offer", m)
	}
	f.write([]byte{text, byte(len(atTheLimit) + 1)})
	if first, payload, err := f.read(); err != nil || first != closing || !bytes.HasPrefix(payload, []byte{1009 >> 8, 1009 & 0xff}) {
		t.Errorf("the client sent %#x %q, %v; wanted close code 1009", first, payload, err)
	}
}

func TestTheContextOfDialBoundsNothingLater(t *testing.T) {
	dialer, conns := pipe()
	ctx, cancel := context.WithCancel(t.Context())
	services := make(chan *fake, 1)
	go func() {
		f := newFake(t, <-conns)
		f.accept(nil)
		services <- f
	}()
	c, err := client.Dial(ctx, "ws://service.test", dialer)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	cancel()
	closeProperly(t, c, <-services)
}

func TestFragmentsAreOneMessage(t *testing.T) {
	c, f := connect(t, nil)
	f.send(0x01, `{"type":"offer",`)
	f.send(ping, "between")
	f.expect(pong, "between")
	f.send(0x00, `"from":"bob",`)
	f.send(0x80, `"to":"alice"}`)
	if m := receive(t, c); string(m.Text) != `{"type":"offer","from":"bob","to":"alice"}` {
		t.Errorf("received %q; wanted the fragments, joined", m.Text)
	}
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := connect(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Receive: %v; wanted the context's error", err)
		}
		f.send(text, `{"type":"offer"}`)
		if m := receive(t, c); m.Type != "offer" {
			t.Errorf("received %+v; wanted the offer: the connection should have stayed", m)
		}
	})
}

func TestWhatCameBeforeTheEndIsReceivedBeforeIt(t *testing.T) {
	c, f := connect(t, nil)
	f.send(text, `{"type":"offer"}`)
	f.send(text, `{"type":"bye"}`)
	f.write(closeFrame(4000, "too slow"))
	f.expectClose(4000)
	var closed *client.CloseError
	if err := ended(t, c); !errors.As(err, &closed) || closed.Code != messages.CloseTooSlow {
		t.Fatalf("the connection ended with %v; wanted close code 4000", err)
	}
	for _, want := range []string{"offer", "bye"} {
		if m := receive(t, c); m.Type != want {
			t.Errorf("received %q; wanted %q", m.Type, want)
		}
	}
	if _, err := c.Receive(t.Context()); !errors.As(err, &closed) {
		t.Errorf("Receive: %v; wanted the close error", err)
	}
	if err := c.SendText(t.Context(), []byte("x")); !errors.As(err, &closed) {
		t.Errorf("SendText: %v; wanted the close error", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close after the end: %v; wanted nil", err)
	}
}

func TestAPingIsAnsweredWithItsPayload(t *testing.T) {
	c, f := connect(t, nil)
	f.send(ping, "are you there?")
	f.expect(pong, "are you there?")
	f.send(ping, "")
	f.expect(pong, "")
	f.send(pong, "unasked")
	closeProperly(t, c, f)
}

func TestPingsToAClientWhoseWritesStallDoNotStopItsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := connect(t, nil)
		for i := range 1000 { // the service does not read the pongs
			f.send(ping, fmt.Sprint(i))
		}
		f.send(text, `{"type":"offer"}`)
		if m := receive(t, c); m.Type != "offer" {
			t.Errorf("received %+v; wanted the offer", m)
		}
		synctest.Wait()
		// One pong has been waiting to be written since the pings began. If its goroutine started late, this pong answers
		// the last ping already.
		first, payload, err := f.read()
		if err != nil || first != pong {
			t.Errorf("the client sent %#x %q, %v; wanted a pong", first, payload, err)
		}
		if string(payload) != "999" {
			f.expect(pong, "999")
		}
	})
}

func TestAClientThatDoesNotReceiveStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 3
		c, f := connect(t, nil, client.WithBuffer(buffer))
		sent := make(chan int, 100)
		go func() {
			defer close(sent)
			for i := range 10 {
				if _, err := f.conn.Write(frame(text, fmt.Appendf(nil, `{"type":"offer","offer":%d}`, i))); err != nil {
					t.Errorf("writing to the client: %v", err)
				}
				sent <- i
			}
		}()
		synctest.Wait()
		// The reader of gws buffers up to 4 KiB more. But a pipe gives it one write at a time.
		if n := len(sent); n > buffer+1 {
			t.Errorf("the service could send %d messages; wanted %d at most", n, buffer+1)
		}
		for i := range 10 {
			if m := receive(t, c); string(m.Payload) != fmt.Sprint(i) {
				t.Errorf("received %s; wanted message %d", m.Text, i)
			}
		}
	})
}

func TestASendToAServiceThatDoesNotReadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		waiting, cancelWaiting := context.WithTimeout(t.Context(), time.Second)
		defer cancelWaiting()

		first := make(chan error, 1)
		go func() { first <- c.SendText(ctx, []byte("one")) }()
		synctest.Wait()
		if err := c.SendText(waiting, []byte("two")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SendText behind a stalled one: %v; wanted the context's error", err)
		}
		if c.Err() != nil {
			t.Errorf("the connection ended with %v; wanted it open: nothing of the second message was out", c.Err())
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SendText: %v; wanted the context's error", err)
		}
		if err := ended(t, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the connection ended with %v; wanted the context's error", err)
		}
	})
}

func TestASendWithAnEndedContextSendsNothing(t *testing.T) {
	c, f := connect(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.SendText(ctx, []byte("one")); !errors.Is(err, context.Canceled) {
		t.Errorf("SendText: %v; wanted the context's error", err)
	}
	if err := c.Login(ctx, "alice"); !errors.Is(err, context.Canceled) {
		t.Errorf("Login: %v; wanted the context's error", err)
	}
	done := begin(func() error { return c.SendText(t.Context(), []byte("two")) })
	f.expect(text, "two")
	if err := <-done; err != nil {
		t.Errorf("SendText: %v", err)
	}
}

// A failed write must not hide the close frame of the service that says why the connection ended.
func TestAFailedWriteIsExplainedByTheServicesCloseFrame(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Errorf("accepting: %v", err)
			return
		}
		f := newFake(t, conn)
		f.accept(closeFrame(1008, "refused too often"))
		conn.Close()
	}()
	c, err := client.Dial(t.Context(), "ws://"+listener.Addr().String())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer c.CloseNow()
	for err == nil {
		err = c.SendText(t.Context(), []byte("hello"))
	}
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != messages.ClosePolicyViolation {
		t.Errorf("SendText: %v; wanted close code 1008", err)
	}
}

func TestCloseIsAHandshake(t *testing.T) {
	c, f := connect(t, nil)
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	f.expect(closing, "\x03\xe8")
	f.send(text, `{"type":"offer"}`) // sent before the service has seen the close frame
	f.send(ping, "x")
	f.write(closeFrame(1000, ""))
	if first, payload, err := f.read(); err == nil {
		t.Errorf("behind its close frame the client sent %#x %q; wanted nothing", first, payload)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v; wanted a proper end", err)
	}
	if err := c.Err(); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Err: %v; wanted ErrClosed", err)
	}
	if err := c.SendText(t.Context(), nil); !errors.Is(err, client.ErrClosed) {
		t.Errorf("SendText: %v; wanted ErrClosed", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("the second Close: %v; wanted nil", err)
	}
}

func TestCloseCutsOffAServiceThatDoesNotAnswer(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *client.Client, *fake){
		"silent":  func(t *testing.T, _ *client.Client, f *fake) { go io.Copy(io.Discard, f.conn) },
		"stalled": func(*testing.T, *client.Client, *fake) {},
		"flooding": func(t *testing.T, _ *client.Client, f *fake) {
			done := make(chan struct{})
			t.Cleanup(func() { <-done })
			go func() {
				defer close(done)
				flood(f)
			}()
		},
		"stalled, and a write waits": func(t *testing.T, c *client.Client, _ *fake) {
			go func() {
				if err := c.SendText(context.Background(), []byte("x")); !errors.Is(err, client.ErrClosed) {
					t.Errorf("SendText: %v; wanted ErrClosed", err)
				}
			}()
			synctest.Wait()
		},
		"stalled, and a pong waits": func(t *testing.T, _ *client.Client, f *fake) { f.send(ping, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f := connect(t, nil)
				prepare(t, c, f)
				begun := time.Now()
				if err := c.Close(); err == nil {
					t.Error("Close returned nil; wanted an error: nobody answered")
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("Close took %v; wanted 5 s at most", took)
				}
				if err := c.Err(); !errors.Is(err, client.ErrClosed) {
					t.Errorf("Err: %v; wanted ErrClosed", err)
				}
			})
		})
	}
}

// flood sends messages until the client takes no more. It sleeps between them, so that the clock of a synctest bubble moves.
func flood(f *fake) {
	for {
		if _, err := f.conn.Write(frame(text, []byte(`{"type":"offer"}`))); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCloseNowSaysNothing(t *testing.T) {
	c, f := connect(t, nil)
	receiving := make(chan error, 1)
	go func() {
		_, err := c.Receive(context.Background())
		receiving <- err
	}()
	c.CloseNow()
	if first, payload, err := f.read(); err == nil {
		t.Errorf("the client sent %#x %q; wanted nothing", first, payload)
	}
	if err := <-receiving; !errors.Is(err, client.ErrClosed) {
		t.Errorf("Receive: %v; wanted ErrClosed", err)
	}
	c.CloseNow()
	if err := c.Close(); err != nil {
		t.Errorf("Close after CloseNow: %v; wanted nil", err)
	}
}

func TestAServiceThatBreaksTheProtocolIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		sent []byte
		code uint16 // the code of the client's close frame
		want string // a part of the error's text
	}{
		"a length with its top bit set":    {[]byte{text, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, 1002, "protocol"},
		"a length of 2^62":                 {[]byte{text, 127, 0x40, 0, 0, 0, 0, 0, 0, 0}, 1009, "too large"},
		"a message over the limit":         {[]byte{text, 127, 0, 0, 0, 0, 0, 2, 0, 1}, 1009, "too large"},
		"fragments that add up to it":      {append(frame(0x01, make([]byte, 70_000)), frame(0x00, make([]byte, 70_000))...), 1009, "too large"},
		"a masked frame":                   {[]byte{text, 0x81, 1, 2, 3, 4, 'x'}, 1002, "protocol"},
		"a reserved bit":                   {frame(0x40|text, []byte("x")), 1002, "protocol"},
		"a reserved opcode":                {frame(0x83, []byte("x")), 1002, "opcode"},
		"a reserved control opcode":        {frame(0x8b, []byte("x")), 1002, "opcode"},
		"a fragmented ping":                {frame(0x09, []byte("x")), 1002, "protocol"},
		"a long ping":                      {frame(ping, make([]byte, 126)), 1002, "protocol"},
		"a continuation of nothing":        {frame(0x80, []byte("x")), 1002, "protocol"},
		"a message within a message":       {append(frame(0x01, []byte("x")), frame(text, []byte("x"))...), 1002, "protocol"},
		"a text that is no UTF-8":          {frame(text, []byte("\xff")), 1007, "encoding"},
		"a binary message":                 {frame(binaryMsg, []byte("x")), 1003, "binary"},
		"a text that is no JSON":           {frame(text, []byte("x")), 1007, "no message"},
		"no text at all":                   {frame(text, nil), 1007, "no message"},
		"an array":                         {frame(text, []byte(`[]`)), 1007, "no message"},
		"null":                             {frame(text, []byte(`null`)), 1007, "no message"},
		"no type":                          {frame(text, []byte(`{"Type":"offer"}`)), 1007, "no type"},
		"a type that is no text":           {frame(text, []byte(`{"type":1}`)), 1007, "no type"},
		"brackets, 20,000 deep":            {frame(text, []byte(strings.Repeat("[", 20_000))), 1007, "no message"},
		"a close frame with a code of 999": {closeFrame(999, ""), 1002, "code 999"},
	} {
		t.Run(name, func(t *testing.T) {
			cl, f := connect(t, nil)
			written := make(chan struct{})
			go func() {
				defer close(written)
				_, _ = f.conn.Write(c.sent) // the client may close the connection before the end
			}()
			first, payload, err := f.read()
			if err != nil || first != closing || len(payload) < 2 || int(payload[0])<<8|int(payload[1]) != int(c.code) {
				t.Errorf("the client sent %#x %q, %v; wanted close code %d", first, payload, err, c.code)
			}
			if first, payload, err := f.read(); err == nil {
				t.Errorf("behind its close frame the client sent %#x %q; wanted nothing", first, payload)
			}
			<-written
			if err := ended(t, cl); !strings.Contains(err.Error(), c.want) {
				t.Errorf("the connection ended with %q; wanted it to contain %q", err, c.want)
			}
			if err := cl.Close(); err != nil {
				t.Errorf("Close: %v; wanted nil", err)
			}
		})
	}
}

func TestAServiceThatBreaksTheProtocolAndDoesNotReadIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := connect(t, nil)
		f.send(binaryMsg, "x")
		if err := ended(t, c); !strings.Contains(err.Error(), "binary") {
			t.Errorf("the connection ended with %q; wanted it to say that a binary message came", err)
		}
	})
}

func TestACloseFrameIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		sent []byte
		want client.CloseError
	}{
		"without a code":   {frame(closing, nil), client.CloseError{Code: 1005}},
		"with a code":      {closeFrame(1009, ""), client.CloseError{Code: messages.CloseMessageTooBig}},
		"with a reason":    {closeFrame(1012, "retry=2300"), client.CloseError{Code: messages.CloseServiceRestart, Reason: "retry=2300"}},
		"with our code":    {closeFrame(4001, ""), client.CloseError{Code: messages.CloseNoSignOfLife}},
		"behind a message": {append(frame(text, []byte(`{"type":"bye"}`)), closeFrame(1001, "")...), client.CloseError{Code: messages.CloseGoingAway}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, f := connect(t, nil)
			f.write(c.sent)
			if first, _, err := f.read(); err != nil || first != closing {
				t.Errorf("the client sent %#x, %v; wanted a close frame", first, err)
			}
			var closed *client.CloseError
			if err := ended(t, cl); !errors.As(err, &closed) || *closed != c.want {
				t.Errorf("the connection ended with %#v; wanted %#v", err, c.want)
			}
		})
	}
}

func TestALostConnectionIsNoCloseError(t *testing.T) {
	c, f := connect(t, nil)
	f.conn.Close()
	err := ended(t, c)
	var closed *client.CloseError
	if err == nil || errors.As(err, &closed) || !errors.Is(err, io.EOF) {
		t.Errorf("the connection ended with %v; wanted an error that wraps io.EOF", err)
	}
}

func TestManyGoroutinesMayUseOneClient(t *testing.T) {
	const senders, each = 8, 50
	c, f := connect(t, nil)
	f.login(c, "alice")
	go func() { // the service echoes each frame
		for {
			first, payload, err := f.read()
			if err != nil {
				return
			}
			if _, err := f.conn.Write(frame(first, payload)); err != nil {
				return
			}
		}
	}()
	var work sync.WaitGroup
	for range senders {
		work.Go(func() {
			for range each {
				if err := c.Send(t.Context(), messages.TypeOffer, "alice", 1); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
		work.Go(func() {
			for range each {
				if _, err := c.Receive(t.Context()); err != nil {
					t.Errorf("Receive: %v", err)
				}
			}
		})
	}
	work.Wait()
	for range 4 {
		work.Go(func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	work.Wait()
}

func TestErrorsReadAsSentences(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&client.RefusedError{}, "refused"},
		{&client.RefusedError{Code: messages.CodeLoginTaken}, "refused: login-taken"},
		{&client.RefusedError{Code: messages.CodeLoginTaken, Message: "In use."}, "refused: In use. (login-taken)"},
		{&client.ServiceError{Message: "User not found"}, "the service reports an error: User not found"},
		{&client.ServiceError{Code: messages.CodePeerUnavailable, Message: "Gone.", To: "bob"}, `the service reports an error, to "bob": Gone. (peer-unavailable)`},
		{&client.CloseError{Code: 1005}, "the service closed the connection with code 1005"},
		{&client.CloseError{Code: 1001, Reason: "retry=5"}, "the service closed the connection with code 1001: retry=5"},
		{&client.HandshakeError{StatusCode: 403}, "the service did not accept the connection: HTTP status 403 Forbidden"},
		{&client.HandshakeError{StatusCode: 799}, "the service did not accept the connection: HTTP status 799"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%#v reads %q; wanted %q", c.err, got, c.want)
		}
	}
}
