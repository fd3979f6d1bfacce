package transport

import (
	"sync"
	"sync/atomic"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/frame"
)

// outbox holds the frames that wait to be written to one client. Any goroutine may add frames without blocking. One goroutine
// at a time is the flusher. It takes out the frames and writes them, until none is left.
//
// The phase says what becomes of a frame. It never goes back:
//
//	phase    put         a waiting frame       next
//	open     takes it    is written            sealed by seal, hold, abandon or giveUp, cut by cut
//	sealed   refuses it  is written, or was    cut by cut
//	                     dropped by abandon
//	cut      refuses it  is lost, handed back  -
//
// The state says who writes:
//
//	state      who writes                         next
//	idle       nobody; nothing waits, or only a   scheduled: by put, schedule or complete
//	           close frame that schedule or
//	           complete releases
//	scheduled  a flusher has been started         flushing: by begin
//	flushing   the flusher                        idle: nothing waits, and the phase is open or the close frame is held
//	                                              full: by block; the network takes no more, or the phase is cut
//	                                              lingering: by linger; the phase is sealed and everything is out
//	                                              lingering: by lose; the phase is cut and all is handed back
//	full       nobody; a write is under way       flushing: by begin; the loop
//	lingering  nobody, ever again; the client may gone: by remove
//	           still close its side
//	gone       nobody; the socket is closed
//
// Only a connection on a loop is ever full. A goroutine that writes blocks instead, and loses in the state flushing.
//
// The methods take the pool of buffers and the function that hands back as arguments. That saves memory, because there may
// be a million outboxes. They call handBack without holding mu, because the sender may be the connection's own client.
type outbox struct {
	waiting atomic.Int64  // bytes queued, and bytes of the write under way that the network has not taken
	phased  atomic.Uint32 // the phase; written with mu held

	mu    sync.Mutex
	state writeState // guarded by mu
	// abandoned says that the write under way ends with the frame that was begun. Guarded by mu.
	abandoned bool
	// awaits says that the end of the stream waits for the client's answer to the close frame. Guarded by mu.
	awaits bool
	// holds says that the outbox is sealed, and that its close frame is still to come. Guarded by mu.
	holds  bool
	queued *buffer // complete frames; guarded by mu
	// deadline is the time by which the state must have ended, in the server's nanoseconds; 0 means never. In the phase
	// open, it is the time by which a write under way must make progress. After seal or giveUp, it is the time by which
	// all frames must be written. After linger, it is the time at which the socket is closed. Guarded by mu.
	deadline int64

	// The write under way. It belongs to the flusher, and in the state full to the loop.
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

// phase returns the phase, which may change at once unless mu is held.
func (o *outbox) phase() outboxPhase { return outboxPhase(o.phased.Load()) }

// isOpen reports whether the phase is open, which may change at once unless mu is held.
func (o *outbox) isOpen() bool { return o.phase() == phaseOpen }

// handBack gets a message that will not be written. See [actors.Connection.Undelivered].
type handBack func(text []byte, sender messages.Address, retained bool)

// nobody hands back nothing.
func nobody([]byte, messages.Address, bool) {}

// put adds a frame. M is the message that it carries, or nil if the frame is the service's own. Put reports whether the frame was taken, whether
// the caller must start a flusher, and how many bytes are queued.
func (o *outbox) put(pool *buffers, opcode frame.Opcode, payload []byte, m *messages.Deliver) (taken, start bool, queued int) {
	o.mu.Lock()
	if taken = o.isOpen(); taken { // this runs for each relay, and a deferred call takes a while
		o.append(pool, opcode, payload, m)
		start, queued = o.scheduleLocked(), len(o.queued.bytes)
	}
	o.mu.Unlock()
	return taken, start, queued
}

// append appends a frame to those that are queued. The caller holds mu.
func (o *outbox) append(pool *buffers, opcode frame.Opcode, payload []byte, m *messages.Deliver) {
	if o.queued == nil {
		o.queued = pool.get()
	}
	before := len(o.queued.bytes)
	o.queued.append(opcode, payload, m)
	o.waiting.Add(int64(len(o.queued.bytes) - before))
}

// seal ends the phase open, and reports whether it was open. The last frame is a close frame with payload. If payload is
// nil, there is no close frame. All frames must be written by deadline. In the state idle, the queued frames wait for
// schedule.
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

// hold ends the phase open as seal does, and reports whether it was open. But the close frame comes with complete, and until then the
// sending direction does not end.
func (o *outbox) hold(deadline int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.isOpen() {
		return false
	}
	o.sealLocked(deadline)
	o.holds = true
	return true
}

// complete adds the close frame that hold has held, with payload, or none if payload is nil. Then it does what schedule does, even if
// nothing was held.
func (o *outbox) complete(pool *buffers, payload []byte) (start bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holds && payload != nil && o.phase() == phaseSealed {
		o.append(pool, frame.Close, payload, nil)
	}
	o.holds = false
	return o.scheduleLocked()
}

func (o *outbox) sealLocked(deadline int64) {
	o.phased.Store(uint32(phaseSealed))
	o.deadline = deadline
}

// cut begins the last phase, and reports whether the phase was open. Unless the socket is closed, cut calls abort with mu held.
func (o *outbox) cut(abort func()) (open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	open = o.isOpen()
	o.phased.Store(uint32(phaseCut))
	if o.state != gone {
		abort()
	}
	return open
}

// schedule goes from idle to scheduled, and reports whether it did. If so, the caller must start a flusher. Even if no frame
// is queued, the flusher finds that the phase open has ended.
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
	stepLose               // hand back the waiting messages: the phase is cut
	stepDone               // stop: the caller is not the flusher any more
)

// begin makes the caller the flusher and returns its first step, as next does. It returns stepDone if the state is not from.
// From is scheduled, or full for a caller on the loop.
func (o *outbox) begin(from writeState) (do step, b []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != from {
		return stepDone, nil, false
	}
	o.state = flushing
	return o.nextLocked()
}

// next returns what the flusher does next, and the bytes to write. Last says that no bytes will follow these.
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
		o.abandoned = false
		if phase == phaseOpen {
			o.deadline = 0 // the write that may have been stuck is over
		}
	}
	switch {
	case o.out != nil:
		return stepWrite, o.out.bytes[o.written:], phase == phaseSealed && o.isLast()
	case phase == phaseSealed && !o.holds:
		return stepFinish, nil, false
	default:
		o.state = idle
		return stepDone, nil, false
	}
}

// isLast reports whether the sending direction of a sealed outbox ends behind the write under way. The caller holds mu.
func (o *outbox) isLast() bool { return o.queued == nil && !o.awaits && !o.holds }

// time notes when a message that was just queued was read. See [buffer].
func (o *outbox) time(at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queued != nil && o.queued.since == 0 { // otherwise a flusher may have taken it already
		o.queued.since = at
	}
}

// wrote notes that the network has taken n more bytes of the write under way. The flusher calls it. If that was the rest of it, wrote
// returns the time at which a message in it was read, or 0 if none was timed.
func (o *outbox) wrote(pool *buffers, n int) (since int64) {
	o.waiting.Add(int64(-n))
	if o.written += n; o.written == len(o.out.bytes) {
		since = o.out.since
		pool.put(o.out)
		o.out = nil
	}
	return since
}

// block goes to the state full, because the network takes no more or because the phase is cut. The caller is not the
// flusher any more. A write that has made progress has until deadline to make more.
func (o *outbox) block(progress bool, deadline int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = full
	if o.isOpen() && (progress || o.deadline == 0) {
		o.deadline = deadline
	}
}

// await says whether the end of the stream waits for the client's answer to the close frame. It does for a PeerJS client that has no id:
// if the stream ends right behind the handshake, Firefox drops what came.
func (o *outbox) await(answer bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.awaits = answer
}

// awaitsAnswer reports what await has said.
func (o *outbox) awaitsAnswer() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.awaits
}

// linger goes to the state lingering: nothing is left to write, and the client has until deadline to close its side.
func (o *outbox) linger(deadline int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state, o.deadline = lingering, deadline
}

// abandon drops what waits, because the session has every message and writes no more on this connection. A close frame alone is
// still queued: the one that is there, or one with payload if the phase was open. Of the write under way, only the rest of the frame
// that was begun is written; a goroutine first finishes the write that it is in. Abandon reports whether the phase was open.
func (o *outbox) abandon(pool *buffers, payload []byte, deadline int64) (open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch o.phase() {
	case phaseCut:
		return false
	case phaseOpen:
		open = true
		o.sealLocked(deadline)
	case phaseSealed:
		payload = closePayload(o.queued)
	}
	o.abandoned = true
	if o.queued != nil {
		o.waiting.Add(-int64(len(o.queued.bytes)))
		pool.put(o.queued)
		o.queued = nil
	}
	if payload != nil {
		o.append(pool, frame.Close, payload, nil)
	}
	return open
}

// closePayload returns a copy of the payload of the close frame at the end of b, or nil if there is none.
func closePayload(b *buffer) []byte {
	if b == nil {
		return nil
	}
	for rest := b.bytes; len(rest) > 0; rest = rest[frameSize(rest):] {
		if h, _ := frame.ParseHeader(rest); h.Fin() && h.Opcode() == frame.Close {
			return append([]byte{}, framePayload(rest)...)
		}
	}
	return nil
}

// shorten ends the write under way with the frame that was begun, and goes on with the close frame, if the outbox was abandoned.
// Begun is how many bytes behind the written ones must be written too. The flusher calls it. It returns what next does.
func (o *outbox) shorten(pool *buffers, begun int) (b []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.abandoned {
		return o.out.bytes[o.written:], o.isLast()
	}
	o.abandoned = false
	rest, end := o.out, o.endOfFrame(o.written+begun)
	if closing := closePayload(&buffer{bytes: rest.bytes[end:]}); closing != nil {
		o.append(pool, frame.Close, closing, nil)
	}
	o.drop(rest, end, nobody)
	if end > o.written { // the rest keeps neither the memory of all that was dropped, nor marks: nothing is handed back
		o.out = pool.get()
		o.out.bytes = append(o.out.bytes, rest.bytes[o.written:]...)
	} else {
		o.out, o.queued = o.queued, nil
	}
	o.written = 0
	pool.put(rest)
	if o.out == nil {
		return nil, false
	}
	return o.out.bytes, o.isLast()
}

// isAbandoned reports whether a write under way that waits for room is to be shortened.
func (o *outbox) isAbandoned() bool {
	if o.phase() != phaseSealed {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.abandoned && o.state == full
}

// endOfFrame returns the end of the frame of the write under way that has the first n bytes.
func (o *outbox) endOfFrame(n int) int {
	end := 0
	for end < n {
		end += frameSize(o.out.bytes[end:])
	}
	return end
}

// giveUp seals the outbox of a client that has taken nothing for too long, and reports whether the phase was open. The
// rest of a half-written frame stays, and so do the frames in the next begun bytes. A close frame with payload follows them,
// in case the client wakes up in time. All other messages are handed back. The flusher calls giveUp. In the state full, the
// loop calls it.
func (o *outbox) giveUp(pool *buffers, payload []byte, begun int, deadline int64, handBack handBack) bool {
	o.mu.Lock()
	if !o.isOpen() {
		o.mu.Unlock()
		return false
	}
	o.sealLocked(deadline)
	queued := o.queued
	o.queued = nil
	o.mu.Unlock()
	end := o.endOfFrame(o.written + begun)
	o.drop(o.out, end, handBack)
	o.drop(queued, 0, handBack)
	pool.put(queued)
	o.out.append(frame.Close, payload, nil)
	o.waiting.Add(int64(len(o.out.bytes) - end))
	return true
}

// lose hands back all waiting messages, and goes to the state lingering until deadline. The flusher calls it when the phase
// is cut.
func (o *outbox) lose(pool *buffers, deadline int64, handBack handBack) {
	o.mu.Lock()
	queued := o.queued
	o.queued = nil
	if o.abandoned {
		handBack = nobody
	}
	o.mu.Unlock()
	o.drop(o.out, o.written, handBack)
	pool.put(o.out)
	o.out = nil
	o.drop(queued, 0, handBack)
	pool.put(queued)
	o.linger(deadline)
}

// drop drops the bytes of b behind the first n. It hands back each message that loses a byte.
func (o *outbox) drop(b *buffer, n int, handBack handBack) {
	if b == nil {
		return
	}
	first := len(b.marks)
	for first > 0 && int(b.marks[first-1].offset)+frameSize(b.bytes[b.marks[first-1].offset:]) > n {
		first--
	}
	for _, m := range b.marks[first:] {
		handBack(framePayload(b.bytes[m.offset:]), m.sender, m.retained)
	}
	clear(b.marks[first:])
	b.marks = b.marks[:first]
	o.waiting.Add(int64(n - len(b.bytes)))
	b.bytes = b.bytes[:n]
}

// due returns the deadline in the states full and lingering. In the other states it returns never: a flusher is at work or
// soon will be, or there is nothing to do.
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

// isLingering reports whether everything is written, and the client may still close its side.
func (o *outbox) isLingering() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == lingering
}

// isGone reports whether the socket is closed.
func (o *outbox) isGone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == gone
}

// sealedUntil returns the time by which all frames must be written. It reports false while the phase is open, because then
// there is no such time.
func (o *outbox) sealedUntil() (deadline int64, sealed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.deadline, !o.isOpen()
}

// remove goes from lingering to gone, and reports whether it did. The caller closes the socket then.
func (o *outbox) remove() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != lingering {
		return false
	}
	o.state = gone
	return true
}
