package nodes

import (
	"context"
	"strings"
	"sync"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster"
	"p2p-messaging/actors/cluster/proof"
)

// The faults that a node can have on purpose, and what is done to measure it.
const (
	noFence           = "no fence"            // it believes that its lease lasts, whatever the store says
	deadlineFromReply = "deadline from reply" // its deadline counts from the answer to a renewal, and not from before it was sent
	unobserved        = "unobserved"          // none, and nothing is written down
)

// observer stands between a node and its store, and between the actors and the cluster. It writes down what passes, and decides nothing.
type observer struct {
	cluster.Store
	recorder *proof.Recorder
	fault    string

	mu     sync.Mutex
	claims map[string]string // the values of the logins that the node owns
	lease  int64             // under which it owns them; 0 if it has given them up
}

func (o *observer) renewed(until int64) {
	o.recorder.Record(proof.Event{Kind: proof.Renewed, Until: until})
}

// Grant implements cluster.Store.
func (o *observer) Grant(ctx context.Context, ttl time.Duration, node cluster.Node) (int64, error) {
	sent := now()
	id, err := o.Store.Grant(ctx, ttl, node)
	if err == nil {
		o.mu.Lock()
		o.lease = id
		o.mu.Unlock()
		o.renewed(sent + int64(ttl))
	}
	return id, err
}

// Renew implements cluster.Store. The store counts from when it gets the renewal. That is not before it was sent.
func (o *observer) Renew(ctx context.Context, lease int64) (time.Duration, error) {
	sent := now()
	ttl, err := o.Store.Renew(ctx, lease)
	if err == nil {
		o.renewed(sent + int64(ttl))
	}
	switch o.fault {
	case noFence:
		return time.Hour, nil
	case deadlineFromReply:
		ttl += time.Duration(now() - sent)
	}
	return ttl, err
}

// Revoke implements cluster.Store. The node has no session any more.
func (o *observer) Revoke(ctx context.Context, lease int64) error {
	o.mu.Lock()
	for login := range o.claims {
		o.release(login)
	}
	o.lease = 0
	o.mu.Unlock()
	o.renewed(0)
	return o.Store.Revoke(ctx, lease)
}

// Do implements cluster.Store.
func (o *observer) Do(ctx context.Context, lease int64, operations []cluster.Operation) ([]string, error) {
	o.mu.Lock()
	for _, op := range operations {
		if op.Kind == cluster.Release && o.claims[op.Login] == op.Value {
			o.release(op.Login)
		}
	}
	o.mu.Unlock()
	owners, err := o.Store.Do(ctx, lease, operations)
	if err != nil {
		return owners, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if lease != o.lease {
		return owners, nil // The store has done that before it ended the lease, and so it is undone.
	}
	for i, op := range operations {
		if op.Kind == cluster.Claim && owners[i] == op.Value && o.claims[op.Login] != op.Value {
			o.claims[op.Login] = op.Value
			o.recorder.Record(proof.Event{Kind: proof.Claimed, Login: op.Login, Claim: word(op.Value), Instead: word(op.Instead)})
		}
	}
	return owners, nil
}

// release writes down that the node has given a login up. The caller holds mu.
func (o *observer) release(login string) {
	if claim, ok := o.claims[login]; ok {
		delete(o.claims, login)
		o.recorder.Record(proof.Event{Kind: proof.Released, Login: login, Claim: word(claim)})
	}
}

// word makes a value one word.
func word(value string) string { return strings.ReplaceAll(value, " ", "/") }

// observed is the cluster as the actors see it.
type observed struct {
	actors.Cluster
	observer *observer
}

// Release implements actors.Cluster.
func (o *observed) Release(key string, freed func()) {
	o.observer.mu.Lock()
	o.observer.release(key)
	o.observer.mu.Unlock()
	o.Cluster.Release(key, freed)
}

// Owns implements actors.Cluster. The time is read first: a node that stands still behind that has looked at its own clock later, and
// may not act if the time has passed meanwhile.
func (o *observed) Owns() bool {
	at := now()
	if !o.Cluster.Owns() {
		return false
	}
	o.observer.recorder.Record(proof.Event{At: at, Kind: proof.Used})
	return true
}
