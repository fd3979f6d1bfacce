package transport

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"p2p-messaging/messages/peerjs"
	"p2p-messaging/transport/internal/epoll"
)

// looped carries a connection over a socket on a loop, without a goroutine of its own. The loop is the reader. While the next
// frame must wait, it watches the socket for bytes only to read ahead. The flusher is a task. It runs at the end of the round in which
// its frames were queued. It runs on the connection's own loop, or on the loop of the connection that a message came from.
//
// [loops.adopt] makes a looped, and an openTask begins to read it. The loop runs attend whenever a state may have changed.
// When the reading has ended and the outbox lingers, attend removes the connection.
type looped struct {
	conn
	socket descriptor
}

// descriptor is a socket on a loop. It is an *[epoll.Socket], which documents the methods, or a layer above one.
type descriptor interface {
	Post(epoll.Task)
	Open() error
	Watch(readable, writable bool)
	Write(b []byte, last bool) (int, error)
	CloseWrite() error
	Shutdown()
	Close()
}

// Tasks that a connection posts to a loop.
type (
	openTask struct {
		conn  *looped
		hello *peerjs.Hello // of a PeerJS client; otherwise nil
		ahead []byte        // what net/http has read beyond the handshake
	}
	flushTask  looped
	attendTask looped
)

// Run starts a connection.
func (o openTask) Run() {
	s := o.conn
	s.inbox.become(reading)
	err := s.socket.Open()
	if err != nil {
		s.cut()
	}
	s.begin(o.hello)
	s.flush(scheduled) // the response to the handshake
	if err != nil {
		s.server.options.Logger.Error("a connection could not be read", slog.Any("error", err), slog.Any("connection", &s.conn))
		s.Ended(err)
		return
	}
	if len(o.ahead) > 0 {
		s.Receive(o.ahead, time.Now())
	}
	s.attend()
}

// Run writes the queued frames, unless there is a flusher already.
func (f *flushTask) Run() { (*looped)(f).flush(scheduled) }

// Run acts on a state that has changed.
func (a *attendTask) Run() { (*looped)(a).attend() }

// start implements carrier.
func (s *looped) start(via any) {
	on := s
	if sender, ok := via.(*looped); ok && sender.server == s.server { // the loops of another server may have ended
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
	if s.inbox.state() == dropping && s.outbox.awaitsAnswer() && s.outbox.isLingering() {
		_ = s.socket.CloseWrite() // if there is no room, the client's time ends it
	}
	if !s.inbox.state().watches() {
		s.watch()
	}
}

// Ended implements [epoll.Handler].
func (s *looped) Ended(err error) {
	if err == epoll.ErrUnread {
		s.hungUp = true
		s.attend()
		return
	}
	if !errors.Is(err, io.EOF) {
		s.cut()
	}
	s.finish(nil)
	s.inbox.become(ended)
	s.attend()
}

// Writable implements [epoll.Handler].
func (s *looped) Writable() { s.continueFlush() }

// watch makes the loop watch the socket for bytes if the reader wants them, and for room if the outbox is full. A socket that is
// about to be closed is watched for what it was.
func (s *looped) watch() {
	if s.inbox.state() == ended && !s.outbox.isFull() {
		return
	}
	s.socket.Watch(s.inbox.state().watches() || s.readsAhead(), s.outbox.isFull())
}

// attend does what the states ask for. The loop calls it whenever one of them may have changed. If none has, attend does
// nothing.
func (s *looped) attend() {
	if s.inbox.state() == opening || s.outbox.isGone() {
		return
	}
	if !s.outbox.isOpen() {
		s.finish(nil)
	}
	now := s.server.now()
	if now >= s.outbox.due() {
		if !s.outbox.isFull() { // it lingers, and the client's time is over
			s.inbox.become(ended)
		} else if s.outbox.phase() != phaseCut {
			s.stalled()
			return
		}
	}
	if s.outbox.isAbandoned() {
		s.continueFlush() // what was dropped is not held until there is room
	}
	switch {
	case s.inbox.state() == ended && s.outbox.remove():
		s.drop()
		s.socket.Close()
		s.server.connections.remove(&s.conn)
		return
	case s.outbox.phase() == phaseCut && s.outbox.isFull():
		s.continueFlush()
		return // lose wakes the reader, so attend is called again
	case s.inbox.state() >= dropping:
		s.drop()
	default:
		s.goOn(now)
		s.hangUp()
	}
	s.watch()
	if due := s.outbox.due(); due != never {
		s.server.connections.hasten(&s.conn, due)
	}
}

// stalled deals with a client that seems to have taken nothing for too long. While the outbox is open, stalled first tries
// to write, which shows whether the client has taken anything. The system reports room only when a third of its buffer is
// free. That may be megabytes, and a client that reads slowly but steadily may need longer than the write timeout for them.
func (s *looped) stalled() {
	if !s.outbox.isOpen() {
		s.cut()
		return
	}
	s.continueFlush()
	if s.outbox.isFull() && s.server.now() >= s.outbox.due() {
		s.giveUp(s.begun())
	}
	s.wake()
}

// begun returns how many bytes of the write under way must be written, because a part of their record was sent. The flusher calls
// it. In the state full, the loop calls it.
func (s *looped) begun() int {
	if layer, ok := s.socket.(*secured); ok {
		return layer.begun
	}
	return 0
}

// continueFlush goes on with a write that waits for room. The loop calls it when the system reports room, and sometimes to
// try without a report.
func (s *looped) continueFlush() {
	s.flush(full)
	// The flush does not interrupt the watch for room. If the watch were interrupted, epoll would report room at once when it
	// begins again, even if the system has hardly any.
	s.watch()
}

// flush makes its caller the flusher if the state is from. It writes all queued frames in one write, and repeats this until
// none is queued or there is no more room.
//
// From the state scheduled, flush may run on another connection's loop, or in a Link method that a session has called. So
// it must not hand back messages. It goes to the state full instead, and the connection's own loop hands them back.
func (s *looped) flush(from writeState) {
	for do, b, last := s.outbox.begin(from); ; do, b, last = s.outbox.next() {
		switch do {
		case stepWrite:
			if s.outbox.phase() == phaseSealed {
				b, last = s.outbox.shorten(&s.server.buffers, s.begun())
			}
			if len(b) == 0 {
				continue // nothing is left of a write that was abandoned
			}
			if !s.write(b, last) {
				return
			}
		case stepFinish:
			if !s.outbox.awaitsAnswer() && s.socket.CloseWrite() == epoll.ErrFull {
				s.outbox.block(false, 0)
			} else {
				s.outbox.linger(s.lingerDeadline())
			}
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
	case epoll.ErrFull, errPartly:
		s.outbox.block(n > 0 || err == errPartly, s.writeDeadline())
		s.wake()
		return false
	default:
		s.cut()
		return true
	}
}
