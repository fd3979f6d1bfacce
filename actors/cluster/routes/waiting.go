package routes

import "time"

// waiting holds the messages of a stream whose outcome is unknown, first in, first out.
type waiting struct {
	entries []entry
	head    int    // the index of the oldest
	next    uint64 // the number of the next message
	bytes   int    // of all, as they are published
	memory  int    // that all occupy
}

// entry is one message that waits for its outcome.
type entry struct {
	message Message // nil if its sender has been told
	size    int32
	memory  int32
}

func (w *waiting) len() int { return len(w.entries) - w.head }

// oldest returns the number of the oldest message that waits. If none waits, it is the number of the next one.
func (w *waiting) oldest() uint64 { return w.next - uint64(w.len()) }

// at returns the entry of a message that waits.
func (w *waiting) at(number uint64) *entry { return &w.entries[w.head+int(number-w.oldest())] }

// cut forgets the messages from a number on.
func (w *waiting) cut(from uint64) {
	for w.next > from {
		last := len(w.entries) - 1
		w.bytes -= int(w.entries[last].size)
		w.memory -= int(w.entries[last].memory)
		w.entries[last] = entry{}
		w.entries = w.entries[:last]
		w.next--
	}
}

// held returns how many bytes a peer costs: what waits, and the copies of what is on its way, or will be.
func (w *waiting) held() int { return w.memory + min(w.bytes, maxOnItsWay) }

// takes reports whether a message may wait as well.
func (w *waiting) takes(size, memory int) bool {
	return w.memory+memory+min(w.bytes+size, max(size, maxOnItsWay)) <= MaxWaiting
}

func (w *waiting) put(m Message, size, memory int) {
	if len(w.entries) == cap(w.entries) && w.head > len(w.entries)/2 {
		// Uses the room of the entries that were taken. Otherwise the slice would grow for ever if it never becomes empty.
		n := copy(w.entries, w.entries[w.head:])
		clear(w.entries[n:])
		w.entries, w.head = w.entries[:n], 0
	}
	w.entries = append(w.entries, entry{message: m, size: int32(size), memory: int32(memory)})
	w.next++
	w.bytes += size
	w.memory += memory
}

func (w *waiting) take() entry {
	e := w.entries[w.head]
	w.entries[w.head] = entry{}
	w.bytes -= int(e.size)
	w.memory -= int(e.memory)
	if w.head++; w.head == len(w.entries) {
		w.entries, w.head = w.entries[:0], 0
		if cap(w.entries) > keepEntries {
			w.entries = nil
		}
	}
	return e
}

// keepEntries is the largest number of entries for which memory is kept while none waits.
const keepEntries = 4096

// mark says when the messages up to a number were published.
type mark struct {
	through uint64
	at      time.Time
}

// results are the outcomes that became known while a mutex was held. They are told when it is not held.
type results struct {
	counts *counts
	list   []result
}

type result struct {
	message Message
	outcome Outcome
}

// add notes the outcome of a message, unless its sender has been told one.
func (r *results) add(e entry, o Outcome) {
	if e.message == nil {
		return
	}
	r.counts.outcomes[o].Add(1)
	r.list = append(r.list, result{e.message, o})
}

func (r *results) tell() {
	for _, t := range r.list {
		t.message.Done(t.outcome)
	}
}
