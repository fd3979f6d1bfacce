package load

import (
	"p2p-messaging/messages"
	"p2p-messaging/transport/loadtest/options"
)

// dialect is the protocol that the sessions of a run speak.
type dialect interface {
	// target returns what the handshake of a session requests: a path with a query. It is empty for the URL's own. The token may be
	// nil.
	target(login, token []byte) string
	// appendLogin appends the message that logs a session in, without its end: the closing brace. It appends nothing if the handshake
	// logs the session in. The token may be nil.
	appendLogin(b, login, token []byte) []byte
	// appendLogout appends the message that gives a login up. It appends nothing if there is none.
	appendLogout(b, login []byte) []byte
	// reply parses a message of the service itself. It returns false for any other message.
	reply(text []byte) (reply, bool)
	// frame returns the text of a frame around a payload, which is a JSON object.
	frame(kind messages.Type, payload string) frame
	// canonical undoes those changes of a relayed frame that the protocol allows a service, such as white space.
	canonical(text []byte) []byte
	// renames reports whether a client that goes and comes back at once has another login then.
	renames() bool
	// alive returns the message that a session sends every [aliveEvery]. It is empty if there is none.
	alive() []byte
}

// dialectOf returns the dialect of a run.
func dialectOf(o options.Options) dialect {
	if o.Dialect == options.DialectPeerJS {
		return newPeerJS(o)
	}
	return native{}
}

// native is the service's own protocol.
type native struct{}

func (native) target(_, _ []byte) string       { return "" }
func (native) reply(text []byte) (reply, bool) { return parseReply(text) }
func (native) canonical(text []byte) []byte    { return text }
func (native) renames() bool                   { return false }
func (native) alive() []byte                   { return nil }
func (native) appendLogin(b, login, token []byte) []byte {
	return appendToken(appendQuoted(b, `{"type":"login","login":"`, login), token)
}
func (native) appendLogout(b, login []byte) []byte {
	return append(appendQuoted(b, `{"type":"logout","login":"`, login), '}')
}

func appendQuoted(b []byte, head string, login []byte) []byte {
	return append(append(append(b, head...), login...), '"')
}

func (native) frame(kind messages.Type, payload string) frame {
	text := newTemplate(`{"type":"` + kind.String() + `","` + kind.String() + `":` + marked(payload) + `,"from":"` + fromPlace + `","to":"` + toPlace + `"}`)
	return frame{sent: text, arrives: text}
}
