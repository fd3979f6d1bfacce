package actors

import (
	"runtime"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

const (
	// handOver is how many messages one goroutine takes from a mailbox before another goroutine goes on: a client
	// whose message happened to wake a busy session must not serve that session for ever.
	handOver = 1024
	// yields is how often a sender lets others run before a full mailbox is an error: the mailbox of somebody who reads
	// is full only because the processor was elsewhere. It does not insist, because the goroutine that drains may be
	// waiting too, for a mailbox that this one drains.
	yields = 16
	// keepBacklog is how many messages a backlog may have room for to be used again.
	keepBacklog = 256
)

// mailbox runs its actor on the goroutine that sends to it. That is safe because no actor here blocks in Receive, and
// it saves a goroutine switch a message. Messages that come while the actor runs wait, and the goroutine that runs it
// takes them next; so an actor still handles one message at a time, in order, system messages first.
//
// protoactor's own mailboxes drop in silence what waits for an actor that stops. This one hands it back.
//
// Made with its actor, it ends with close, which the actor calls when it stops. A session is mostly its mailbox, and there
// may be a million of them with nothing waiting: so what waits has its room elsewhere, and only while it waits.
type mailbox struct {
	invoker invoker
	terms   *terms

	mu        sync.Mutex
	backlog   *backlog // what waits; nil where nothing does
	running   bool
	suspended bool
	closed    bool
}

// invoker is what runs the actor: protoactor's context.
type invoker interface {
	actor.MessageInvoker
	Self() *actor.PID
	Actor() actor.Actor
}

// client is an actor that serves a client: a session. Both methods are called with mu held, and do not block.
type client interface {
	// waiting returns how many bytes wait for the client outside the mailbox.
	waiting() int
	// crowd tells, on the goroutine that sends a [messages.Send], that more than the limit is held for the client.
	crowd()
}

// terms are what all mailboxes of a system have in common.
type terms struct {
	// limit is how many bytes the service holds for one client: [Options.QueueLimit].
	limit int
	// handBack is told of every user message that an actor will not receive, with the reason. It runs on the goroutine
	// of whoever sent or closed.
	handBack func(message any, reason messages.Code)
}

// backlog is what waits in one mailbox.
type backlog struct {
	system, user queue
	bytes        int // of all messages of clients in user
	deliveries   int // of the deliveries among them
}

// backlogs holds backlogs between uses.
var backlogs = sync.Pool{New: func() any { return new(backlog) }}

// queue holds messages, first in, first out.
type queue struct {
	messages []any // from head on
	head     int
}

func (q *queue) len() int { return len(q.messages) - q.head }

func (q *queue) put(message any) {
	if len(q.messages) == cap(q.messages) && q.head > len(q.messages)/2 {
		// Or the room of what has been taken would grow for ever, where something always waits.
		n := copy(q.messages, q.messages[q.head:])
		clear(q.messages[n:])
		q.messages, q.head = q.messages[:n], 0
	}
	q.messages = append(q.messages, message)
}

func (q *queue) take() any {
	message := q.messages[q.head]
	q.messages[q.head] = nil
	if q.head++; q.head == len(q.messages) {
		q.messages, q.head = q.messages[:0], 0
	}
	return message
}

// RegisterHandlers implements actor.Mailbox. The dispatcher is not asked: the sender's goroutine is the dispatcher.
func (m *mailbox) RegisterHandlers(i actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = i.(invoker)
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.backlog == nil {
		return 0
	}
	return m.backlog.user.len()
}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	for attempt := 0; ; attempt++ {
		m.mu.Lock()
		switch {
		case m.closed:
			m.mu.Unlock()
			m.terms.handBack(message, messages.CodePeerUnavailable)
			return
		case !m.running && !m.suspended: // so nothing waits
			m.running = true
			m.mu.Unlock()
			m.invoke(message, false)
			m.drain()
			return
		case m.put(message):
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		if attempt == yields {
			m.terms.handBack(message, messages.CodePeerOverloaded)
			return
		}
		runtime.Gosched()
	}
}

// put has a user message wait, or returns false where too much waits already; the caller holds mu.
//
// What others send is refused over the limit. What the client itself sends, and what comes back to it, is not: a client
// that is over the limit is read no more until its session has caught up.
func (m *mailbox) put(message any) bool {
	b := m.wait()
	if size := sizeOf(message); size > 0 {
		waiting := 0
		client, ok := m.invoker.Actor().(client)
		if ok {
			waiting = client.waiting()
		}
		switch message.(type) {
		case *messages.Deliver:
			if waiting+b.deliveries+size > m.terms.limit {
				return false
			}
			b.deliveries += size
		case *messages.Send:
			if ok && waiting+b.bytes+size > m.terms.limit {
				client.crowd()
			}
		}
		b.bytes += size
	}
	b.user.put(message)
	return true
}

// sizeOf returns how many bytes of the limit a message takes.
func sizeOf(message any) int {
	switch m := message.(type) {
	case *messages.Send:
		return len(m.Text)
	case *messages.Deliver:
		return len(m.Text)
	case *messages.Return:
		return len(m.Text)
	}
	return 0
}

// wait returns the backlog to be added to; the caller holds mu.
func (m *mailbox) wait() *backlog {
	if m.backlog == nil {
		m.backlog = backlogs.Get().(*backlog)
	}
	return m.backlog
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	if m.running {
		m.wait().system.put(message)
		m.mu.Unlock()
		return
	}
	m.running = true // no system message waits where nothing runs
	m.mu.Unlock()
	m.invoke(message, true)
	m.drain()
}

// drain handles what waits until nothing does; the caller has set running.
func (m *mailbox) drain() {
	for range handOver {
		m.mu.Lock()
		message, system := m.next()
		if message == nil {
			m.running = false
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		m.invoke(message, system)
	}
	go m.drain()
}

// next takes the message to handle now, nil if there is none; the caller holds mu.
func (m *mailbox) next() (message any, system bool) {
	b := m.backlog
	switch {
	case b == nil:
		return nil, false
	case b.system.len() > 0:
		message, system = b.system.take(), true
	case !m.suspended && b.user.len() > 0:
		message = b.user.take()
		size := sizeOf(message)
		b.bytes -= size
		if _, ok := message.(*messages.Deliver); ok {
			b.deliveries -= size
		}
	}
	if b.system.len() == 0 && b.user.len() == 0 {
		m.backlog = nil
		if max(cap(b.system.messages), cap(b.user.messages)) <= keepBacklog {
			backlogs.Put(b)
		}
	}
	return message, system
}

// invoke has the actor handle one message. A panic goes to the actor's supervisor, not to whoever sent the message.
func (m *mailbox) invoke(message any, system bool) {
	defer func() {
		if cause := recover(); cause != nil {
			m.invoker.EscalateFailure(cause, message)
		}
	}()
	if !system {
		m.invoker.InvokeUserMessage(message)
		return
	}
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspend(true)
	case *actor.ResumeMailbox:
		m.suspend(false)
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

func (m *mailbox) suspend(suspended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspended = suspended
}

// close hands back what waits, and from now on whatever else is sent.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	var waiting queue
	if b := m.backlog; b != nil {
		waiting, b.user, b.bytes, b.deliveries = b.user, queue{}, 0, 0
	}
	m.mu.Unlock()
	for waiting.len() > 0 {
		m.terms.handBack(waiting.take(), messages.CodePeerUnavailable)
	}
}
