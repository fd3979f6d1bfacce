package transport

import (
	"sync"
	"sync/atomic"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

// outbox is what waits to be written to one client. Any goroutine may add to it without blocking; one at a time, the
// flusher, takes out what is there and writes it, until nothing is left.
//
// Its phase says what becomes of a frame. It never goes back:
//
//	phase    put         what waits            next
//	open     takes it    is written            sealed by seal or giveUp, cut by cut
//	sealed   refuses it  is written            cut by cut
//	cut      refuses it  is lost, handed back  -
//
// Its state says who writes:
//
//	state      who writes                         next
//	idle       nobody; nothing waits, or only a   scheduled: by put or schedule
//	           close frame that schedule releases
//	scheduled  a flusher has been started         flushing: by begin
//	flushing   the flusher                        idle: nothing waits and the phase is open
//	                                              full: the network takes no more, or the phase is cut (by block)
//	                                              lingering: everything is out and the phase is sealed (by linger)
//	full       nobody; a write is under way       flushing: by begin
//	                                              lingering: the phase is cut and all was handed back (by lose)
//	lingering  nobody, ever again; the client may gone: by remove
//	           still close its side
//	gone       nobody; the socket is closed
//
// Only a connection on a loop is ever full: a goroutine that writes blocks instead, and loses in the state flushing.
//
// The caller of put, seal and giveUp gives a pool, and the caller of giveUp and lose a function for what is handed back.
// That function is called without mu being held, because the sender may be the connection's own client.
type outbox struct {
	waiting atomic.Int64  // bytes queued, and bytes of the write under way that the network has not taken
	phased  atomic.Uint32 // the phase; written with mu held

	mu     sync.Mutex
	state  writeState // guarded by mu
	queued *buffer    // complete frames; guarded by mu
	// deadline is when the state must have ended, in the server's nanoseconds, 0 for never. In the phase open it is when
	// a write under way must have made progress. From seal or giveUp on it is when everything must be out, and from
	// linger on when the socket is closed. Guarded by mu.
	deadline int64

	// The write under way. These are the flusher's, and in the state full the loop's.
	out     *buffer
	written int // bytes of it that the network has taken
}

type outboxPhase uint32

const (
	phaseOpen outboxPhase = iota
	phaseSealed
	phaseCut
)

type writeState uint8

const (
	idle writeState = iota
	scheduled
	flushing
	full
	lingering
	gone
)

// phase returns the phase. Without mu it may be older than what waits.
func (o *outbox) phase() outboxPhase { return outboxPhase(o.phased.Load()) }

// isOpen reports whether the outbox takes frames. Only with mu held is it still so afterwards.
func (o *outbox) isOpen() bool { return o.phase() == phaseOpen }

// put adds a frame of sender's, nil for the service's own. It reports whether it was taken, whether a flusher is to be
// started for it, and how much is queued.
func (o *outbox) put(pool *buffers, opcode frame.Opcode, payload []byte, sender messages.Address) (taken, start bool, queued int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.isOpen() {
		return false, false, 0
	}
	o.append(pool, opcode, payload, sender)
	return true, o.scheduleLocked(), len(o.queued.bytes)
}

// append appends to what is queued. The caller holds mu.
func (o *outbox) append(pool *buffers, opcode frame.Opcode, payload []byte, sender messages.Address) {
	if o.queued == nil {
		o.queued = pool.get()
	}
	before := len(o.queued.bytes)
	o.queued.append(opcode, payload, sender)
	o.waiting.Add(int64(len(o.queued.bytes) - before))
}

// seal ends the phase open, with a close frame with payload as the last frame, or without one where payload is nil.
// Everything is to be out by deadline. It reports whether the phase was open. Where nobody writes, what is queued stays
// until schedule.
func (o *outbox) seal(pool *buffers, payload []byte, deadline int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.isOpen() {
		return false
	}
	o.sealLocked(deadline)
	if payload != nil {
		o.append(pool, frame.Close, payload, nil)
	}
	return true
}

func (o *outbox) sealLocked(deadline int64) {
	o.phased.Store(uint32(phaseSealed))
	o.deadline = deadline
}

// cut ends all phases but the last. It calls abort, with mu held, unless the socket is closed.
func (o *outbox) cut(abort func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.phased.Store(uint32(phaseCut))
	if o.state != gone {
		abort()
	}
}

// schedule reports whether a flusher is to be started for what waits, be it only the end.
func (o *outbox) schedule() (start bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.scheduleLocked()
}

func (o *outbox) scheduleLocked() (start bool) {
	if o.state != idle {
		return false
	}
	o.state = scheduled
	return true
}

// step is what a flusher does next.
type step int

const (
	stepWrite  step = iota // write what next has returned
	stepFinish             // close the sending direction, then linger: everything is out
	stepLose               // lose what waits
	stepDone               // nothing: there is no flusher any more
)

// begin makes the caller the flusher where the state is from, scheduled or, for who is on the loop, full. It returns what
// next does, and otherwise stepDone.
func (o *outbox) begin(from writeState) (do step, b []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != from {
		return stepDone, nil, false
	}
	o.state = flushing
	return o.nextLocked()
}

// next returns what the flusher does next, and what it is to write. Last says that nothing will follow that.
func (o *outbox) next() (do step, b []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.nextLocked()
}

func (o *outbox) nextLocked() (do step, b []byte, last bool) {
	phase := o.phase()
	if phase == phaseCut {
		return stepLose, nil, false
	}
	if o.out == nil {
		o.out, o.written, o.queued = o.queued, 0, nil
		if phase == phaseOpen {
			o.deadline = 0 // whatever was stuck has gone
		}
	}
	switch {
	case o.out != nil:
		return stepWrite, o.out.bytes[o.written:], phase == phaseSealed && o.queued == nil
	case phase == phaseSealed:
		return stepFinish, nil, false
	default:
		o.state = idle
		return stepDone, nil, false
	}
}

// wrote tells that the network has taken n bytes more of the write under way. The flusher calls it.
func (o *outbox) wrote(pool *buffers, n int) {
	o.waiting.Add(int64(-n))
	if o.written += n; o.written == len(o.out.bytes) {
		pool.put(o.out)
		o.out = nil
	}
}

// block ends the flusher, because the network takes no more or because what waits is lost. A write that makes progress
// has until deadline to make more.
func (o *outbox) block(progress bool, deadline int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = full
	if o.isOpen() && (progress || o.deadline == 0) {
		o.deadline = deadline
	}
}

// linger ends the flusher for good: everything is out, and the client has until deadline to close its side.
func (o *outbox) linger(deadline int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state, o.deadline = lingering, deadline
}

// giveUp seals an open outbox whose write under way has made no progress for too long: only the rest of the frame that is
// partly written and a close frame with payload stay in it, for a client that wakes up in time. All else is handed back.
// The flusher calls it, or in the state full the loop. It reports whether the phase was open.
func (o *outbox) giveUp(pool *buffers, payload []byte, deadline int64, handBack func(text []byte, sender messages.Address)) bool {
	o.mu.Lock()
	if !o.isOpen() {
		o.mu.Unlock()
		return false
	}
	o.sealLocked(deadline)
	queued := o.queued
	o.queued = nil
	o.mu.Unlock()
	end := 0
	for end < o.written {
		end += frameSize(o.out.bytes[end:])
	}
	o.drop(o.out, end, handBack)
	o.drop(queued, 0, handBack)
	pool.put(queued)
	o.out.append(frame.Close, payload, nil)
	o.waiting.Add(int64(len(o.out.bytes) - end))
	return true
}

// lose hands back all that waits, and has the outbox linger until deadline. The flusher calls it once the phase is cut.
func (o *outbox) lose(pool *buffers, deadline int64, handBack func(text []byte, sender messages.Address)) {
	o.mu.Lock()
	queued := o.queued
	o.queued = nil
	o.mu.Unlock()
	o.drop(o.out, o.written, handBack)
	pool.put(o.out)
	o.out = nil
	o.drop(queued, 0, handBack)
	pool.put(queued)
	o.linger(deadline)
}

// drop drops what b has behind its first n bytes, and hands back each message that will not go out whole.
func (o *outbox) drop(b *buffer, n int, handBack func(text []byte, sender messages.Address)) {
	if b == nil {
		return
	}
	first := len(b.marks)
	for first > 0 && int(b.marks[first-1].offset)+frameSize(b.bytes[b.marks[first-1].offset:]) > n {
		first--
	}
	for _, m := range b.marks[first:] {
		handBack(framePayload(b.bytes[m.offset:]), m.sender)
	}
	clear(b.marks[first:])
	b.marks = b.marks[:first]
	o.waiting.Add(int64(n - len(b.bytes)))
	b.bytes = b.bytes[:n]
}

// due returns the deadline where somebody has to see to it, and otherwise never: a flusher is at work, or soon will be.
func (o *outbox) due() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deadline == 0 || o.state != full && o.state != lingering {
		return never
	}
	return o.deadline
}

// isFull reports whether the write under way waits for room.
func (o *outbox) isFull() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == full
}

// isGone reports whether the socket is closed.
func (o *outbox) isGone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == gone
}

// sealedUntil returns by when everything must be out, and whether the phase is not open any more, or else there is no
// such time.
func (o *outbox) sealedUntil() (deadline int64, sealed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.deadline, !o.isOpen()
}

// remove goes from lingering to gone, and reports whether it did: the socket is the caller's to close then.
func (o *outbox) remove() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != lingering {
		return false
	}
	o.state = gone
	return true
}
