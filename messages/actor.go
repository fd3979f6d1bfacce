package messages

import (
	"sync"
	"unsafe"
)

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
	// Retained says that the session which the message is for holds it until its client has confirmed it.
	Retained bool
	// Uncounted says that a kept session does not count this message, although its type says that it does.
	Uncounted bool
	// Count is the number of the message among those of its client, if other nodes may get it. Only the actors look at it.
	Count uint32
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

// relays is a pool of Relays and their buffers. It makes relaying a message free of allocations.
var relays = sync.Pool{New: func() any { return new(Relay) }}

// NewRelay copies text and decodes the copy. The error is the one of [Decode].
func NewRelay(text []byte) (*Relay, error) {
	r := relays.Get().(*Relay)
	r.text = append(r.text[:0], text...)
	if err := r.Envelope.decode(r.text); err != nil {
		r.Release()
		return nil, err
	}
	return r, nil
}

// NewArrived returns a message that [NewRelay] of another service has decoded. It copies text and rawTo, and does not check the text. From and
// To are nil.
func NewArrived(of Type, text, rawTo []byte) *Relay {
	r := relays.Get().(*Relay)
	r.text = append(append(r.text[:0], text...), rawTo...)
	r.Type, r.Text, r.RawTo = of, r.text[:len(text):len(text)], r.text[len(text):]
	return r
}

// NewBuilt returns a message without a type, for a dialect that builds the text itself. The dialect appends to Room and calls Built.
func NewBuilt() *Relay { return relays.Get().(*Relay) }

// Room returns an empty buffer of the message. The text may be built in it.
func (r *Relay) Room() []byte { return r.text[:0] }

// Built makes the first bytes of b the text of the message. B is what was appended to Room. What stands behind the text in b may be
// used for the other fields.
func (r *Relay) Built(b []byte, text int) { r.text, r.Text = b, b[:text:text] }

// NewAnswer returns a message without a type: a message of the client that was refused, and a copy of what the service answers.
func NewAnswer(answer []byte) *Relay {
	r := relays.Get().(*Relay)
	r.text = append(r.text[:0], answer...)
	r.Text = r.text
	return r
}

// compactSlack is how many bytes more than twice its text a message may occupy when it is held for long.
const compactSlack = 256

// Compact does what Slim does, for a message that may be held for long. Only Type, Text, RawTo, Sender and Retained stay.
func (r *Relay) Compact() *Relay {
	*r = Relay{Envelope: Envelope{Type: r.Type, Text: r.Text, RawTo: r.RawTo}, Sender: r.Sender, Retained: r.Retained, text: r.text}
	return r.Slim()
}

// Slim returns the message, or a copy if the buffer of the message had grown for a longer one before. Then the message is released.
// So the memory of a message that waits is in proportion to its text.
func (r *Relay) Slim() *Relay {
	if cap(r.text) <= 2*len(r.text)+compactSlack {
		return r
	}
	c := new(Relay)
	*c = *r
	c.text = make([]byte, 0, len(r.Text)+len(r.RawTo)+len(r.From)+len(r.To))
	for _, part := range []*[]byte{&c.Text, &c.RawTo, &c.From, &c.To} {
		if *part != nil {
			begin := len(c.text)
			c.text = append(c.text, *part...)
			*part = c.text[begin:len(c.text):len(c.text)]
		}
	}
	c.Login, c.RawID = nil, nil
	r.Release()
	return c
}

// Memory returns how many bytes the message occupies.
func (r *Relay) Memory() int { return cap(r.text) + int(unsafe.Sizeof(*r)) }

// largestText is the largest capacity of a buffer that is used again. Few dialects and few messages need more.
const largestText = 2 * MaxMessageBytes

// Release returns r to the pool. Neither r nor any slice of its Envelope may be used afterwards.
func (r *Relay) Release() {
	*r = Relay{text: r.text}
	if cap(r.text) > largestText {
		r.text = nil
	}
	relays.Put(r)
}
