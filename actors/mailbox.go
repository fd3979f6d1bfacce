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
)

// mailbox runs its actor on the goroutine that sends to it. That is safe because no actor here blocks in Receive, and
// it saves a goroutine switch a message. Messages that come while the actor runs wait, and the goroutine that runs it
// takes them next; so an actor still handles one message at a time, in order, system messages first.
//
// protoactor's own mailboxes drop in silence what waits for an actor that stops. This one hands it back.
//
// Made with its actor, it ends with close, which the actor calls when it stops.
type mailbox struct {
	invoker actor.MessageInvoker
	// handBack is told of every user message that the actor will not receive, with the reason. It runs on the
	// goroutine of whoever sent or closed.
	handBack func(message any, reason messages.Code)
	// limit bounds, in bytes, the deliveries that wait here.
	limit int

	mu        sync.Mutex
	system    []any
	user      []any // what waits, from head on
	head      int
	waiting   int // bytes of deliveries among them
	running   bool
	suspended bool
	closed    bool
}

// RegisterHandlers implements actor.Mailbox. The dispatcher is not asked: the sender's goroutine is the dispatcher.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.user) - m.head
}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	for attempt := 0; ; attempt++ {
		m.mu.Lock()
		switch {
		case m.closed:
			m.mu.Unlock()
			m.handBack(message, messages.CodePeerUnavailable)
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
			m.handBack(message, messages.CodePeerOverloaded)
			return
		}
		runtime.Gosched()
	}
}

// put has message wait, or returns false where too much waits already; the caller holds mu.
func (m *mailbox) put(message any) bool {
	if d, ok := message.(*messages.Deliver); ok {
		if m.waiting+len(d.Text) > m.limit {
			return false
		}
		m.waiting += len(d.Text)
	}
	m.user = append(m.user, message)
	return true
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	if m.running {
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
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
	if len(m.system) > 0 {
		message = m.system[0]
		m.system[0] = nil
		if m.system = m.system[1:]; len(m.system) == 0 {
			m.system = nil // system messages are a handful in a life: keep no room for them
		}
		return message, true
	}
	if m.suspended || m.head == len(m.user) {
		return nil, false
	}
	message = m.user[m.head]
	m.user[m.head] = nil
	if d, ok := message.(*messages.Deliver); ok {
		m.waiting -= len(d.Text)
	}
	if m.head++; m.head == len(m.user) {
		m.user, m.head = m.user[:0], 0
		if cap(m.user) > 16 {
			m.user = nil // one burst must not cost an idle session its memory
		}
	}
	return message, false
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
	waiting := m.user[m.head:]
	m.user, m.head, m.closed = nil, 0, true
	m.mu.Unlock()
	for _, message := range waiting {
		m.handBack(message, messages.CodePeerUnavailable)
	}
}
