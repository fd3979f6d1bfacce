package actors

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

const (
	// movedFor is how long a node passes on what it learns of messages that a session had sent before it moved to another node,
	// besides the window in which their receivers may have been away: until these have confirmed, or are missed.
	movedFor = 2 * time.Minute
	// maxAncestors is how many of the ids that a session has had at other nodes are known.
	maxAncestors = 8
)

// departures holds the ids of the sessions that have moved to other nodes not long ago, or may have.
type departures struct {
	mu    sync.Mutex
	ids   map[string]bool
	order []departure
}

// departure is a session that has moved, or may have.
type departure struct {
	id  string
	end time.Time // when it is forgotten
}

func (d *departures) note(id string, keep time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for len(d.order) > 0 && d.order[0].end.Before(now) {
		delete(d.ids, d.order[0].id)
		d.order = d.order[1:]
	}
	if d.ids == nil {
		d.ids = map[string]bool{}
	}
	d.ids[id] = true
	d.order = append(d.order, departure{id, now.Add(keep)})
}

func (d *departures) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[id]
}

// pursue tells a session that has moved to another node what a session here would be told.
func (s *System) pursue(m *messages.Return) {
	if sender, ok := m.Sender.(*actor.PID); ok && s.cluster != nil && s.departures.has(sender.Id) {
		s.Pursue(sender.Id, m.Refusal, bytes.Clone(m.RawTo))
	}
}

// Pursue tells the session that a message came from that it was not delivered, if the session has moved since. Sender is the id that
// the session had.
func (s *System) Pursue(sender string, code messages.Code, rawTo []byte) {
	if strings.IndexByte(sender, shownMark) >= 0 { // another node may have said anything
		s.cluster.Inform(sessionKey(actor.NewPID("", sender)), sender, code, rawTo)
	}
}

// Inform tells a session that has come from another node that a message of its client was not delivered. Sender is the id that the
// session had when it sent the message. Inform returns false if no session has the login. Another session is not told.
func (s *System) Inform(key, sender string, code messages.Code, rawTo []byte) bool {
	owner := s.directory.owner([]byte(key))
	if owner == nil {
		return false
	}
	if owner.pid().Id == sender || owner.descends(sender) {
		s.Tell(owner.pid().Id, code, rawTo)
	}
	return true
}

// descends reports whether the session had this id at another node. It may be called from any goroutine.
func (s *session) descends(id string) bool {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	if s.connection == nil {
		return false
	}
	k := s.kept()
	if k == nil {
		return false
	}
	u := k.underway.Load()
	return u != nil && slices.Contains(u.ancestors, id)
}

// laterBy is how long a session waits that does not know yet at which node it goes on.
const laterBy = 20 * time.Millisecond

// later sends a session a message again in a moment.
func (s *System) later(session *actor.PID, m any) {
	time.AfterFunc(laterBy, func() { s.root.Send(session, m) })
}
