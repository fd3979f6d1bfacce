package peerjs

import (
	"bytes"
	"strconv"

	"p2p-messaging/messages"
	"p2p-messaging/messages/internal/jsontext"
)

// A Kind says what a frame of a client is for.
type Kind uint8

const (
	// Ignored frames have no effect, and the connection stays: heartbeats, types that only the service sends, unknown types, what
	// has no addressee, and what is not a JSON object.
	Ignored Kind = iota
	// Relayed frames are for another client.
	Relayed
	// Left frames give up the sender's id. They are of type LEAVE and have no dst.
	Left
)

// valueMark stands in a key in front of a dst that is no string. No id begins with it, because ids are valid UTF-8.
const valueMark = "\xFF"

// Read reads a frame of the client whose id is src. For a relayed frame it also returns the message for the other client:
//
//	{"type":T,"src":S,"dst":D,"payload":P}
//
// P is what the client has sent, byte for byte. It is missing if the client has sent none. All other members of the frame are dropped. In
// the message, To is the key of the other client, and RawTo is D. Type says what becomes of it if the other client is not there: it waits if
// it is an offer, an answer or a candidate ([Waits]).
//
// Read copies what it needs of the frame. It allocates nothing, but for frames that are nested more than 64 levels deep, or that write one
// of their own names with an escape.
func Read(frame []byte, src string) (m *messages.Relay, kind Kind) {
	s := scanner{text: frame}
	f, ok := s.object()
	if !ok {
		return nil, Ignored
	}
	of, spelling := typeOf(frame, f[memberType])
	if of == 0 {
		return nil, Ignored
	}
	at := f[memberDst]
	dst := frame[at.start:at.end]
	if isFalsy(dst) {
		if spelling == leave {
			return nil, Left
		}
		return nil, Ignored
	}
	m = messages.NewBuilt()
	b := append(m.Room(), `{"type":"`...)
	b = append(b, spelling...)
	b = append(b, `","src":`...)
	b = appendString(b, src)
	b = append(b, `,"dst":`...)
	raw := len(b)
	b = append(b, dst...)
	rawEnd := len(b)
	if payload := f[memberPayload]; payload.end > 0 {
		b = append(b, `,"payload":`...)
		b = append(b, frame[payload.start:payload.end]...)
	}
	b = append(b, '}')
	text := len(b)
	b = append(b, messages.PeerMark)
	switch content := dst[1:]; {
	case dst[0] != '"':
		b = append(append(b, valueMark...), dst...)
	case at.escaped:
		b = jsontext.AppendUnescaped(b, content[:len(content)-1])
	default:
		b = append(b, content[:len(content)-1]...)
	}
	m.Built(b, text)
	m.Type, m.RawTo, m.To = of, b[raw:rawEnd:rawEnd], b[text:len(b):len(b)]
	return m, Relayed
}

// Arrived returns a message that [Read] of another service has built. Key is that of its addressee.
func Arrived(key, text []byte) *messages.Relay {
	m := messages.NewBuilt()
	b := append(append(m.Room(), text...), key...)
	m.Built(b, len(text))
	m.To = b[len(text):len(b):len(b)]
	m.Type = messages.TypeOffer
	if len(text) > 0 && text[0] <= provenMark {
		m.Type = messages.TypeToken
	} else if bytes.HasPrefix(text, []byte(`{"type":"`+leave+`"`)) || bytes.HasPrefix(text, []byte(`{"type":"`+expire+`"`)) {
		m.Type = messages.TypeBye
	}
	return m
}

// Waits reports whether a message of this type waits for a client that is not there.
func Waits(t messages.Type) bool { return messages.TypeOffer <= t && t <= messages.TypeICECandidate }

// yieldMark begins the text of a message of [NewYield], and provenMark that of one whose client has proven that the id is its own. No frame
// begins with either.
const (
	yieldMark  = 0
	provenMark = 1
)

// NewYield returns a message by which one service asks another to give up an id, because a client has come with the token that has this
// hash. Proven says that the service has checked the token, and that it is for this id. The type of the message is [messages.TypeToken].
func NewYield(key string, hash []byte, proven bool) *messages.Deliver {
	text := append([]byte{yieldMark}, hash...)
	if proven {
		text[0] = provenMark
	}
	return (*messages.Deliver)(Arrived([]byte(key), text))
}

// Yielded returns what a message of NewYield says.
func Yielded(m *messages.Deliver) (hash []byte, proven bool) {
	return m.Text[1:], m.Text[0] == provenMark
}

// The types of frames that clients send to each other.
const (
	offer     = "OFFER"
	answer    = "ANSWER"
	candidate = "CANDIDATE"
	leave     = "LEAVE"
	expire    = "EXPIRE"
)

// typeOf returns the type of a frame and its spelling, or 0 if the frame is not for another client.
func typeOf(frame []byte, s span) (messages.Type, string) {
	if s.end == 0 || frame[s.start] != '"' {
		return 0, ""
	}
	content := frame[s.start+1 : s.end-1]
	if s.escaped {
		content = jsontext.AppendUnescaped(nil, content)
	}
	switch string(content) {
	case offer:
		return messages.TypeOffer, offer
	case answer:
		return messages.TypeAnswer, answer
	case candidate:
		return messages.TypeICECandidate, candidate
	case leave:
		return messages.TypeBye, leave
	case expire:
		return messages.TypeBye, expire
	}
	return 0, ""
}

// isFalsy reports whether a value is missing, or false in the sense of JavaScript.
func isFalsy(value []byte) bool {
	switch string(value) {
	case "", `""`, "null", "false":
		return true
	}
	if c := value[0]; c != '-' && !isDigit(c) {
		return false
	}
	n, _ := strconv.ParseFloat(string(value), 64) // infinity if it is too large
	return n == 0
}
