package transport

import (
	"sync/atomic"

	"p2p-messaging/transport/internal/frame"
)

// inbox holds what has come from one client and was not acted on yet, and the state of the reading. It belongs to the
// connection's reader. The state alone may be read by anybody.
type inbox struct {
	stated  atomic.Uint32 // the state
	taken   uint32        // bytes of held that were acted on
	held    *buffer       // what waits to be acted on, from taken on; nil for nothing
	message *buffer       // the fragments of the unfinished message; nil for none
	frames  frame.Reader
}

// readState says what becomes of the bytes that come. The reader changes it, and Resume, which anybody may call.
//
//	state             what comes   next
//	opening           waits        reading: the carrier begins to read
//	reading           is acted on  awaitingRate: the next frame comes sooner than the rate allows
//	                               awaitingRoom: too much waits for the client
//	                               awaitingDecision: the session decides about the last message
//	                               decided: Resume is called before the session has returned
//	awaitingRate      waits        reading: its time has come; the next frame is paid for then
//	awaitingRoom      waits        reading: less waits for the client
//	awaitingDecision  waits        decided: Resume is called
//	decided           waits        reading: the reader sees it
//	all of these                   dropping: the outbox is sealed, or nothing more comes
//	dropping          is dropped   ended: nothing more comes, or the client had the time to close its side
//	ended             nothing      -
type readState uint32

const (
	opening readState = iota
	reading
	awaitingRate
	awaitingRoom
	awaitingDecision
	decided
	dropping
	ended
)

// waits reports whether the reader leaves alone on purpose what comes. The client's silence is no sign of death then.
func (s readState) waits() bool { return s >= awaitingRate && s <= decided }

// watches reports whether the reader wants to be told of what comes.
func (s readState) watches() bool { return s == reading || s == dropping }

func (i *inbox) state() readState       { return readState(i.stated.Load()) }
func (i *inbox) become(state readState) { i.stated.Store(uint32(state)) }

// change changes the state if it is from, and reports whether it was.
func (i *inbox) change(from, to readState) bool {
	return i.stated.CompareAndSwap(uint32(from), uint32(to))
}

// join returns what is held with b behind it. Where nothing is held, that is b itself.
func (i *inbox) join(b []byte) []byte {
	if i.held == nil {
		return b
	}
	kept := i.held.bytes[:copy(i.held.bytes, i.held.bytes[i.taken:])]
	i.held.bytes, i.taken = append(kept, b...), 0
	return i.held.bytes
}

// waiting returns what is held.
func (i *inbox) waiting() []byte {
	if i.held == nil {
		return nil
	}
	return i.held.bytes[i.taken:]
}

// keep holds what b, which join or waiting has returned, has behind its first n bytes.
func (i *inbox) keep(pool *buffers, b []byte, n int) {
	switch {
	case n == len(b):
		pool.put(i.held)
		i.held, i.taken = nil, 0
	case i.held == nil:
		i.held = pool.get()
		i.held.bytes = append(i.held.bytes, b[n:]...)
	default:
		i.taken += uint32(n)
	}
}

// fragment adds a fragment to the unfinished message. With the last fragment it returns the whole message, in a buffer that
// belongs to the caller then.
func (i *inbox) fragment(pool *buffers, payload []byte, last bool) (whole *buffer) {
	if i.message == nil {
		i.message = pool.get()
	}
	i.message.bytes = append(i.message.bytes, payload...)
	if last {
		whole, i.message = i.message, nil
	}
	return whole
}

// drop drops all that is held.
func (i *inbox) drop(pool *buffers) {
	pool.put(i.held)
	pool.put(i.message)
	i.held, i.taken, i.message = nil, 0, nil
}
