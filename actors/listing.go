package actors

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"p2p-messaging/messages"
)

// SessionState says what the service knows of one session.
type SessionState struct {
	Login   string // as its client has typed it
	Away    bool   // the session is kept and has no connection now
	Kept    bool   // the session would outlive its connection
	Waiting int    // bytes that wait for the client, as [Options.QueueLimit] counts them
	PeerJS  bool   // Login is the id of a PeerJS client
}

// ErrCursor is the error of [System.List] for a cursor that List has not returned.
var ErrCursor = errors.New("this is no cursor of this service: begin without one")

// List returns the sessions behind a cursor, limit of them at most, and the cursor of those that follow. The first page has the empty
// cursor, and so has what follows the last page. Whoever is there from the first page to the last is listed once. The order means
// nothing. A page looks at a small part of all sessions, and no lock is held that more than one session needs.
func (s *System) List(cursor string, limit int) (page []SessionState, next string, err error) {
	part, after, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	for ; part < len(s.directory.parts); part++ {
		owners := s.directory.parts[part].Load().sorted(after)
		for i, owner := range owners {
			if len(page) == limit {
				return page, formatCursor(part, after), nil
			}
			after = owners[i].key
			if state, ok := owner.session.state(); ok {
				page = append(page, state)
			}
		}
		after = ""
	}
	return page, "", nil
}

// Find returns the state of the session that owns a login, and false if nobody does.
func (s *System) Find(login string) (SessionState, bool) {
	owner := s.ownerOf(login)
	if owner == nil {
		return SessionState{}, false
	}
	return owner.state()
}

// End ends the session that owns a login, with [messages.CloseEnded]. It reports whether there is one. What others have sent and the
// client has not confirmed is handed back to them.
func (s *System) End(login string) bool {
	owner := s.ownerOf(login)
	if owner == nil {
		return false
	}
	s.root.Send(owner.pid(), dismissal{})
	return true
}

// FindPeer returns the state of the PeerJS client that has an id, and false if nobody has.
func (s *System) FindPeer(id string) (SessionState, bool) {
	owner := s.directory.owner([]byte(messages.PeerKey(id)))
	if owner == nil {
		return SessionState{}, false
	}
	return owner.state()
}

// EndPeer ends the session of the PeerJS client that has an id, as End does. The id is free then.
func (s *System) EndPeer(id string) bool {
	owner := s.directory.owner([]byte(messages.PeerKey(id)))
	if owner == nil {
		return false
	}
	if _, registered := owner.state(); !registered { // messages wait for the id, and nobody has it
		return false
	}
	s.root.Send(owner.pid(), dismissal{})
	return true
}

// ownerOf returns the session that owns a login, or nil.
func (s *System) ownerOf(login string) *session {
	var buf [messages.MaxLoginCharacters]byte
	key, ok := messages.LoginKey(buf[:0], []byte(login))
	if !ok {
		return nil
	}
	return s.directory.owner(key)
}

// keyed is a session and its key.
type keyed struct {
	key     string
	session *session
}

// sorted returns the sessions of a part whose keys are greater than after, in the order of their keys.
func (t *table) sorted(after string) []keyed {
	var all []keyed
	for i := range t.owners {
		if owner := t.owners[i].Load(); owner != nil {
			if key := owner.key(); key > after {
				all = append(all, keyed{key, owner})
			}
		}
	}
	slices.SortFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	return all
}

// state returns the state of the session, and false if it has ended.
func (s *session) state() (SessionState, bool) {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	if s.connection == nil || s.mailbox.closed {
		return SessionState{}, false
	}
	_, away := s.link().(absent)
	if p, ok := s.mailbox.invoker.Actor().(*peerSession); ok {
		return SessionState{Login: p.id(), Away: away, Waiting: s.waiting(), PeerJS: true}, p.guarded
	}
	return SessionState{Login: sessionLogin(s.pid().Id), Away: away, Kept: s.kept() != nil, Waiting: s.waiting()}, true
}

// The index of a part of the directory fits into a byte, or this does not compile.
const _ = byte(len(directory{}.parts) - 1)

// A cursor is the index of a part of the directory, in one byte, and the last key of it that was listed.
func formatCursor(part int, after string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(part)}, after...))
}

func parseCursor(cursor string) (part int, after string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) == 0 {
		return 0, "", ErrCursor
	}
	return int(b[0]), string(b[1:]), nil
}
