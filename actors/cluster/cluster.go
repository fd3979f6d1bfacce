package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster/routes"
)

// Options says how a node joins its cluster.
type Options struct {
	// Etcd are the URLs of the members of etcd.
	Etcd []string
	// EtcdTLS is the configuration for connections to etcd, or nil.
	EtcdTLS *tls.Config
	// Routes says how the nodes are joined. Receive and Hear are set by this package.
	Routes routes.Config
	// LeaseTTL is how long the logins of a node that has died stay taken at most, in whole seconds. 0 means DefaultLeaseTTL.
	LeaseTTL time.Duration
	// Logger gets what operators should know. Nil means slog.Default().
	Logger *slog.Logger
}

// Cluster is the membership of one node. It implements [actors.Cluster].
type Cluster struct {
	*relay

	options   Options
	etcd      *etcd
	store     Store // etcd, or what stands between
	ownership *ownership
	lease     *lease
	routes    *routes.Routes
	following following

	cancel context.CancelFunc
	ended  chan struct{} // closed when the last lease was revoked
}

// firstCheck is how long Open waits for etcd.
const firstCheck = 5 * time.Second

// firstLease is how long Start waits for a lease.
const firstLease = 2 * time.Second

// leaving is how long Close takes at most.
const leaving = 3 * time.Second

// Open prepares the membership of a node. It joins with [Cluster.Start]. The error says what the operator can do. If etcd does not
// answer, that is no error: the node refuses logins until etcd is there.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.LeaseTTL == 0 {
		o.LeaseTTL = DefaultLeaseTTL
	}
	store, err := openEtcd(o.Etcd, o.EtcdTLS)
	if err != nil {
		return nil, err
	}
	check, cancel := context.WithTimeout(ctx, firstCheck)
	defer cancel()
	if err := store.Check(check); err != nil {
		if _, old := errors.AsType[*VersionError](err); old {
			store.Close()
			return nil, err
		}
		o.Logger.Warn("etcd does not answer, and logins are refused until it does", slog.Any("error", err))
	}
	return &Cluster{relay: newRelay(), options: o, etcd: store, store: store, ended: make(chan struct{})}, nil
}

// Through puts something between the node and etcd, before Start. Tests watch and break it there.
func (c *Cluster) Through(wrap func(Store) Store) { c.store = wrap(c.store) }

// Start joins the cluster. System is the one that has c in its options. Start waits a moment for the first lease, so that the first
// login is not refused. If it fails, Close is to be called nevertheless.
func (c *Cluster) Start(system *actors.System) error {
	if c == nil {
		return nil
	}
	o := c.options
	o.Routes.Receive, o.Routes.Logger = c.relay.Receive, o.Logger
	var err error
	if c.routes, err = routes.Start(o.Routes); err != nil {
		return err
	}
	address, listens := c.routes.Address(), o.Routes.Advertise
	if listens == "" {
		listens = c.routes.Listening()
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.lease = &lease{
		store: c.store, ttl: o.LeaseTTL, node: Node{string(address), listens}, now: newClock(), logger: o.Logger,
		ended: make(chan struct{}, 1),
	}
	c.ownership = newOwnership(ctx, c.store, string(address), c.lease.now, c.lease.end)
	first := make(chan struct{})
	told := sync.OnceFunc(func() { close(first) })
	c.lease.owned = func(id int64) {
		c.ownership.own(id)
		told()
	}
	c.lease.lost = func(int64) { c.lost(ctx, system) }
	c.relay.start(system, c.routes, c.ownership, newPeers(c.store), c.lease.Owns, o.Logger)
	go func() {
		defer close(c.ended)
		c.lease.run(ctx)
	}()
	wait := time.NewTimer(firstLease)
	defer wait.Stop()
	select {
	case <-first:
	case <-wait.C:
	}
	return nil
}

// lost gives up all logins. It returns when no session acts under the lease any more.
func (c *Cluster) lost(ctx context.Context, system *actors.System) {
	c.ownership.disown()
	ended := make(chan struct{})
	system.Evict(sync.OnceFunc(func() { close(ended) }))
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// Release implements [actors.Cluster].
func (c *Cluster) Release(key string, freed func()) {
	c.relay.handed(key, false) // a session that was handed over may end without having moved
	c.ownership.release(key, freed)
}

// Owns implements [actors.Cluster].
func (c *Cluster) Owns() bool { return c.lease.Owns() }

// NodeOf returns the name of the other node that has a login, by its key, or "" if there is none. A nil Cluster has no other nodes.
func (c *Cluster) NodeOf(key string) (node string, err error) {
	if c == nil {
		return "", nil
	}
	type answer struct {
		owner string
		err   error
	}
	answers := make(chan answer, 1)
	c.ownership.find(key, func(owner string, err error) { answers <- answer{owner, err} })
	a := <-answers
	address := addressIn(a.owner)
	if a.err != nil || address == "" || address == c.ownership.address {
		return "", a.err
	}
	return nodeName(routes.Address(address)), nil
}

// Ready reports whether the node takes logins. A nil Cluster, which is that of a service that is alone, does.
func (c *Cluster) Ready() bool { return c == nil || c.Owns() }

// Close leaves the cluster. Call it when the system has ended. It gives up the node's lease, so that all its logins are free at once.
// A nil Cluster does nothing.
func (c *Cluster) Close() {
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaving)
	defer cancel()
	if c.routes == nil { // it has not joined
		c.etcd.Close()
		return
	}
	c.cancel()
	select {
	case <-c.ended:
	case <-ctx.Done():
	}
	_ = c.routes.Close(ctx)
	c.relay.stop()
	c.etcd.Close()
}

// Figures says what the node does and has done.
type Figures struct {
	// Owned is the number of logins that the node owns. Waiting is the number of claims and releases that etcd has not answered.
	Owned, Waiting int
	// LeaseLeft is for how long the node's lease still holds.
	LeaseLeft time.Duration
	// Renewed counts the renewals of leases, and Lost the leases that could not be renewed in time.
	Renewed, Lost uint64
	// Claims counts the logins that were asked for, Finds the searches for owners of logins, and Retries the operations that were
	// done again because etcd has not answered.
	Claims, Finds, Retries uint64
	// Received counts the messages that other nodes have sent for logins of this one. Unsettled is the number of messages that this
	// node has sent to others and that are not known to be with their clients.
	Received  uint64
	Unsettled int
	// Relays counts the messages to logins of other nodes by what became of them.
	Relays map[string]uint64
	Routes routes.Figures
}

// Figures returns what the node does and has done. Those of a nil Cluster are zero.
func (c *Cluster) Figures() Figures {
	f := Figures{Relays: map[string]uint64{}}
	for i := range routes.Closed + 1 {
		f.Relays[i.String()] = 0
	}
	if c == nil || c.lease == nil {
		return f
	}
	f = Figures{
		LeaseLeft: c.lease.left(), Renewed: c.lease.renewed.Load(), Lost: c.lease.losses.Load(),
		Claims: c.ownership.claims.Load(), Finds: c.ownership.finds.Load(), Retries: c.ownership.retries.Load(),
		Received: c.relay.received.Load(), Relays: f.Relays, Routes: c.routes.Figures(),
	}
	f.Routes.Unreadable += c.relay.unreadable.Load()
	f.Owned, f.Waiting = c.ownership.counts()
	f.Unsettled = c.relay.unsettled()
	for i := range c.relay.outcomes {
		f.Relays[routes.Outcome(i).String()] = c.relay.outcomes[i].Load()
	}
	return f
}
