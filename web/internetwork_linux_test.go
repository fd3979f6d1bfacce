package web_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"github.com/chromedp/chromedp"

	"p2p-messaging/transport/netns"
)

// internetwork is three hosts, each in a network of its own, and a router between them. Packets are real. Each path between two of them
// can be cut alone, and no host notices: the router takes the packets and throws them away.
type internetwork struct {
	router              *netns.Namespace
	alice, bob, service *host
	// dropped are the router's rules (ip-rule(8)) for what it throws away.
	dropped []string
}

// host is a computer in a network.
type host struct {
	*netns.Namespace
	// subnet is the first three numbers of its addresses, and address the last one.
	subnet  string
	address int
	// browser is a Chromium that runs on it, nil if there is none.
	browser context.Context
	stop    func()
}

// The name by which browsers know the service's host, and the first three numbers of its addresses.
const (
	serviceName   = "chat.test"
	serviceSubnet = "10.0.3"
)

// hostPair is two hosts, and the path between them.
type hostPair [2]*host

// newInternetwork makes a network, with a Chromium for alice and one for bob.
func newInternetwork() (*internetwork, error) {
	n := new(internetwork)
	err := n.route()
	if err == nil {
		err = errors.Join(n.alice.browse(), n.bob.browse())
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// route makes the router and the hosts.
func (n *internetwork) route() (err error) {
	if n.router, err = netns.New(); err != nil {
		return err
	}
	if err := n.router.Forward(); err != nil {
		return err
	}
	for i, h := range []**host{&n.alice, &n.bob, &n.service} {
		if *h, err = n.attach(fmt.Sprintf("10.0.%d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

// attach makes a host that has eth0, and whose other end the router has.
func (n *internetwork) attach(subnet string) (*host, error) {
	space, err := netns.New()
	if err != nil {
		return nil, err
	}
	h := &host{Namespace: space, subnet: subnet, address: 2}
	if err := n.router.IP(
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", h.port(), h.Path()),
		fmt.Sprintf("address add %s.1/24 dev %s", subnet, h.port()),
		fmt.Sprintf("link set %s up", h.port()),
	); err != nil {
		return h, err
	}
	return h, h.IP(fmt.Sprintf("address add %s dev eth0", h.prefix()), "link set eth0 up", h.defaultRoute())
}

// port is the router's interface to the host.
func (h *host) port() string { return port(h.subnet) }

// port is the router's interface towards a subnet.
func port(subnet string) string { return "net" + subnet }

// ownAddress is the host's address.
func (h *host) ownAddress() string { return fmt.Sprintf("%s.%d", h.subnet, h.address) }

func (h *host) prefix() string { return h.ownAddress() + "/24" }

func (h *host) defaultRoute() string { return fmt.Sprintf("route add default via %s.1", h.subnet) }

// browse starts a Chromium on the host.
func (h *host) browse() (err error) {
	var entered error
	h.browser, h.stop, err = launchChromium(whole,
		// There are no name servers and no certificate authorities here.
		chromedp.Flag("host-resolver-rules", "MAP "+serviceName+" "+serviceSubnet+".2"),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.ModifyCmdFunc(func(command *exec.Cmd) {
			endWithTests(command)
			entered = h.Enter(command)
		}))
	return errors.Join(entered, err)
}

// close ends the browsers and the network.
func (n *internetwork) close() {
	for _, h := range []*host{n.alice, n.bob, n.service} {
		if h == nil {
			continue
		}
		if h.stop != nil {
			h.stop()
		}
		h.Close()
	}
	if n.router != nil {
		n.router.Close()
	}
}

// cut lets no packet pass on these paths any more.
func (n *internetwork) cut(paths ...hostPair) error {
	var rules []string
	for _, p := range paths {
		for _, way := range []hostPair{p, {p[1], p[0]}} {
			rules = append(rules, fmt.Sprintf("iif %s to %s.0/24", way[0].port(), way[1].subnet))
		}
	}
	return n.drop(rules...)
}

// mute lets no packet pass that the host sends. What is sent to it arrives.
func (n *internetwork) mute(h *host) error { return n.drop("iif " + h.port()) }

// drop throws away the packets that meet a rule, without an ICMP message.
func (n *internetwork) drop(rules ...string) error {
	n.dropped = append(n.dropped, rules...)
	return n.change("add", rules)
}

// mend lets all packets pass again.
func (n *internetwork) mend() error {
	rules := n.dropped
	n.dropped = nil
	return n.change("del", rules)
}

func (n *internetwork) change(command string, rules []string) error {
	commands := make([]string, 0, len(rules))
	for _, rule := range rules {
		commands = append(commands, fmt.Sprintf("rule %s %s priority 1 blackhole", command, rule))
	}
	return n.router.IP(commands...)
}

// of returns the paths of a host to all others.
func (n *internetwork) of(h *host) (paths []hostPair) {
	for _, other := range []*host{n.alice, n.bob, n.service} {
		if other != h {
			paths = append(paths, hostPair{h, other})
		}
	}
	return paths
}

// all returns the paths of alice and of bob.
func (n *internetwork) all() []hostPair { return append(n.of(n.service), hostPair{n.alice, n.bob}) }

// move gives the host another address, as when it comes into another network.
func (h *host) move() error {
	old := h.prefix()
	h.address++
	return h.IP("address del "+old+" dev eth0", "address add "+h.prefix()+" dev eth0", h.defaultRoute())
}

// unplug takes the host's interface down, which its browser notices.
func (h *host) unplug() error { return h.IP("link set eth0 down") }

// plug takes it up again.
func (h *host) plug() error { return h.IP("link set eth0 up", h.defaultRoute()) }

// freeze stops all processes on the host.
func (h *host) freeze() error { return h.Signal(syscall.SIGSTOP) }

// thaw has them go on.
func (h *host) thaw() error { return h.Signal(syscall.SIGCONT) }
