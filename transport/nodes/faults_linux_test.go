package nodes

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/actors/cluster/proof"
)

// TestANodeWithoutAFenceIsFound has a node stand still for longer than its lease lasts. Its sessions then act as if nothing had
// happened, and the check finds that.
func TestANodeWithoutAFenceIsFound(t *testing.T) {
	t.Parallel()
	g := form(t, onLoopback("e1", "n1", "n2"), noFence, []string{"e1"}, []string{"n1", "n2"})
	c := g.crowd(t, 6, 10*time.Millisecond)
	eventually(t, 2*ttl, "the lease was renewed", func() bool {
		renewals := slices.DeleteFunc(g.events(t), func(e proof.Event) bool {
			return e.Kind != proof.Renewed || e.Node != g.nodes[0].life()
		})
		return len(renewals) > 2 // the grant is the first
	})
	freeze(g.nodes[0].process)
	c.gather(t)
	found(t, g.check(t, c).Faults, "acted as an owner", "its deadline had passed")
}

// TestADeadlineThatCountsFromTheReplyIsFound makes etcd's answers to a node late, and then cuts the node off. It believes in its
// lease for longer than etcd does, and the check finds that.
func TestADeadlineThatCountsFromTheReplyIsFound(t *testing.T) {
	t.Parallel()
	network := onLoopback("e1", "n1", "n2")
	g := form(t, network, deadlineFromReply, []string{"e1"}, []string{"n1", "n2"})
	slow := newSlow(t, network.hosts["e1"].address)
	n := g.nodes[0]
	n.restartBehind(t, slow)
	c := g.crowd(t, 6, 10*time.Millisecond)
	acted := []string{"acted as an owner", "its deadline had passed"}
	for range 5 { // on a machine that is starved, an answer may come too late to be believed
		slow.late.Store(int64(600 * time.Millisecond)) // a node waits for an answer for TTL/4, which is 750 ms
		time.Sleep(ttl)                                // so that each renewal under way has a late answer
		slow.silent.Store(true)
		eventually(t, 4*ttl, "the node has lost its lease", func() bool { return !n.ready() })
		slow.late.Store(0)
		slow.silent.Store(false)
		n.wait(t)
		c.gather(t)
		if first(proof.Check(g.events(t)).Faults, acted) != "" {
			break
		}
	}
	found(t, g.check(t, c).Faults, acted...)
}

// first returns the first fault that says all of this.
func first(faults, words []string) string {
	for _, fault := range faults {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(fault, w) }) {
			return fault
		}
	}
	return ""
}

// found fails the test if no fault says all of this.
func found(t *testing.T, faults []string, words ...string) {
	t.Helper()
	if fault := first(faults, words); fault != "" {
		t.Logf("found, among %d: %s", len(faults), fault)
		return
	}
	t.Errorf("the check has found nothing of that in %d faults: %q", len(faults), faults)
}

// restartBehind restarts the node so that it reaches etcd by way of a proxy.
func (n *node) restartBehind(t *testing.T, s *slow) {
	t.Helper()
	n.etcd = "https://" + s.address
	n.restart(t)
}

// slow is a proxy in front of etcd. What etcd says comes late, or never.
type slow struct {
	address string
	late    atomic.Int64 // a time.Duration
	silent  atomic.Bool
}

// newSlow starts a proxy on the address of etcd.
func newSlow(t *testing.T, address string) *slow {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &slow{address: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address+":2379")
			if err != nil {
				_ = client.Close()
				continue
			}
			go s.pass(server, client, &s.silent, nil)
			go s.pass(client, server, &s.silent, &s.late)
		}
	}()
	return s
}

// pass copies what src says to dst.
func (s *slow) pass(dst, src net.Conn, silent *atomic.Bool, late *atomic.Int64) {
	defer dst.Close()
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			data := make([]byte, 4096)
			n, err := src.Read(data)
			if n > 0 {
				p := piece{data: data[:n], due: time.Now()}
				if late != nil {
					p.due = p.due.Add(time.Duration(late.Load()))
				}
				pieces <- p
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		for silent.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := dst.Write(p.data); err != nil {
			_ = src.Close()
			_, _ = io.Copy(io.Discard, src)
			return
		}
	}
}
