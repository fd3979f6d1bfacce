package cluster

import (
	"context"
	"errors"
	"time"
)

// Store answers which node owns a login. Etcd is one; tests have others. Its methods may be called from any goroutine. An error
// other than those below means that the outcome is unknown.
type Store interface {
	// Check returns a [*VersionError] if the store is one that ownership must not depend on.
	Check(ctx context.Context) error
	// Grant makes a lease that ends when it was not renewed for ttl. The node's own key is put under it.
	Grant(ctx context.Context, ttl time.Duration, node Node) (lease int64, err error)
	// Renew renews a lease. It returns for how long, counted from some time between the call and its return.
	Renew(ctx context.Context, lease int64) (ttl time.Duration, err error)
	// Revoke ends a lease, and with it all keys under it. It succeeds if there is no such lease.
	Revoke(ctx context.Context, lease int64) error
	// Do does all operations in one step, under a lease. It returns the owner of each login afterwards: the value of its key, or
	// "" if it has none.
	Do(ctx context.Context, lease int64, operations []Operation) (owners []string, err error)
	// Follow calls changed for each login that gets or loses an owner, in order, after it has called begun. It returns when ctx is
	// done or when changes may have been missed.
	Follow(ctx context.Context, begun func(), changed func(login string, owned bool)) error
	// Node returns where the node with an address listens, or "" if it has no lease. Follower reports whether another process of
	// the same node has a lease. Then this one has ended.
	Node(ctx context.Context, address string) (listens string, follower bool, err error)
}

// errLeaseEnded is the error of a Store for a lease that has ended.
var errLeaseEnded = errors.New("the lease has ended")

// Node is what others must know of a node.
type Node struct {
	Address string // that of its routes
	Listens string // the host and port on which other nodes connect
}

// Operation is one question about a login. A login must not stand in two operations of one call of [Store.Do].
type Operation struct {
	Kind  Kind
	Login string
	Value string // unique, other than in a Find
	// Instead is the value that a Claim replaces. "" means that the login must have no owner.
	Instead string
}

// Kind says what an [Operation] does.
type Kind uint8

const (
	Find    Kind = iota // only asks
	Claim               // puts the value under the lease if the login has no owner
	Release             // removes the login if it has the value
)
