package transport

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"p2p-messaging/transport/internal/epoll"
)

// looped carries a connection over a socket on a loop, without a goroutine of its own. The loop is its reader, and
// leaves the socket alone while the next frame must wait. The flusher is a task at the end of the round that brought
// what it writes, on the connection's loop or on that of the connection whose message it was.
//
// Its life: [loops.adopt] makes it, an openTask has it read, and attend, which the loop runs whenever a state may have
// changed, removes it once the reading has ended and the outbox lingers.
type looped struct {
	conn
	socket descriptor
}

// descriptor is a socket on a loop: *[epoll.Socket], which describes the methods. What a layer between the socket and
// the frames offers to the connection is a descriptor too, and it is itself the socket's [epoll.Handler].
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
	openTask struct {
		conn  *looped
		ahead []byte // what net/http had read beyond the handshake
	}
	flushTask  looped
	attendTask looped
)

// Run begins a connection's life.
func (o openTask) Run() {
	s := o.conn
	s.inbox.become(reading)
	err := s.socket.Open()
	if err != nil {
		s.cut()
	}
	s.flush(scheduled) // the response to the handshake
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
func (f *flushTask) Run() { (*looped)(f).flush(scheduled) }

// Run looks after what has changed.
func (a *attendTask) Run() { (*looped)(a).attend() }

// start implements carrier.
func (s *looped) start(via any) {
	on := s
	if sender, ok := via.(*looped); ok && sender.server == s.server { // another's loops may have ended
		on = sender
	}
	on.socket.Post((*flushTask)(s))
}

// press implements carrier.
func (s *looped) press() { s.flush(scheduled) }

// wake implements carrier.
func (s *looped) wake() { s.socket.Post((*attendTask)(s)) }

// abort implements carrier.
func (s *looped) abort() { s.socket.Shutdown() }

// Receive implements [epoll.Handler].
func (s *looped) Receive(b []byte, at time.Time) {
	s.received(b, s.server.since(at))
	if !s.inbox.state().watches() {
		s.watch()
	}
}

// Ended implements [epoll.Handler].
func (s *looped) Ended(err error) {
	if !errors.Is(err, io.EOF) {
		s.cut()
	}
	s.finish(nil)
	s.inbox.become(ended)
	s.attend()
}

// Writable implements [epoll.Handler].
func (s *looped) Writable() { s.continueFlush() }

// watch has the socket watched for what the states wait for.
func (s *looped) watch() { s.socket.Watch(s.inbox.state().watches(), s.outbox.isFull()) }

// attend does what the states ask for. It is called on the loop whenever one may have changed, and does nothing where
// none has.
func (s *looped) attend() {
	if s.inbox.state() == opening || s.outbox.isGone() {
		return
	}
	if !s.outbox.isOpen() {
		s.finish(nil)
	}
	now := s.server.now()
	if now >= s.outbox.due() {
		if !s.outbox.isFull() { // so it lingers
			s.inbox.become(ended)
		} else if s.outbox.phase() != phaseCut {
			s.stalled()
			return
		}
	}
	switch {
	case s.inbox.state() == ended && s.outbox.remove():
		s.inbox.drop(&s.server.buffers)
		s.socket.Close()
		s.server.connections.remove(&s.conn)
		return
	case s.outbox.phase() == phaseCut && s.outbox.isFull():
		s.continueFlush()
		return // it wakes
	case s.inbox.state() >= dropping:
		s.inbox.drop(&s.server.buffers)
	default:
		s.goOn(now)
	}
	s.watch()
	if due := s.outbox.due(); due != never {
		s.server.connections.hasten(&s.conn, due)
	}
}

// stalled deals with a client that seems to have taken nothing for too long. Where it may still be read to, a write
// finds out whether it has: a system tells of room only once there is much, a third of a buffer that may hold megabytes,
// and a client that reads slowly all the while needs longer for that.
func (s *looped) stalled() {
	if !s.outbox.isOpen() {
		s.cut() // it wakes
		return
	}
	s.continueFlush()
	if s.outbox.isFull() && s.server.now() >= s.outbox.due() {
		s.giveUp()
	}
	s.wake()
}

// continueFlush goes on writing when there is room, or a reason to stop trying. It is called on the loop.
func (s *looped) continueFlush() {
	s.flush(full)
	// It was watched for room all the while: asking anew would tell of room at once even where the system only seems to
	// have some.
	s.watch()
}

// flush is the flusher, if there is work for one in the state from: it writes what is queued, all of it in one write,
// until nothing is or there is no more room.
//
// From the state scheduled, it may run on another connection's loop, or below a Link method that a session has called.
// So it hands nothing back then: it leaves that to the connection's loop, which comes from the state full.
func (s *looped) flush(from writeState) {
	for do, b, last := s.outbox.begin(from); ; do, b, last = s.outbox.next() {
		switch do {
		case stepWrite:
			if !s.write(b, last) {
				return
			}
		case stepFinish:
			s.socket.CloseWrite()
			s.outbox.linger(s.lingerDeadline())
			s.wake()
			return
		case stepLose:
			if from == full {
				s.lose()
			} else {
				s.outbox.block(false, 0)
				s.wake()
			}
			return
		case stepDone:
			return
		}
	}
}

// write writes b, and reports whether the flusher may go on.
func (s *looped) write(b []byte, last bool) bool {
	n, err := s.socket.Write(b, last)
	s.wrote(n)
	switch err {
	case nil:
		return true
	case epoll.ErrFull:
		s.outbox.block(n > 0, s.writeDeadline())
		s.wake()
		return false
	default:
		s.cut()
		return true
	}
}
