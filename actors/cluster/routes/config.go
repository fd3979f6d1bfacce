package routes

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Config says how a node is joined to its cluster.
type Config struct {
	// Cluster is the name of the cluster. Nodes with another name are refused.
	Cluster string
	// Secret is known to all nodes of the cluster and to nobody else. Without TLS it is sent as its SHA-256, so it protects only
	// against mistakes. It may be empty.
	Secret string
	// Node is the name of this node: 1 to 64 letters, digits, hyphens and underscores. No two nodes have the same.
	Node string
	// Listen is the host and port on which other nodes connect. Port 0 picks a free port.
	Listen string
	// Advertise is the host and port that other nodes are told to connect to. If it is empty, they are told the address on
	// which the node listens.
	Advertise string
	// Peers are the hosts and ports of other nodes. They may be down, and this node may be among them. One peer that can be reached is
	// enough: nodes tell each other of the nodes that they know.
	Peers []string
	// Identity is the certificate of this node, and says which certificates of other nodes are accepted. It is nil if
	// Insecure is set.
	Identity *Identity
	// Insecure says that routes use no TLS.
	Insecure bool

	// Receive gets each message that another process has sent to this one. It is called for one message at a time. It must
	// not block, because other messages wait. It may call [Routes.Send]. It must not keep body. The outcome that it returns is the outcome of the
	// sender's call: [Accepted], [Gone] or [Refused].
	Receive func(from Address, body []byte) Outcome
	// Hear gets what another process has passed to [Routes.Broadcast]. The rules of Receive hold. If Hear is nil, broadcasts
	// are ignored.
	Hear func(from Address, body []byte)

	// Timeout is the time after which a message without an answer ends with [Lost]. 0 means 3 s.
	Timeout time.Duration
	// Logger gets warnings and errors. No line has the content of a message. The logger should bound how much is written.
	Logger *slog.Logger
}

// Address names one process that has joined a cluster. It begins with the name of its node and has no spaces. It may be stored and compared.
type Address string

const (
	// MaxBody is the largest size of a message in bytes.
	MaxBody = 4 << 20
	// MaxWaiting is how many bytes may be occupied for one address by messages that were not sent yet, and by those that were sent but
	// not answered. It counts the copies that are on their way.
	MaxWaiting = 16 << 20
)

// check returns an error that says what is wrong with the configuration.
func (c *Config) check() error {
	switch {
	case !validNode(c.Node):
		return fmt.Errorf("the name of a node has 1 to %d letters, digits, hyphens and underscores: %q", maxNode, c.Node)
	case !validNode(c.Cluster):
		return fmt.Errorf("the name of a cluster has 1 to %d letters, digits, hyphens and underscores: %q", maxNode, c.Cluster)
	case c.Identity == nil && !c.Insecure:
		return errors.New("routes between nodes need certificates")
	case c.Identity != nil && c.Insecure:
		return errors.New("routes between nodes have certificates and are to use none")
	}
	for _, peer := range c.Peers {
		if _, _, err := net.SplitHostPort(peer); err != nil {
			return fmt.Errorf("the address of another node: %w", err)
		}
	}
	return nil
}
