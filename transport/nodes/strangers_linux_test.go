package nodes

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// TestStrangersAreRefused sends garbage to the port for other nodes, and comes there without a certificate, and with one of another
// authority.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	network := onLoopback("e1", "n1", "n2")
	g := form(t, network, "", []string{"e1"}, []string{"n1", "n2"})
	c := g.crowd(t, 4, 40*time.Millisecond)
	n := g.nodes[0]
	routes := n.host.address + ":6222"
	foreign := newAuthority(t)
	certificate, key := foreign.issue(t, n.host)
	wrong, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	var strangers sync.WaitGroup
	for name, connect := range map[string]func(net.Conn) net.Conn{
		"garbage":        func(conn net.Conn) net.Conn { return conn },
		"no certificate": func(conn net.Conn) net.Conn { return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) },
		"a certificate of somebody else's": func(conn net.Conn) net.Conn {
			return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{wrong}})
		},
	} {
		garbage := make([]byte, 1<<16)
		_, _ = rand.Read(garbage)
		for _, say := range []string{string(garbage), strings.Repeat("A", 1<<20), "CONNECT {\"verbose\":false}\r\nPING\r\n", ""} {
			strangers.Go(func() {
				conn, err := net.Dial("tcp", routes)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				stranger := connect(conn)
				_, _ = io.WriteString(stranger, say) // The node may close the connection meanwhile.
				answer, err := io.ReadAll(stranger)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection stays open", name)
				}
				if strings.Contains(string(answer), "PONG") {
					t.Errorf("%s: the node answers %q", name, answer)
				}
			})
		}
	}
	strangers.Wait()
	if !n.ready() {
		t.Error("the node is not ready any more")
	}
	right(t, c, g.check(t, c))
}

// floodBound is how much more memory a node may take while it is flooded for a node that stands still than while it is flooded for a login
// that nobody has. What waits for the node that stands still occupies 16 MB at most; 10 to 15 MB have been seen. The collector of garbage
// lets some garbage be before it comes, whomever a flood is for.
const floodBound = 20 << 20

// TestAFrozenNodeCostsItsPeersNoMore floods a node that stands still with frames of 64 KB. The sender's node does not grow without
// bound, and relays to a third node go on.
func TestAFrozenNodeCostsItsPeersNoMore(t *testing.T) {
	t.Parallel()
	g := form(t, onLoopback("e1", "n1", "n2", "n3"), "", []string{"e1"}, []string{"n1", "n2", "n3"})
	n, frozen, healthy := g.nodes[0], g.nodes[1], g.nodes[2]
	const standing, neighbour, nobody = 0, 1, 3
	frozen.plain(t, loginOf(standing))
	there, here := healthy.plain(t, loginOf(neighbour)), n.plain(t, loginOf(2))
	relay := func() time.Duration {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*ttl)
		defer cancel()
		if err := here.Send(ctx, messages.TypeOffer, loginOf(neighbour), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	relay()
	before := n.status(t, "RssAnon")
	// flood floods a login and relays to the neighbour meanwhile. It returns the most memory that the senders' node had.
	flood := func(login int) (most int) {
		ctx, cancel := context.WithCancel(t.Context())
		var sent, told atomic.Int64
		var senders []*client.Client
		payload := strings.Repeat("x", 64<<10-200)
		for i := range 4 {
			c := n.plain(t, loginOf(10*(1+login)+i))
			senders = append(senders, c)
			go func() {
				for ctx.Err() == nil && c.Send(ctx, messages.TypeOffer, loginOf(login), payload) == nil {
					sent.Add(1)
				}
			}()
			go func() {
				for {
					m, err := c.Receive(ctx)
					if err != nil {
						return
					}
					if m.Err() != nil {
						told.Add(1)
					}
				}
			}()
		}
		slowest, relays := time.Duration(0), 0
		for began := time.Now(); time.Since(began) < time.Duration(rounds(3))*ttl*2/3; relays++ {
			slowest = max(slowest, relay())
			most = max(most, n.status(t, "RssAnon"))
			time.Sleep(20 * time.Millisecond) // the pace of the relays
		}
		cancel()
		for _, c := range senders {
			c.CloseNow()
		}
		t.Logf("%d frames of 64 KB for %s, %d of them refused: the node had %d MB before and %d MB at most, and %d relays to another took %v at most",
			sent.Load(), loginOf(login), told.Load(), before>>20, most>>20, relays, slowest)
		if sent.Load() < 512 {
			t.Errorf("only %d frames were sent: that floods nobody", sent.Load())
		}
		return most
	}
	baseline := flood(nobody)
	frozen.freeze()
	most := flood(standing)
	frozen.thaw()
	if most > baseline+floodBound {
		t.Errorf("the node takes %d MB flooded for a node that stands still, and %d MB flooded for nobody; wanted %d MB more at most",
			most>>20, baseline>>20, floodBound>>20)
	}
}
