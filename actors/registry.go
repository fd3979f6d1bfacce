package actors

import (
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// Messages between connections, sessions and the registry.
type (
	// claim asks the registry for a login. The registry tells the connection its decision.
	claim struct {
		login      messages.Login
		connection *Connection
	}
	// welcome is the first message to a session. The session tells its client that the login is accepted.
	welcome struct{}

	// logout asks a session to end because its client gave up the login. The connection is told when the login is free
	// again. If the logout names another login, it is told at once.
	logout struct {
		relay      *messages.Relay
		connection *Connection
	}

	// caughtUp reaches a session after all messages that its client has sent. The session then tells the connection.
	caughtUp struct{ connection *Connection }

	// disconnected tells a session that its connection has ended.
	disconnected struct{}
)

// IgnoreDeadLetterLogging keeps protoactor from logging messages that reach a stopped actor. Logging costs a timer for
// each, and nobody needs the report.
func (*claim) IgnoreDeadLetterLogging()       {}
func (*logout) IgnoreDeadLetterLogging()      {}
func (caughtUp) IgnoreDeadLetterLogging()     {}
func (disconnected) IgnoreDeadLetterLogging() {}

// registry is the actor that enforces unique logins. It is the parent of every session and the only writer of the
// directory. It lives as long as its System.
type registry struct {
	mailbox mailbox

	system *System

	// spawning is the session that is being spawned. All sessions share props, which saves memory. So props take the
	// session from here.
	spawning *session
	props    *actor.Props
}

func newRegistry(system *System) *registry {
	r := &registry{system: system, mailbox: mailbox{terms: &system.terms}}
	r.props = actor.PropsFromProducer(
		func() actor.Actor { return r.spawning },
		actor.WithMailbox(func() actor.Mailbox { return &r.spawning.mailbox }),
	)
	return r
}

// Receive implements actor.Actor.
func (r *registry) Receive(ctx actor.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			r.system.logger.Error("the registry failed and goes on",
				slog.Any("cause", cause), "stack", string(debug.Stack()))
			r.system.abandon(ctx.Message())
			panic(cause) // for the guardian, which resumes it
		}
	}()
	switch m := ctx.Message().(type) {
	case *claim:
		r.claim(ctx, m)
	case *actor.Terminated:
		r.release(m.Who)
	case *actor.Stopping:
		r.mailbox.close()
	case *actor.Stopped:
		close(r.system.ended)
	}
}

func (r *registry) claim(ctx actor.Context, c *claim) {
	if owner := r.system.directory.owner([]byte(c.login.Key)); owner != nil {
		owner.connection.claimed()
		c.connection.refused(messages.CodeLoginTaken)
		return
	}
	c.connection.link.LoggedIn()
	s := &session{connection: c.connection}
	s.mailbox.terms = &r.system.terms
	// The client must learn of its login before it hears from others, and not before others can send to it. So the
	// session starts suspended. It runs when the welcome is the first message in its mailbox.
	s.mailbox.suspended = true
	r.spawning = s
	pid, err := ctx.SpawnNamed(r.props, sessionName(ctx.ActorSystem().ProcessRegistry.NextId(), c.login))
	r.spawning = nil
	if err != nil {
		panic(err)
	}
	r.system.sessions.Add(1)
	ctx.Send(pid, welcome{})
	r.system.directory.put([]byte(s.key()), s)
	s.mailbox.PostSystemMessage(&actor.ResumeMailbox{})
	c.connection.granted(pid)
}

// release frees the login of a session that has ended.
func (r *registry) release(pid *actor.PID) {
	s := r.system.directory.remove([]byte(sessionKey(pid)))
	if s == nil {
		panic("a session that is not known has ended")
	}
	r.system.sessions.Add(-1)
	connection := s.connection
	s.connection = nil // protoactor's set of children may keep an ended actor alive until another takes its place
	if s.loggingOut {
		connection.loggedOut()
	}
}
