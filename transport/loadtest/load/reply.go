package load

import (
	"bytes"
	"encoding/json"

	"p2p-messaging/messages"
)

// reply is a message that the service itself sends. Fields that do not matter here are ignored.
type reply struct {
	Type    string        `json:"type"`
	Success *bool         `json:"success"`
	Code    messages.Code `json:"code"`

	// These stand in the answer to the login of a kept session.
	Resume   string `json:"resume"`
	Resumed  bool   `json:"resumed"`
	Received uint64 `json:"received"`
}

// codeNone is the code of an error without a code. Services of the original protocol send such errors.
const codeNone = "error"

// accepted is the answer to nearly every login. Comparing it spares parsing.
var accepted = messages.AppendLoginAccepted(nil, nil)

// parseReply parses a message of the service itself. It returns false for any other message.
func parseReply(text []byte) (reply, bool) {
	if bytes.Equal(text, accepted) {
		yes := true
		return reply{Type: "login", Success: &yes}, true
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil || r.Type != "login" && r.Type != "error" || r.Type == "login" && r.Success == nil {
		return reply{}, false
	}
	return r, true
}

// code returns the code under which a refusal or an error is counted. The length is bounded, because services may
// invent codes and each code becomes a line of the figures.
func (r reply) code() string {
	const longest = 40
	if r.Code == "" || len(r.Code) > longest {
		return codeNone
	}
	return string(r.Code)
}

// isError reports, at little cost, whether a text may be an error of the service. It is false for every relayed frame
// of the load test.
func isError(text []byte) bool {
	return bytes.HasPrefix(text, []byte(`{"type":"error"`)) || !bytes.Contains(text, []byte(markName))
}
