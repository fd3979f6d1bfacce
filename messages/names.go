package messages

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"

	"p2p-messaging/messages/internal/jsontext"
)

// names finds names that stand twice in one object.
//
// It holds the names of all open objects, with those of the innermost object
// last. Nearly every object is small: a new name is compared with each name
// before it. The names of a larger object are stored in a hash table instead.
// Its seed is made for the message, so nobody can choose names that collide.
//
// Objects nest, so open is a stack. The names of each object follow a header
// entry, which says where the names of its parent begin.
type names struct {
	open      []name
	first     int // where the innermost object's names begin; its header stands before them
	unescaped []byte
	hashed    uint32 // number of objects that have more names than linear
	slots     []slot // the hash table; their number is a power of two
	seed      maphash.Seed
}

const linear = 16 // an object with more names uses the hash table

// A name is the name of a member, as a span of the text. If it was written
// with escapes, it is a span of the unescaped names, whose positions continue
// after the end of the text.
//
// The header of an object is a name too. Its mark is the object's number among
// the hashed objects, or 0 if it is not hashed. Its start is its parent's first.
type name struct {
	mark       uint64 // equal for equal names
	start, end uint32
}

// A slot of the hash table holds a name of one object; object is never 0.
type slot struct {
	object, hash, start, end uint32
}

// reset forgets all names. It keeps their memory for the next message. That
// is at most some 350 KB, because a message is bounded.
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

// add adds a name to the innermost object. It returns false if the object
// already has it.
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

// addAlike is add for a name whose mark equals that of another name.
func (n *names) addAlike(text []byte, e name) bool {
	for _, o := range n.open[n.first:] {
		if o.mark == e.mark && bytes.Equal(n.spelling(text, o), n.spelling(text, e)) {
			return false
		}
	}
	n.open = append(n.open, e)
	return true
}

// addLong adds text[start:end], which is a name without its quotes. It returns
// the unescaped name, and false if the object already has it.
func (n *names) addLong(text []byte, start, end int, escaped bool) (spelling []byte, ok bool) {
	spelling = text[start:end]
	if escaped {
		start = len(text) + len(n.unescaped)
		n.unescaped = jsontext.AppendUnescaped(n.unescaped, spelling)
		end = len(text) + len(n.unescaped)
		spelling = n.unescaped[start-len(text):]
	}
	return spelling, n.add(text, name{mark(spelling), uint32(start), uint32(end)})
}

// spelling returns the unescaped name.
func (n *names) spelling(text []byte, e name) []byte {
	if start, end := int(e.start)-len(text), int(e.end)-len(text); start >= 0 {
		return n.unescaped[start:end]
	}
	return text[e.start:e.end]
}

// addHashed is add for an object that has at least linear names.
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

// insert puts a name of the innermost object into the hash table. It returns
// false if the name is already there.
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

// startTable empties the hash table and makes it large enough for a message of
// that many bytes. A member takes at least six bytes ("a":0, with its comma;
// only one name can be empty). So a slot for every four bytes leaves a third of
// the slots free.
func (n *names) startTable(bytes int) {
	size := 1 << bits.Len(uint(max(bytes/4, 8*linear)-1))
	n.slots = slices.Grow(n.slots[:0], size)[:size]
	clear(n.slots)
	n.seed = maphash.MakeSeed()
}

// mark returns a number that is equal for equal names, and rarely equal for
// different ones.
func mark(b []byte) uint64 {
	m := jsontext.Word(b, 0)
	if n := len(b); n >= 8 {
		m ^= bits.RotateLeft64(jsontext.Word(b, n-8), 29)
	}
	return m
}
