package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// What a session does only if it is kept. A kept session is in one of these states:
//
//	state   its connection        next
//	here    is that of a client   away: the connection ends, however
//	                              here: another connection takes over with a secret that holds
//	                              ending: logout, or the connection ends with something that the client would do again, or
//	                              too many errors are unconfirmed, or a secret that holds comes with a count that does not
//	away    stands for none       here: a connection takes over with a secret that holds
//	                              ending: the window passes, or room gets scarce, or the count does not hold
//	ending  stays as it was       the session ends; claims on its login are decided afterwards
//
// In any state the session ends with the system, and if it panics.

// absent is the Link of a session that has no connection.
type absent struct{}

func (absent) Send([]byte) bool                 { return false }
func (absent) Deliver(*messages.Deliver) bool   { return false }
func (absent) Waiting() int                     { return 0 }
func (absent) Close(messages.CloseCode, string) {}
func (absent) LoggedIn()                        {}
func (absent) Charge(int)                       {}
func (absent) Ping()                            {}
func (absent) TakenOver()                       {}
func (absent) Resume()                          {}

// serve makes a connection that of the session. The mailbox's lock guards the connection of a kept session, because senders ask
// it how much waits.
func (s *session) serve(c *Connection) {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	s.connection = c
}

// welcome tells the client of a new session that the login is accepted.
func (s *session) welcome() {
	k := s.kept()
	if k == nil {
		s.link().Send(messages.AppendLoginAccepted(nil, s.iceServers()))
		return
	}
	s.link().Send(s.accepted(k))
}

// accepted returns the reply to the login of a kept session.
func (s *session) accepted(k *kept) []byte {
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
	k.shown()
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
		k.confirm(m.Request.Received.N)
	}
	s.link().Send(messages.AppendKeptPong(nil, m.RawID, k.received))
}

// ponged lets go what the answer to a WebSocket ping confirms, if the client confirms nothing itself.
func (s *session) ponged(m ponged) {
	if k := s.kept(); k != nil && m.connection == s.connection && !k.confirms && k.brought == nil {
		k.confirm(m.queued)
	}
}

// keep retains a message for the client and queues it, if there is a connection.
func (s *session) keep(k *kept, m *messages.Deliver) {
	k.retain(m)
	s.link().Deliver(m) // if the link does not take it, it is sent again on the next one
	k.queued.Store(k.sent)
	if !k.confirms && !k.asked && int(k.bytes.Load()) > s.mailbox.terms.limit/2 {
		k.asked = true
		s.link().Ping()
	}
}

// tellKept retains and queues a message of the service itself. A client that does not confirm what it is told is bounded too.
func (s *session) tellKept(ctx actor.Context, k *kept, text []byte) {
	if int(k.bytes.Load())+len(text) > 2*s.mailbox.terms.limit {
		s.link().Close(messages.ClosePolicyViolation, "too much that you have not confirmed")
		s.depart(ctx)
		return
	}
	s.keep(k, (*messages.Deliver)(messages.NewAnswer(text)))
}

// takeOver decides a claim on this session's login that brings a secret.
func (s *session) takeOver(ctx actor.Context, c *claim) {
	if s.departing {
		c.ending = s
		ctx.Send(s.system().registry, (*succeed)(c))
		return
	}
	k := s.kept()
	held := noProof
	if k != nil {
		held = k.prove(c.secret, s.system().secretOf(s.pid().Id, k.generation))
	}
	switch {
	case held == noProof:
		c.connection.refused(messages.CodeLoginTaken)
		return
	case held == again && k.brought.began:
		s.resume(k, c, 0)
		return
	case !c.received.OK || c.received.N < k.confirmed || c.received.N > k.sent:
		s.restart(ctx, c)
		return
	case held == next:
		k.shown()
		k.generation++
		k.bring(c.secret)
	}
	k.brought.received = c.received.N
	s.resume(k, c, c.received.N)
}

// resume goes on with another connection, behind what its client has received.
func (s *session) resume(k *kept, c *claim, received uint64) {
	if k.absence != nil {
		k.absence.end()
		k.absence = nil
	} else {
		s.link().TakenOver()
	}
	k.queued.Store(0)
	k.asked = false
	c.connection.kept.Store(k)
	s.serve(c.connection)
	s.link().LoggedIn()
	s.link().Send(s.accepted(k))
	for _, m := range k.behind(received) {
		s.link().Deliver(m.(*messages.Deliver))
	}
	k.queued.Store(k.sent)
	if w := s.system().presence.of(s); w != nil {
		s.tellPresence(w)
	}
	c.connection.granted(s.pid())
}

// restart ends the session, because a secret that holds came with a count that does not. A new one begins under the login.
func (s *session) restart(ctx actor.Context, c *claim) {
	s.link().TakenOver()
	c.ending = s
	ctx.Send(s.system().registry, (*succeed)(c))
	s.depart(ctx)
}

// disconnected goes on without a connection if the session is kept, and ends otherwise.
func (s *session) disconnected(ctx actor.Context, m disconnected) {
	if m.connection != s.connection {
		return // it was taken over
	}
	k := s.kept()
	if k == nil || m.final || s.departing {
		s.depart(ctx)
		return
	}
	stands := &Connection{system: s.system(), link: absent{}}
	stands.kept.Store(k)
	s.serve(stands)
	k.absence = s.system().away.begin(s.pid(), int(k.bytes.Load()))
}

// expired ends a session that was away for too long.
func (s *session) expired(ctx actor.Context, m expired) {
	if k := s.kept(); k != nil && k.absence == m.absence {
		s.depart(ctx)
	}
}

// letGo tells the senders of all messages that the client has not confirmed. The session is ending.
func (s *session) letGo() {
	k := s.kept()
	if k == nil {
		return
	}
	k.letGo(func(m *messages.Deliver) {
		if m.Sender == nil {
			(*messages.Relay)(m).Release()
			return
		}
		s.system().handBack(m, messages.CodePeerUnavailable)
	})
	if k.absence != nil {
		k.absence.end()
	}
}
