package actors

import "p2p-messaging/messages"

// Link is the way from a session to its client. A transport implements it over a connection, tests implement it over
// a slice. Its methods may be called from any goroutine. None of them blocks, because actors run on whatever goroutine
// sends to them, and a slow client must not hold that up. None of them calls the [Connection] before it has returned: a
// session would be sent to in the middle of its own message.
type Link interface {
	// Send queues one text message of the service's own, copying it. It reports whether the message was taken: a link
	// that is closed takes nothing.
	Send(text []byte) bool
	// Deliver queues the text of another session's message, copying it, and reports whether it was taken; m stays the
	// caller's. Where a message that was taken never reaches the network after all, the link gives its text and
	// m.Sender to [Connection.Undelivered].
	Deliver(m *messages.Deliver) bool
	// Waiting returns how many bytes are queued and not yet taken by the network. While it is more than
	// [Options.QueueLimit], the transport does not act on the client's messages: the answers to them would add to it.
	// It takes no lock below which an actor is sent to.
	Waiting() int
	// Close lets what is queued go out, then says code and reason to the client and ends the connection. Only the
	// first call counts.
	Close(code messages.CloseCode, reason string)
	// Charge counts what the client has asked for as so many messages more, where the link lets it send only so many in a
	// time.
	Charge(messages int)
	// Resume says that the client's next message may be acted on: see [Connection.Receive].
	Resume()
}
