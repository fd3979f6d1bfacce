package messages

import "sync"

// Address names an actor that can receive messages. protoactor's *actor.PID implements it. The interface keeps the actor
// library out of this package, so that a client of the protocol does not depend on it.
type Address interface {
	GetAddress() string
	GetId() string
}

// Relay is one decoded message on its way through the actors. The connection's reader gets it from [NewRelay], which uses
// a pool. The sender's session receives it as a [Send] and passes the same value to the receiver's session as a [Deliver].
// That session writes it out, or passes it back as a [Return]. Whoever passes a Relay on must not touch it afterwards.
// Whoever holds it last calls Release.
type Relay struct {
	Envelope
	// Sender is the session that the message came from. That session sets it before it passes the message on.
	Sender Address
	// Refusal says why a message was not delivered. It is set in a Return.
	Refusal Code
	// Origin is the connection on which the message came. Only the actors look at it.
	Origin any
	// Uncounted says that a kept session does not count this message, although its type says that it does.
	Uncounted bool
	// Via is a note from the transport that reads the connection to the transport that writes the message out. It lets a
	// transport write together what one read brought. The actors carry it and do not look at it.
	Via any

	text []byte
}

type (
	// Send gives a session a message of its own client: one to pass on, or a ping to answer.
	Send Relay
	// Deliver asks a session to write a message of another client to its own.
	Deliver Relay
	// Return tells a session that a message of its client was not delivered, and why.
	Return Relay
)

// IgnoreDeadLetterLogging keeps protoactor from logging messages that reach a stopped actor. It would log their content,
// which is never logged.
func (*Send) IgnoreDeadLetterLogging()    {}
func (*Deliver) IgnoreDeadLetterLogging() {}
func (*Return) IgnoreDeadLetterLogging()  {}

// relays is a pool of Relays and their buffers. It makes relaying a message free of allocations.
var relays = sync.Pool{New: func() any { return new(Relay) }}

// NewRelay copies text and decodes the copy. The error is the one of [Decode].
func NewRelay(text []byte) (*Relay, error) {
	r := relays.Get().(*Relay)
	r.text = append(r.text[:0], text...)
	envelope, err := Decode(r.text)
	if err != nil {
		r.Release()
		return nil, err
	}
	r.Envelope = envelope
	return r, nil
}

// NewAnswer returns a message without a type: a message of the client that was refused, and a copy of what the service answers.
func NewAnswer(answer []byte) *Relay {
	r := relays.Get().(*Relay)
	r.text = append(r.text[:0], answer...)
	r.Text = r.text
	return r
}

// Release returns r to the pool. Neither r nor any slice of its Envelope may be used afterwards.
func (r *Relay) Release() {
	*r = Relay{text: r.text}
	relays.Put(r)
}
