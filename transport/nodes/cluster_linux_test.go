package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/actors/cluster/proof"
)

// ttl is the lease of the nodes: the shortest that there is.
const ttl = 3 * time.Second

// group is several nodes and their store.
type group struct {
	network   *network
	authority *authority
	store     *store
	nodes     []*node
	folder    string
	fault     string // that the nodes have on purpose
	client    *http.Client
	ended     []proof.Event
}

// node is one of the nodes. It may have several processes, one after the other.
type node struct {
	*process
	group *group
	host  *host
	etcd  string // URLs
	lives int    // processes so far
}

// form starts an etcd and nodes on the hosts of these names.
func form(t *testing.T, n *network, fault string, members, names []string) *group {
	t.Helper()
	if !wanted() {
		t.Skip("without P2P_PROOF or P2P_PROOF_LONG")
	}
	g := &group{network: n, authority: newAuthority(t), folder: t.TempDir(), fault: fault, client: &http.Client{
		Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}, Timeout: time.Second,
	}}
	g.store = openStore(t, n, g.authority, members...)
	for _, name := range names {
		g.authority.issue(t, n.hosts[name])
		g.nodes = append(g.nodes, &node{group: g, host: n.hosts[name], etcd: g.store.endpoints()})
	}
	for _, node := range g.nodes {
		node.start(t)
	}
	for _, node := range g.nodes {
		node.wait(t)
	}
	return g
}

// address returns where clients connect.
func (n *node) address() string { return n.host.address + ":7777" }

// life names the node's present process.
func (n *node) life() string { return fmt.Sprintf("%s.%d", n.host.name, n.lives) }

// start starts the node, also after its process has ended.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.lives++
	var peers []string
	for _, other := range n.group.nodes {
		peers = append(peers, other.host.address+":6222")
	}
	file := n.group.authority.file
	n.process = begin(t, n.host, []string{
		eventsVariable + "=" + filepath.Join(n.group.folder, n.life()), faultVariable + "=" + n.group.fault,
	}, os.Args[0],
		"--host", n.host.address, "--port", "7777", "--admin", n.host.address+":7778", "--retry-spread", "500ms",
		"--trusted-proxy", "127.0.0.1", "--rate", "0", "--byte-rate", "0", "--connections-per-address", "0", "--logins-per-address", "0",
		"--cluster", "--node-id", n.host.name, "--etcd", n.etcd, "--lease-ttl", ttl.String(),
		"--cluster-listen", n.host.address+":6222", "--cluster-peers", strings.Join(peers, ","),
		"--cluster-cert", file(n.host.name+".pem"), "--cluster-key", file(n.host.name+".key"), "--cluster-ca", file("ca.pem"))
}

// ready reports whether the node takes logins.
func (n *node) ready() bool {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+n.host.address+":7778/readyz", nil)
	if err != nil {
		return false
	}
	response, err := n.group.client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// wait waits until the node takes logins.
func (n *node) wait(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, n.host.name+" is ready", func() bool {
		select {
		case <-n.ended:
			t.Fatalf("%s has ended: %s", n.host.name, n.output.String())
		default:
		}
		return n.ready()
	})
}

// die ends the node as kill -9 does.
func (n *node) die() {
	n.kill()
	n.gone()
}

// gone notes that the process has ended.
func (n *node) gone() {
	n.group.ended = append(n.group.ended, proof.Event{At: now(), Kind: proof.Ended, Node: n.life()})
}

// restart ends the node by SIGTERM and starts it again.
func (n *node) restart(t *testing.T) {
	t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not end", n.host.name)
	}
	n.gone()
	n.start(t)
	n.wait(t)
}

// restartEach restarts the nodes one after the other, several times. After each restart all people come back.
func (g *group) restartEach(t *testing.T, c *crowd, times int) {
	t.Helper()
	for range times {
		for _, n := range g.nodes {
			n.restart(t)
			c.gather(t)
		}
	}
}

// events returns what the nodes have written down.
func (g *group) events(t *testing.T) []proof.Event {
	t.Helper()
	all := append([]proof.Event(nil), g.ended...)
	for _, n := range g.nodes {
		for life := range n.lives {
			file, err := os.Open(filepath.Join(g.folder, fmt.Sprintf("%s.%d", n.host.name, life+1)))
			if errors.Is(err, os.ErrNotExist) {
				continue // it was killed before it began
			}
			if err != nil {
				t.Fatal(err)
			}
			read, err := proof.Read(file)
			_ = file.Close()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, read...)
		}
	}
	return all
}

// crowd puts people on the nodes.
func (g *group) crowd(t *testing.T, people int, pace time.Duration) *crowd {
	t.Helper()
	var addresses []string
	for _, n := range g.nodes {
		addresses = append(addresses, n.address())
	}
	c := assemble(g.network, addresses, people, pace)
	t.Cleanup(c.end)
	c.gather(t)
	return c
}

// end has the people leave.
func (c *crowd) end() {
	c.ending()
	c.senders.Wait()
	c.all.Wait()
}

// gather waits until all people are here.
func (c *crowd) gather(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "all people are logged in", c.here)
}

// comesBack is how long a client may take to come back after it was refused for long, because its waits have grown up to half a minute.
const comesBack = time.Minute

// check says what must not have happened, and returns the figures.
func (g *group) check(t *testing.T, c *crowd) proof.Report {
	t.Helper()
	people := c.settled(t, comesBack)
	for _, n := range g.nodes {
		n.die() // Otherwise it would wait for the people to come back.
	}
	events := append(g.events(t), people...)
	report := proof.Check(events)
	if file := os.Getenv(keepVariable); file != "" {
		keep(t, filepath.Join(file, t.Name()), events)
	}
	t.Logf("%d claims, %d uses, %d frames sent, %d delivered, %d told, %d of those late", report.Claims, report.Uses, report.Sent, report.Delivered, report.Told, report.Late)
	return report
}

// right fails the test if something has happened that must not.
func right(t *testing.T, c *crowd, report proof.Report) {
	t.Helper()
	if len(report.Faults) > 0 {
		t.Logf("clients have ended:\n%s", last(strings.Join(c.ends, "\n"), 4000))
	}
	for i, fault := range report.Faults {
		if i == 20 {
			t.Errorf("and %d more", len(report.Faults)-i)
			break
		}
		t.Error(fault)
	}
}

// keepVariable names a folder in which the events of each test are kept, for whoever looks for the cause of a fault.
const keepVariable = "P2P_PROOF_KEEP"

// keep writes events into a file.
func keep(t *testing.T, name string, events []proof.Event) {
	t.Helper()
	var lines strings.Builder
	for _, e := range events {
		fmt.Fprintln(&lines, e)
	}
	if err := os.WriteFile(name, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
