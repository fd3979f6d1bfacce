package epoll

import (
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// batch is the number of sockets that are served before their tasks run. It is small, so that the data for the tasks is
	// still in the processor's caches.
	batch = 32
	// readSize is the number of bytes that are read from a socket before others get their turn.
	readSize = 64 << 10
	// politeness is the number of rounds without a pause after which other goroutines get their turn.
	politeness = 32
)

// Loop is a goroutine with an epoll instance. [New] starts it, and [Loop.Stop] ends it.
type Loop struct {
	poller *Poller

	// Only the loop's goroutine uses these.
	sockets []*Socket // indexed by socket number
	unused  []int32   // socket numbers that are free
	again   []*Socket // sockets to read again in the next round
	began   time.Time // the time of this round; asking the clock for each socket would take longer
	closed  []*Socket // sockets closed in this round
	events  [batch]unix.EpollEvent
	buffer  []byte
	ended   chan struct{}

	mu       sync.Mutex
	tasks    []Task // in the order in which they were posted
	spare    []Task // an empty slice that replaces tasks when they run
	parked   bool   // the loop waits for the runtime's poller, or is about to wait
	stopping bool
}

// New starts a loop. The error is the system's.
func New() (*Loop, error) {
	p, err := NewPoller()
	if err != nil {
		return nil, err
	}
	l := &Loop{poller: p, buffer: make([]byte, readSize), ended: make(chan struct{})}
	go l.run()
	return l, nil
}

// Stop ends the loop when all its sockets are closed. It returns when the loop has ended.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.Post(nothing{})
	<-l.ended
}

// nothing is a task that only wakes the loop.
type nothing struct{}

func (nothing) Run() {}

// Post adds t to the tasks of the loop. The loop runs its tasks at the end of each round. If it waits, Post wakes it. Post
// may be called from any goroutine and does not block. A loop that has ended runs no more tasks.
func (l *Loop) Post(t Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
	if l.parked {
		l.parked = false
		// Wake is called under the lock, because the loop cannot end then. After its end, the number of its eventfd could
		// belong to another file.
		l.poller.Wake()
	}
}

// run is the loop's goroutine.
func (l *Loop) run() {
	defer close(l.ended)
	defer l.poller.Close()
	l.poller.Run(l.rounds)
}

// rounds does all work that is ready. It reports whether the loop has ended. If not, the runtime calls it again when there
// is more work.
func (l *Loop) rounds() (ended bool) {
	l.mu.Lock()
	l.parked = false
	l.mu.Unlock()
	for round := 1; ; round++ {
		again := len(l.again)
		if again > 0 {
			l.began = time.Now()
		}
		for _, s := range l.again[:again] {
			s.again = false
			if s.watched&unix.EPOLLIN != 0 {
				l.read(s, true)
			}
		}
		left := copy(l.again, l.again[again:])
		clear(l.again[left:])
		l.again = l.again[:left]
		n := l.poller.Wait(l.events[:])
		if n > 0 {
			l.began = time.Now()
		}
		for i := range l.events[:n] {
			l.serve(&l.events[i])
		}
		ran := l.runTasks()
		l.forget()
		if n == 0 && !ran && again == 0 && len(l.again) == 0 {
			switch l.park() {
			case wait:
				return false
			case end:
				return true
			}
		}
		if round%politeness == 0 {
			runtime.Gosched()
		}
	}
}

// runTasks runs the tasks that were posted so far. It reports whether there were any.
func (l *Loop) runTasks() bool {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	for i, t := range tasks {
		tasks[i] = nil
		t.Run()
	}
	l.mu.Lock()
	if cap(tasks) <= 8*batch { // an idle loop must not keep the memory of one burst
		l.spare = tasks[:0]
	}
	l.mu.Unlock()
	return len(tasks) > 0
}

// next says how a loop goes on after a round without work.
type next int

const (
	goOn next = iota
	wait
	end
)

// park decides whether the rounds end. They go on if a task was posted meanwhile.
func (l *Loop) park() next {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.tasks) > 0:
		return goOn
	case l.stopping && len(l.unused) == len(l.sockets):
		return end
	}
	l.parked = true
	return wait
}

// forget closes the descriptors of the sockets that were closed in this round, and gives back their numbers. Epoll forgets a
// socket with its last descriptor (epoll(7)). Before the end of the round no other socket may get a number, because events of
// this round may still refer to it.
func (l *Loop) forget() {
	for i, s := range l.closed {
		closeSocket(int(s.fd))
		l.closed[i] = nil
		if s.number >= 0 {
			l.sockets[s.number] = nil
			l.unused = append(l.unused, s.number)
		}
	}
	l.closed = l.closed[:0]
}

// serve handles one event.
func (l *Loop) serve(e *unix.EpollEvent) {
	if e.Fd == Wakeup {
		l.poller.Woken()
		return
	}
	s := l.sockets[e.Fd]
	if s == nil || s.fd != e.Pad {
		return // It was closed. A process that is just starting had a duplicate, so that epoll has not forgotten it yet.
	}
	if e.Events&unix.EPOLLOUT != 0 && s.watched&unix.EPOLLOUT != 0 {
		s.handler.Writable()
	}
	switch {
	case s.watched == forgotten:
	case s.watched&unix.EPOLLIN != 0:
		if e.Events&^unix.EPOLLOUT != 0 && !s.again { // a second read in this round would make others wait longer
			l.read(s, e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
		}
	case e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0: // epoll reports these even if nobody reads
		s.handler.Ended(errReset)
	case e.Events&unix.EPOLLRDHUP != 0 && !s.ended:
		s.handler.Ended(ErrUnread)
	}
}

// errReset is the error of a connection that ended in both directions while nobody read it.
var errReset = os.NewSyscallError("epoll_wait", unix.ECONNRESET)

// read reads a socket once. More says that the end of the stream may follow. Epoll reports each arrival only once. So if
// more is set or the buffer was full, the next round reads the socket again.
//
// A read stops at a mark of urgent data. Bytes behind the mark wait until more bytes arrive. Our clients send no urgent data.
func (l *Loop) read(s *Socket, more bool) {
	n, errno := Receive(int(s.fd), l.buffer)
	switch {
	case errno == unix.EAGAIN:
	case errno == unix.EINTR:
		l.readAgain(s)
	case errno != 0:
		s.handler.Ended(os.NewSyscallError("recvfrom", errno))
	case n == 0:
		s.ended = true
		s.handler.Ended(io.EOF)
	default:
		if more || n == len(l.buffer) {
			l.readAgain(s)
		}
		s.handler.Receive(l.buffer[:n], l.began)
	}
}

// readAgain makes the next round read s.
func (l *Loop) readAgain(s *Socket) {
	s.again = true
	l.again = append(l.again, s)
}

// control calls [Poller.Control] for an edge-triggered socket.
func (l *Loop) control(operation, fd int, events uint32, number int32) error {
	return l.poller.Control(operation, fd, events|unix.EPOLLET, number)
}

// Socket is a socket on a loop. Open, Watch and Close may be called on the loop only. Write, CloseWrite and Shutdown may be
// called from any goroutine, but not after Close.
type Socket struct {
	loop    *Loop
	handler Handler
	fd      int32
	number  int32
	watched uint32 // a set of epoll's events, or forgotten
	again   bool   // the socket is in the loop's list of the same name
	ended   bool   // the end of the stream was read
}

// readable is the set of events for which epoll watches a socket that is read.
const readable = unix.EPOLLIN | unix.EPOLLRDHUP

// forgotten is the value of watched for a closed socket.
const forgotten = ^uint32(0) &^ (readable | unix.EPOLLOUT)

// Socket takes over fd, a connected and non-blocking stream socket, and returns a Socket for h. The loop reads it after
// [Socket.Open].
func (l *Loop) Socket(fd int, h Handler) *Socket {
	return &Socket{loop: l, handler: h, fd: int32(fd), number: -1}
}

// Post adds a task to the socket's loop, as [Loop.Post] does. It may be called at any time.
func (s *Socket) Post(t Task) { s.loop.Post(t) }

// Open begins to read the socket. The error is the system's.
func (s *Socket) Open() error {
	l := s.loop
	number := int32(len(l.sockets))
	if n := len(l.unused); n > 0 {
		number = l.unused[n-1]
	}
	if err := l.control(unix.EPOLL_CTL_ADD, int(s.fd), readable, number); err != nil {
		return err
	}
	if n := len(l.unused); n > 0 {
		l.unused = l.unused[:n-1]
		l.sockets[number] = s
	} else {
		l.sockets = append(l.sockets, s)
	}
	s.number, s.watched = number, readable
	return nil
}

// Watch says what the handler wants to know. With read, it gets the bytes that arrive and their end. With write, it is
// called when there is room. The handler hears of a reset and of the other side's end in any case.
func (s *Socket) Watch(read, write bool) {
	var events uint32
	switch {
	case read:
		events = readable
	case !s.ended:
		events = unix.EPOLLRDHUP
	}
	if write {
		events |= unix.EPOLLOUT
	}
	if events == s.watched || s.watched == forgotten {
		return
	}
	s.watched = events
	_ = s.loop.control(unix.EPOLL_CTL_MOD, int(s.fd), events, s.number) // it can only fail if Open has failed
}

// Write writes as much of b as there is room for. The error is [ErrFull] if not all of b was written. Last says that
// CloseWrite follows. The system may then send the end together with b.
func (s *Socket) Write(b []byte, last bool) (written int, err error) {
	flags := 0
	if last {
		flags = unix.MSG_MORE
	}
	for written < len(b) {
		n, errno := Send(int(s.fd), b[written:], flags)
		switch errno {
		case 0:
			written += n
		case unix.EINTR:
		case unix.EAGAIN:
			return written, ErrFull
		default:
			return written, os.NewSyscallError("sendto", errno)
		}
	}
	return written, nil
}

// CloseWrite tells the other side that nothing more will arrive. The error is the system's.
func (s *Socket) CloseWrite() error {
	return shutdown(int(s.fd), unix.SHUT_WR)
}

// Shutdown ends both directions. [Handler.Ended] is called for it.
func (s *Socket) Shutdown() { _ = shutdown(int(s.fd), unix.SHUT_RDWR) }

// Close closes the socket. The handler is not called any more.
func (s *Socket) Close() {
	if s.watched == forgotten {
		return
	}
	s.watched = forgotten
	s.loop.closed = append(s.loop.closed, s)
}
