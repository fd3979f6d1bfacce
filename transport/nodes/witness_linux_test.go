package nodes

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// The logins of those who look at the death of a node.
const (
	residentIndex = 998
	witnessIndex  = 999
)

// news is what clients have seen of the death of a node.
type news struct {
	told  []time.Duration // how long after it was sent the sender of each frame was told, or after the death if it was sent before; the longest first
	codes map[messages.Code]int
	free  time.Duration // how long after the death the node's login was free
}

// plain logs in on a node, as soon as the login is free. The client does not come back.
func (n *node) plain(t *testing.T, login string) (c *client.Client) {
	t.Helper()
	eventually(t, 4*ttl, login+" is free", func() bool {
		var err error
		c, err = client.Dial(t.Context(), "ws://"+n.address(), client.WithDialContext(func(ctx context.Context, _, address string) (net.Conn, error) {
			return n.group.network.dial(ctx, "tcp", address)
		}))
		if err == nil {
			if err = c.Login(t.Context(), login); err != nil {
				c.CloseNow()
			}
		}
		return err == nil
	})
	t.Cleanup(c.CloseNow)
	return c
}

// watchDeath has somebody on another node write to somebody on this one while it dies, and waits until the login of the dead is free.
func (n *node) watchDeath(t *testing.T, other *node, die func()) news {
	t.Helper()
	resident, witness := n.plain(t, loginOf(residentIndex)), other.plain(t, loginOf(witnessIndex))
	defer resident.CloseNow()
	defer witness.CloseNow()
	if err := witness.Send(t.Context(), messages.TypeOffer, loginOf(residentIndex), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := resident.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := news{codes: map[messages.Code]int{}}
	const frames = 50
	sent := make([]time.Time, frames+1)
	done := make(chan error, 1)
	go func() {
		for len(seen.told) < frames {
			m, err := witness.Receive(t.Context())
			if err != nil {
				done <- err
				return
			}
			refused, ok := errors.AsType[*client.ServiceError](m.Err())
			if !ok {
				done <- errors.New("the witness got something else")
				return
			}
			_, number := numberIn(refused.To)
			if number == 0 { // It has arrived, but the node has died before it could say so.
				continue
			}
			seen.told = append(seen.told, time.Since(sent[number]))
			seen.codes[refused.Code]++
		}
		done <- nil
	}()
	die()
	died := time.Now()
	for number := 1; number <= frames; number++ {
		sent[number] = time.Now()
		if err := witness.Send(t.Context(), messages.TypeOffer, spelled(loginOf(residentIndex), number), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Millisecond) // the pace of the witness
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(3 * ttl):
		t.Errorf("the witness was not told of all frames for the dead")
	}
	other.plain(t, loginOf(residentIndex)).CloseNow()
	seen.free = time.Since(died)
	slices.SortFunc(seen.told, func(a, b time.Duration) int { return int(b - a) })
	return seen
}
