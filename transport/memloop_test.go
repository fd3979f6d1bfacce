package transport

import (
	"context"
	"net"
	"sync"
	"time"

	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/memnet"
)

// CarryOnLoops makes a loop carry the connections of a server over a network in memory too. So tests can run connections
// on a loop under testing/synctest.
func CarryOnLoops(s *Server) { s.carriers = &memLoops{carriers: s.carriers} }

type memLoops struct {
	carriers
	loop memLoop
}

func (l *memLoops) adopt(socket net.Conn) *looped {
	raw, layer := beneath(socket)
	near, ok := raw.(*memnet.Conn)
	if !ok {
		return l.carriers.adopt(socket)
	}
	c := new(looped)
	on := &memSocket{loop: &l.loop, near: near, handler: c, changed: make(chan struct{}, 1)}
	c.socket = on
	if layer != nil {
		on.handler, c.socket = layer, layer.between(c, on)
	}
	return c
}

// CarryByGoroutines makes goroutines carry all connections of a server, even those that a loop could carry.
func CarryByGoroutines(s *Server) { s.carriers = noLoops{} }

type noLoops struct{}

func (noLoops) adopt(net.Conn) *looped      { return nil }
func (noLoops) adoptDescriptor(int) *looped { return nil }
func (noLoops) answer(context.Context) bool { return true }
func (noLoops) stop()                       {}

// memLoop runs tasks one by one on a goroutine. The goroutine runs only while there are tasks.
type memLoop struct {
	mu      sync.Mutex
	tasks   []epoll.Task
	running bool
}

func (l *memLoop) Post(t epoll.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
	if !l.running {
		l.running = true
		go l.run()
	}
}

func (l *memLoop) run() {
	for {
		l.mu.Lock()
		tasks := l.tasks
		l.tasks = nil
		l.running = len(tasks) > 0
		l.mu.Unlock()
		if len(tasks) == 0 {
			return
		}
		for _, t := range tasks {
			t.Run()
		}
	}
}

// memSocket is a socket in memory on a loop. A goroutine waits for its events, in place of epoll.
type memSocket struct {
	loop    *memLoop
	near    *memnet.Conn
	handler epoll.Handler
	buffer  [64 << 10]byte
	changed chan struct{} // Watch or Close was called

	mu                 sync.Mutex
	readable, writable bool // what the loop watches for
	closed             bool
	ended              bool // the handler knows that the other side has ended its direction
}

func (s *memSocket) Post(t epoll.Task) { s.loop.Post(t) }

func (s *memSocket) Open() error {
	s.readable = true
	go s.wait()
	return nil
}

func (s *memSocket) Watch(readable, writable bool) {
	s.mu.Lock()
	s.readable, s.writable = readable, writable
	s.mu.Unlock()
	s.wake()
}

func (s *memSocket) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *memSocket) Write(b []byte, _ bool) (int, error) {
	n, err := s.near.TryWrite(b)
	if err == nil && n < len(b) {
		err = epoll.ErrFull
	}
	return n, err
}

func (s *memSocket) CloseWrite() error { return s.near.CloseWrite() }
func (s *memSocket) Shutdown()         { _ = s.near.Close() }

func (s *memSocket) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.near.Close()
	s.wake()
}

// wait posts a task to the loop whenever there is an event that the socket is watched for. It returns when the socket is
// closed.
func (s *memSocket) wait() {
	served := make(chan struct{})
	for {
		state, in, out := s.near.State()
		s.mu.Lock()
		ready := s.readable && state.Readable || s.writable && state.Writable || state.HungUp || state.Ended && !s.ended
		closed := s.closed
		s.mu.Unlock()
		switch {
		case closed:
			return
		case ready:
			s.loop.Post(task(func() {
				s.serve()
				served <- struct{}{}
			}))
			<-served
		default:
			select {
			case <-in:
			case <-out:
			case <-s.changed:
			}
		}
	}
}

type task func()

func (t task) Run() { t() }

// serve handles one event like an epoll loop.
func (s *memSocket) serve() {
	state, _, _ := s.near.State()
	watched := func() (readable, writable, closed bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.readable, s.writable, s.closed
	}
	if _, writable, closed := watched(); writable && !closed && (state.Writable || state.HungUp) {
		s.handler.Writable()
	}
	switch readable, _, closed := watched(); {
	case closed:
	case readable && state.Readable:
		n, err := s.near.Read(s.buffer[:])
		if err != nil {
			s.noteEnd()
			s.handler.Ended(err)
			return
		}
		s.handler.Receive(s.buffer[:n], time.Now())
	case !readable && state.HungUp:
		s.handler.Ended(net.ErrClosed)
	case !readable && state.Ended && s.noteEnd():
		s.handler.Ended(epoll.ErrUnread)
	}
}

// noteEnd notes that the handler knows of the end, and reports whether it did not know before.
func (s *memSocket) noteEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.ended
	s.ended = true
	return !known
}
