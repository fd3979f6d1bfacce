package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

const (
	// refusalLimit is how many refused logins one connection has before it is closed with 1008.
	refusalLimit = 20
	// answerTimeout bounds the wait for the registry. Its answer takes microseconds; this is for a fault in it.
	answerTimeout = 10 * time.Second
)

// Answers to whoever asks an actor that cannot answer.
var (
	errStopped = errors.New("the actor system has stopped")
	errFailed  = errors.New("the actor failed")
)

// Connection is one client's connection as the actors see it, logged in or not. [System.Connect] makes it; the
// goroutine that reads the connection owns it, and says Closed at its end.
type Connection struct {
	system   *System
	link     Link
	session  *actor.PID // nil while nobody is logged in
	refusals int
}

// Connect takes on a connection whose client is reached by link.
func (s *System) Connect(link Link) *Connection {
	return &Connection{system: s, link: link}
}

// Receive acts on one message of the client and owns it from then on. Messages are acted on in the order of the calls.
// It waits while the registry decides about a login or a logout, so that what follows sees the effect.
func (c *Connection) Receive(m *messages.Relay) {
	switch {
	case m.Type == messages.TypeLogin:
		c.login(m.Login)
	case c.session == nil:
		c.link.Send(messages.AppendError(nil, messages.CodeNotLoggedIn, "", m.RawTo), nil)
	case m.Type == messages.TypeLogout:
		c.logout(m.Login)
	default:
		c.system.root.Send(c.session, (*messages.Send)(m))
		return
	}
	m.Release()
}

// Closed ends the session, if there is one: the connection has ended.
func (c *Connection) Closed() {
	if c.session != nil {
		c.system.root.Send(c.session, disconnected{})
		c.session = nil
	}
}

// Undelivered tells the sender of a message that the connection's link had taken that it never went out. It may be
// called from any goroutine, also after Closed, and never blocks.
func (c *Connection) Undelivered(text []byte, sender messages.Address) {
	m, err := messages.NewRelay(text)
	if err != nil {
		return // nothing that was relayed: the link was given it decoded
	}
	m.Sender = sender
	c.system.handBack((*messages.Deliver)(m), messages.CodePeerUnavailable)
}

func (c *Connection) login(typed []byte) {
	if c.session != nil {
		c.refuse(messages.CodeAlreadyLoggedIn, "")
		return
	}
	login, err := messages.ParseLogin(typed)
	if err != nil {
		c.refuse(messages.CodeLoginInvalid, err.Error())
		return
	}
	switch answer := c.ask(c.system.registry, &claim{login: login, link: c.link}).(type) {
	case granted:
		c.session = answer.session
	case refused:
		c.refuse(answer.code, "")
	}
}

func (c *Connection) logout(login []byte) {
	if _, ok := c.ask(c.session, &messages.Logout{Login: login}).(stillLoggedIn); !ok {
		c.session = nil
	}
}

// refuse refuses a login, and the connection after too many of them.
func (c *Connection) refuse(code messages.Code, message string) {
	c.link.Send(messages.AppendLoginRefused(nil, code, message), nil)
	if c.refusals++; c.refusals == refusalLimit {
		c.link.Close(messages.ClosePolicyViolation, "too many refused logins on this connection")
	}
}

// ask waits for an actor's answer. Where none comes, because the actor has ended or failed, it closes the connection and
// returns nil.
func (c *Connection) ask(pid *actor.PID, question any) any {
	answer, err := c.system.root.RequestFuture(pid, question, answerTimeout).Result()
	if failure, ok := answer.(error); ok {
		err = failure
	}
	switch {
	case err == nil:
		return answer
	case errors.Is(err, errStopped), errors.Is(err, actor.ErrDeadLetter) && pid == c.system.registry:
		c.link.Close(messages.CloseGoingAway, "the service is going down")
	default:
		c.link.Close(messages.CloseInternalError, "the service could not answer: please come back")
	}
	return nil
}
