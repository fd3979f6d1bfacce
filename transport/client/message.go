package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"p2p-messaging/messages"
)

// Message is one message from the service.
type Message struct {
	// Type is the type as written on the wire. It is "offer", "answer", "ice-candidate" or "bye" if another login sent the
	// message, "error" if the service reports an error, "presence" if it says who is online, which [Client.Watch] asks for,
	// "token" if it answers a fresh token of [WithToken], and "pong" if it answers a ping, which [Client.SendText] can send.
	Type string
	// From and To are the logins of a relayed message. An error may have To, and has no From.
	From, To string
	// Payload is the value of the key that Type names, or nil. For "bye" the key is "reason". For "ice-candidate" it may
	// also be "iceCandidate", as the original client writes it.
	Payload json.RawMessage
	// Online and Offline are the watched logins of a "presence" that are there and that are not.
	Online, Offline []string
	// Text is the whole message as it was received.
	Text []byte

	login bool // "success" of a reply to a login or a fresh token
	code  messages.Code
	words string

	// These stand in the reply to the login of a kept session. A pong has id and received.
	resume   string
	resumed  bool
	received count
	id       string
}

// count is a number of messages as the service writes it. The zero value means that it wrote none.
type count struct {
	n  uint64
	ok bool
}

func (c *count) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	*c = count{n, err == nil}
	return err
}

const (
	typeError        = "error"
	typePong         = "pong"
	typePresence     = "presence"
	candidateBySeed  = "iceCandidate"
	reasonOfBye      = "reason"
	typeOfLoginReply = "login"
)

// Err returns a [*ServiceError] if m is an error that the service reports or the refusal of a fresh token, and nil otherwise.
func (m Message) Err() error {
	if m.Type != typeError && (m.Type != messages.TypeToken.String() || m.login) {
		return nil
	}
	return &ServiceError{Code: m.code, Message: m.words, To: m.To}
}

// concernsLogin reports whether m answers a login. It does if it is a reply, or an error that only a login can cause.
func (m Message) concernsLogin() bool {
	if m.Type == typeOfLoginReply {
		return true
	}
	if m.Type != typeError {
		return false
	}
	switch m.code {
	case messages.CodeAlreadyLoggedIn, messages.CodeLoginTaken, messages.CodeLoginInvalid,
		messages.CodeAuthRequired, messages.CodeAuthFailed, messages.CodeCapacity, messages.CodeTooMany:
		return true
	}
	return false
}

// counted reports whether a kept session counts m, which the service sent.
func (m Message) counted() bool {
	switch m.Type {
	case typeOfLoginReply, messages.TypePing.String(), typePong, typePresence:
		return false
	}
	return true
}

// refusal returns nil if m accepts a login, and a [*RefusedError] otherwise.
func (m Message) refusal() error {
	if m.login {
		return nil
	}
	return &RefusedError{Code: m.code, Message: m.words}
}

// parse reads a message. It compares keys exactly. Decoding into a struct would ignore the case of keys. That would be
// wrong: a peer may add any key, and the service has checked "from" but not "FROM".
func parse(text []byte) (Message, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return Message{}, errors.New("not a JSON object") // the error of encoding/json would repeat content of the message
	}
	m := Message{Text: text}
	var typed bool
	for key, target := range map[string]any{
		"type": &m.Type, "from": &m.From, "to": &m.To, "success": &m.login, "code": &m.code, "message": &m.words,
		"online": &m.Online, "offline": &m.Offline,
		"resume": &m.resume, "resumed": &m.resumed, "received": &m.received, "id": &m.id,
	} {
		value, present := fields[key]
		if !present {
			continue
		}
		// An error is ignored, because a message may have any value under a key that its type does not use.
		err := json.Unmarshal(value, target)
		typed = typed || (key == "type" && err == nil && m.Type != "")
	}
	if !typed {
		return Message{}, errors.New("no type")
	}
	switch m.Type {
	case messages.TypeBye.String():
		m.Payload = fields[reasonOfBye]
	case messages.TypeICECandidate.String():
		m.Payload = fields[m.Type]
		if m.Payload == nil {
			m.Payload = fields[candidateBySeed]
		}
	default:
		m.Payload = fields[m.Type]
	}
	return m, nil
}

// loginText returns the text of a login or a logout. A login without a token has "" there.
func loginText(typ messages.Type, login, token string) ([]byte, error) {
	var w objectWriter
	w.member("type", typ.String())
	w.member("login", login)
	if token != "" {
		w.member("token", token)
	}
	return w.finish()
}

// keptLoginText returns the text of a login that asks for a kept session. Secret is that of the session, which is a new one if the
// service does not know it. Received is how many messages of the session the client has.
func keptLoginText(login, token, secret string, received uint64) ([]byte, error) {
	var w objectWriter
	w.member("type", messages.TypeLogin.String())
	w.member("login", login)
	if token != "" {
		w.member("token", token)
	}
	w.member("keep", true)
	w.member("resume", secret)
	w.member("received", received)
	return w.finish()
}

// watchText returns the text of a watch.
func watchText(logins []string) ([]byte, error) {
	if len(logins) > messages.MaxWatched {
		return nil, fmt.Errorf("%d logins, and the service takes %d at most", len(logins), messages.MaxWatched)
	}
	for _, login := range logins {
		if !utf8.ValidString(login) {
			return nil, errors.New("a login must be valid UTF-8")
		}
	}
	var w objectWriter
	w.member("type", messages.TypeWatch.String())
	w.member("logins", append([]string{}, logins...))
	text, err := w.finish()
	if err == nil && len(text) > messages.MaxMessageBytes {
		err = tooLong(text)
	}
	return text, err
}

func tooLong(text []byte) error {
	return fmt.Errorf("the message has %d bytes, and the service takes %d at most", len(text), messages.MaxMessageBytes)
}

// relayText returns the text of a message of a relayed type.
func relayText(typ messages.Type, payload any, from, to string) ([]byte, error) {
	if !typ.Relayed() {
		return nil, errors.New("the service does not relay this type")
	}
	if !utf8.ValidString(to) {
		return nil, errors.New("a login must be valid UTF-8")
	}
	key := typ.String()
	if typ == messages.TypeBye {
		key = reasonOfBye
	}
	var w objectWriter
	w.member("type", typ.String())
	w.member(key, payload)
	w.member("from", from)
	w.member("to", to)
	text, err := w.finish()
	if err == nil && len(text) > messages.MaxMessageBytes {
		err = tooLong(text)
	}
	return text, err
}

// objectWriter writes a JSON object. Its members have the order of the calls of member. The zero value is ready for use.
type objectWriter struct {
	buffer bytes.Buffer
	err    error
}

func (w *objectWriter) member(key string, value any) {
	if w.err != nil {
		return
	}
	if w.buffer.Len() == 0 {
		w.buffer.WriteByte('{')
	} else {
		w.buffer.WriteByte(',')
	}
	fmt.Fprintf(&w.buffer, "%q:", key)
	encoder := json.NewEncoder(&w.buffer)
	encoder.SetEscapeHTML(false)
	if w.err = encoder.Encode(value); w.err == nil {
		w.buffer.Truncate(w.buffer.Len() - 1) // without the newline that Encode adds
	}
}

func (w *objectWriter) finish() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	w.buffer.WriteByte('}')
	return w.buffer.Bytes(), nil
}
