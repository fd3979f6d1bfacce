package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"p2p-messaging/messages"
)

// session is one login.
type session struct {
	login  string
	secret string     // the newest one
	token  string     // the newest one, or ""
	known  bool       // the service has accepted the login
	kept   bool       // the service keeps the session
	asked  bool       // the login was sent on some connection
	result chan error // gets the outcome of the login
	ledger *ledger
	watch  []byte        // the text of the last watch; nil without one
	gone   bool          // the login is being given up …
	hurry  bool          // … and a wait is to end for that
	left   chan struct{} // closed when it is
}

// leavingID is the id of the ping whose pong shows that the service has read the logout before it.
const leavingID = "logout"

// newSecret returns 128 random bits as base64url.
func newSecret() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// The callers of the functions below hold the lock.

// answered handles the answer to a login. It returns what was lost if the session has begun anew, and an error if the connection is
// to end.
func (k *keeper) answered(l *line, c *connection, s *session, m Message) (lost *SessionLostError, err error) {
	defer k.poke()
	if refusal := m.refusal(); refusal != nil {
		switch {
		case s.gone && !(s.known && isPassing(m.code)):
			k.hasLeft() // somebody else has the login, or nobody may
		case !s.known:
			k.session = nil
			s.result <- refusal
		default:
			return nil, refusal
		}
		l.asked = time.Time{}
		return nil, nil
	}
	now := time.Now()
	l.accepted = now
	l.pingNow = true
	s.kept = m.resume != ""
	if s.kept {
		s.secret = m.resume
		c.holdPings() // until the first confirmation: the answer to a ping would confirm what nobody has received yet
	}
	if m.resumed {
		if !m.received.ok {
			return nil, &breachError{errCounts}
		}
		if err := s.ledger.resume(m.received.n); err != nil {
			return nil, &breachError{err}
		}
	} else if s.known {
		lost = k.beginAgain(s)
	}
	if !s.known {
		s.known = true
		s.result <- nil
		if s.gone { // nobody waits for the result
			k.addLogout(s)
		}
	}
	if !s.gone {
		k.tokens.hold(s.login, s.token)
	}
	k.announce()
	return lost, nil
}

// beginAgain goes on with a session that has begun anew on the service. It returns what was lost.
func (k *keeper) beginAgain(s *session) *SessionLostError {
	lost := s.lost(nil)
	s.ledger = &ledger{}
	if s.watch != nil {
		s.ledger.add(s.watch)
	}
	if s.gone {
		k.addLogout(s)
	}
	return lost
}

// lost returns what nobody has confirmed. It leaves out what the client itself says again.
func (s *session) lost(reason error) *SessionLostError {
	unknown, unsent := s.ledger.lost()
	lost := &SessionLostError{Err: reason}
	for _, part := range []struct {
		from [][]byte
		to   *[][]byte
	}{{unknown, &lost.Unknown}, {unsent, &lost.Unsent}} {
		for _, text := range part.from {
			if m, err := parse(text); err == nil && (isOwn(m.Type)) {
				continue
			}
			*part.to = append(*part.to, text)
		}
	}
	return lost
}

// isOwn reports whether the client itself sends messages of a type, and says again what is lost of them.
func isOwn(typ string) bool {
	switch typ {
	case messages.TypeLogout.String(), messages.TypeWatch.String(), messages.TypeToken.String():
		return true
	}
	return false
}

// renew queues a fresh token of a login.
func (k *keeper) renew(login, token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.session; s != nil && s.known && !s.gone && s.login == login {
		s.token = token
		s.ledger.add(tokenText(token))
		k.poke()
	}
}

// refresh gets a token for the next attempt to log in.
func (k *keeper) refresh(ctx context.Context) error {
	k.mu.Lock()
	s := k.session
	k.mu.Unlock()
	if s == nil {
		return nil
	}
	token, err := k.tokens.get(ctx, s.login)
	if err != nil {
		return fmt.Errorf("no token: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.token = token
	return nil
}

// addLogout queues the logout of s.
func (k *keeper) addLogout(s *session) {
	text, err := loginText(messages.TypeLogout, s.login, "")
	if err == nil { // the login has been written before
		s.ledger.add(text)
	}
}

// hasLeft ends the current session, whose login is free.
func (k *keeper) hasLeft() {
	s := k.session
	k.session = nil
	k.tokens.drop()
	l := k.line
	l.asked, l.accepted, l.leaving, l.pings = time.Time{}, time.Time{}, false, 0
	close(s.left)
	k.announce()
	k.poke()
}

// giveUp begins to give a login up.
func (k *keeper) giveUp(s *session) {
	switch {
	case s.gone:
	case !s.asked:
		k.session = nil
		close(s.left)
	default:
		s.gone, s.hurry = true, true
		if s.known {
			k.addLogout(s)
		}
	}
	k.poke()
	k.announce()
}
