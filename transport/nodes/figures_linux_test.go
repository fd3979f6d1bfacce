package nodes

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// The load of the comparison: pairs who send each other bursts of frames of 300 bytes.
const (
	relayPairs  = 50
	relayFrames = 6400 // of each side
)

// relayer is one side of a pair.
type relayer struct {
	conn  *rawws.Conn
	frame []byte // that it sends
}

// TestARelayAcrossNodesCosts measures the processor time of relays between two nodes, and that of relays on one node. It fails for
// no figure: other programs run on the machine, too.
func TestARelayAcrossNodesCosts(t *testing.T) {
	if !long() {
		t.Skip("without P2P_PROOF_LONG")
	}
	g := form(t, onLoopback("e1", "n1", "n2"), unobserved, []string{"e1"}, []string{"n1", "n2"})
	here, there := g.nodes[0], g.nodes[1]
	cost := func(name string, other *node, window int) {
		var pairs [relayPairs][2]relayer
		for i := range pairs {
			a, b := fmt.Sprintf("%s-a%d", name, i), fmt.Sprintf("%s-b%d", name, i)
			pairs[i] = [2]relayer{here.relayer(t, a, b), other.relayer(t, b, a)}
		}
		bursts := func(count int) {
			var all sync.WaitGroup
			for i := range pairs {
				all.Go(func() {
					for range count {
						for side := range pairs[i] {
							if _, err := pairs[i][side].conn.Write(bytes.Repeat(pairs[i][side].frame, window)); err != nil {
								t.Error(err)
								return
							}
							for range window {
								if _, err := pairs[i][1-side].conn.ReadText(); err != nil {
									t.Error(err)
									return
								}
							}
						}
					}
				})
			}
			all.Wait()
		}
		bursts(10) // so that all know where all are
		before := here.cpu(t) + there.cpu(t)
		began := time.Now()
		bursts(relayFrames / window)
		relays := 2 * relayPairs * relayFrames
		each := (here.cpu(t) + there.cpu(t) - before) / time.Duration(relays)
		t.Logf("%s, bursts of %d: %d relays, %.0f a second, %v of processor time each, both nodes together",
			name, window, relays, float64(relays)/time.Since(began).Seconds(), each)
	}
	for _, window := range []int{1, 16} {
		cost(fmt.Sprint("local", window), here, window)
		cost(fmt.Sprint("across", window), there, window)
	}
}

// relayer logs in on a node with a login that writes to another.
func (n *node) relayer(t *testing.T, login, to string) relayer {
	t.Helper()
	conn, err := net.Dial("tcp", n.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c, err := rawws.Open(conn, rawws.Request("/ws", n.address()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(rawws.Message(fmt.Sprintf(`{"type":"login","login":%q}`, login))); err != nil {
		t.Fatal(err)
	}
	if reply, err := c.ReadText(); err != nil || !strings.Contains(reply, `"success":true`) {
		t.Fatalf("%s: %v", reply, err)
	}
	frame := fmt.Sprintf(`{"type":"ice-candidate","ice-candidate":{"candidate":%q},"from":%q,"to":%q}`, strings.Repeat("x", 220), login, to)
	return relayer{c, rawws.Message(frame)}
}
