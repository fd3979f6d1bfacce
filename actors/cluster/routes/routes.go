package routes

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Routes is the membership of one process in a cluster.
type Routes struct {
	config  Config
	address Address
	server  *server.Server
	conn    *engine
	engine  publisher // conn

	streams atomic.Uint64 // the number of the newest stream
	counts  counts

	// leaving is held for reading by calls of Send. Close holds it to set closed.
	leaving sync.RWMutex
	closed  bool
	ended   atomic.Bool                   // nothing is received any more
	closing atomic.Pointer[chan struct{}] // gets a value when fewer messages wait; set by Close

	mu      sync.RWMutex
	peers   map[Address]*peer
	sweeper *time.Timer

	broadcasts broadcasts
	room       []exception // for those of a batch that is parsed
}

const (
	// defaultTimeout is [Config.Timeout] if it is 0.
	defaultTimeout = 3 * time.Second
	// maxNode is the largest size of the name of a node, and maxAddress of an address.
	maxNode    = 64
	maxAddress = maxNode + 1 + 26
)

// Start joins the cluster. It does not wait for peers: they may come up in any order. It returns an error if the configuration is wrong,
// or if the address to listen on is not free.
func Start(c Config) (*Routes, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	r := newRoutes(c)
	token := rand.Text()
	if err := r.startServer(token); err != nil {
		return nil, err
	}
	if err := r.connect(token); err != nil {
		r.stopServer()
		return nil, err
	}
	r.sweeper = time.AfterFunc(keepPeer, r.sweep)
	return r, nil
}

// newRoutes returns a process that has an address and is not connected.
func newRoutes(c Config) *Routes {
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	r := &Routes{config: c, address: Address(c.Node + "-" + rand.Text()), peers: make(map[Address]*peer)}
	r.broadcasts.routes = r
	return r
}

// Address returns the address of this process.
func (r *Routes) Address() Address { return r.address }

// Listening returns the host and port on which other nodes connect to this one.
func (r *Routes) Listening() string { return r.server.ClusterAddr().String() }

// Send sends a copy of body to the process with an address, and does not block. The receipt gets the outcome. A nil receipt is told nothing.
// What waits for an address travels together. So a message costs little while many are sent, and one alone is not held up.
func (r *Routes) Send(to Address, body []byte, receipt Receipt) {
	r.Post(to, &copied{bytes.Clone(body), receipt})
}

// Post is Send for a message that waits without being copied.
func (r *Routes) Post(to Address, m Message) {
	if outcome, waits := r.post(to, m); !waits {
		r.counts.outcomes[outcome].Add(1)
		m.Done(outcome)
	}
}

// post is Post, but returns the outcome of a message that does not wait. That may be told only when leaving is not held: who learns it may
// call Send, and would wait for a Close that waits for leaving.
func (r *Routes) post(to Address, m Message) (outcome Outcome, waits bool) {
	r.leaving.RLock()
	defer r.leaving.RUnlock()
	if r.closed || m.Size() > MaxBody {
		return Closed, false
	}
	p := r.known(to)
	if p == nil {
		if !to.valid() {
			return NoNode, false
		}
		p = r.peer(to)
	}
	for {
		outcome, waits, removed := p.post(m)
		if !removed {
			return outcome, waits
		}
		p = r.peer(to)
	}
}

// known returns the process with an address, or nil.
func (r *Routes) known(address Address) *peer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.peers[address]
}

// peer returns the process with an address. The address may have been read from a batch.
func (r *Routes) peer(address Address) *peer {
	p := r.known(address)
	if p != nil {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p = r.peers[address]; p == nil {
		p = &peer{routes: r, address: address, subject: subject(address), used: time.Now()}
		p.restart()
		r.peers[address] = p
	}
	return p
}

// sweep removes the idle peers from time to time.
func (r *Routes) sweep() {
	r.leaving.RLock()
	defer r.leaving.RUnlock()
	if !r.closed {
		r.forget(time.Now())
		r.sweeper.Reset(keepPeer)
	}
}

// forget removes the peers to which nothing went and from which nothing came for long.
func (r *Routes) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for address, p := range r.peers {
		if p.remove(now) {
			delete(r.peers, address)
		}
	}
}

// deliver gives a message to its receiver. A receiver that panics has not accepted it.
func (r *Routes) deliver(from Address, body []byte) (o Outcome) {
	o = Lost
	defer r.recovered()
	r.counts.received.Add(1)
	return r.config.Receive(from, body)
}

// recovered logs a panic, and ends it.
func (r *Routes) recovered() {
	if cause := recover(); cause != nil {
		r.config.Logger.Error("acting on a message of another node failed", slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
	}
}

// settled says that fewer messages wait for their outcomes.
func (r *Routes) settled() {
	if c := r.closing.Load(); c != nil {
		select {
		case *c <- struct{}{}:
		default:
		}
	}
}

// Close sends what waits, refuses messages from then on, waits until all outcomes are known or ctx ends, and leaves the cluster. The
// outcome of a message that is unknown by then is [Lost]. Close may be called once.
func (r *Routes) Close(ctx context.Context) error {
	settled := make(chan struct{}, 1)
	r.closing.Store(&settled)
	r.leaving.Lock()
	r.closed = true
	r.leaving.Unlock()
	r.sweeper.Stop()
	err := r.drain(ctx, settled)
	r.conn.close()
	r.ended.Store(true)
	for _, p := range r.all() {
		p.abandon()
	}
	r.stopServer()
	return err
}

// drain waits until no message waits for its outcome, and NATS has what was published.
func (r *Routes) drain(ctx context.Context, settled <-chan struct{}) error {
	check := time.NewTicker(tick)
	defer check.Stop()
	for {
		flushed := r.broadcasts.flushed()
		for _, p := range r.all() {
			flushed = p.flushed() && flushed
		}
		if flushed {
			return r.conn.flush(ctx)
		}
		select {
		case <-settled:
		case <-check.C:
		case <-ctx.Done():
			return fmt.Errorf("messages to other nodes were not answered: %w", ctx.Err())
		}
	}
}

func (r *Routes) all() []*peer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	peers := make([]*peer, 0, len(r.peers))
	for _, p := range r.peers {
		peers = append(peers, p)
	}
	return peers
}

var errNotReady = errors.New("the port for other nodes did not open in time")
