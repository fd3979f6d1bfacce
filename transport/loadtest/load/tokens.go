package load

import (
	"bytes"
	"encoding/json"
)

// Tokens are those with which the sessions of a run log in, in turn. If there are none, they log in without.
type Tokens []string

// loginMark stands in a token for the login of its session.
const loginMark = "{login}"

// of returns the token of the session with a number and a login. It is nil if there are no tokens.
func (t Tokens) of(number int, login []byte) []byte {
	if len(t) == 0 {
		return nil
	}
	return bytes.ReplaceAll([]byte(t[number%len(t)]), []byte(loginMark), login)
}

// appendToken appends the member with the token of a session, unless it is nil, to its login message.
func appendToken(text, token []byte) []byte {
	if token == nil {
		return text
	}
	quoted, err := json.Marshal(string(token))
	if err != nil {
		panic(err) // a string is always JSON
	}
	return append(append(text, `,"token":`...), quoted...)
}
