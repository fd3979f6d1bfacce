package messages

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
)

// names finds names that stand twice in one object.
//
// It holds the names of all objects that are open, the innermost object's
// last. Nearly every object is small, and a new name is compared with each
// before it. An object that outgrows that has its names in a hash table
// instead, with a seed made for the message, so that nobody can choose names
// that collide.
//
// The objects nest, so open is a stack: each object's names stand behind a
// header entry that remembers where its parent's begin.
type names struct {
	open      []name
	first     int // where the innermost object's names begin; its header is before them
	unescaped []byte
	hashed    uint32 // how many objects have outgrown linear
	slots     []slot // the hash table; a power of two of them
	seed      maphash.Seed
}

const linear = 16 // names in an object that are compared with each other

// A name is a member's name, as a span of the text, or, if it was written
// with escapes, of the unescaped names: these count on from the text's end.
// An object's header has its number among the hashed objects as its mark, 0
// until it is one of them, and its parent's first as its start.
type name struct {
	mark       uint64 // equal for equal names
	start, end uint32
}

// A slot of the hash table holds a name of one object; object is never 0.
type slot struct {
	object, hash, start, end uint32
}

// reset forgets all names. What memory they took is kept for the next
// message; it is bounded, because a message is, to some 350 KB.
func (n *names) reset() {
	n.open, n.first, n.unescaped, n.hashed = n.open[:0], 0, n.unescaped[:0], 0
}

// enter begins an object.
func (n *names) enter() {
	n.open = append(n.open, name{start: uint32(n.first)})
	n.first = len(n.open)
}

// leave ends the innermost object.
func (n *names) leave() {
	header := n.first - 1
	n.first = int(n.open[header].start)
	n.open = n.open[:header]
}

// add adds a name to the innermost object; false if the object has it already.
func (n *names) add(text []byte, e name) bool {
	siblings := n.open[n.first:]
	if len(siblings) >= linear {
		return n.addHashed(text, e)
	}
	for i := range siblings {
		if siblings[i].mark == e.mark {
			return n.addAlike(text, e)
		}
	}
	n.open = append(n.open, e)
	return true
}

// addAlike is add where a name is there with the same mark.
func (n *names) addAlike(text []byte, e name) bool {
	for _, o := range n.open[n.first:] {
		if o.mark == e.mark && bytes.Equal(n.spelling(text, o), n.spelling(text, e)) {
			return false
		}
	}
	n.open = append(n.open, e)
	return true
}

// addLong adds text[start:end], a name as it stands between its quotes. It
// returns the name, unescaped, and false if the object has it already.
func (n *names) addLong(text []byte, start, end int, escaped bool) (spelling []byte, ok bool) {
	spelling = text[start:end]
	if escaped {
		start = len(text) + len(n.unescaped)
		n.unescaped = appendUnescaped(n.unescaped, spelling)
		end = len(text) + len(n.unescaped)
		spelling = n.unescaped[start-len(text):]
	}
	return spelling, n.add(text, name{mark(spelling), uint32(start), uint32(end)})
}

// spelling returns a name, unescaped.
func (n *names) spelling(text []byte, e name) []byte {
	if start, end := int(e.start)-len(text), int(e.end)-len(text); start >= 0 {
		return n.unescaped[start:end]
	}
	return text[e.start:e.end]
}

// addHashed is add for an object that has reached linear names.
func (n *names) addHashed(text []byte, e name) bool {
	header := &n.open[n.first-1]
	if header.mark == 0 {
		if n.hashed == 0 {
			n.startTable(len(text))
		}
		n.hashed++
		header.mark = uint64(n.hashed)
		for _, o := range n.open[n.first:] {
			n.insert(text, o)
		}
	}
	return n.insert(text, e)
}

// insert puts a name of the innermost object into the hash table; false if it
// is there.
func (n *names) insert(text []byte, e name) bool {
	object, spelling := uint32(n.open[n.first-1].mark), n.spelling(text, e)
	hash := uint32(maphash.Bytes(n.seed, spelling)) + object*0x9e3779b9
	last := len(n.slots) - 1
	for i := int(hash) & last; ; i = (i + 1) & last {
		o := &n.slots[i]
		if o.object == 0 {
			*o = slot{object, hash, e.start, e.end}
			return true
		}
		if o.hash == hash && o.object == object && bytes.Equal(n.spelling(text, name{0, o.start, o.end}), spelling) {
			return false
		}
	}
}

// startTable empties the hash table and makes it large enough for a message
// of so many bytes. A member takes six bytes and more ("a":0, and there is one
// empty name at most), so a quarter of the bytes leaves a third of the slots
// free.
func (n *names) startTable(bytes int) {
	size := 1 << bits.Len(uint(max(bytes/4, 8*linear)-1))
	n.slots = slices.Grow(n.slots[:0], size)[:size]
	clear(n.slots)
	n.seed = maphash.MakeSeed()
}

// mark returns a number that is equal for equal names and seldom for others.
func mark(b []byte) uint64 {
	m := word(b, 0)
	if n := len(b); n >= 8 {
		m ^= bits.RotateLeft64(word(b, n-8), 29)
	}
	return m
}
