package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport"
	"p2p-messaging/transport/client"
)

// Alice calls bob. In a real program the payloads would come from and go to WebRTC.
func Example() {
	address, stop := startService() // or use the address of a running service: ws://localhost:7777
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	bob, err := client.Dial(ctx, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()
	if err := bob.Login(ctx, "bob"); err != nil {
		fmt.Println(err)
		return
	}

	alice, err := client.Dial(ctx, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	var refused *client.RefusedError
	if err := alice.Login(ctx, "bob"); errors.As(err, &refused) {
		fmt.Println("alice may not be bob:", refused.Code)
	}
	if err := alice.Login(ctx, "alice"); err != nil {
		fmt.Println(err)
		return
	}

	description := map[string]string{"type": "offer", "sdp": "v=0…"}
	if err := alice.Send(ctx, messages.TypeOffer, "bob", description); err != nil {
		fmt.Println(err)
		return
	}
	offer, err := bob.Receive(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("bob: %s from %s: %s\n", offer.Type, offer.From, offer.Payload)
	if err := bob.Send(ctx, messages.TypeBye, offer.From, "busy"); err != nil {
		fmt.Println(err)
		return
	}
	bye, err := alice.Receive(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("alice: %s from %s: %s\n", bye.Type, bye.From, bye.Payload)

	// Output:
	// alice may not be bob: login-taken
	// bob: offer from alice: {"sdp":"v=0…","type":"offer"}
	// alice: bye from bob: "busy"
}

// If the service cannot deliver a message, its error arrives as a message too.
func ExampleMessage_Err() {
	address, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alice, err := dialAs(ctx, address, "alice")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	if err := alice.Send(ctx, messages.TypeOffer, "nobody", nil); err != nil {
		fmt.Println(err)
		return
	}
	m, err := alice.Receive(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	var refusal *client.ServiceError
	if errors.As(m.Err(), &refusal) && refusal.Code == messages.CodePeerUnavailable {
		fmt.Println(refusal.To, "is not here")
	}
	// Output: nobody is not here
}

// Alice keeps her session over a dropped connection. What bob sends meanwhile arrives.
func ExampleWithKeep() {
	address, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	connections := make(chan net.Conn, 10) // alice's, to cut them
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		connections <- conn
		return conn, err
	}
	alice, err := client.Dial(ctx, address, client.WithKeep(), client.WithDialContext(dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close() // logs out
	if err := alice.Login(ctx, "alice"); err != nil {
		fmt.Println(err)
		return
	}
	(<-connections).Close()

	bob, err := dialAs(ctx, address, "bob")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()
	if err := bob.Send(ctx, messages.TypeOffer, "alice", "v=0…"); err != nil {
		fmt.Println(err)
		return
	}
	for {
		m, err := alice.Receive(ctx)
		var lost *client.SessionLostError
		switch {
		case errors.As(err, &lost) && lost.Err == nil:
			fmt.Println("a new session; perhaps to be said again:", len(lost.Unknown)+len(lost.Unsent))
			continue
		case err != nil:
			fmt.Println(err)
			return
		}
		fmt.Printf("%s from %s: %s\n", m.Type, m.From, m.Payload)
		return
	}
	// Output: offer from bob: "v=0…"
}

// Alice is told who of her friends is online.
func ExampleClient_Watch() {
	address, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alice, err := dialAs(ctx, address, "alice")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	if err := alice.Watch(ctx, "alice", "bob"); err != nil {
		fmt.Println(err)
		return
	}
	m, err := alice.Receive(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if m.Type == "presence" {
		fmt.Println("online:", m.Online, "offline:", m.Offline)
	}
	// Output: online: [alice] offline: [bob]
}

// A service that goes down closes its connections with a code that says so.
func ExampleCloseError() {
	address, stop := startService()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alice, err := client.Dial(ctx, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	stop()
	_, err = alice.Receive(ctx)
	var closed *client.CloseError
	if errors.As(err, &closed) && closed.Code.Retry() {
		fmt.Println("to be dialed again, after a delay; code", closed.Code)
	}
	// Output: to be dialed again, after a delay; code 1012
}

// dialAs connects and logs in, as the first example does.
func dialAs(ctx context.Context, address, login string) (*client.Client, error) {
	c, err := client.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := c.Login(ctx, login); err != nil {
		c.CloseNow()
		return nil, err
	}
	return c, nil
}

// startService starts a service on a free port.
func startService() (address string, stop func()) {
	logger := slog.New(slog.DiscardHandler)
	system := actors.NewSystem(actors.Options{Logger: logger, ResumeWindow: 30 * time.Second})
	options := transport.DefaultOptions()
	options.Logger = logger
	server, err := transport.New(system, options)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(listener)
	return "ws://" + listener.Addr().String(), func() {
		_ = server.Shutdown(context.Background())
		_ = system.Stop(context.Background())
	}
}
