package messages

import (
	"strconv"

	"p2p-messaging/messages/internal/jsontext"
)

// Limits of kept sessions, of presence and of tokens.
const (
	MinSecretCharacters = 16      // in the secret of a kept session
	MaxSecretCharacters = 128     // in the secret of a kept session
	MaxWatched          = 256     // logins in one watch
	MaxTokenBytes       = 8 << 10 // bytes of a token that the service looks at; a longer one does not hold
)

// Request holds the members that only some messages to the service have. Few messages have any. So they stand apart from the
// Envelope, which is made for every message.
type Request struct {
	// Keep says that a login asks for a kept session.
	Keep bool
	// Resume is the secret that a login brings, or nil. What is not written as a secret is not brought.
	Resume []byte
	// Received is how many messages the client has received, by a login or a ping.
	Received Count
	// Logins are those that a watch names, in the order of the message. It is not nil for a watch.
	Logins [][]byte
	// Token is the one that a login or a token message brings, or nil. It is not nil for a token message.
	Token []byte
}

// Count is a number of messages that a client names. The zero value is not one.
type Count struct {
	N  uint64
	OK bool // the message has a whole number there, written without fraction and exponent
}

// IsSecret reports whether b is written as the secret of a kept session: 16 to 128 characters of base64url (RFC 4648, section
// 5) without padding.
func IsSecret(b []byte) bool {
	if len(b) < MinSecretCharacters || len(b) > MaxSecretCharacters {
		return false
	}
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// loginRequest returns what a login brings besides the login, or nil if it brings nothing.
func (s *scanner) loginRequest() *Request {
	token, _ := s.stringOf(memberToken)
	keep := s.found[memberKeep].kind == kindTrue
	if token == nil && !keep {
		return nil
	}
	r := &Request{Token: token, Keep: keep}
	if !keep {
		return r
	}
	r.Received = s.count()
	if secret, ok := s.stringOf(memberResume); ok && IsSecret(secret) {
		r.Resume = secret
	}
	return r
}

// confirmation returns what a ping confirms, or nil if it does not try to.
func (s *scanner) confirmation() *Request {
	if s.found[memberReceived].end == 0 {
		return nil
	}
	return &Request{Received: s.count()}
}

// count returns the value of the member received.
func (s *scanner) count() Count {
	v := &s.found[memberReceived]
	if v.kind != kindNumber {
		return Count{}
	}
	n, err := strconv.ParseUint(string(s.text[v.start:v.end]), 10, 64)
	return Count{n, err == nil}
}

// watched returns the logins of a watch, and false if the member logins is not a list of at most [MaxWatched] strings.
func (s *scanner) watched() ([][]byte, bool) {
	v := &s.found[memberLogins]
	if v.end == 0 || jsontext.At(s.text, v.start) != '[' {
		return nil, false
	}
	logins := [][]byte{}
	for i := jsontext.Space(s.text, v.start+1); jsontext.At(s.text, i) != ']'; {
		if jsontext.At(s.text, i) != '"' || len(logins) == MaxWatched {
			return nil, false
		}
		end, escaped := s.str(i + 1)
		logins = append(logins, s.unescaped(i, end, escaped))
		if i = jsontext.Space(s.text, end); jsontext.At(s.text, i) == ',' {
			i = jsontext.Space(s.text, i+1)
		}
	}
	return logins, true
}
