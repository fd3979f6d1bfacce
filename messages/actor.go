package messages

import "sync"

// Address names an actor that can be sent to. protoactor's *actor.PID is one; the interface keeps this package
// free of the actor library, so that a client of the protocol does not carry it.
type Address interface {
	GetAddress() string
	GetId() string
}

// Relay is one decoded message on its way through the actors. Its life: [NewRelay] takes it from a pool on the
// connection's reader, the sender's session receives it as a [Send], passes the same value to the addressee's session
// as a [Deliver], which either writes it out or passes it back as a [Return]. Whoever holds it last calls Release;
// nobody touches it after passing it on.
type Relay struct {
	Envelope
	// Sender is the session that the message came from, set before it leaves that session.
	Sender Address
	// Refusal says, in a Return, why the message was not delivered.
	Refusal Code
	// Via is set by whoever reads the connection, before the message goes to its first actor, and means nothing to the
	// actors: it is carried with the message to whoever writes it out, so that a transport can write together what one
	// read brought.
	Via any

	text []byte
}

type (
	// Send asks a session to pass on what its own client sent.
	Send Relay
	// Deliver asks a session to write another's message to its client.
	Deliver Relay
	// Return tells a session that a message of its client was not delivered, and why.
	Return Relay
)

// IgnoreDeadLetterLogging keeps protoactor from logging, whole, messages that came too late for their actor: content is
// never logged.
func (*Send) IgnoreDeadLetterLogging()    {}
func (*Deliver) IgnoreDeadLetterLogging() {}
func (*Return) IgnoreDeadLetterLogging()  {}

// relays holds Relays between uses, with their buffers, so that a relayed message allocates nothing.
var relays = sync.Pool{New: func() any { return new(Relay) }}

// NewRelay copies text and decodes the copy. The error is Decode's.
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

// Release gives r back. Neither r nor any slice of its Envelope may be used afterwards.
func (r *Relay) Release() {
	*r = Relay{text: r.text}
	relays.Put(r)
}
