package actors

import (
	"hash/maphash"
	"sync"
)

// directory maps the key of a login to the session that owns it. The registry alone writes it; every session reads it,
// so it is split into shards, each with a lock of its own.
type directory struct {
	seed   maphash.Seed
	shards [256]shard
}

type shard struct {
	mu     sync.RWMutex
	owners map[string]*session
}

func newDirectory() *directory {
	d := &directory{seed: maphash.MakeSeed()}
	for i := range d.shards {
		d.shards[i].owners = make(map[string]*session)
	}
	return d
}

func (d *directory) shard(hash uint64) *shard { return &d.shards[hash%uint64(len(d.shards))] }

// owner returns the session that owns key, or nil.
func (d *directory) owner(key []byte) *session {
	s := d.shard(maphash.Bytes(d.seed, key))
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.owners[string(key)]
}

func (d *directory) put(key string, owner *session) {
	s := d.shard(maphash.String(d.seed, key))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[key] = owner
}

// remove returns the session that owned key, or nil.
func (d *directory) remove(key string) *session {
	s := d.shard(maphash.String(d.seed, key))
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := s.owners[key]
	delete(s.owners, key)
	return owner
}
