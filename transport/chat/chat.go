package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/client"
)

const (
	sendTimeout = 5 * time.Second  // for the queue to the service to have room
	iceRenewal  = 30 * time.Minute // credentials for a relay are valid for an hour
	iceTimeout  = 3 * time.Second  // for the service to tell its ICE servers
	maxBacklog  = 1 << 20          // no more lines are read from a pipe while so many bytes wait to be delivered
)

// chat is one person's conversations, from login to the end. One goroutine, that of run, has all of its state. Whatever else happens is
// posted to it.
type chat struct {
	o        *Flags
	address  string // of the service
	me       messages.Login
	client   *client.Client
	screen   screen
	self     identity
	contacts contacts
	folder   *folder // nil: no files are received
	api      *webrtc.API
	setup    time.Duration // how long a call may take to open
	servers  []webrtc.ICEServer

	actions chan func()
	life    context.Context // ends with run
	endLife context.CancelFunc
	closing sync.WaitGroup // connections that are being closed

	conversations map[string]*conversation // by key
	front         *conversation            // gets what the person writes
	calls         map[string]*call         // by id
	early         earlyCandidates
	ended         endedCalls
	doubted       map[string]offer // new offers of somebody whose call is open, by key; see Calls in web/src/call/calls.ts
	questions     []*question
	asked         int // number of the last question

	renewal  *time.Timer // asks for the ICE servers again
	ready    func()      // what waits for the ICE servers
	unsaid   []string    // what was written before there was a conversation
	lineDone func()      // lets the next line be read
	noMore   bool        // the person, or the pipe, will write nothing more
	finished bool
	outcome  error
}

// post has f run on the goroutine of the chat.
func (c *chat) post(f func()) {
	select {
	case c.actions <- f:
	case <-c.life.Done():
	}
}

// after has f run later.
func (c *chat) after(wait time.Duration, f func()) *time.Timer {
	return time.AfterFunc(wait, func() { c.post(f) })
}

// interrupted says that a signal has ended the chat. For programs it is [context.Canceled].
type interrupted struct{}

func (interrupted) Error() string        { return "interrupted" }
func (interrupted) Is(target error) bool { return target == context.Canceled }

// run is the chat, until the person ends it, there is nothing left to do, or ctx ends.
func (c *chat) run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(c.receive)
	c.ready = c.begin
	c.askForServers()
	timers := []*time.Timer{c.after(iceTimeout, c.begun)}
	if c.o.Once != "" {
		timers = append(timers, c.after(c.o.Timeout, func() {
			c.finish(&EndError{StatusTimeout, fmt.Sprintf("the text was not delivered within %v", c.o.Timeout)})
		}))
	}
	for !c.finished {
		select {
		case action := <-c.actions:
			action()
		case <-ctx.Done():
			c.finish(interrupted{})
		}
	}
	for _, timer := range timers {
		timer.Stop()
	}
	c.leaveAll()
	running.Go(func() { // what is posted from now on comes too late
		for {
			select {
			case <-c.actions:
			case <-c.life.Done():
				return
			}
		}
	})
	c.closing.Wait()
	c.endLife()
	_ = c.client.Close() // the session ends in any case
	running.Wait()
	return c.outcome
}

// leaveAll ends all conversations.
func (c *chat) leaveAll() {
	for _, q := range c.questions {
		if q.call != nil {
			q.decline()
		}
	}
	for _, l := range c.calls {
		l.finish(endHungUp)
	}
	for _, w := range c.conversations {
		w.in.close()
		w.out.close()
	}
}

// finish ends the chat with this outcome.
func (c *chat) finish(outcome error) {
	if !c.finished {
		c.finished, c.outcome = true, outcome
	}
}

// muted: what others write cannot be shown. It is not confirmed, so that they know.
func (c *chat) muted(err error) {
	c.finish(&EndError{arguments.StatusFailure, "a text could not be written: " + err.Error()})
}

// receive passes on what comes from the service.
func (c *chat) receive() {
	for {
		m, err := c.client.Receive(c.life)
		lost, isLost := errors.AsType[*client.SessionLostError](err)
		switch {
		case err == nil:
			c.post(func() { c.take(m) })
		case c.life.Err() != nil:
			return
		case isLost && lost.Err == nil:
			c.post(c.askForServers) // what was lost is said again by those whose call did not come about
		default:
			c.post(func() {
				c.finish(&EndError{arguments.StatusFailure, sessionEnd(err)})
			})
			return
		}
	}
}

// send sends a frame to another login.
func (c *chat) send(to string, fields map[string]any) {
	fields["from"], fields["to"] = c.me.Shown, to
	c.tell(fields)
}

// tell sends a frame to the service.
func (c *chat) tell(fields map[string]any) {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // maps of strings are always JSON
	}
	ctx, cancel := context.WithTimeout(c.life, sendTimeout)
	defer cancel()
	if err := c.client.SendText(ctx, text); err != nil && c.life.Err() == nil {
		c.screen.note("the service cannot be reached: %v", err)
	}
}

func (c *chat) askForServers() {
	c.tell(map[string]any{"type": messages.TypeICEServers.String()})
}

// configuration is that of a new connection.
func (c *chat) configuration() webrtc.Configuration {
	return webrtc.Configuration{Certificates: []webrtc.Certificate{c.self.certificate}, ICEServers: c.servers}
}

// take acts on a message from the service.
func (c *chat) take(m client.Message) {
	switch m.Type {
	case messages.TypeICEServers.String():
		c.takeServers(m)
	case "error":
		if e, ok := errors.AsType[*client.ServiceError](m.Err()); ok {
			c.refused(e)
		}
	default:
		c.takeSignal(m)
	}
}

func (c *chat) takeServers(m client.Message) {
	var told struct {
		ICEServers []struct {
			URLs       []string
			Username   string
			Credential string
		}
	}
	if json.Unmarshal(m.Text, &told) == nil {
		c.servers = nil
		for _, s := range told.ICEServers {
			server := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
			if s.Credential != "" {
				server.Credential = s.Credential
			}
			c.servers = append(c.servers, server)
		}
	}
	if c.renewal != nil {
		c.renewal.Stop()
	}
	c.renewal = c.after(iceRenewal, c.askForServers)
	c.begun()
}

// begun: the ICE servers are known, or the service does not tell them.
func (c *chat) begun() {
	if ready := c.ready; ready != nil {
		c.ready = nil
		ready()
	}
}

// refused: the service could not do what a frame asked for.
func (c *chat) refused(e *client.ServiceError) {
	if e.To == "" {
		if e.Code == messages.CodeUnknownType {
			c.begun() // the service has no ICE servers
		}
		return
	}
	w := c.conversations[keyOf(e.To)]
	if w == nil || w.call == nil {
		return
	}
	switch l := w.call; {
	case l.phase == open: // it does not need the service
	case e.Code == messages.CodePeerUnavailable:
		l.finish(endUnavailable)
	default:
		l.finish(endUndeliverable)
	}
}

// begin does what the command line asks for.
func (c *chat) begin() {
	if c.o.To != "" {
		w := c.conversation(c.o.To)
		c.bringUp(w)
		if c.o.Once != "" {
			w.say(c.o.Once)
			c.noMore = true
		}
		c.dial(w, "")
	}
	if c.o.Once == "" {
		c.screen.read(c)
	}
}

// bringUp has what the person writes go to a conversation.
func (c *chat) bringUp(w *conversation) {
	c.front = w
	c.screen.prompt(w.name())
	for _, text := range c.unsaid {
		w.say(text)
	}
	c.unsaid = nil
}

// write takes a line that is to be said.
func (c *chat) write(text string) {
	if c.front == nil {
		if c.screen.seen() {
			c.screen.note("nobody to write to yet: /call LOGIN connects you to somebody")
			return
		}
		c.unsaid = append(c.unsaid, text)
		return
	}
	c.front.say(text)
	if w := c.front; c.screen.seen() && w.call == nil && w.loss == nil {
		c.screen.note("%s is not connected. What you write is sent when you are: /call %[1]s", w.name())
	}
}

// moved: something was delivered, or a call has opened or ended. What waits for that goes on.
func (c *chat) moved() {
	waits, files := 0, 0
	for _, text := range c.unsaid {
		waits += len(text)
	}
	for _, w := range c.conversations {
		waits += w.backlog()
		files += len(w.out.files)
	}
	if c.lineDone != nil && waits < maxBacklog {
		done := c.lineDone
		c.lineDone = nil
		done()
	}
	if c.noMore && waits+files == 0 && c.o.To != "" {
		c.finish(nil)
	}
}

// conversationEnded: no call with somebody is on, or to come. In a pipe nobody calls again: what was to be said to --to has failed then.
func (c *chat) conversationEnded(w *conversation, e end) {
	told := e.told(w.name())
	switch {
	case c.finished:
	case c.screen.seen() || c.o.To == "" || w.key != keyOf(c.o.To):
		if told != "" {
			c.screen.note("%s", told)
		}
	case len(w.waiting) == 0 && e == endLeft && w.met:
		c.screen.note("%s", told)
		c.finish(nil)
	default:
		c.finish(&EndError{e.status(), told})
	}
}

// doubt asks the person whether to go on with somebody who may be another one. In a pipe nobody can be asked.
func (c *chat) doubt(w *conversation, l *call, what string) {
	if !c.screen.seen() {
		c.screen.note("%s", what)
		if c.o.To != "" && w.key == keyOf(c.o.To) {
			c.finish(&EndError{StatusIdentity, fmt.Sprintf("%s is not who was known by this login, or cannot be compared. "+
				"Chat in a terminal once, and decide there", w.name())})
		}
		l.finish(endHungUp)
		return
	}
	c.ask(&question{what: what, about: l, accept: func() { w.goOn(l) }, decline: func() { l.finish(endHungUp) }})
}

// keyOf returns what two logins have in common if they are the same login.
func keyOf(login string) string {
	if parsed, err := messages.ParseLogin([]byte(login)); err == nil {
		return parsed.Key
	}
	return login // the service passes on only logins that it has accepted
}
