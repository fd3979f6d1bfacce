package chat

import (
	"encoding/binary"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of file transfers. web/src/files/frames.ts describes their frames.
const (
	maxControlBytes = 8 * 1024
	maxNameLength   = 1024                // in UTF-16 units
	maxTypeLength   = 255                 // in UTF-16 units
	maxOffers       = 32                  // how many offers may wait for a decision
	fileChunkBytes  = 16*1024 - 4         // bytes of a file in one message
	blockBytes      = 64 * fileChunkBytes // files are hashed in blocks of this size
	fileWindow      = 16 << 20            // how far the sender may be ahead of what the receiver has written
	maxFileBytes    = 1<<53 - 1           // numbers are exact in JavaScript up to here
)

// fileMessage is a control frame about files. Which fields count depends on File.
type fileMessage struct {
	File   string `json:"file"`
	ID     uint32 `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Size   *int64 `json:"size,omitempty"`
	Type   string `json:"type"`
	Bytes  *int64 `json:"bytes,omitempty"`
	Offset *int64 `json:"offset,omitempty"`
	Reason string `json:"reason,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

func (m fileMessage) frame() []byte { return jsonFrame(frameFile, m) }

// parseFileMessage reads a control frame. It returns an empty File for one that only later versions know.
func parseFileMessage(body []byte) (fileMessage, error) {
	var kind struct{ File any }
	var m fileMessage
	if len(body) > maxControlBytes || !utf8.Valid(body) || json.Unmarshal(body, &kind) != nil {
		return m, errGarbled
	}
	switch kind.File {
	case "limit", "offer", "accept", "progress", "done", "decline", "received", "cancel", "withdraw":
		if json.Unmarshal(body, &m) != nil {
			return m, errGarbled
		}
	}
	fits := func(n *int64) bool { return n != nil && *n >= 0 && *n <= maxFileBytes }
	ok := m.ID != 0
	switch m.File {
	case "limit":
		ok = fits(m.Bytes)
	case "offer":
		ok = ok && fits(m.Size) && utf16Length(m.Name) <= maxNameLength && utf16Length(m.Type) <= maxTypeLength
	case "accept", "progress":
		ok = ok && fits(m.Offset)
	case "done":
		ok = ok && isSHA256(m.SHA256)
	case "decline", "received", "cancel", "withdraw":
	default:
		return fileMessage{}, nil
	}
	if !ok {
		return m, errGarbled
	}
	return m, nil
}

func utf16Length(s string) int { return len(utf16.Encode([]rune(s))) }

func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// fileChunk returns a message of the channel for the bytes of files. One without bytes ends the file.
func fileChunk(id uint32, part []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(part)), id), part...)
}
