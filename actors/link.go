package actors

import "p2p-messaging/messages"

// Link sends messages from a session to its client. A transport implements it with a connection. Tests implement it with a
// slice.
//
// The methods may be called from any goroutine. They must not block: an actor runs on the goroutine that sends to it, and a
// slow client must not hold up that goroutine. Before they return, they must call no method of the [Connection] but Queued. Any
// other call would send a message to the session while the session handles another one.
type Link interface {
	// Send queues a copy of one text message that the service itself sends. It reports whether the link took the
	// message. A closed link takes none.
	Send(text []byte) bool
	// Deliver queues a copy of the text of another session's message. It reports whether the link took the message. The
	// caller still owns m. If a message that the link took never reaches the network, the link passes its text,
	// m.Sender and m.Retained to [Connection.Undelivered].
	Deliver(m *messages.Deliver) bool
	// Waiting returns how many bytes are queued that the network has not taken yet. While that is more than
	// [Options.QueueLimit], the transport does not act on the client's messages, because their answers would be queued
	// too. Waiting is called while a mailbox is locked. So it must not take a lock that somebody holds while sending to an
	// actor.
	Waiting() int
	// Close sends what is queued, then a close frame with code and reason, and ends the connection. Only the first call
	// counts.
	Close(code messages.CloseCode, reason string)
	// LoggedIn says that a login of the client is about to be accepted. It is called before the client can learn of that.
	LoggedIn()
	// Admit counts a login that the client tries, and reports whether it may. It may not if too many logins come from its
	// address. Admit is not called for a login that resumes a session. Brings says that the login brings a secret that nobody
	// has: the service that knew it may have ended.
	Admit(brings bool) bool
	// Exhausted reports whether Admit would refuse a login now. It counts nothing.
	Exhausted() bool
	// CountLogin counts a login that was decided before Admit could be asked, even if too many logins come from the address.
	CountLogin()
	// Address returns a number for the address from which the client comes, the same as Admit counts by. It is 0 if the address is
	// not known. It must not change.
	Address() uint64
	// Charge counts this number of messages more against the rate at which the client may send. A link without such a
	// rate ignores it.
	Charge(messages int)
	// Ping queues a WebSocket ping whose payload says how many messages are queued before it ([Connection.Queued]).
	Ping()
	// Abandon drops what is queued, because the session has every message and goes on without this connection. The rest of a
	// frame that was begun is still written. If the connection is not closing yet, it is closed with [messages.CloseTakenOver].
	Abandon()
	// Resume says that Receive may be called with the client's next message. See [Connection.Receive].
	Resume()
}
