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

// floodBound is how much a node may grow while it is flooded for a node that stands still. What waits for that node occupies 16 MB at most,
// with what the engine holds of it a second time. The collector lets as much garbage be before it comes, whatever the node does. The rest is for
// the connections of those who flood.
const floodBound = 36 << 20

// TestAFrozenNodeCostsItsPeersNoMore floods a node that stands still with frames of 64 KB. The sender's node does not grow without
// bound, and relays to a third node go on.
func TestAFrozenNodeCostsItsPeersNoMore(t *testing.T) {
	t.Parallel()
	g := form(t, onLoopback("e1", "n1", "n2", "n3"), "", []string{"e1"}, []string{"n1", "n2", "n3"})
	n, frozen, healthy := g.nodes[0], g.nodes[1], g.nodes[2]
	frozen.plain(t, loginOf(0))
	there, here := healthy.plain(t, loginOf(1)), n.plain(t, loginOf(2))
	relay := func() time.Duration {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*ttl)
		defer cancel()
		if err := here.Send(ctx, messages.TypeOffer, loginOf(1), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	relay()
	before := n.status(t, "VmRSS")
	frozen.freeze()
	ctx, cancel := context.WithCancel(t.Context())
	var sent, told atomic.Int64
	var flood []*client.Client
	payload := strings.Repeat("x", 64<<10-200)
	for i := range 4 {
		c := n.plain(t, loginOf(10+i))
		flood = append(flood, c)
		go func() {
			for ctx.Err() == nil && c.Send(ctx, messages.TypeOffer, loginOf(0), payload) == nil {
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
	most, slowest, relays := 0, time.Duration(0), 0
	for began := time.Now(); time.Since(began) < time.Duration(rounds(3))*ttl*2/3; relays++ {
		slowest = max(slowest, relay())
		most = max(most, n.status(t, "VmRSS"))
		time.Sleep(20 * time.Millisecond) // the pace of the relays
	}
	cancel()
	for _, c := range flood {
		c.CloseNow()
	}
	frozen.thaw()
	t.Logf("%d frames of 64 KB for a frozen node, %d of them refused: its peer grew from %d MB to %d MB, and %d relays to another took %v at most",
		sent.Load(), told.Load(), before>>20, most>>20, relays, slowest)
	if most > before+floodBound {
		t.Errorf("the node grew from %d MB to %d MB", before>>20, most>>20)
	}
	if sent.Load() < 512 {
		t.Errorf("only %d frames were sent: that floods nobody", sent.Load())
	}
}
