package load

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

// A session is one connection with one login.
type session struct {
	shard *shard
	user  user
	conn  *swarm.Conn
	kept  *kept         // nil if the service is not asked to keep the session
	since time.Duration // when the current step was due
	index uint32
	kind  byte
	side  byte
	step  step
	// refused says that the login was refused, which was counted: a service that then closes the connection is no second error.
	refused bool
}

// user is the scenario's side of a session.
type user interface {
	loggedIn(now time.Duration)          // the login was accepted
	text(text []byte, now time.Duration) // brings any message but the answer to the login
	ended(wasLoggedIn bool, code string) // the connection has ended, or could not be opened; code is empty if this side ended it
}

// step is the state of a session.
type step uint8

const (
	stepClosed step = iota
	stepConnecting
	stepLoggingIn
	stepLoggedIn
)

// dial begins the session's connection. Due is when the connection was due.
func (c *session) dial(due time.Duration) {
	c.step = stepConnecting
	c.refused = false
	c.since = due
	c.shard.span.merge(span{dialed: c.shard.loop.Now()})
	c.shard.count(figures.CounterDials, 1)
	c.conn = c.shard.loop.Dial(c)
}

// isOpening reports whether the session is on its way from dial to the answer to its login.
func (c *session) isOpening() bool { return c.step == stepConnecting || c.step == stepLoggingIn }

// send sends a text message.
func (c *session) send(text []byte) error {
	err := c.conn.Send(text)
	if err == nil {
		c.shard.count(figures.CounterBytesSent, int64(len(text)))
	}
	return err
}

// beat sends a sign of life.
func (c *session) beat() { _ = c.send(c.shard.alive.text) }

// logout gives the login up, if the dialect can. The service does not answer a logout, so the session counts as logged in until the
// connection ends.
func (c *session) logout() {
	var buffer [64]byte
	if text := c.shard.dialect.appendLogout(buffer[:0], c.login()); len(text) > 0 {
		_ = c.send(text)
	}
	if c.kept != nil {
		*c.kept = kept{}
	}
}

// leave gives the login up at the end of a run, if the service would keep it.
func (c *session) leave() {
	if c.kept != nil && c.step == stepLoggedIn {
		c.logout()
	}
}

// left counts the end of a login.
func (c *session) left() {
	if c.step == stepLoggedIn {
		c.shard.sessions--
		c.shard.count(figures.CounterLoggedOut, 1)
	}
}

// Opened implements swarm.Handler.
func (c *session) Opened(*swarm.Conn) {
	now := c.shard.loop.ReadAt()
	c.shard.refused = 0
	c.shard.count(figures.CounterOpened, 1)
	c.shard.observe(figures.MetricConnect, now-c.since)
	c.step = stepLoggingIn
	c.since = now
	c.shard.count(figures.CounterLoginsSent, 1)
	if len(c.shard.alive.text) > 0 {
		c.shard.alive.add(c, now)
	}
	var buffer [256]byte
	text := c.shard.dialect.appendLogin(buffer[:0], c.login(), c.token())
	if len(text) == 0 {
		return
	}
	if c.kept != nil {
		text = c.appendKeptLogin(text)
	}
	_ = c.send(append(text, '}'))
}

// Target implements swarm.Targeted.
func (c *session) Target() string { return c.shard.dialect.target(c.login(), c.token()) }

func (c *session) login() []byte {
	return appendLogin(make([]byte, 0, loginLength), c.shard.frames.run, c.kind, c.index, int(c.side))
}

// token returns the session's token, or nil if the service is shown none.
func (c *session) token() []byte {
	return c.shard.engine.plan.Tokens.of(2*int(c.index)+int(c.side), c.login())
}

// Text implements swarm.Handler.
func (c *session) Text(_ *swarm.Conn, text []byte) {
	s := c.shard
	now := s.loop.ReadAt()
	s.count(figures.CounterBytesReceived, int64(len(text)))
	if c.step != stepLoggingIn {
		if c.kept == nil || !c.kept.took(c, text) {
			c.user.text(text, now)
		}
		return
	}
	r, ok := s.dialect.reply(text)
	switch {
	case ok && r.Type == "login" && *r.Success:
		c.step = stepLoggedIn
		s.sessions++
		s.most = max(s.most, s.sessions)
		s.count(figures.CounterLoggedIn, 1)
		s.span.merge(span{loggedIn: now})
		s.observe(figures.MetricLogin, now-c.since)
		if c.kept != nil {
			c.keeps(r)
		}
		c.user.loggedIn(now)
	case ok:
		c.refuse(r.code())
	default:
		c.refuse("foreign-protocol")
	}
}

func (c *session) refuse(code string) {
	c.refused = true
	c.shard.error(code)
	c.conn.Close()
}

// Closed implements swarm.Handler.
func (c *session) Closed(_ *swarm.Conn, err error) {
	s := c.shard
	was := c.step
	c.left()
	c.step = stepClosed
	c.conn = nil
	code := ""
	if was != stepConnecting || err == nil {
		s.count(figures.CounterClosed, 1)
	}
	closed, ok := errors.AsType[*swarm.CloseError](err)
	if ok {
		s.figures.AddCloses(int(closed.Code), 1)
	}
	if err != nil && !s.over && !(ok && c.refused) {
		code = errorCode(err)
		s.error(code)
		s.lastError = err
		if code == codeConnectionRefused {
			s.refused++
		}
	}
	c.user.ended(was == stepLoggedIn, code)
}

// Codes of connection errors in the figures. The fleet's warnings explain the exported ones.
const (
	codeConnectionRefused = "connection-refused"
	codeTimeout           = "timeout"
	codeNotTried          = "not-tried" // the service had stopped opening sessions
	CodeNoFiles           = "file-limit"
	CodeNoPorts           = "no-ports"
)

// errorCode returns the code under which an error of a connection is counted.
func errorCode(err error) string {
	if _, ok := errors.AsType[*swarm.CloseError](err); ok {
		return "closed-by-service"
	}
	if _, ok := errors.AsType[*swarm.HandshakeError](err); ok {
		return "handshake-failed"
	}
	if _, ok := errors.AsType[*swarm.ProtocolError](err); ok {
		return "websocket-protocol"
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{swarm.ErrTimeout, codeTimeout},
		{io.ErrUnexpectedEOF, "connection-ended"},
		{syscall.ECONNREFUSED, codeConnectionRefused},
		{syscall.ECONNRESET, "connection-reset"},
		{syscall.EPIPE, "connection-reset"},
		{syscall.EMFILE, CodeNoFiles},
		{syscall.ENFILE, CodeNoFiles},
		{syscall.EADDRNOTAVAIL, CodeNoPorts},
		{os.ErrDeadlineExceeded, codeTimeout},
		{net.ErrClosed, "connection-ended"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return "network"
}
