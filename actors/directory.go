package actors

import (
	"hash/maphash"
	"sync/atomic"
)

// directory maps the key of a login to the session that owns it. Only the registry writes it. Every session reads it for
// every message. So readers take no lock and write no shared memory.
//
// It is a hash table with open addressing. It is split into parts, so that growing never takes long.
type directory struct {
	seed  maphash.Seed
	parts [256]atomic.Pointer[table]
}

// table is one part. When a session goes, its slot keeps the tag, so that no search ends there too early. A later session
// may take the slot and set another tag. A reader that comes in between compares keys, so it never takes the wrong session.
type table struct {
	owners []atomic.Pointer[session]
	tags   []atomic.Uint32 // parts of the keys' hashes; 0 in a slot that never had a session

	// Only the registry uses these.
	used int // slots with a tag
	live int // slots with a session
}

// smallestTable is the number of slots of a new table. Every table's size is a power of two.
const smallestTable = 8

func newDirectory() *directory {
	d := &directory{seed: maphash.MakeSeed()}
	for i := range d.parts {
		d.parts[i].Store(newTable(smallestTable))
	}
	return d
}

func newTable(size int) *table {
	return &table{owners: make([]atomic.Pointer[session], size), tags: make([]atomic.Uint32, size)}
}

// part returns the part that key belongs to, and the tag of key.
func (d *directory) part(key []byte) (*atomic.Pointer[table], uint32) {
	hash := maphash.Bytes(d.seed, key)
	return &d.parts[hash%uint64(len(d.parts))], uint32(hash>>32) | 1
}

// owner returns the session that owns key, or nil.
func (d *directory) owner(key []byte) *session {
	part, tag := d.part(key)
	owner, _ := part.Load().find(key, tag)
	return owner
}

// put adds the owner of a key. The key must have none.
func (d *directory) put(key []byte, owner *session) {
	part, tag := d.part(key)
	t := part.Load()
	if 8*(t.used+1) > 7*len(t.tags) {
		t = t.renewed()
		part.Store(t)
	}
	t.put(tag, owner)
}

// replace replaces the session that owns key. The key is owned all the while.
func (d *directory) replace(key []byte, owner *session) {
	part, tag := d.part(key)
	t := part.Load()
	_, i := t.find(key, tag)
	t.owners[i].Store(owner)
}

// remove removes the session that owns key and returns it, or nil.
func (d *directory) remove(key []byte) *session {
	part, tag := d.part(key)
	t := part.Load()
	owner, i := t.find(key, tag)
	if owner != nil {
		t.owners[i].Store(nil)
		t.live--
	}
	return owner
}

// first returns the slot where the search for a tag begins.
func (t *table) first(tag uint32) int { return int(tag>>1) & (len(t.tags) - 1) }

func (t *table) next(slot int) int { return (slot + 1) & (len(t.tags) - 1) }

// find returns the owner of key and its slot. The search ends at a slot without a tag. There is always one.
func (t *table) find(key []byte, tag uint32) (owner *session, slot int) {
	for i := t.first(tag); ; i = t.next(i) {
		switch t.tags[i].Load() {
		case 0:
			return nil, 0
		case tag:
			if s := t.owners[i].Load(); s != nil && s.key() == string(key) {
				return s, i
			}
		}
	}
}

func (t *table) put(tag uint32, owner *session) {
	i := t.first(tag)
	for t.owners[i].Load() != nil {
		i = t.next(i)
	}
	if t.tags[i].Load() == 0 {
		t.used++
	}
	t.live++
	t.owners[i].Store(owner)
	t.tags[i].Store(tag)
}

// renewed returns a table with the same sessions and room for as many more.
func (t *table) renewed() *table {
	size := smallestTable
	for size < 2*(t.live+1) {
		size *= 2
	}
	r := newTable(size)
	for i := range t.owners {
		if owner := t.owners[i].Load(); owner != nil {
			r.put(t.tags[i].Load(), owner)
		}
	}
	return r
}
