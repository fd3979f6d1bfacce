package actors

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Bounds of the sessions that have no connection. Beyond them, those that have been away longest end before their window does.
const (
	maxAway      = 1 << 16  // sessions
	maxAwayBytes = 64 << 20 // bytes of messages that wait for them
)

// away holds the sessions that have no connection, those that have been away longest first. All have the same window. So one
// timer serves them all.
type away struct {
	window time.Duration
	root   *actor.RootContext

	most, mostBytes int // maxAway and maxAwayBytes

	mu      sync.Mutex
	list    absence // the ring's head: next has been away longest
	count   int
	bytes   int
	timer   *time.Timer
	stopped bool
}

// absence is one session's place in away.
type absence struct {
	away       *away
	prev, next *absence // guarded by away.mu; nil when the absence is over or has been ended
	session    *actor.PID
	until      time.Time
	bytes      int // guarded by away.mu
}

// expired tells a session that its absence has lasted too long.
type expired struct{ absence *absence }

// IgnoreDeadLetterLogging keeps protoactor from logging it.
func (expired) IgnoreDeadLetterLogging() {}

func (a *away) init(root *actor.RootContext, window time.Duration) {
	a.root, a.window = root, window
	a.most, a.mostBytes = maxAway, maxAwayBytes
	a.list.prev, a.list.next = &a.list, &a.list
}

// begin begins the absence of a session for which this number of bytes wait.
func (a *away) begin(session *actor.PID, bytes int) *absence {
	s := &absence{away: a, session: session, until: time.Now().Add(a.window), bytes: bytes}
	a.mu.Lock()
	s.prev, s.next = a.list.prev, &a.list
	s.prev.next, s.next.prev = s, s
	a.count++
	a.bytes += bytes
	ends := a.trim()
	a.schedule()
	a.mu.Unlock()
	a.expire(ends)
	return s
}

// end ends an absence, because the session has a connection again or has ended.
func (s *absence) end() {
	a := s.away
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.next != nil {
		a.remove(s)
		a.schedule()
	}
}

// grow counts bytes that wait for the session from now on.
func (s *absence) grow(n int) {
	a := s.away
	a.mu.Lock()
	var ends []*absence
	if s.next != nil {
		s.bytes += n
		a.bytes += n
		ends = a.trim()
		a.schedule()
	}
	a.mu.Unlock()
	a.expire(ends)
}

// remove takes a session out. The caller holds mu.
func (a *away) remove(s *absence) {
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	a.count--
	a.bytes -= s.bytes
}

// trim takes out the sessions that are over the bounds. The caller holds mu and expires them when it does not hold it any more.
func (a *away) trim() (ends []*absence) {
	for a.count > a.most || a.bytes > a.mostBytes {
		s := a.list.next
		a.remove(s)
		ends = append(ends, s)
	}
	return ends
}

// schedule sets the timer to the end of the first window. The caller holds mu.
func (a *away) schedule() {
	if a.timer != nil {
		if a.count == 0 {
			a.timer.Stop()
			a.timer = nil
		}
		return
	}
	if a.count > 0 && !a.stopped {
		a.timer = time.AfterFunc(time.Until(a.list.next.until), a.sweep)
	}
}

// sweep ends the absences whose windows have passed.
func (a *away) sweep() {
	now := time.Now()
	a.mu.Lock()
	a.timer = nil
	var ends []*absence
	for s := a.list.next; s != &a.list && !now.Before(s.until); s = a.list.next {
		a.remove(s)
		ends = append(ends, s)
	}
	a.schedule()
	a.mu.Unlock()
	a.expire(ends)
}

// expire tells the sessions that their absences have lasted too long.
func (a *away) expire(ends []*absence) {
	for _, s := range ends {
		a.root.Send(s.session, expired{s})
	}
}

// stop ends the timer. No absence expires any more.
func (a *away) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}
