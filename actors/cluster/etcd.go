package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// These stand before the keys of the service in etcd.
const (
	loginPrefix = "/p2p-messaging/logins/"
	nodePrefix  = "/p2p-messaging/nodes/"
)

// VersionError says that a member of etcd is too old. Older ones have revoked leases that were renewed (etcd issue 15247), or have
// confirmed the renewal of leases that had ended (etcd pull request 20590).
type VersionError struct{ Endpoint, Version string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("etcd at %s is of version %s, which may give a login to two nodes: use 3.5.23, 3.6.5, 3.7.0 or newer", e.Endpoint, e.Version)
}

// etcd is the [Store] of real nodes.
type etcd struct {
	client *clientv3.Client
	// checked says that the versions of all endpoints that answered were good. Only one goroutine calls Check.
	checked bool
}

// openEtcd returns a store at these endpoints. It does not connect yet. TLS may be nil.
func openEtcd(endpoints []string, config *tls.Config) (*etcd, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		TLS:                  config,
		DialTimeout:          2 * time.Second,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 2 * time.Second,
		Logger:               zap.NewNop(), // what fails is an error, and this package logs it
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return &etcd{client: client}, nil
}

// oldest returns the oldest patched version of the minor version of v.
func oldest(v *semver.Version) semver.Version {
	switch {
	case v.Major == 3 && v.Minor == 5:
		return semver.Version{Major: 3, Minor: 5, Patch: 23}
	case v.Major == 3 && v.Minor == 6:
		return semver.Version{Major: 3, Minor: 6, Patch: 5}
	}
	return semver.Version{Major: 3, Minor: 7}
}

// checkVersion returns an error if ownership must not depend on a member of etcd with this version.
func checkVersion(endpoint, version string) error {
	v, err := semver.NewVersion(version)
	if err != nil || v.LessThan(oldest(v)) {
		return &VersionError{endpoint, version}
	}
	return nil
}

// Check implements [Store]. Members that do not answer are not looked at.
func (e *etcd) Check(ctx context.Context) error {
	if e.checked {
		return nil
	}
	type answer struct {
		endpoint, version string
		err               error
	}
	endpoints := e.client.Endpoints()
	answers := make(chan answer, len(endpoints))
	for _, endpoint := range endpoints {
		go func() {
			a := answer{endpoint: endpoint}
			status, err := e.client.Status(ctx, endpoint)
			if a.err = err; err == nil {
				a.version = status.Version
			}
			answers <- a
		}()
	}
	var failure error
	reached := 0
	for range endpoints {
		a := <-answers
		if a.err != nil {
			failure = a.err
			continue
		}
		if err := checkVersion(a.endpoint, a.version); err != nil {
			return err
		}
		reached++
	}
	if reached == 0 {
		return fmt.Errorf("no member of etcd answers: %w", failure)
	}
	e.checked = reached == len(endpoints)
	return nil
}

// Grant implements [Store].
func (e *etcd) Grant(ctx context.Context, ttl time.Duration, node Node) (int64, error) {
	lease, err := e.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return 0, err
	}
	if _, err := e.client.Put(ctx, nodePrefix+node.Address, node.Listens, clientv3.WithLease(lease.ID)); err != nil {
		return 0, err
	}
	return int64(lease.ID), nil
}

// Renew implements [Store].
func (e *etcd) Renew(ctx context.Context, lease int64) (time.Duration, error) {
	r, err := e.client.KeepAliveOnce(ctx, clientv3.LeaseID(lease))
	if err != nil {
		return 0, leaseError(err)
	}
	return time.Duration(r.TTL) * time.Second, nil
}

// leaseError makes the errors about a lease that has ended errLeaseEnded.
func leaseError(err error) error {
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return errLeaseEnded
	}
	return err
}

// Revoke implements [Store].
func (e *etcd) Revoke(ctx context.Context, lease int64) error {
	_, err := e.client.Revoke(ctx, clientv3.LeaseID(lease))
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return err
}

// Do implements [Store]. Each operation is a transaction of its own within one, so that they do not depend on each other.
func (e *etcd) Do(ctx context.Context, lease int64, operations []Operation) ([]string, error) {
	parts := make([]clientv3.Op, len(operations))
	for i, o := range operations {
		key := loginPrefix + o.Login
		get := []clientv3.Op{clientv3.OpGet(key)}
		switch o.Kind {
		case Find:
			parts[i] = get[0]
		case Claim:
			condition := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
			if o.Instead != "" {
				condition = clientv3.Compare(clientv3.Value(key), "=", o.Instead)
			}
			put := clientv3.OpPut(key, o.Value, clientv3.WithLease(clientv3.LeaseID(lease)))
			parts[i] = clientv3.OpTxn([]clientv3.Cmp{condition}, []clientv3.Op{put}, get)
		case Release:
			own := clientv3.Compare(clientv3.Value(key), "=", o.Value)
			parts[i] = clientv3.OpTxn([]clientv3.Cmp{own}, []clientv3.Op{clientv3.OpDelete(key)}, nil)
		}
	}
	r, err := e.client.Txn(ctx).Then(parts...).Commit()
	if err != nil {
		return nil, leaseError(err)
	}
	owners := make([]string, len(operations))
	for i, part := range r.Responses {
		got := part.GetResponseRange()
		if txn := part.GetResponseTxn(); txn != nil {
			if txn.Succeeded {
				if operations[i].Kind == Claim {
					owners[i] = operations[i].Value
				}
				continue
			}
			if len(txn.Responses) > 0 {
				got = txn.Responses[0].GetResponseRange()
			}
		}
		if got != nil && len(got.Kvs) > 0 {
			owners[i] = string(got.Kvs[0].Value)
		}
	}
	return owners, nil
}

// Follow implements [Store].
func (e *etcd) Follow(ctx context.Context, begun func(), changed func(login string, owned bool)) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for r := range e.client.Watch(ctx, loginPrefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		if err := r.Err(); err != nil {
			return err
		}
		if r.Created {
			begun()
		}
		for _, event := range r.Events {
			changed(strings.TrimPrefix(string(event.Kv.Key), loginPrefix), event.Type == clientv3.EventTypePut)
		}
	}
	return ctx.Err()
}

// Node implements [Store].
func (e *etcd) Node(ctx context.Context, address string) (listens string, follower bool, err error) {
	process := nodePrefix + address
	node := process[:strings.LastIndexByte(process, '-')+1]
	r, err := e.client.Get(ctx, node, clientv3.WithPrefix())
	if err != nil {
		return "", false, err
	}
	for _, pair := range r.Kvs {
		switch other := string(pair.Key); {
		case other == process:
			listens = string(pair.Value)
		case len(other) == len(process): // not that of a node whose longer name begins like this one
			follower = true
		}
	}
	return listens, follower, nil
}

// Close closes the connections.
func (e *etcd) Close() { _ = e.client.Close() }
