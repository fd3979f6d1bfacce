package cluster

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

const (
	// dialTimeout is how long a node may take to accept a connection before it counts as cut off. It is also how long a connection that
	// was accepted must last for the node to count as there.
	dialTimeout = 500 * time.Millisecond
	// dials is how often a node that ends connections is tried. dialPause is the time between two tries.
	dials     = 10
	dialPause = 15 * time.Millisecond
	// verdictLasts is how long a verdict holds.
	verdictLasts = 200 * time.Millisecond
	// maxJudged bounds the bytes of the messages that wait for one verdict. A verdict on a frozen node takes long, and whoever floods the
	// node goes on meanwhile.
	maxJudged = routes.MaxWaiting / 4
	// leaselessFor is how long a node must have been without a lease to count as gone, if nothing refuses connections where it has listened: its
	// machine may have vanished with it. All its sessions have ended when its lease does, and the store says so later. But a node that was only cut
	// off gets a fresh lease as soon as it reaches the store, and tells itself what its sessions had not delivered.
	leaselessFor = 10 * time.Second
	// keepGone is how long a node that has ended is remembered. By then nobody has its address any more.
	keepGone = 10 * time.Minute
)

// peers tells nodes that are gone from nodes that cannot be reached. Where a node has listened, the kernel of its machine refuses
// connections once its process has ended. A node that is frozen or cut off refuses none, and neither
// does one whose machine has vanished. That one gets no lease any more.
type peers struct {
	store Store
	dial  func(ctx context.Context, address string) error

	mu    sync.Mutex
	nodes map[routes.Address]*peerNode
}

// peerNode is what is known of another node.
type peerNode struct {
	listens string // the host and port; "" if not known yet
	asking  bool   // the store is asked for listens
	ended   bool   // the process has ended, and will not be back: the next one has another address
	code    messages.Code
	until   time.Time                  // the code holds until then
	waiting []func(code messages.Code) // for the verdict that is being found
	bytes   int                        // that waiting holds
	judging bool
	gone    time.Time // when it was known that the process has ended, or that another one has its name
	// leaseless is since when the store says that the node has no lease; zero if it has one. The node may come back under the same address.
	leaseless time.Time
	asked     time.Time // when the store said so last
	vanished  bool      // the last verdict is that the node is gone, only because it has no lease
	told      uint64    // of messages up to this number that the node had, the senders were told when it was gone
}

func newPeers(store Store) *peers {
	return &peers{store: store, nodes: map[routes.Address]*peerNode{}, dial: dial}
}

// errEnded says that the other end has closed a connection. When a process is killed, its kernel does so.
var errEnded = errors.New("the connection has ended")

// dial connects to an address, and waits until the connection ends or ctx does. It returns nil if the connection has lasted.
func dial(ctx context.Context, address string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return dialed(err)
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetReadDeadline(deadline)
	}
	if _, err = io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return errEnded
}

// dialed returns what a connection that was not made says of the other end. The kernel of a process that is just being killed may accept a
// connection and reset it before the dialer has looked at it.
func dialed(err error) error {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EPIPE) {
		return errEnded
	}
	return err
}

// node returns what is known of a node. The caller holds mu.
func (p *peers) node(address routes.Address) *peerNode {
	n := p.nodes[address]
	if n == nil {
		p.forget(address, time.Now())
		n = &peerNode{}
		p.nodes[address] = n
	}
	return n
}

// forget forgets the nodes that have ended long ago. A process with a new address ends the one before that had the same name. The caller
// holds mu.
func (p *peers) forget(address routes.Address, now time.Time) {
	for other, n := range p.nodes {
		if n.gone.IsZero() && (n.ended || nodeName(other) == nodeName(address)) {
			n.gone = now
		}
		if !n.gone.IsZero() && now.Sub(n.gone) >= keepGone && !n.judging && !n.asking {
			delete(p.nodes, other)
		}
	}
}

// nodeName returns the name of the node of a process.
func nodeName(address routes.Address) string {
	return string(address[:max(0, strings.LastIndexByte(string(address), '-'))])
}

// know learns where a node listens, while the store can say so.
func (p *peers) know(address routes.Address) {
	p.mu.Lock()
	n := p.node(address)
	asks := n.listens == "" && !n.asking
	n.asking = n.asking || asks
	p.mu.Unlock()
	if asks {
		go p.learn(address, n)
	}
}

// learn asks the store where a node listens.
func (p *peers) learn(address routes.Address, n *peerNode) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	listens, follower, err := p.store.Node(ctx, string(address))
	p.mu.Lock()
	defer p.mu.Unlock()
	n.asking = false
	switch {
	case err != nil:
	case listens == "":
		now := time.Now()
		if n.leaseless.IsZero() || now.Sub(n.asked) > leaselessFor+maxAgain { // it may have had one in between
			n.leaseless = now
		}
		n.asked = now
	default:
		n.listens, n.leaseless = listens, time.Time{}
		if n.vanished {
			n.vanished, n.gone = false, time.Time{}
		}
	}
	n.ended = n.ended || follower
}

// verdict says what a sender is told of a login whose node cannot be reached: that the other is unavailable, because the node is
// gone, or that it is unreachable, because the node may be there and still own the login. The messages that told is about occupy this
// many bytes. If much waits for the verdict already, told gets the last one, or that the node is unreachable.
func (p *peers) verdict(address routes.Address, bytes int, told func(code messages.Code)) {
	p.mu.Lock()
	n := p.node(address)
	if time.Now().Before(n.until) || n.judging && n.bytes+bytes > maxJudged {
		code := cmp.Or(n.code, messages.CodePeerUnreachable)
		p.mu.Unlock()
		told(code)
		return
	}
	n.waiting = append(n.waiting, told)
	n.bytes += bytes
	if n.judging {
		p.mu.Unlock()
		return
	}
	n.judging = true
	p.mu.Unlock()
	go p.judge(address, n)
}

// hasVanished reports whether a node counts as gone, and may yet be back.
func (p *peers) hasVanished(address routes.Address) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.nodes[address]
	return n != nil && n.vanished
}

// tell notes that the senders of what a node has are told, of messages up to a number.
func (p *peers) tell(address routes.Address, number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.node(address).told = number
}

// hasTold reports whether the sender of a message was told when the node that has it was gone.
func (p *peers) hasTold(address routes.Address, number uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.nodes[address]
	return n != nil && number <= n.told
}

// refuses reports whether connections to an address are refused, because nothing listens there. A process that is just being
// killed may still accept some, and then ends them.
func (p *peers) refuses(listens string) bool {
	if listens == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	for range dials {
		if err := p.dial(ctx, listens); !errors.Is(err, errEnded) {
			return errors.Is(err, syscall.ECONNREFUSED)
		}
		select {
		case <-time.After(dialPause):
		case <-ctx.Done():
		}
	}
	return false
}

// judge finds a verdict.
func (p *peers) judge(address routes.Address, n *peerNode) {
	p.mu.Lock()
	listens := n.listens
	p.mu.Unlock()
	gone := p.refuses(listens)
	if !gone {
		p.learn(address, n)
		p.mu.Lock()
		gone = n.ended
		found := n.listens
		p.mu.Unlock()
		gone = gone || listens == "" && p.refuses(found)
	}
	code := messages.CodePeerUnreachable
	if gone {
		code = messages.CodePeerUnavailable
	}
	p.mu.Lock()
	n.vanished = !gone && !n.leaseless.IsZero() && time.Since(n.leaseless) >= leaselessFor
	if n.vanished {
		code = messages.CodePeerUnavailable
	}
	n.judging = false
	n.code, n.until = code, time.Now().Add(verdictLasts)
	if (gone || n.vanished) && n.gone.IsZero() {
		n.gone = time.Now()
	}
	told := n.waiting
	n.waiting, n.bytes = nil, 0
	p.mu.Unlock()
	for _, tell := range told {
		tell(code)
	}
}
