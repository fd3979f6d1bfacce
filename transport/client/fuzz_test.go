package client_test

import (
	"io"
	"testing"
	"testing/synctest"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// A service may send any bytes. The client must end with an error and leave no goroutine behind.
func FuzzBytesOfTheService(f *testing.F) {
	f.Add([]byte{text, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{closing, 1, 3})
	f.Add(closeFrame(1001, "retry=2300"))
	f.Add(append(frame(0x01, []byte(`{"type":`)), frame(0x80, []byte(`"offer"}`))...))
	f.Add(append(frame(ping, []byte("x")), frame(text, []byte(`{"type":"bye"}`))...))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c, service := connect(t, nil)
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, service.conn)
		}()
		_, _ = service.conn.Write(sent)
		service.conn.Close()
		if err := ended(t, c); err == nil {
			t.Error("the connection ended without a reason; wanted one")
		}
		<-read
	})
}

// A service may send any texts behind a login. A kept client must neither panic nor hang.
func FuzzTextsToAKeptClient(f *testing.F) {
	for _, s := range []string{
		`{"type":"pong","received":0}`, `{"type":"pong","received":18446744073709551615}`, `{"type":"pong","received":-1}`,
		`{"type":"login","success":true,"resumed":true,"received":7,"resume":"x"}`, `{"type":"presence","online":7}`, `{"type":"error"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		synctest.Test(t, func(t *testing.T) {
			k := connectKept(t)
			k.logsIn()
			service := k.fake
			go io.Copy(io.Discard, service.conn)
			go k.Receive(t.Context())
			_, _ = service.conn.Write(frame(text, sent))
			_, _ = service.conn.Write(frame(text, []byte(offerTo(1))))
			synctest.Wait()
			k.CloseNow()
		})
	})
}

// The client must read the same type, sender and receiver from a relayed message as the service. Otherwise a message could
// show another sender than the one that the service has checked.
func FuzzMessagesAreReadAsTheServiceReadsThem(f *testing.F) {
	f.Add([]byte(`{"type":"offer","offer":{},"from":"alice","to":"bob"}`))
	f.Add([]byte(`{"type":"bye","fr\u006fm":"\ud83d\ude00","to":"bob","FROM":"mallory"}`))
	f.Add([]byte(`{"type":"answer","from":"","to":"\u0000"}`))
	f.Fuzz(func(t *testing.T, sent []byte) {
		envelope, err := messages.Decode(sent)
		if err != nil || !envelope.Type.Relayed() {
			t.Skip("the service does not relay this")
		}
		dialed, service := connect(t, nil, client.WithBuffer(1))
		go func() { _, _ = io.Copy(io.Discard, service.conn) }()
		service.write(frame(text, sent))
		m, err := dialed.Receive(t.Context())
		if err != nil {
			t.Fatalf("Receive: %v; wanted what the service relays: %q", err, sent)
		}
		if m.Type != envelope.Type.String() || m.From != string(envelope.From) || m.To != string(envelope.To) {
			t.Errorf("the client reads %q from %q to %q; the service %q from %q to %q",
				m.Type, m.From, m.To, envelope.Type, envelope.From, envelope.To)
		}
		if string(m.Text) != string(sent) {
			t.Errorf("the text is %q; wanted %q", m.Text, sent)
		}
	})
}
