package actors

import (
	"context"
	"log/slog"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// logged returns the id of the connection for a line about it, if its link has one.
func (c *Connection) logged() slog.Attr {
	if id, ok := c.link.(slog.LogValuer); ok {
		return slog.Any("connection", id)
	}
	return slog.Attr{}
}

// survive is deferred by the last thing that a session does. It stops a panic there, and logs it. With the panic, protoactor could not end
// the session's actor, and so could never stop its parent.
func (c *Connection) survive() {
	if cause := recover(); cause != nil {
		c.system.counts.sessionFailures.Add(1)
		c.system.logger.Error("closing a session's connection failed", slog.Any("cause", cause), c.logged())
	}
}

// loggedLogin returns the login of the session with this address for a line about it, if logins are logged.
func (s *System) loggedLogin(session *actor.PID) slog.Attr {
	if !s.logLogins {
		return slog.Attr{}
	}
	return slog.String("login", strings.TrimPrefix(sessionLogin(session.Id), string(messages.PeerMark)))
}

// debugs reports whether lines at debug level are logged.
func (s *System) debugs() bool { return s.logger.Enabled(context.Background(), slog.LevelDebug) }
