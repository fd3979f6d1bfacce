package peerjs

import "p2p-messaging/messages"

// The frames with which the service answers a client that connects, and the words in them that the client's program may look at.
const (
	Open    = `{"type":"OPEN"}`
	IDTaken = `{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}`
)

// The errors that [AppendError] tells. Those of a PeerJS server are spelled as there.
const (
	ErrorIncomplete = "No id, token, or key supplied to websocket server"
	ErrorKey        = "Invalid key provided"
	ErrorLimit      = "Server has reached its concurrent user limit"
	ErrorToken      = "Invalid token provided"
	ErrorTooMany    = "Too many clients connect from your address: come back in a moment"
	ErrorUndecided  = "The service cannot say now whether the id is free: come back in a moment"
)

// AppendError appends the frame of an error. The service closes the connection behind it.
func AppendError(b []byte, message string) []byte {
	b = append(b, `{"type":"ERROR","payload":{"msg":`...)
	return append(appendString(b, message), `}}`...)
}

// AppendExpire appends the frame that tells a client that a message of its was not delivered. Key is that of the absent addressee, and
// sender is the id of the client.
func AppendExpire(b []byte, key, sender string) []byte {
	b = append(b, `{"type":"EXPIRE","src":`...)
	if absent := key[1:]; len(absent) > 0 && absent[:1] == valueMark {
		b = append(b, absent[1:]...)
	} else {
		b = appendString(b, absent)
	}
	b = append(b, `,"dst":`...)
	return append(appendString(b, sender), '}')
}

// AppendReturned is [AppendExpire], for the addressee as the message has named it.
func AppendReturned(b, rawTo []byte, sender string) []byte {
	b = append(b, `{"type":"EXPIRE","src":`...)
	b = append(append(b, rawTo...), `,"dst":`...)
	return append(appendString(b, sender), '}')
}

// NewExpire returns the frame of [AppendExpire] as a message for that client.
func NewExpire(key, sender string) *messages.Deliver {
	m := messages.NewBuilt()
	b := AppendExpire(m.Room(), key, sender)
	text := len(b)
	b = append(append(b, messages.PeerMark), sender...)
	m.Built(b, text)
	m.Type, m.To = messages.TypeBye, b[text:len(b):len(b)]
	return (*messages.Deliver)(m)
}
