package actors

import (
	"maps"
	"slices"
	"time"
)

// elsewhere is what is known of a watched login at other nodes.
type elsewhere struct {
	online bool
	change uint64 // the number of the change that said so
}

// located tells a session which of the logins that it watches are online at other nodes. Until then its watch is not answered.
type located struct{ watch *watch }

// askAgain is how long a watched login waits until the cluster is asked for it again, because it could not say.
const askAgain = time.Second

// locate asks the cluster for the logins with these keys, and calls done when what it has answered is known. A login of which it knows
// nothing stays as it was, and is asked for again.
func (s *System) locate(keys []string, done func()) {
	p := &s.presence
	p.mu.Lock()
	asked := p.change
	p.mu.Unlock()
	s.cluster.Online(keys, func(online, known []bool) {
		p.mu.Lock()
		for i, key := range keys {
			switch {
			case p.watchers[key] == nil || p.elsewhere[key].change > asked: // what has changed since is newer
			case known[i]:
				p.elsewhere[key] = elsewhere{online[i], asked}
				p.changed[key] = true
			default:
				p.miss(key, s.relocate)
			}
		}
		p.schedule()
		p.mu.Unlock()
		done()
	})
}

// relocate asks again for the logins that the cluster could not locate.
func (s *System) relocate() {
	p := &s.presence
	p.mu.Lock()
	var keys []string
	for key := range p.missing {
		if p.watchers[key] != nil {
			keys = append(keys, key)
		}
	}
	p.missing, p.again = nil, nil
	p.mu.Unlock()
	if len(keys) > 0 {
		s.locate(keys, func() {})
	}
}

// miss notes that a login is to be asked for again, and has ask called in a while. The caller holds mu.
func (p *presence) miss(key string, ask func()) {
	if p.stopped {
		return
	}
	if p.missing == nil {
		p.missing = map[string]bool{}
		p.again = time.AfterFunc(askAgain, ask)
	}
	p.missing[key] = true
}

// Changed says that somebody at any node has a login now, or nobody.
func (s *System) Changed(key string, online bool) {
	p := &s.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchers[key] == nil {
		return
	}
	p.change++
	p.elsewhere[key] = elsewhere{online, p.change}
	p.changed[key] = true
	p.schedule()
}

// Follows says that from now on [System.Changed] is called for each change. What is watched is asked for again, because changes may
// have been missed.
func (s *System) Follows() {
	p := &s.presence
	p.mu.Lock()
	keys := slices.Collect(maps.Keys(p.watchers))
	p.mu.Unlock()
	if len(keys) > 0 {
		s.locate(keys, func() {})
	}
}

// isOnline reports whether somebody has the login with this key.
func (s *System) isOnline(key string) bool {
	if key == "" {
		return false
	}
	if s.directory.owner([]byte(key)) != nil {
		return true
	}
	if s.cluster == nil {
		return false
	}
	s.presence.mu.Lock()
	defer s.presence.mu.Unlock()
	return s.presence.elsewhere[key].online
}

// keys returns the keys of the logins of a watch.
func (w *watch) keys() []string {
	keys := make([]string, 0, len(w.logins))
	for _, login := range w.logins {
		if login.key != "" {
			keys = append(keys, login.key)
		}
	}
	return keys
}
