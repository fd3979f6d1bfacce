package actors

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// tokens knows when the tokens of sessions end. The one that ends first is first. So one timer serves all. A service without
// tokens stores nothing here, and nothing more in its sessions.
type tokens struct {
	root *actor.RootContext

	count atomic.Int64 // of sessions whose place is not 0

	mu      sync.Mutex
	ends    tokenEnds
	timer   *time.Timer
	wakeAt  int64 // when the timer runs out; 0 while it does not run
	stopped bool
}

// tokenEnd says when the token of a session ends, in Unix milliseconds.
type tokenEnd struct {
	at      int64
	session *session
}

// overdue is the place of a session that is being told that its token has ended. The place of any other session is that of its
// entry in tokens.ends, counted from 1.
const overdue = math.MaxUint32

// smallestTokens is the capacity below which the heap is not made smaller.
const smallestTokens = 1024

// tokenEnded tells a session that its token has ended.
type tokenEnded struct{}

// set says when the token of a session ends, instead of what was said before. The zero time means never.
func (t *tokens) set(s *session, ends time.Time) {
	if ends.IsZero() && t.count.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case s.place == overdue:
		s.place = 0
		t.count.Add(-1)
	case s.place != 0:
		t.remove(int(s.place) - 1)
	}
	if !ends.IsZero() {
		t.count.Add(1)
		heap.Push(&t.ends, tokenEnd{ends.UnixMilli(), s})
	}
	t.schedule()
}

// forget drops what was said of a session that has ended.
func (t *tokens) forget(s *session) { t.set(s, time.Time{}) }

// take reports whether the token of a session has ended, and no fresh one has come. It says so once.
func (t *tokens) take(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.place != overdue {
		return false
	}
	s.place = 0
	t.count.Add(-1)
	return true
}

// schedule makes the timer run until the first end. The caller holds mu.
func (t *tokens) schedule() {
	first := int64(0)
	if len(t.ends) > 0 && !t.stopped {
		first = t.ends[0].at
	}
	if first == t.wakeAt {
		return
	}
	t.wakeAt = first
	switch wait := time.Until(time.UnixMilli(first)); {
	case first == 0:
		t.timer.Stop()
	case t.timer == nil:
		t.timer = time.AfterFunc(wait, t.sweep)
	default:
		t.timer.Reset(wait)
	}
}

// sweep tells the sessions whose tokens have ended.
func (t *tokens) sweep() {
	now := time.Now().UnixMilli()
	var ended []*session
	t.mu.Lock()
	for len(t.ends) > 0 && t.ends[0].at <= now && !t.stopped {
		s := t.ends[0].session
		t.remove(0)
		s.place = overdue
		t.count.Add(1)
		ended = append(ended, s)
	}
	t.wakeAt = 0
	t.schedule()
	t.mu.Unlock()
	for _, s := range ended {
		t.root.Send(s.pid(), tokenEnded{})
	}
}

// stop ends the timer.
func (t *tokens) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.schedule()
}

// remove removes the entry at index i. The caller holds mu.
func (t *tokens) remove(i int) {
	heap.Remove(&t.ends, i)
	t.count.Add(-1)
	if cap(t.ends) > smallestTokens && 4*len(t.ends) < cap(t.ends) {
		t.ends = append(make(tokenEnds, 0, 2*len(t.ends)), t.ends...)
	}
}

// tokenEnds implements [heap.Interface]. Each session in it knows its place.
type tokenEnds []tokenEnd

func (e tokenEnds) Len() int           { return len(e) }
func (e tokenEnds) Less(i, j int) bool { return e[i].at < e[j].at }

func (e tokenEnds) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].session.place, e[j].session.place = uint32(i)+1, uint32(j)+1
}

func (e *tokenEnds) Push(x any) {
	*e = append(*e, x.(tokenEnd))
	(*e)[len(*e)-1].session.place = uint32(len(*e))
}

func (e *tokenEnds) Pop() any {
	last := len(*e) - 1
	entry := (*e)[last]
	entry.session.place = 0
	(*e)[last] = tokenEnd{}
	*e = (*e)[:last]
	return entry
}
