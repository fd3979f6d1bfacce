package actors

import (
	"runtime"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

const (
	// handOver is the number of messages that one goroutine takes from a mailbox before another goroutine continues. A
	// client whose message woke a busy session must not serve that session for ever.
	handOver = 1024
	// yields is how often a sender lets others run before it treats a full mailbox as an error. The mailbox of a client that
	// reads is full only because the processor was busy with something else. The sender does not wait longer, because the
	// goroutine that drains the mailbox may itself wait for a mailbox that this sender drains.
	yields = 16
	// keepBacklog is the largest number of messages for which a reused backlog may have room.
	keepBacklog = 256
)

// mailbox runs its actor on the goroutine that sends to it. That is safe because no actor here blocks in Receive. It saves a
// goroutine switch for each message. Messages that come while the actor runs wait. The goroutine that runs the actor takes
// them next. So an actor still handles one message at a time and in order, with system messages first.
//
// When an actor stops, protoactor's own mailboxes silently drop the messages that wait for it. This one hands them back.
//
// A mailbox is made together with its actor. It ends with close, which the actor calls when it stops. A session consists mostly
// of its mailbox. A million sessions may have no message waiting. So the memory for waiting messages is outside the mailbox,
// and a mailbox has it only while messages wait.
type mailbox struct {
	invoker invoker
	terms   *terms

	mu        sync.Mutex
	backlog   *backlog // the waiting messages; nil if there are none
	running   bool
	suspended bool
	closed    bool
}

// invoker runs the actor. It is protoactor's context.
type invoker interface {
	actor.MessageInvoker
	Self() *actor.PID
	Actor() actor.Actor
}

// client is an actor that serves a client, which is a session. The mailbox calls both methods with mu held. They do not block.
type client interface {
	// waiting returns how many bytes wait for the client outside the mailbox.
	waiting() int
	// crowd says that the service holds more than the limit for the client that sends m. It is called on the goroutine that
	// sends m.
	crowd(m *messages.Send)
}

// terms holds what all mailboxes of a system share.
type terms struct {
	// limit bounds how many bytes the service holds for one client. It is [Options.QueueLimit].
	limit int
	// handBack gets every user message that its actor will not receive, and the reason. It runs on the goroutine that sends
	// the message or closes the mailbox.
	handBack func(message any, reason messages.Code)
}

// backlog holds the messages that wait in one mailbox.
type backlog struct {
	system, user queue
	bytes        int // the bytes of all clients' messages in user
	deliveries   int // the bytes of the deliveries among them
}

// backlogs is a pool of backlogs, and queues one of queues.
var (
	backlogs = sync.Pool{New: func() any { return new(backlog) }}
	queues   = sync.Pool{New: func() any { return new(queue) }}
)

// queue holds messages, first in, first out.
type queue struct {
	messages []any
	head     int // the index of the first message that was not taken
}

func (q *queue) len() int { return len(q.messages) - q.head }

func (q *queue) put(message any) {
	if len(q.messages) == cap(q.messages) && q.head > len(q.messages)/2 {
		// Uses the room of the messages that were taken. Otherwise the queue would grow for ever if it never becomes
		// empty.
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

// RegisterHandlers implements actor.Mailbox. It ignores the dispatcher, because the sender's goroutine runs the actor.
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
	if refusal := m.post(message); refusal != "" {
		m.terms.handBack(message, refusal)
	}
}

// post is PostUserMessage, but returns why the actor will not receive the message, or "".
func (m *mailbox) post(message any) (refusal messages.Code) {
	for attempt := 0; ; attempt++ {
		m.mu.Lock()
		switch {
		case m.closed:
			m.mu.Unlock()
			return messages.CodePeerUnavailable
		case !m.running && !m.suspended: // no message waits then
			m.running = true
			m.mu.Unlock()
			m.invoke(message, false)
			m.drain()
			return ""
		case m.put(message):
			m.mu.Unlock()
			return ""
		}
		m.mu.Unlock()
		if attempt == yields {
			return messages.CodePeerOverloaded
		}
		runtime.Gosched()
	}
}

// put adds a user message to those that wait. It returns false if too much already waits. The caller holds mu.
//
// Over the limit, put refuses messages of other clients. It never refuses the client's own messages, or those that come back
// to it. Instead, the transport stops reading from the client until the session has acted on all of its messages.
func (m *mailbox) put(message any) bool {
	b := m.wait()
	if size := sizeOf(message); size > 0 {
		waiting := 0
		served, ok := m.invoker.Actor().(client)
		if ok {
			waiting = served.waiting()
		}
		switch message := message.(type) {
		case *messages.Deliver:
			if waiting+b.deliveries+size > m.terms.limit {
				return false
			}
			b.deliveries += size
		case *messages.Send:
			if ok && waiting+b.bytes+size > m.terms.limit {
				served.crowd(message)
			}
		}
		b.bytes += size
	}
	b.user.put(message)
	return true
}

// sizeOf returns how many bytes a message counts against the limit.
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

// wait returns the backlog, to add a message to it. The caller holds mu.
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
	m.running = true // no system message waits while nothing runs
	m.mu.Unlock()
	m.invoke(message, true)
	m.drain()
}

// drain handles the waiting messages until there are none. The caller has set running.
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

// next takes the message to handle now. It returns nil if there is none. The caller holds mu.
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

// invoke makes the actor handle one message. If the actor panics, its supervisor is told, and the sender goes on.
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

// closeIfEmpty refuses all that is sent from now on, unless a message waits. It reports whether it does.
func (m *mailbox) closeIfEmpty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = m.closed || m.backlog == nil || m.backlog.user.len() == 0
	return m.closed
}

// close hands back the messages that wait, and all that are sent from now on.
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
