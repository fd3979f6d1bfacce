package actors

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Bounds of the sessions that have no connection. Beyond them, those that have been away longest end before their window does.
const (
	maxAway      = 1 << 16  // sessions
	maxAwayBytes = 64 << 20 // bytes that the messages that wait for them occupy
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
	timer   *time.Timer // made once
	pending bool        // the timer runs
	stopped bool
}

// absence is one session's place in away.
type absence struct {
	away       *away
	prev, next *absence // guarded by away.mu; nil when the absence is over or has been ended
	session    *actor.PID
	until      time.Time
	bytes      int  // guarded by away.mu
	ceded      bool // the absence ended early, for another session; guarded by away.mu
}

// expired tells a session that its absence has lasted too long.
type expired struct{ absence *absence }

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

// end ends an absence, because the session has a connection again or has ended. It reports whether the absence had ended before, for
// another session.
func (s *absence) end() (ceded bool) {
	a := s.away
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.next != nil {
		a.remove(s)
		a.schedule()
	}
	return s.ceded
}

// cede ends the absence of the session that has been away longest, for another session. It returns false if no more than most are away.
func (a *away) cede(most int) bool {
	a.mu.Lock()
	if a.count <= most {
		a.mu.Unlock()
		return false
	}
	s := a.list.next
	s.ceded = true
	a.remove(s)
	a.schedule()
	a.mu.Unlock()
	a.expire([]*absence{s})
	return true
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

// schedule makes the timer run until the end of the first window, or a little less, while there is one. The caller holds mu.
func (a *away) schedule() {
	runs := a.count > 0 && !a.stopped
	switch {
	case runs == a.pending:
		return
	case !runs:
		a.timer.Stop()
	case a.timer == nil:
		a.timer = time.AfterFunc(time.Until(a.list.next.until), a.sweep)
	default:
		a.timer.Reset(time.Until(a.list.next.until))
	}
	a.pending = runs
}

// sweep ends the absences whose windows have passed.
func (a *away) sweep() {
	now := time.Now()
	a.mu.Lock()
	a.pending = false
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
	a.schedule()
}
