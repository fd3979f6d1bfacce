package actors

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// What connections, sessions and the registry say to each other.
type (
	// claim asks the registry for a login. Its connection is told what was decided.
	claim struct {
		login      messages.Login
		connection *Connection
	}
	// welcome is the first message of a session: it tells its client that the login is accepted.
	welcome struct{}

	// logout asks a session to end because its client gave up the login. Its connection is told once the login is free
	// again, or at once where the login named is not the session's.
	logout struct {
		relay      *messages.Relay
		connection *Connection
	}

	// disconnected tells a session that its connection has ended.
	disconnected struct{}
)

// IgnoreDeadLetterLogging spares protoactor a timer for each: what comes too late needs no report.
func (*claim) IgnoreDeadLetterLogging()       {}
func (*logout) IgnoreDeadLetterLogging()      {}
func (disconnected) IgnoreDeadLetterLogging() {}

// registry is the actor that enforces unique logins. It is the parent of every session, and the only writer of the
// directory. It lives as long as its System.
type registry struct {
	mailbox mailbox

	system   *System
	sessions map[*actor.PID]*session

	// spawning is the session being spawned: props are shared by all sessions, so that none keeps its own.
	spawning *session
	props    *actor.Props
}

func newRegistry(system *System) *registry {
	r := &registry{system: system, sessions: make(map[*actor.PID]*session)}
	r.mailbox.handBack = system.handBack
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
		r.release(ctx, m.Who)
	case *actor.Stopping:
		r.mailbox.close()
	case *actor.Stopped:
		close(r.system.ended)
	}
}

func (r *registry) claim(ctx actor.Context, c *claim) {
	if r.system.directory.owner([]byte(c.login.Key)) != nil {
		c.connection.refused(messages.CodeLoginTaken)
		return
	}
	s := &session{system: r.system, link: c.connection.link, login: c.login}
	s.mailbox.handBack, s.mailbox.limit = r.system.handBack, r.system.queueLimit
	// The client hears of its login before it hears from anybody else, and not before others can send to it: so the
	// session is not let go until its welcome waits in front of all that they send.
	s.mailbox.suspended = true
	r.spawning = s
	pid := ctx.Spawn(r.props)
	r.spawning = nil
	r.sessions[pid] = s
	r.system.sessions.Add(1)
	ctx.Send(pid, welcome{})
	r.system.directory.put(c.login.Key, pid)
	s.mailbox.PostSystemMessage(&actor.ResumeMailbox{})
	c.connection.granted(pid)
}

// release frees the login of a session that has ended.
func (r *registry) release(ctx actor.Context, pid *actor.PID) {
	s, ok := r.sessions[pid]
	if !ok {
		panic(fmt.Sprintf("session %v ended and is not known", pid))
	}
	delete(r.sessions, pid)
	r.system.directory.remove(s.login.Key)
	r.system.sessions.Add(-1)
	if s.answerTo != nil {
		s.answerTo.loggedOut()
	}
}
