package messages

import "strconv"

// Limits of kept sessions and of presence.
const (
	MinSecretCharacters = 16  // in the secret of a kept session
	MaxSecretCharacters = 128 // in the secret of a kept session
	MaxWatched          = 256 // logins in one watch
)

// Request holds the members that only some messages to the service have. Few messages have any. So they stand apart from the
// Envelope, which is made for every message.
type Request struct {
	// Keep says that a login asks for a kept session.
	Keep bool
	// Resume is the secret that a login with Keep brings, or nil. What is not written as a secret is not brought.
	Resume []byte
	// Received is how many messages the client has received, by a login with Keep or a ping.
	Received Count
	// Logins are those that a watch names, in the order of the message. It is not nil for a watch.
	Logins [][]byte
}

// Count is a number of messages that a client names. The zero value is not one.
type Count struct {
	N  uint64
	OK bool // the message has a whole number there, written without fraction and exponent
}

// parseCount returns the number that a JSON number stands for.
func parseCount(number []byte) Count {
	n, err := strconv.ParseUint(string(number), 10, 64)
	return Count{n, err == nil}
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

// keepRequest returns what a login asks for beyond a login, or nil.
func (s *scanner) keepRequest() *Request {
	if s.found[memberKeep].kind != kindTrue {
		return nil
	}
	r := &Request{Keep: true, Received: s.count()}
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
	return parseCount(s.text[v.start:v.end])
}

// watched returns the logins of a watch, and false if the member logins is not a list of at most [MaxWatched] strings.
func (s *scanner) watched() ([][]byte, bool) {
	v := &s.found[memberLogins]
	if v.end == 0 || at(s.text, v.start) != '[' {
		return nil, false
	}
	logins := [][]byte{}
	for i := space(s.text, v.start+1); at(s.text, i) != ']'; {
		if at(s.text, i) != '"' || len(logins) == MaxWatched {
			return nil, false
		}
		end, escaped := s.str(i + 1)
		logins = append(logins, s.unescaped(i, end, escaped))
		if i = space(s.text, end); at(s.text, i) == ',' {
			i = space(s.text, i+1)
		}
	}
	return logins, true
}
