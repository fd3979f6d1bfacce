package cluster

import (
	"encoding/binary"
	"math/bits"
)

// What one node sends to another is one of these, by its first byte.
const (
	kindRelay   = 'p' // a message for a login, with what its sender's node has read of it
	kindSettled = 's' // the numbers of messages that need no answer any more
	kindReturn  = 'r' // a message was not delivered; a 1 follows if it was said before
	// These move a session from one node to another.
	kindMove       = 'h' // the one asks for it
	kindMoveAnswer = 'H' // the other answers
	kindMoved      = 'M' // the one has it
	kindRehome     = 'n' // another node has a message now
	kindInform     = 'i' // a message of a session that has moved was not delivered

	kindAlive = 'a' // nothing: whether it arrives tells whether the node is there
)

// appendPart appends a part with its length.
func appendPart[T string | []byte](dst []byte, part T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(part))), part...)
}

// partSize returns how many bytes appendPart appends.
func partSize(part string) int { return numberSize(uint64(len(part))) + len(part) }

// numberSize returns the size of a varint.
func numberSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// reader takes parts from a message. After the first fault it returns zero values.
type reader struct {
	rest  []byte
	fault bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fault, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) part() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fault, r.rest = true, nil
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}
