package swarm

import (
	"crypto/sha1"
	"encoding/base64"
	"testing"
)

// acceptKey returns the Sec-WebSocket-Accept for a key. It uses the formula of RFC 6455, section 4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestTheFormulaGivesTheExampleOfRFC6455(t *testing.T) {
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("the accept value is %s", got)
	}
}
