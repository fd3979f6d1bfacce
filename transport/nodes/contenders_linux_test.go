package nodes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"p2p-messaging/actors/cluster/proof"
	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// firstContended is the index of the first login that several clients contend for.
const firstContended = 500

// contend has clients log in and out all the time, each with any of a few logins and on any node. Who has a login sends frames to
// itself.
func (c *crowd) contend(clients, logins int) {
	numbers := make([]atomic.Int64, logins)
	for range clients {
		c.senders.Go(func() {
			for ctx := c.while; ctx.Err() == nil; {
				if err := c.contender(ctx, numbers); err != nil {
					pause(ctx, 50*time.Millisecond)
				}
			}
		})
	}
}

// contender is one connection of a client that contends for logins.
func (c *crowd) contender(ctx context.Context, numbers []atomic.Int64) error {
	first := rand.IntN(len(c.nodes))
	s, err := client.Dial(ctx, "ws://nodes.test", client.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.dial(ctx, first)
	}))
	if err != nil {
		return err
	}
	defer s.CloseNow()
	for pause(ctx, time.Duration(rand.Int64N(int64(2*c.pace)))) {
		i := rand.IntN(len(numbers))
		login := loginOf(firstContended + i)
		bounded, cancel := context.WithTimeout(ctx, 3*ttl)
		err := s.Login(bounded, login)
		if err == nil {
			name := fmt.Sprintf("%s#%d", login, c.clients.Add(1))
			c.record(proof.Event{Kind: proof.Accepted, Login: login, Client: name})
			if err = c.echo(bounded, s, login, name, int(numbers[i].Add(1))); err == nil {
				err = s.Logout(bounded)
			}
		} else if _, refused := errors.AsType[*client.RefusedError](err); refused {
			err = nil
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// echo sends a frame to the login of its sender, and waits for it or for the news that it did not arrive.
func (c *crowd) echo(ctx context.Context, s *client.Client, login, name string, number int) error {
	c.record(proof.Event{Kind: proof.Sent, From: login, To: login, Number: number})
	err := s.Send(ctx, messages.TypeOffer, spelled(login, number), nil)
	var m client.Message
	if err == nil {
		m, err = s.Receive(ctx)
	}
	if err == nil {
		err = m.Err()
	}
	if err != nil { // The end of the connection says that the frame may not have arrived, too.
		c.record(proof.Event{Kind: proof.Told, From: login, To: login, Number: number})
		return err
	}
	_, got := numberIn(m.To)
	c.record(proof.Event{Kind: proof.Delivered, From: m.From, To: login, Number: got, Client: name})
	return nil
}
