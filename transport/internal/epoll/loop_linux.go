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
	// batch is how many sockets are served before the tasks that they gave rise to are run: few enough that what the
	// tasks need is still in the processor's caches.
	batch = 32
	// readSize is how much is read of a socket before others get their turn.
	readSize = 64 << 10
	// politeness is after how many rounds without a pause other goroutines get their turn.
	politeness = 32
)

// Loop is one loop, a goroutine with an epoll instance. [New] starts it, Stop ends it.
type Loop struct {
	poller *Poller

	// The loop's own.
	sockets []*Socket // by number
	unused  []int32   // numbers
	again   []*Socket // to be read in the next round too
	began   time.Time // the round: asking for each socket would take longer than reading the answer
	closed  []*Socket // in this round
	events  [batch]unix.EpollEvent
	buffer  []byte
	ended   chan struct{}

	mu       sync.Mutex
	tasks    []Task // in the order in which they came
	spare    []Task // what tasks was before: the two change places
	parked   bool   // the loop waits for the runtime's poller, or is about to
	stopping bool
}

// New starts a loop. The error says what the system refused.
func New() (*Loop, error) {
	p, err := NewPoller()
	if err != nil {
		return nil, err
	}
	l := &Loop{poller: p, buffer: make([]byte, readSize), ended: make(chan struct{})}
	go l.run()
	return l, nil
}

// Stop ends the loop once all its sockets are closed, and returns when it has ended.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.Post(nothing{})
	<-l.ended
}

// nothing is a task that makes the loop look around.
type nothing struct{}

func (nothing) Run() {}

// Post has t run on the loop, at the end of the round that is under way, and wakes the loop where none is. It may be
// called from any goroutine and does not block. A loop that has ended runs nothing.
func (l *Loop) Post(t Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
	if l.parked {
		l.parked = false
		// Under the lock: something else could wake the loop meanwhile, and it could end. Its eventfd's number could then
		// be another file's.
		l.poller.Wake()
	}
}

// run is the loop's goroutine.
func (l *Loop) run() {
	defer close(l.ended)
	defer l.poller.Close()
	l.poller.Run(l.rounds)
}

// rounds serves all that there is to serve, and reports whether the loop has come to its end. Where it has not, the
// runtime calls it again when there is more.
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

// runTasks runs the tasks posted so far and reports whether there were any.
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
	if cap(tasks) <= 8*batch { // one burst must not cost an idle loop its memory
		l.spare = tasks[:0]
	}
	l.mu.Unlock()
	return len(tasks) > 0
}

// next is what a loop that has nothing to do does.
type next int

const (
	goOn next = iota
	wait
	end
)

// park ends the rounds unless a task has come.
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

// forget closes for good what was closed in this round: until now its number and its descriptor must not be another's,
// because events of this round may still name it.
func (l *Loop) forget() {
	for i, s := range l.closed {
		_ = unix.Close(int(s.fd))
		l.closed[i] = nil
		if s.number >= 0 {
			l.sockets[s.number] = nil
			l.unused = append(l.unused, s.number)
		}
	}
	l.closed = l.closed[:0]
}

// serve tells a socket's handler of one event.
func (l *Loop) serve(e *unix.EpollEvent) {
	if e.Fd == Wakeup {
		l.poller.Woken()
		return
	}
	s := l.sockets[e.Fd]
	if e.Events&unix.EPOLLOUT != 0 && s.watched&unix.EPOLLOUT != 0 {
		s.handler.Writable()
	}
	switch {
	case s.watched == forgotten:
	case s.watched&unix.EPOLLIN != 0:
		if e.Events&^unix.EPOLLOUT != 0 && !s.again { // or others would wait for twice as much
			l.read(s, e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
		}
	case e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0: // reported whether or not anybody reads
		s.handler.Ended(errReset)
	}
}

// errReset says that a connection has ended in both directions while nobody read it.
var errReset = os.NewSyscallError("epoll_wait", unix.ECONNRESET)

// read reads a socket. As epoll tells of each arrival once, it is read again in the next round where more may be there
// already: what the buffer had no room for, or the end. (Behind a mark of urgent data, which no client of ours sends,
// what is there waits for the next arrival.)
func (l *Loop) read(s *Socket, more bool) {
	n, errno := Receive(int(s.fd), l.buffer)
	switch {
	case errno == unix.EAGAIN:
	case errno == unix.EINTR:
		l.readAgain(s)
	case errno != 0:
		s.handler.Ended(os.NewSyscallError("recvfrom", errno))
	case n == 0:
		s.handler.Ended(io.EOF)
	default:
		if more || n == len(l.buffer) {
			l.readAgain(s)
		}
		s.handler.Receive(l.buffer[:n], l.began)
	}
}

// readAgain has a socket read in the next round.
func (l *Loop) readAgain(s *Socket) {
	s.again = true
	l.again = append(l.again, s)
}

// control is [Poller.Control] for a socket. It is edge-triggered.
func (l *Loop) control(operation, fd int, events uint32, number int32) error {
	return l.poller.Control(operation, fd, events|unix.EPOLLET, number)
}

// Socket is a loop's socket. Write, CloseWrite and Shutdown may be called from any goroutine until Close is; Open, Watch
// and Close on the loop only.
type Socket struct {
	loop    *Loop
	handler Handler
	fd      int32
	number  int32
	watched uint32 // epoll's events
	again   bool   // it is in the loop's again
}

// readable is what is watched of a socket that is read.
const readable = unix.EPOLLIN | unix.EPOLLRDHUP

// forgotten, as what is watched, says that the socket is closed.
const forgotten = ^uint32(0) &^ (readable | unix.EPOLLOUT)

// Socket takes over a connected, non-blocking stream socket for h. It is read once Open has been called on the loop.
func (l *Loop) Socket(fd int, h Handler) *Socket {
	return &Socket{loop: l, handler: h, fd: int32(fd), number: -1}
}

// Post has t run on the socket's loop, as [Loop.Post] does. It may be called at any time.
func (s *Socket) Post(t Task) { s.loop.Post(t) }

// Open begins to read the socket. The error says what the system refused.
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

// Watch says what to tell the handler of.
func (s *Socket) Watch(read, write bool) {
	var events uint32
	if read {
		events |= readable
	}
	if write {
		events |= unix.EPOLLOUT
	}
	if events == s.watched || s.watched == forgotten {
		return
	}
	s.watched = events
	_ = s.loop.control(unix.EPOLL_CTL_MOD, int(s.fd), events, s.number) // it is there, so nothing can be wrong
}

// Write writes as much of b as there is room for. The error is [ErrFull] where that is not all. Last says that CloseWrite
// follows, and may have what it says go along with b.
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

// CloseWrite tells the other side that nothing more comes.
func (s *Socket) CloseWrite() { _ = unix.Shutdown(int(s.fd), unix.SHUT_WR) }

// Shutdown ends both directions: the handler hears of it.
func (s *Socket) Shutdown() { _ = unix.Shutdown(int(s.fd), unix.SHUT_RDWR) }

// Close closes the socket. The handler hears nothing more.
func (s *Socket) Close() {
	if s.watched == forgotten {
		return
	}
	s.watched = forgotten
	_ = s.loop.control(unix.EPOLL_CTL_DEL, int(s.fd), 0, s.number)
	s.loop.closed = append(s.loop.closed, s)
}
