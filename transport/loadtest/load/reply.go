package load

import (
	"bytes"
	"encoding/json"

	"p2p-messaging/messages"
)

// reply is a message of the service's own. What matters of it is read; the rest may be anything.
type reply struct {
	Type    string        `json:"type"`
	Success *bool         `json:"success"`
	Code    messages.Code `json:"code"`
}

// codeNone stands for an error without a code, as services of the original protocol send it.
const codeNone = "error"

// accepted is what nearly every answer to a login is.
var accepted = messages.AppendLoginAccepted(nil)

// parseReply reads a message of the service's own; false where it is none.
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

// code returns the code that a refusal or an error is counted under. Services may invent codes; they are bounded, since
// each becomes a line of the figures.
func (r reply) code() string {
	const longest = 40
	if r.Code == "" || len(r.Code) > longest {
		return codeNone
	}
	return string(r.Code)
}

// isError tells fast whether a text may be an error of the service's: relayed frames of ours never are.
func isError(text []byte) bool {
	return bytes.HasPrefix(text, []byte(`{"type":"error"`)) || !bytes.Contains(text, []byte(markName))
}
