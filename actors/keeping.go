package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// absent is the Link of a session that has no connection.
type absent struct{}

func (absent) Send([]byte) bool                 { return false }
func (absent) Deliver(*messages.Deliver) bool   { return false }
func (absent) Waiting() int                     { return 0 }
func (absent) Close(messages.CloseCode, string) {}
func (absent) LoggedIn()                        {}
func (absent) Admit(bool) bool                  { return true }
func (absent) Exhausted() bool                  { return false }
func (absent) CountLogin()                      {}
func (absent) Address() uint64                  { return 0 }
func (absent) Charge(int)                       {}
func (absent) Ping()                            {}
func (absent) Abandon()                         {}
func (absent) Resume()                          {}

// serve makes a connection that of the session, or nil when the session has ended. The mailbox's lock guards it, because senders
// ask a kept session how much waits, and [System.List] asks every session.
func (s *session) serve(c *Connection) {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	s.connection = c
}

// welcome tells the client of a new session that the login is accepted.
func (s *session) welcome(m welcome) {
	if m.moved != nil {
		s.resumed(m.moved)
		return
	}
	s.link().Send(s.accepted())
}

// accepted returns the reply to a login that is accepted.
func (s *session) accepted() []byte {
	k := s.kept()
	if k == nil {
		return messages.AppendLoginAccepted(nil, s.iceServers())
	}
	id := s.pid().Id
	return messages.AppendKeptLoginAccepted(nil, messages.KeptLogin{
		Login:    sessionLogin(id),
		Resume:   s.system().secretOf(id, k.generation),
		Window:   int(s.system().away.window / time.Second),
		Brought:  k.brought != nil,
		Resumed:  k.brought != nil && !k.brought.began,
		Received: k.received,
	}, s.iceServers())
}

// count counts a message of the client. It returns false if the message came on a connection that the session does not serve any
// more. Such a message is not acted on.
func (s *session) count(k *kept, m *messages.Send) bool {
	if m.Origin != any(s.connection) {
		return false
	}
	if k.brought != nil {
		k.shown(s.system())
		if k.retained != nil {
			s.ask(k)
		}
	}
	if m.Type.Counted() && !m.Uncounted {
		k.received++
	}
	return true
}

// pong answers a ping, and lets go what it confirms.
func (s *session) pong(m *messages.Send) {
	k := s.kept()
	if k == nil || m.Request == nil {
		s.link().Send(messages.AppendPong(nil, m.RawID))
		return
	}
	k.confirms = true
	if m.Request.Received.OK {
		k.confirm(m.Request.Received.N, s.system())
	}
	s.link().Send(messages.AppendKeptPong(nil, m.RawID, k.underway.Load().before(k.received)))
}

// ponged lets go what the answer to a WebSocket ping confirms, if the client confirms nothing itself.
func (s *session) ponged(m ponged) {
	if k := s.kept(); k != nil && m.connection == s.connection && !k.confirms && k.brought == nil {
		k.confirm(m.queued-uint64(k.mark)<<32, s.system()) // beyond what was sent if the ping was not for this session
	}
}

// keep retains a message for the client and queues it, if there is a connection.
func (s *session) keep(k *kept, m *messages.Deliver) {
	m.Retained = true
	s.link().Deliver(m) // if the link does not take it, it is sent again on the next one
	k.retain(m)
	k.queued.Store(k.sent)
	s.ask(k)
}

// ask sends a WebSocket ping if the next message may be refused because of what is unconfirmed. While a secret that was brought
// holds, the answer would confirm nothing.
func (s *session) ask(k *kept) {
	limit := s.mailbox.terms.limit
	room := limit - int(k.bytes.Load())
	if !k.confirms && !k.asked && k.brought == nil && room < max(limit/2, messages.MaxMessageBytes) {
		k.asked = true
		s.link().Ping()
	}
}

// tellKept retains and queues a message of the service itself. A client that does not confirm what it is told is bounded too.
func (s *session) tellKept(ctx actor.Context, k *kept, text []byte) {
	m := messages.NewAnswer(text)
	if int(k.bytes.Load())+weight((*messages.Deliver)(m)) > 2*s.mailbox.terms.limit {
		m.Release()
		s.link().Close(messages.ClosePolicyViolation, "too much that you have not confirmed")
		s.depart(ctx)
		return
	}
	s.keep(k, (*messages.Deliver)(m))
}

// takeOver decides a claim on this session's login that brings a secret.
func (s *session) takeOver(ctx actor.Context, c *claim) {
	if !s.owned(ctx) {
		c.ending = s
		ctx.Send(s.system().registry, (*succeed)(c))
		return
	}
	k := s.kept()
	if k != nil && k.moving.Load() { // its client has asked another node for it, and soon one of the two has it
		c.ending = s
		ctx.Send(s.system().registry, (*succeed)(c))
		s.unmoved(unmoved{})
		return
	}
	from, held := s.show(k, Resumption{c.secret, c.received})
	switch held {
	case noProof:
		s.system().counts.resumesRefused.Add(1)
		if !c.connection.link.Admit(false) {
			c.connection.refused(messages.CodeTooMany)
			return
		}
		c.connection.refused(messages.CodeLoginTaken)
	case wrongCount:
		s.restart(ctx, c)
	default:
		// The reply tells the client how many of its messages the service has. So each must have its outcome.
		if !s.postpone(k, (*takeOver)(c)) {
			s.resume(k, c, from)
		}
	}
}

// show says what the secret of a login proves. If it holds, show notes that it was brought, and returns how many
// messages the client has. K is nil if the session is not kept.
func (s *session) show(k *kept, r Resumption) (from uint64, held proof) {
	if k == nil {
		return 0, noProof
	}
	held = k.prove(r.Secret, s.system().secretOf(s.pid().Id, k.generation))
	if held == next {
		k.shown(s.system()) // may confirm messages, and the count must not reach back behind those
	}
	switch {
	case held == noProof:
		return 0, noProof
	case held == again && k.brought.began:
		return 0, again
	case !r.Received.OK || r.Received.N < k.confirmed || r.Received.N > k.sent:
		return 0, wrongCount
	case held == next:
		k.generation++
		k.bring(r.Secret)
	}
	k.brought.received = r.Received.N
	return r.Received.N, held
}

// resume goes on with another connection, behind what its client has received.
func (s *session) resume(k *kept, c *claim, received uint64) {
	if k.absence != nil {
		k.absence.end()
		k.absence = nil
	} else {
		s.link().Abandon()
	}
	s.system().tokens.set(s, c.ends)
	k.undelivered.Store(false)
	k.queued.Store(0)
	k.asked = false
	c.connection.kept.Store(k)
	s.serve(c.connection)
	s.link().LoggedIn()
	s.link().Send(s.accepted())
	for _, m := range k.behind(received) {
		s.link().Deliver(m.(*messages.Deliver))
	}
	k.queued.Store(k.sent)
	if w := s.system().presence.of(s); w != nil && w.told { // otherwise located tells all
		s.tellPresence(w)
	}
	s.system().counts.resumed.Add(1)
	c.connection.granted(s.pid())
}

// restart ends the session, because a secret that holds came with a count that does not. A new one begins under the login.
func (s *session) restart(ctx actor.Context, c *claim) {
	s.link().Abandon()
	c.ending, c.proven = s, true
	ctx.Send(s.system().registry, (*succeed)(c))
	s.depart(ctx)
}

// disconnected goes on without a connection if the session is kept, and ends otherwise.
func (s *session) disconnected(ctx actor.Context, m disconnected) {
	if m.connection != s.connection {
		return // it was taken over
	}
	k := s.kept()
	if k == nil || m.final {
		s.depart(ctx)
		return
	}
	s.goAway(k)
}

// goAway goes on without a connection, for the window.
func (s *session) goAway(k *kept) {
	s.link().Abandon() // what it has not sent yet is sent on the next one
	stands := &Connection{system: s.system(), link: absent{}}
	stands.kept.Store(k)
	s.serve(stands)
	k.absence = s.system().away.begin(s.pid(), k.memory())
}

// expired ends a session that was away for too long.
func (s *session) expired(ctx actor.Context, m expired) {
	if k := s.kept(); k != nil && k.absence == m.absence && !k.moving.Load() {
		s.depart(ctx)
	}
}

// loggedOut goes on as a session that is not kept. What is queued in the link still goes out. If that has dropped any of it, the
// senders of all that the client has not confirmed are told.
func (s *session) loggedOut(k *kept) {
	s.connection.kept.Store(nil)
	if k.undelivered.Load() {
		k.letGo(s.returns)
		return
	}
	k.letGo(s.system().settled)
}

// returns tells the sender of a message that the client has not confirmed, if it is not the service's own.
func (s *session) returns(m *messages.Deliver) {
	if m.Sender == nil {
		(*messages.Relay)(m).Release()
		return
	}
	s.system().handBack(m, messages.CodePeerUnavailable)
}

// letGo tells the senders of all messages that the client has not confirmed. The session is ending.
func (s *session) letGo() {
	k := s.kept()
	if k == nil {
		return
	}
	k.letGo(s.returns)
	if k.moving.Load() { // another node may have it by now
		s.system().departures.note(s.pid().Id, s.system().away.window+movedFor)
	}
	k.underway.Load().stop()
	if k.absence != nil {
		k.absence.end()
	}
}
