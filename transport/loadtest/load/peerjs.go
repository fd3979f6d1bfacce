package load

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/loadtest/options"
)

// peerJS is the protocol of PeerJS, as version 1.5.5 of its client speaks it. To connect is to log in, and to close is to log out.
type peerJS struct {
	socket string // target of the handshake up to the id
}

// aliveEvery is the time between two heartbeats of a PeerJS client, and from the handshake to the first.
const aliveEvery = 5 * time.Second

func newPeerJS(o options.Options) *peerJS {
	u, err := url.Parse(o.URL) // Resolve has parsed it
	if err != nil {
		panic(err)
	}
	socket := u.EscapedPath() + "?"
	if u.RawQuery != "" {
		socket += u.RawQuery + "&"
	}
	return &peerJS{socket + "version=1.5.5&key=" + url.QueryEscape(o.Key) + "&id="}
}

// Without a token, target uses the login as the token, so that a session shows the same one when it comes back.
func (p *peerJS) target(login, token []byte) string {
	if token == nil {
		token = login
	}
	return p.socket + string(login) + "&token=" + url.QueryEscape(string(token))
}

// A page that is loaded again has another id. PeerJS's own server may still hold the id of a connection that has just ended.
func (*peerJS) renames() bool { return true }

func (*peerJS) appendLogin(b, _, _ []byte) []byte { return b }
func (*peerJS) appendLogout(b, _ []byte) []byte   { return b }
func (*peerJS) alive() []byte                     { return []byte(`{"type":"HEARTBEAT"}`) }

// frame returns a frame with the payload that PeerJS's client makes of a browser's: it adds what tells the connection.
func (*peerJS) frame(kind messages.Type, payload string) frame {
	t, name, more := "OFFER", "sdp", ""
	switch kind {
	case messages.TypeAnswer:
		t = "ANSWER"
	case messages.TypeICECandidate:
		t, name = "CANDIDATE", "candidate"
	default:
		more = `,"label":"dc_x7fgq1hb0kd","reliable":true,"serialization":"binary"`
	}
	payload = marked(`{"` + name + `":` + payload + `,"type":"data","connectionId":"dc_x7fgq1hb0kd"` + more + `}`)
	return frame{
		sent:    newTemplate(`{"type":"` + t + `","payload":` + payload + `,"dst":"` + toPlace + `"}`),
		arrives: newTemplate(`{"type":"` + t + `","src":"` + fromPlace + `","dst":"` + toPlace + `","payload":` + payload + `}`),
	}
}

// canonical returns a frame without the white space between its tokens.
func (*peerJS) canonical(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	return b.Bytes()
}

// Codes of what a PeerJS server tells its clients.
const (
	codeIDTaken    = "id-taken"
	codeInvalidKey = "invalid-key"
	codeCapacity   = "concurrent-limit"
	codeExpired    = "expired" // a frame has waited for its receiver for too long
)

// reply translates a message of a PeerJS server.
func (*peerJS) reply(text []byte) (reply, bool) {
	var m struct {
		Type    string
		Payload struct{ Msg string }
	}
	if json.Unmarshal(text, &m) != nil {
		return reply{}, false
	}
	refusal := func(code messages.Code) (reply, bool) { return reply{Type: "error", Code: code}, true }
	switch {
	case m.Type == "OPEN":
		yes := true
		return reply{Type: "login", Success: &yes}, true
	case m.Type == "EXPIRE":
		return refusal(codeExpired)
	case m.Type == "ID-TAKEN":
		return refusal(codeIDTaken)
	case m.Type == "INVALID-KEY", m.Type == "ERROR" && strings.Contains(m.Payload.Msg, "key provided"):
		return refusal(codeInvalidKey)
	case m.Type == "ERROR" && strings.Contains(m.Payload.Msg, "limit"):
		return refusal(codeCapacity)
	case m.Type == "ERROR" && strings.Contains(m.Payload.Msg, "token provided"):
		return refusal(messages.CodeAuthFailed)
	case m.Type == "ERROR":
		return refusal(codeNone)
	}
	return reply{}, false
}
