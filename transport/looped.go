package transport

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
)

// looped carries a connection over a socket that a loop reads, without a goroutine of its own. The loop is its reader:
// it parses frames where they were read, keeps what is only a part of one until the rest comes, and stops watching the
// socket while the next frame must wait. What is queued is written by the loop at the end of the round that brought it,
// where need be by the loop of another connection that sent it, and by one only at a time.
//
// Its life: [loops.adopt] makes it, opening has it read, and attend, which looks after all that is neither reading nor
// writing, removes it once nothing more comes and nothing more is to go out.
type looped struct {
	conn
	socket descriptor

	// The reader's.
	frames  frames
	held    *buffer // what was read and not acted on, from taken on
	taken   int
	message *buffer // the fragments of the unfinished message
	admitAt int64   // when the next frame, which is charged for already, may be acted on; 0: it is not charged for
	asked   bool    // the next frame waits for Resume
	stopped bool    // what comes is dropped
	opened  bool    // the loop knows the socket
	blocked bool    // the socket is watched for room
	removed bool    // the loop has forgotten it

	// Guarded by the conn's mu.
	flushing bool  // somebody writes, or waits for room
	full     bool  // … and waits for room
	crowding bool  // the reader waits for room in the outbox
	resumed  bool  // what the reader waits for has been decided
	over     bool  // nothing more is read
	deadline int64 // when attend must end what is under way, in the server's nanoseconds; 0: never

	// Of whoever is flushing.
	out     *buffer // in the write under way
	written int     // bytes of it
	last    bool    // nothing follows it
}

// descriptor is a socket on a loop: *[epoll.Socket], which describes the methods.
type descriptor interface {
	Post(epoll.Task)
	Open() error
	Watch(readable, writable bool)
	Write(b []byte, last bool) (int, error)
	CloseWrite()
	Shutdown()
	Close()
}

// What a connection has done on a loop.
type (
	opening struct {
		conn  *looped
		ahead []byte // what net/http had read beyond the handshake
	}
	flushing  looped
	attending looped
)

// Run begins a connection's life.
func (o opening) Run() {
	s := o.conn
	s.opened = true
	err := s.socket.Open()
	if err != nil {
		s.cut()
	}
	(*flushing)(s).Run() // the response to the handshake
	if err != nil {
		s.server.options.Logger.Error("a connection could not be read", slog.Any("error", err))
		s.Ended(err)
		return
	}
	if len(o.ahead) > 0 {
		s.Receive(o.ahead, time.Now())
	}
	s.attend()
}

// Run writes what is queued, unless somebody does.
func (f *flushing) Run() {
	s := (*looped)(f)
	s.mu.Lock()
	if !s.writing || s.flushing {
		s.mu.Unlock()
		return
	}
	s.flushing = true
	s.flush()
}

// Run looks after what has changed.
func (a *attending) Run() { (*looped)(a).attend() }

// start implements carrier.
func (s *looped) start(via any) {
	on := s
	if sender, ok := via.(*looped); ok && sender.server == s.server { // another's loops may have ended
		on = sender
	}
	on.socket.Post((*flushing)(s))
}

// press implements carrier.
func (s *looped) press() { (*flushing)(s).Run() }

// stopReader implements carrier.
func (s *looped) stopReader() { s.post() }

// post has attend called on the loop.
func (s *looped) post() { s.socket.Post((*attending)(s)) }

// Resume implements [actors.Link].
func (s *looped) Resume() {
	s.mu.Lock()
	s.resumed = true
	s.mu.Unlock()
	s.post()
}

// cut implements carrier.
func (s *looped) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	s.halfway = true
	if !s.removed {
		s.socket.Shutdown() // of which the loop hears
	}
}

// check implements carrier.
func (s *looped) check(now int64) int64 {
	s.mu.Lock()
	deadline := s.deadline
	s.mu.Unlock()
	if deadline == 0 {
		return never
	}
	if now >= deadline {
		s.post()
	}
	return deadline
}

// Receive implements [epoll.Handler].
func (s *looped) Receive(b []byte, at time.Time) {
	now := s.server.since(at)
	s.lastRead.Store(now)
	if s.stopped {
		return
	}
	if s.held != nil {
		kept := s.held.bytes[:copy(s.held.bytes, s.held.bytes[s.taken:])]
		s.held.bytes, s.taken = append(kept, b...), 0
		b = s.held.bytes
	}
	s.proceed(b, now)
}

// proceed acts on the frames in b and keeps what is left, which is held already where anything was.
func (s *looped) proceed(b []byte, now int64) {
	rest := b[s.act(b, now):]
	switch {
	case s.stopped || len(rest) == 0:
		s.drop(&s.held)
		s.taken = 0
	case s.held == nil:
		s.held = s.server.buffers.Get().(*buffer)
		s.held.bytes = append(s.held.bytes, rest...)
	default:
		s.taken += len(b) - len(rest)
	}
}

// drop gives a buffer back, if there is one.
func (s *looped) drop(b **buffer) {
	if *b != nil {
		s.free(*b)
		*b = nil
	}
}

// act acts on the frames in b until the last that is whole, or one that must wait, or one after which nothing counts.
// It returns how many bytes it took.
func (s *looped) act(b []byte, now int64) (taken int) {
	defer func() {
		if cause := recover(); cause != nil {
			s.logPanic(cause)
			s.stop(appendClosePayload(nil, messages.CloseInternalError, reasonFailed))
		}
	}()
	for !s.stopped {
		taken += s.frames.readHeader(b[taken:])
		if s.frames.fault != 0 {
			s.stop(s.frames.fault.closePayload())
			return taken
		}
		size := int(s.frames.skip)
		if size == 0 || len(b)-taken < size {
			return taken
		}
		// A close frame costs no more than the end of the connection does without one.
		if s.frames.first&opcodeBits != opClose && !s.admit(now) {
			return taken
		}
		frame := b[taken : taken+size]
		taken += size
		s.frames.skip = 0
		payload := frame[maskSize:]
		unmask(payload, binary.LittleEndian.Uint32(frame))
		if !s.frame(s.frames.first, payload) || s.crowded() && s.waitForRoom() {
			s.pause()
			return taken
		}
	}
	return taken
}

// admit reports whether the next frame may be acted on, and otherwise has the reader wait until it may.
func (s *looped) admit(now int64) bool {
	if s.admitAt == 0 {
		wait := s.charge(now, 1)
		if wait <= 0 {
			return true
		}
		s.admitAt = now + int64(wait)
		s.pause()
		time.AfterFunc(wait, s.post)
		return false
	}
	if now < s.admitAt {
		return false
	}
	s.admitAt = 0
	return true
}

// waitForRoom reports whether the reader must wait until less waits to be written.
func (s *looped) waitForRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crowding = s.crowded() && !s.closing.Load()
	return s.crowding
}

// frame acts on one frame that begins with the byte first, and reports whether the next may follow at once.
func (s *looped) frame(first byte, payload []byte) (next bool) {
	switch opcode := first & opcodeBits; {
	case opcode == opPing: // answered with its own payload (RFC 6455, section 5.5.3)
		s.queue(opPong, payload, nil, nil)
	case opcode == opPong:
	case opcode == opClose:
		s.stop(closeAnswer(payload))
	case opcode == opText && first&fin != 0:
		return s.text(payload)
	default:
		if s.message == nil {
			s.message = s.server.buffers.Get().(*buffer)
		}
		s.message.bytes = append(s.message.bytes, payload...)
		if first&fin != 0 {
			message := s.message
			s.message = nil
			defer s.free(message)
			return s.text(message.bytes)
		}
	}
	return true
}

// text acts on a whole message.
func (s *looped) text(text []byte) (next bool) {
	s.asked = !s.receive(text, s)
	return !s.asked
}

// pause stops watching what comes.
func (s *looped) pause() {
	s.paused.Store(true)
	s.socket.Watch(false, s.blocked)
}

// Ended implements [epoll.Handler].
func (s *looped) Ended(err error) {
	if !errors.Is(err, io.EOF) {
		s.cut()
	}
	s.stop(nil)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.attend()
}

// Writable implements [epoll.Handler].
func (s *looped) Writable() { s.continueFlush() }

// stop ends the reading: what comes from now on is dropped, and the session ends. Where the connection is not closing
// yet, payload is what its close frame says; nil sends none.
func (s *looped) stop(payload []byte) {
	if s.stopped {
		return
	}
	s.stopped = true
	s.seal(payload)
	s.endSession()
	s.release()
}

// attend looks after everything that is neither reading nor writing. It is called on the loop whenever anything that it
// looks at has changed; calling it for nothing does nothing.
func (s *looped) attend() {
	if s.removed || !s.opened {
		return
	}
	if s.closing.Load() {
		s.stop(nil)
	}
	now := s.server.now()
	s.mu.Lock()
	if s.full && s.closing.Load() {
		s.deadline = s.closeBy
	}
	expired := s.deadline != 0 && now >= s.deadline
	full, halfway := s.full, s.halfway
	if expired && halfway {
		s.over = true // it has had the time to close its side
	}
	over := s.over
	s.removed = over && halfway && !s.writing
	s.mu.Unlock()
	switch {
	case s.removed:
		s.socket.Close()
		s.server.connections.remove(&s.conn)
		return
	case full && halfway: // cut
		s.continueFlush()
		return // it posts
	case full && expired:
		s.stall()
		return
	}
	s.blocked = full
	if s.stopped {
		s.drop(&s.held)
		s.drop(&s.message)
		s.paused.Store(false)
		s.socket.Watch(!over, full)
	} else if s.paused.Load() {
		s.resume(now)
	} else {
		s.socket.Watch(true, full)
	}
	s.mu.Lock()
	deadline := s.deadline
	s.mu.Unlock()
	if deadline != 0 {
		s.server.connections.hasten(&s.conn, deadline)
	}
}

// resume has the reader go on if nothing makes it wait any more.
func (s *looped) resume(now int64) {
	s.mu.Lock()
	if s.resumed {
		s.resumed, s.asked = false, false
	}
	waits := s.asked || s.crowding || now < s.admitAt
	s.mu.Unlock()
	if !waits {
		s.paused.Store(false)
		s.lastRead.Store(now)
		if s.held != nil {
			s.proceed(s.held.bytes[s.taken:], now)
		}
	}
	s.socket.Watch(!s.paused.Load(), s.blocked)
}

// stall deals with a client of which nobody has heard for too long that it has taken anything. Where it may still be read
// to, a write finds out whether it has: a system tells of room only once there is much, a third of a buffer that may hold
// megabytes, and a client that reads slowly all the while needs longer for that.
func (s *looped) stall() {
	if s.closing.Load() {
		s.cut()
	} else {
		s.continueFlush()
		s.mu.Lock()
		stuck := s.full && s.server.now() >= s.deadline
		s.mu.Unlock()
		if stuck {
			s.giveUpOn(s.out, s.written)
		}
	}
	s.post()
}

// continueFlush goes on writing when there is room, or a reason to stop trying. It is called on the loop.
func (s *looped) continueFlush() {
	s.mu.Lock()
	if !s.full {
		s.mu.Unlock()
		return
	}
	s.full = false
	s.flush()
	// Watched all the while: asking anew would tell of room at once even where the system only seems to have some.
	s.mu.Lock()
	s.blocked = s.full
	s.mu.Unlock()
	s.socket.Watch(!s.paused.Load() && !s.over, s.blocked)
}

// flush writes what is queued, all of it in one write, until nothing is or there is no more room. Its caller holds mu,
// which it gives back, and has set flushing, which makes it the only one.
func (s *looped) flush() {
	for ; ; s.mu.Lock() {
		if s.out == nil {
			s.out, s.written, s.queued = s.queued, 0, nil
			s.deadline = 0            // whatever was stuck has gone
			s.last = s.closing.Load() // and so nothing more is queued
		}
		switch {
		case s.out == nil && s.last && !s.halfway:
			s.socket.CloseWrite()
			s.halfway = true
			fallthrough
		case s.out == nil:
			s.finishFlush()
			s.mu.Unlock()
			return
		}
		cut := s.halfway
		s.mu.Unlock()
		if cut {
			s.lose(s.out, s.written)
		} else if !s.write() {
			return
		}
		s.free(s.out)
		s.out = nil
	}
}

// finishFlush ends the writing. The caller holds mu.
func (s *looped) finishFlush() {
	s.flushing, s.writing = false, false
	s.deadline = 0
	if s.halfway {
		s.deadline = s.server.now() + int64(lingerTimeout)
	}
	s.makeRoom()
	if s.closing.Load() {
		s.post()
	}
}

// makeRoom has the reader go on if it waits for less to wait to be written, and less does. The caller holds mu.
func (s *looped) makeRoom() {
	if s.crowding && !s.crowded() {
		s.crowding = false
		s.post()
	}
}

// write writes what is out. It reports whether all of it has gone, or else that there is no more room.
func (s *looped) write() bool {
	n, err := s.socket.Write(s.out.bytes[s.written:], s.last)
	s.written += n
	s.waiting.Add(int64(-n))
	switch err {
	case nil:
		return true
	case epoll.ErrFull:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.full = true
		if n > 0 || s.deadline == 0 {
			s.deadline = s.server.now() + int64(s.server.options.WriteTimeout)
		}
		s.makeRoom()
		s.post()
		return false
	default:
		s.cut()
		s.lose(s.out, s.written)
		return true
	}
}

// closeAnswer returns what answers a close frame with this payload: its code, or why it is not acceptable (RFC 6455,
// sections 5.5.1 and 7.4).
func closeAnswer(payload []byte) []byte {
	switch {
	case len(payload) == 0:
		return []byte{}
	case len(payload) == 1:
		return appendClosePayload(nil, messages.CloseProtocolError, reasonProtocol)
	case !utf8.Valid(payload[2:]):
		return appendClosePayload(nil, messages.CloseInvalidPayload, reasonEncoding)
	case !mayBeSent(binary.BigEndian.Uint16(payload)):
		return appendClosePayload(nil, messages.CloseProtocolError, reasonProtocol)
	}
	return payload[:2:2]
}

// mayBeSent reports whether a close frame may have the code: those that RFC 6455 (section 7.4) and IANA's registry define,
// but for 1014, which only gateways have a use for, and those for libraries and applications. gws has the same.
func mayBeSent(code uint16) bool {
	switch {
	case code < 1000 || code >= 5000, code >= 1016 && code < 3000:
		return false
	case code == 1004, code == 1005, code == 1006, code == 1014, code == 1015:
		return false
	}
	return true
}

// unmask undoes the masking of a payload (RFC 6455, section 5.3). The key is in the order of its bytes, the first the
// lowest.
func unmask(b []byte, key uint32) {
	twice := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		_ = b[31]
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^twice)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^twice)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^twice)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^twice)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^twice)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * (i & 3)))
	}
}
