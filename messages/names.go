package messages

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
)

// names finds names that stand twice in one object.
//
// It holds the names of all objects that are open, the innermost object's
// last. Nearly every object is small, and a new name is compared with each
// before it. An object that outgrows that has its names in a hash table
// instead, with a seed made for the message, so that nobody can choose names
// that collide. Whatever does not fit into the inline array is in scratch
// memory from a pool.
//
// The objects nest, so open is a stack: each object's names stand behind a
// header entry that remembers where its parent's begin.
type names struct {
	open    []name
	inline  [32]name
	first   int // where the innermost object's names begin; its header is before them
	hashed  uint32
	scratch *scratch
}

const linear = 16 // names in an object that are compared with each other

// A name is a member's name, as a span of the text, or, if it was written
// with escapes, of the unescaped names: these count on from the text's end.
type name struct {
	mark       uint64 // equal for equal names
	start, end uint32
}

// scratch is what a message that is out of the ordinary needs. Its size is
// bounded because a message's is: 16,384 slots for the 11,000 names that 64
// KiB can hold, and all else is smaller.
type scratch struct {
	open      []name
	unescaped []byte
	slots     []slot // a power of two of them
	seed      maphash.Seed
}

// A slot of the hash table holds a name of one object; object is never 0.
type slot struct {
	object, hash, start, end uint32
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

// borrow returns the scratch memory, taking it from the pool at its first use.
func (n *names) borrow() *scratch {
	if n.scratch == nil {
		n.scratch = scratchPool.Get().(*scratch)
	}
	return n.scratch
}

// release gives the scratch memory back.
func (n *names) release() {
	if s := n.scratch; s != nil {
		s.open, s.unescaped, s.slots = s.open[:0], s.unescaped[:0], s.slots[:0]
		scratchPool.Put(s)
		n.scratch = nil
	}
}

// push puts an entry onto the stack of open names.
func (n *names) push(e name) {
	if len(n.open) == cap(n.open) {
		s := n.borrow()
		s.open = append(append(s.open[:0], n.open...), e)
		n.open = s.open
		return
	}
	n.open = append(n.open, e)
}

// enter begins an object.
func (n *names) enter() {
	n.push(name{start: uint32(n.first)})
	n.first = len(n.open)
}

// leave ends the innermost object.
func (n *names) leave() {
	header := n.first - 1
	n.first = int(n.open[header].start)
	n.open = n.open[:header]
}

// add adds text[start:end], a name as it stands between its quotes, to the
// innermost object. It returns the name, unescaped, and false if the object
// has it already.
func (n *names) add(text []byte, start, end int, escaped bool) (spelling []byte, ok bool) {
	spelling = text[start:end]
	if escaped {
		s := n.borrow()
		start = len(text) + len(s.unescaped)
		s.unescaped = appendUnescaped(s.unescaped, spelling)
		end = len(text) + len(s.unescaped)
		spelling = s.unescaped[start-len(text):]
	}
	e := name{mark(spelling), uint32(start), uint32(end)}
	siblings := n.open[n.first:]
	if len(siblings) >= linear {
		return spelling, n.addHashed(text, e, spelling)
	}
	for _, o := range siblings {
		if o.mark == e.mark && bytes.Equal(n.spelling(text, o.start, o.end), spelling) {
			return spelling, false
		}
	}
	n.push(e)
	return spelling, true
}

func (n *names) spelling(text []byte, start, end uint32) []byte {
	if int(start) >= len(text) {
		return n.scratch.unescaped[int(start)-len(text) : int(end)-len(text)]
	}
	return text[start:end]
}

// addHashed is add for an object that has reached linear names. Its header's
// mark is its number among the hashed ones, 0 until it is one of them.
func (n *names) addHashed(text []byte, e name, spelling []byte) bool {
	s := n.borrow()
	header := &n.open[n.first-1]
	if header.mark == 0 {
		if n.hashed == 0 {
			s.startTable(len(text))
		}
		n.hashed++
		header.mark = uint64(n.hashed)
		for _, o := range n.open[n.first:] {
			n.insert(text, o, n.spelling(text, o.start, o.end))
		}
	}
	return n.insert(text, e, spelling)
}

// insert puts a name of the innermost object into the hash table; false if it
// is there.
func (n *names) insert(text []byte, e name, spelling []byte) bool {
	s := n.scratch
	object := uint32(n.open[n.first-1].mark)
	hash := uint32(maphash.Bytes(s.seed, spelling)) + object*0x9e3779b9
	last := len(s.slots) - 1
	for i := int(hash) & last; ; i = (i + 1) & last {
		o := &s.slots[i]
		if o.object == 0 {
			*o = slot{object, hash, e.start, e.end}
			return true
		}
		if o.hash == hash && o.object == object && bytes.Equal(n.spelling(text, o.start, o.end), spelling) {
			return false
		}
	}
}

// startTable empties the hash table and makes it large enough for a message
// of so many bytes. A member takes six bytes and more ("a":0, and there is one
// empty name at most), so a quarter of the bytes leaves a third of the slots
// free.
func (s *scratch) startTable(bytes int) {
	size := 1 << bits.Len(uint(max(bytes/4, 8*linear)-1))
	s.slots = slices.Grow(s.slots[:0], size)[:size]
	clear(s.slots)
	s.seed = maphash.MakeSeed()
}

// mark returns a number that is equal for equal names and seldom for others.
func mark(b []byte) uint64 {
	const spread = 0x9e3779b97f4a7c15
	n := len(b)
	var m uint64
	switch {
	case n >= 8:
		m = binary.LittleEndian.Uint64(b) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[n-8:]), 29)
	case n >= 4:
		m = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		m = uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	return m ^ uint64(n)*spread
}
