package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// fakeStore is a store in memory, with the time of a synctest bubble.
type fakeStore struct {
	mu        sync.Mutex
	leases    map[int64]time.Time // when they end
	keys      map[string]fakeKey
	nodes     map[string]fakeNode
	refuses   string // the address of a node that gets no lease
	next      int64
	silent    bool          // nothing is done or answered
	mute      bool          // all is done, and nothing is answered
	delay     time.Duration // what an answer takes
	cut       int64         // a lease whose renewals are not answered
	followers []func(login string, owned bool)
	onDo      func(operations []Operation)
	claims    []string // those that succeeded
}

type fakeNode struct {
	Node
	lease int64
}

type fakeKey struct {
	value string
	lease int64
}

var errSilent = errors.New("no answer")

func newFakeStore() *fakeStore {
	return &fakeStore{leases: map[int64]time.Time{}, keys: map[string]fakeKey{}, nodes: map[string]fakeNode{}}
}

// set changes how the store behaves.
func (f *fakeStore) set(change func(f *fakeStore)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// act calls f, and answers as the store behaves now.
func (f *fakeStore) act(ctx context.Context, act func() error) error {
	f.mu.Lock()
	f.sweep()
	silent, mute, delay := f.silent, f.mute, f.delay
	var err error
	if !silent {
		err = act()
	}
	f.mu.Unlock()
	if silent || mute {
		<-ctx.Done()
		return errSilent
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return errSilent
		}
	}
	return err
}

// sweep ends the leases whose time has come. The caller holds mu.
func (f *fakeStore) sweep() {
	for lease, end := range f.leases {
		if !time.Now().Before(end) {
			f.revoke(lease)
		}
	}
}

func (f *fakeStore) revoke(lease int64) {
	delete(f.leases, lease)
	for address, n := range f.nodes {
		if n.lease == lease {
			delete(f.nodes, address)
		}
	}
	for login, k := range f.keys {
		if k.lease == lease {
			delete(f.keys, login)
			f.tell(login, false)
		}
	}
}

// owner returns the value of a login.
func (f *fakeStore) owner(login string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep()
	return f.keys[login].value
}

func (f *fakeStore) Check(context.Context) error { return nil }

func (f *fakeStore) Grant(ctx context.Context, ttl time.Duration, node Node) (lease int64, err error) {
	err = f.act(ctx, func() error {
		if node.Address == f.refuses {
			return errSilent
		}
		f.next++
		lease = f.next
		f.leases[lease] = time.Now().Add(ttl)
		f.nodes[node.Address] = fakeNode{node, lease}
		return nil
	})
	return lease, err
}

func (f *fakeStore) Renew(ctx context.Context, lease int64) (ttl time.Duration, err error) {
	return testTTL, f.act(ctx, func() error {
		if lease == f.cut {
			return errSilent
		}
		if _, ok := f.leases[lease]; !ok {
			return errLeaseEnded
		}
		f.leases[lease] = time.Now().Add(testTTL)
		return nil
	})
}

func (f *fakeStore) Revoke(ctx context.Context, lease int64) error {
	return f.act(ctx, func() error {
		f.revoke(lease)
		return nil
	})
}

func (f *fakeStore) Do(ctx context.Context, lease int64, operations []Operation) (owners []string, err error) {
	err = f.act(ctx, func() error {
		if f.onDo != nil {
			f.onDo(operations)
		}
		for _, o := range operations {
			k := f.keys[o.Login]
			switch {
			case o.Kind == Claim && k.value == o.Instead:
				if _, ok := f.leases[lease]; !ok {
					return errLeaseEnded
				}
				k = fakeKey{o.Value, lease}
				f.keys[o.Login] = k
				f.tell(o.Login, true)
				f.claims = append(f.claims, o.Value)
			case o.Kind == Release && k.value == o.Value:
				delete(f.keys, o.Login)
				f.tell(o.Login, false)
				k.value = ""
			}
			owners = append(owners, k.value)
		}
		return nil
	})
	return owners, err
}

func (f *fakeStore) Follow(ctx context.Context, begun func(), changed func(string, bool)) error {
	changes := make(chan func(), 1000)
	f.mu.Lock()
	f.followers = append(f.followers, func(login string, owned bool) { changes <- func() { changed(login, owned) } })
	f.mu.Unlock()
	begun()
	for {
		select {
		case change := <-changes:
			change()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell tells the followers of a change. The caller holds mu.
func (f *fakeStore) tell(login string, owned bool) {
	for _, follower := range f.followers {
		follower(login, owned)
	}
}

func (f *fakeStore) Node(ctx context.Context, address string) (listens string, follower bool, err error) {
	err = f.act(ctx, func() error {
		for other := range f.nodes {
			follower = follower || other != address && strings.HasPrefix(other, address[:strings.LastIndexByte(address, '-')+1])
		}
		listens = f.nodes[address].Listens
		return nil
	})
	return listens, follower, err
}
