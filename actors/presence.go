package actors

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// presenceInterval is how long changes are collected before the watchers are told. The protocol allows a second.
const presenceInterval = 200 * time.Millisecond

// presence knows which sessions watch which logins. The registry notes each login that comes or goes, but only while somebody
// watches. A round tells the watchers of the logins that were noted since the round before.
//
// A watcher compares what it told its client with the directory. So a login that went and came back in between is no change.
type presence struct {
	root *actor.RootContext
	off  bool

	count atomic.Int64 // of watches

	mu       sync.Mutex
	watches  map[*session]*watch
	watchers map[string]map[*watch]int // by the key of a login; the value is the login's place in the watch
	changed  map[string]bool           // the keys noted since the last round

	// follow asks the cluster to tell of all changes, or not to. It is nil if the service is alone.
	follow    func(on bool)
	elsewhere map[string]elsewhere // what is known of watched logins at other nodes
	change    uint64               // the number of the last change there
	missing   map[string]bool      // watched logins of which the cluster could not say where they are; nil if there are none
	again     *time.Timer          // asks for those once more; nil if there are none

	due     []*watch    // those that the next round tells
	timer   *time.Timer // nil while no round is due
	stopped bool
}

// watch is what one session watches.
type watch struct {
	session *actor.PID
	logins  []watched
	noted   []int // places in logins that may have changed; guarded by presence.mu
	due     bool  // it is in presence.due; guarded by presence.mu
	told    bool  // the client was told of all its logins; it belongs to the session
}

// watched is one login of a watch. It belongs to the session.
type watched struct {
	shown  string // as the watch spells it
	key    string // "" if nobody may have the login
	online bool   // as the client was told
}

// news tells a session that logins of its watch may have changed.
type news struct{ watch *watch }

func (p *presence) init(root *actor.RootContext, off bool) {
	p.root, p.off = root, off
	p.watches, p.watchers, p.changed = map[*session]*watch{}, map[string]map[*watch]int{}, map[string]bool{}
	p.elsewhere = map[string]elsewhere{}
}

// newWatch returns a watch of logins. Of two that are the same login, the first counts.
func newWatch(session *actor.PID, logins [][]byte) *watch {
	w := &watch{session: session, logins: make([]watched, 0, len(logins))}
	known := make(map[string]bool, len(logins))
	for _, login := range logins {
		name := watched{shown: string(login)}
		same := "\x00" + name.shown // no key has a control character
		if key, ok := messages.LoginKey(nil, login); ok {
			name.key = string(key)
			same = name.key
		}
		if !known[same] {
			known[same] = true
			w.logins = append(w.logins, name)
		}
	}
	return w
}

// replace makes w the watch of a session. Nil, and a watch of no logins, end the session's watch.
func (p *presence) replace(s *session, w *watch) {
	if w != nil && len(w.logins) == 0 {
		w = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.follow != nil {
		defer func() { p.follow(len(p.watches) > 0) }()
	}
	if before := p.watches[s]; before != nil {
		for _, login := range before.logins {
			set := p.watchers[login.key]
			if delete(set, before); len(set) == 0 {
				delete(p.watchers, login.key)
				delete(p.elsewhere, login.key)
			}
		}
		delete(p.watches, s)
		p.count.Add(-1)
	}
	if w == nil {
		return
	}
	p.count.Add(1)
	p.watches[s] = w
	for i, login := range w.logins {
		if login.key == "" {
			continue
		}
		if p.watchers[login.key] == nil {
			p.watchers[login.key] = map[*watch]int{}
		}
		p.watchers[login.key][w] = i
	}
}

// forget ends the watch of a session that has ended, if it has one.
func (p *presence) forget(s *session) {
	if p.count.Load() > 0 {
		p.replace(s, nil)
	}
}

// of returns the watch of a session, or nil.
func (p *presence) of(s *session) *watch {
	if p.count.Load() == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watches[s]
}

// note notes that a login has come or gone. The directory shows the change already.
func (p *presence) note(key string) {
	if p.count.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchers[key] != nil {
		p.changed[key] = true
		p.schedule()
	}
}

// schedule makes a round come. The caller holds mu.
func (p *presence) schedule() {
	if p.timer == nil && !p.stopped {
		p.timer = time.AfterFunc(presenceInterval, p.round)
	}
}

// round tells the watchers of what has changed.
func (p *presence) round() {
	p.mu.Lock()
	p.timer = nil
	for key := range p.changed {
		for w, place := range p.watchers[key] {
			p.add(w)
			if !slices.Contains(w.noted, place) { // a slow reader may not be told for long
				w.noted = append(w.noted, place)
			}
		}
	}
	clear(p.changed)
	told := p.due
	p.due = nil
	for _, w := range told {
		w.due = false
	}
	p.mu.Unlock()
	for _, w := range told {
		p.root.Send(w.session, news{w})
	}
}

// take returns the places of the logins of w that may have changed.
func (p *presence) take(w *watch) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	noted := w.noted
	w.noted = nil
	return noted
}

// postpone puts a watcher off until the next round.
func (p *presence) postpone(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(w)
	p.schedule()
}

// add makes the next round tell a watcher. The caller holds mu.
func (p *presence) add(w *watch) {
	if !w.due {
		w.due = true
		p.due = append(p.due, w)
	}
}

// stop ends the rounds.
func (p *presence) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.again != nil {
		p.again.Stop()
	}
}
