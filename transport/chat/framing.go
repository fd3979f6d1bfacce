package chat

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// Kinds of frames on the channel of the texts. web/src/call/framing.ts describes them.
const (
	frameHello   = 1
	frameText    = 2
	frameReceipt = 3
	frameGoodbye = 4
	framePing    = 5
	framePong    = 6
	frameRead    = 7
	frameTyping  = 8
	frameFile    = 9
	frameNext    = 10
	frameAway    = 11
)

const (
	// chunkBytes is the longest part of a text in one frame.
	chunkBytes = 16*1024 - 6
	// maxTextBytes is the longest text that is sent or accepted.
	maxTextBytes = 16 << 20
	// maxTextChunks is how many chunks a text may have.
	maxTextChunks = maxTextBytes / 1024
	// maxInstance is the longest instance that is accepted, in bytes.
	maxInstance = 64 * 3
)

// errGarbled says that the other side sent something that makes no sense.
var errGarbled = errors.New("the other side sent something that makes no sense")

// mark names the last text that has come from an instance.
type mark struct {
	Instance string `json:"instance"`
	ID       uint32 `json:"id"`
}

// hello is the body of a hello.
type hello struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"`
	Received *mark  `json:"received,omitempty"`
	More     bool   `json:"more,omitempty"`
}

func (h hello) frame() []byte { return jsonFrame(frameHello, h) }

// jsonFrame returns a frame whose body is JSON.
func jsonFrame(kind byte, body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers are always JSON
	}
	return append([]byte{kind}, text...)
}

func parseHello(body []byte) (hello, error) {
	var fields struct {
		Instance string
		Received json.RawMessage
		More     json.RawMessage
	}
	if !utf8.Valid(body) || json.Unmarshal(body, &fields) != nil || fields.Instance == "" || len(fields.Instance) > maxInstance {
		return hello{}, errGarbled
	}
	h := hello{Instance: fields.Instance, More: string(fields.More) == "true"}
	var received mark
	if json.Unmarshal(fields.Received, &received) == nil && received.Instance != "" {
		h.Received = &received
	}
	return h, nil
}

// textFrame returns one chunk of a text.
func textFrame(id uint32, last bool, part string) []byte {
	flags := byte(0)
	if last {
		flags = 1
	}
	return append(binary.BigEndian.AppendUint32([]byte{frameText, flags}, id), part...)
}

func idFrame(kind byte, id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{kind}, id) }

// parseID reads the body of a receipt or a read mark.
func parseID(body []byte) (uint32, error) {
	if len(body) != 4 {
		return 0, errGarbled
	}
	return binary.BigEndian.Uint32(body), nil
}

// assembler puts the chunks of texts together.
type assembler struct {
	id     uint32
	chunks int
	text   []byte
}

// add takes the body of a text frame. It returns the text if this chunk completes it.
func (a *assembler) add(body []byte) (id uint32, text string, complete bool, err error) {
	if len(body) < 5 || body[0]&^1 != 0 {
		return 0, "", false, errGarbled
	}
	last, part := body[0] == 1, body[5:]
	id = binary.BigEndian.Uint32(body[1:])
	switch {
	case a.chunks > 0 && id != a.id, !last && len(part) == 0, len(a.text)+len(part) > maxTextBytes, a.chunks >= maxTextChunks:
		return 0, "", false, errGarbled
	}
	a.id, a.chunks, a.text = id, a.chunks+1, append(a.text, part...)
	if !last {
		return id, "", false, nil
	}
	text = string(a.text)
	*a = assembler{}
	if !utf8.ValidString(text) {
		return 0, "", false, errGarbled
	}
	return id, text, true, nil
}

// fingerprintText writes a SHA-256 fingerprint as RFC 8122 does: "AB:CD:…".
func fingerprintText(sum []byte) string {
	digits := strings.ToUpper(hex.EncodeToString(sum))
	pairs := make([]string, 0, len(sum))
	for ; len(digits) > 0; digits = digits[2:] {
		pairs = append(pairs, digits[:2])
	}
	return strings.Join(pairs, ":")
}
