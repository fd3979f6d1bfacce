package actors

import "p2p-messaging/messages"

// Link is the way from a session to its client. A transport implements it over a connection, tests implement it over
// a slice. Its methods may be called from any goroutine, and none of them blocks: a session runs on whatever goroutine
// sends to it, and a slow client must not hold that up.
type Link interface {
	// Send queues one text message, copying it. It reports whether the message was taken: a link that is closed takes
	// nothing. Sender is the session that the message came from, nil for the service's own words: where a message that
	// was taken never reaches the network after all, the link says so to [Connection.Undelivered].
	Send(text []byte, sender messages.Address) bool
	// Waiting returns how many bytes are queued and not yet taken by the network.
	Waiting() int
	// Close lets what is queued go out, then says code and reason to the client and ends the connection. Only the
	// first call counts.
	Close(code messages.CloseCode, reason string)
}
