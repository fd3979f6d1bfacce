package load

import (
	"bytes"
	"strconv"
)

// kept is what a session has that outlives its connection, if the service is asked to keep it. The session sends no message that
// counts, except for a logout at its end. So it has nothing to send again.
type kept struct {
	secret   string // the newest one
	begun    bool   // the service keeps the session
	resumed  bool   // the last login went on where the session was
	received uint32 // messages of the service that count
}

// Codes of errors in the figures that concern kept sessions.
const (
	CodeNotKept    = "not-kept"    // the service does not keep a session that it was asked to keep
	codeWrongCount = "wrong-count" // the service resumes with a count that cannot be
)

// appendKeptLogin appends what makes a login ask for a kept session.
func (c *session) appendKeptLogin(text []byte) []byte {
	k := c.kept
	if k.secret == "" {
		var secret []byte
		for range 4 { // 128 random bits
			secret = appendHex(secret, c.shard.random.Uint32(), 8)
		}
		k.secret = string(secret)
	}
	text = append(text, `,"keep":true,"resume":"`...)
	text = append(text, k.secret...)
	text = append(text, `","received":`...)
	return strconv.AppendUint(text, uint64(k.received), 10)
}

// keeps handles the answer to a login that was accepted.
func (c *session) keeps(r reply) {
	k, s := c.kept, c.shard
	if r.Resume == "" {
		*k = kept{}
		s.error(CodeNotKept)
		return
	}
	k.secret = r.Resume
	if !r.Resumed {
		k.received = 0
	}
	if r.Resumed && r.Received != 0 {
		s.error(codeWrongCount)
	}
	k.resumed = r.Resumed && k.begun
	k.begun = true
	c.confirm()
}

// confirm tells the service how many messages have come. The first time it also shows that the session has its next secret.
func (c *session) confirm() {
	var buffer [64]byte
	text := strconv.AppendUint(append(buffer[:0], `{"type":"ping","received":`...), uint64(c.kept.received), 10)
	_ = c.send(append(text, '}'))
}

// took counts a message of the service to a session that is logged in. It returns true for a message that is for the session alone.
func (k *kept) took(c *session, text []byte) bool {
	switch {
	case !k.begun:
	case bytes.HasPrefix(text, []byte(`{"type":"pong"`)):
		return true
	case bytes.HasPrefix(text, []byte(`{"type":"presence"`)):
	default:
		k.received++
		c.confirm()
	}
	return false
}
