package transport

import (
	"sync/atomic"

	"p2p-messaging/transport/internal/frame"
)

// inbox holds the bytes that have come from one client and were not acted on yet, and the state of the reading. It belongs
// to the connection's reader, except for the atomic fields.
type inbox struct {
	stated  atomic.Uint32 // the state
	extra   atomic.Int32  // the number of frames to charge for in addition to the next one
	held    *kept         // the bytes that wait; nil for none
	message *kept         // the fragments of the unfinished message; nil for none
}

// readState says what becomes of the bytes that come. The reader and Resume change it. Anybody may call Resume.
//
//	state             a frame      next
//	opening           waits        reading: the carrier begins to read
//	reading           is acted on  awaitingRate: the next frame comes sooner than the rate allows
//	                               awaitingRoom: too much waits for the client
//	                               awaitingDecision: the session decides about the last message
//	                               decided: Resume is called before the session has returned
//	awaitingRate      waits        reading: its time has come; the next frame is paid for then
//	                               dropping: the client has gone
//	awaitingRoom      waits        reading: less waits for the client
//	awaitingDecision  waits        decided: Resume is called
//	decided           waits        reading: the reader sees it
//	all of these                   dropping: the outbox is sealed, or nothing more comes
//	dropping          is dropped   ended: nothing more comes, or the client had the time to close its side
//	ended             none comes   -
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

// waits reports whether the reader waits on purpose. The client's silence is then no sign that the connection is dead.
func (s readState) waits() bool { return s >= awaitingRate && s <= decided }

// watches reports whether the reader wants to be told of bytes that come.
func (s readState) watches() bool { return s == reading || s == dropping }

func (i *inbox) state() readState       { return readState(i.stated.Load()) }
func (i *inbox) become(state readState) { i.stated.Store(uint32(state)) }

// change changes the state from one to another. It reports false, and changes nothing, if the state is not from.
func (i *inbox) change(from, to readState) bool {
	return i.stated.CompareAndSwap(uint32(from), uint32(to))
}

// frames returns the state of the reading behind the frames that were acted on.
func (i *inbox) frames() frame.Reader {
	if i.message == nil {
		return frame.Reader{}
	}
	return i.message.frames
}

// join returns the bytes that are held, with b behind them. If none are held, it returns b itself.
func (i *inbox) join(pool *keeps, b []byte) []byte {
	if i.held == nil {
		return b
	}
	i.held = pool.add(i.held, b)
	return i.waiting()
}

// waiting returns the bytes that are held.
func (i *inbox) waiting() []byte {
	if i.held == nil {
		return nil
	}
	return i.held.bytes[i.held.taken:]
}

// keep holds the bytes of b behind the first n. B is what join or waiting returned last.
func (i *inbox) keep(pool *keeps, b []byte, n int) {
	switch {
	case n == len(b):
		pool.put(i.held)
		i.held = nil
	case i.held == nil:
		i.held = pool.add(nil, b[n:])
	default:
		i.held.taken += n
		i.held = pool.fit(i.held)
	}
}

// fragment adds a fragment to the unfinished message. Frames is the state of the reading behind it. For the last fragment it
// returns the whole message, which then belongs to the caller.
func (i *inbox) fragment(pool *keeps, payload []byte, frames frame.Reader, last bool) (whole *kept) {
	i.message = pool.add(i.message, payload)
	i.message.frames = frames
	if last {
		whole, i.message = i.message, nil
	}
	return whole
}

// findClose looks for a close frame among the frames that are held, which these rules are for. It returns the payload of the first one.
func (i *inbox) findClose(rules *frame.Rules) (payload []byte, found bool) {
	k := i.held
	if k == nil {
		return nil, false
	}
	if k.seen <= k.taken {
		k.seen, k.frames = k.taken, i.frames()
	}
	for {
		h, more, fault := k.frames.Peek(k.bytes[k.seen:], rules)
		if fault != nil || more > 0 {
			return nil, false
		}
		k.frames.Take(h)
		k.seen += h.Size()
		payload := k.bytes[k.seen:][:h.Length]
		k.seen += len(payload)
		if h.Opcode() == frame.Close {
			frame.Mask(payload, h.Key)
			return payload, true
		}
	}
}

// unfinished reports whether a message has begun and not ended. If the reader waits, the held bytes may be whole messages.
func (i *inbox) unfinished() bool { return i.held != nil || i.message != nil }

// drop drops all bytes that are held, and the unfinished message.
func (i *inbox) drop(pool *keeps) {
	pool.put(i.held)
	pool.put(i.message)
	i.held, i.message = nil, nil
}
