package nodes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"

	"p2p-messaging/transport/netns"
)

// network is where the processes of a test run.
type network struct {
	hosts map[string]*host
	// router is the namespace by which all hosts reach each other, and in which the clients are. It is nil on loopback: there all
	// hosts are addresses of this machine, and nothing can be cut.
	router *netns.Namespace
	cuts   []string // rules of the router
}

// host is a computer in a network.
type host struct {
	name, address string
	namespace     *netns.Namespace // nil on loopback
	port          string           // the router's interface to it
}

// onLoopback makes hosts that share this machine's network. Each has an address of its own, so all ports are free.
func onLoopback(names ...string) *network {
	n := &network{hosts: map[string]*host{}}
	for i, name := range names {
		n.hosts[name] = &host{name: name, address: fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+i)}
	}
	return n
}

// inNamespaces makes hosts that have networks of their own, with a router between them. It skips the test if this process may not.
func inNamespaces(t *testing.T, names ...string) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root makes network namespaces")
	}
	n := &network{hosts: map[string]*host{}}
	router, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	n.router = router
	t.Cleanup(router.Close)
	if err := router.Forward(); err != nil {
		t.Fatal(err)
	}
	commands := []string{}
	for i, name := range names {
		space, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(space.Close)
		h := &host{name: name, address: fmt.Sprintf("10.0.%d.2", i+1), namespace: space, port: "to-" + name}
		n.hosts[name] = h
		commands = append(commands,
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", h.port, space.Path()),
			fmt.Sprintf("address add 10.0.%d.1/24 dev %s", i+1, h.port),
			fmt.Sprintf("link set %s up", h.port))
	}
	if err := router.IP(commands...); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if err := n.hosts[name].namespace.IP(
			fmt.Sprintf("address add 10.0.%d.2/24 dev eth0", i+1),
			"link set eth0 up",
			fmt.Sprintf("route add default via 10.0.%d.1", i+1),
		); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// oneWay throws away the packets from each of the hosts to each of the others. Nobody is told.
func (n *network) oneWay(t *testing.T, from, to []string) {
	t.Helper()
	var rules []string
	for _, f := range from {
		for _, o := range to {
			rules = append(rules, fmt.Sprintf("iif %s to %s", n.hosts[f].port, n.hosts[o].address))
		}
	}
	n.change(t, "add", rules)
	n.cuts = append(n.cuts, rules...)
}

// cut throws away the packets between some hosts and others, both ways.
func (n *network) cut(t *testing.T, some, others []string) {
	t.Helper()
	n.oneWay(t, some, others)
	n.oneWay(t, others, some)
}

// mend lets all packets pass again.
func (n *network) mend(t *testing.T) {
	t.Helper()
	n.change(t, "del", n.cuts)
	n.cuts = nil
}

func (n *network) change(t *testing.T, command string, rules []string) {
	t.Helper()
	var commands []string
	for _, rule := range rules {
		commands = append(commands, fmt.Sprintf("rule %s %s priority 1 blackhole", command, rule))
	}
	if err := n.router.IP(commands...); err != nil {
		t.Fatal(err)
	}
}

// dial opens a connection from where the clients are.
func (n *network) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if n.router == nil {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	err = n.router.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// start starts a process on the host.
func (h *host) start(c *exec.Cmd) error {
	if h.namespace == nil {
		return c.Start()
	}
	return h.namespace.Do(c.Start)
}
