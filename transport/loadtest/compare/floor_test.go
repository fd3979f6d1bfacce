package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// startFloor starts a floor that runs until the test ends. It returns the address.
func startFloor(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = newFloor().RunListener(listener) }() // runs until the test program ends: the server cannot be stopped
	return listener.Addr().String()
}

type peer struct {
	*rawws.Conn
	t *testing.T
}

func connect(t *testing.T, address string) peer {
	t.Helper()
	socket, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	_ = socket.SetDeadline(time.Now().Add(20 * time.Second))
	c, err := rawws.Open(socket, rawws.Request("/ws", address))
	if err != nil {
		t.Fatal(err)
	}
	return peer{c, t}
}

func (p peer) send(text string) {
	p.t.Helper()
	if _, err := p.Write(rawws.Message(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p peer) want(text string) {
	p.t.Helper()
	if got, err := p.ReadText(); err != nil || got != text {
		p.t.Fatalf("it said %q, %v; want %q", got, err, text)
	}
}

func login(name string) string { return fmt.Sprintf(`{"type":"login","login":%q}`, name) }

const (
	yes = `{"type":"login","success":true}`
	no  = `{"type":"login","success":false}`
)

func TestTheFloorRelaysAndFreesLogins(t *testing.T) {
	address := startFloor(t)
	alice, bob := connect(t, address), connect(t, address)
	alice.send(login("alice"))
	alice.want(yes)
	bob.send(login("alice"))
	bob.want(no)
	bob.send(login("bob"))
	bob.want(yes)

	const offer = `{"type":"offer","offer":{"sdp":"v=0\r\n"},"from":"alice","to":"bob"}`
	alice.send(`{"type":"offer","offer":{},"from":"alice","to":"nobody"}`)
	alice.send(offer)
	bob.want(offer)

	// A logout frees the login at once. The end of a connection frees it when the floor notices the end.
	alice.send(`{"type":"logout","login":"alice"}`)
	alice.send(login("carol"))
	alice.want(yes)
	alice.Close()
	bob.send(login("alice"))
	bob.want(yes)
	for {
		next := connect(t, address)
		next.send(login("carol"))
		if answer, err := next.ReadText(); err != nil {
			t.Fatal(err)
		} else if answer == yes {
			return
		}
		next.Close()
	}
}
