package actors

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"

	"p2p-messaging/messages"
)

// kept is what a kept session has besides its login: the counts of both directions, what the client has not confirmed, and the
// secrets. It belongs to the session's actor, except for the atomic fields.
type kept struct {
	received  uint64 // messages of the client that were acted on
	sent      uint64 // messages for the client
	confirmed uint64 // messages for the client that were let go
	// queued is how many messages for the client were queued before now, those included that were confirmed. It is 0 while a
	// connection that has taken over is given what it missed.
	queued atomic.Uint64

	// retained holds the messages behind confirmed. It is nil if there are none.
	retained *queue
	bytes    atomic.Int64 // what is retained counts so many bytes against the bound of what waits, see weight

	// mark stands in front of queued in a WebSocket ping. An answer to a ping that was for another session, because the client has
	// logged in again on its connection, confirms nothing.
	mark uint32
	// generation says which secret the last reply gave. See secretOf.
	generation uint32
	// undelivered says that the link of the present connection has dropped messages. A logout then tells their senders.
	undelivered atomic.Bool
	// confirms says that the client has sent received in a ping. Answers to WebSocket pings confirm nothing then.
	confirms bool
	// moving says that the session was handed over to another node, which may own its login by now. It acts on nothing then.
	moving atomic.Bool
	asked  bool // a WebSocket ping is under way, because much is retained

	brought *brought // nil once the client has shown that it has the secret of the last reply
	absence *absence // nil while there is a connection

	underway atomic.Pointer[underway] // nil until a message of the client goes to another node, or the session comes from one
}

// brought is a secret that the client has brought. It holds until the client has shown that it has the one of the reply. While it
// holds, nothing is let go.
type brought struct {
	hash     [sha256.Size]byte
	began    bool   // the session began with it
	received uint64 // the count that came with it; confirmed when the next secret is shown
}

// newKept returns the state of a new kept session. Secret is nil if its login brought none.
func newKept(secret []byte) *kept {
	k := &kept{mark: rand.Uint32()}
	if secret != nil {
		k.brought = &brought{hash: sha256.Sum256(secret), began: true}
	}
	return k
}

// bring notes a secret that the client has brought. It is that of the reply before.
func (k *kept) bring(secret []byte) { k.brought = &brought{hash: sha256.Sum256(secret)} }

// pinged returns what a WebSocket ping says is queued before it.
func (k *kept) pinged() uint64 { return uint64(k.mark)<<32 + k.queued.Load() }

// retain holds a message until the client confirms it. It takes m over.
func (k *kept) retain(m *messages.Deliver) {
	k.sent++
	if k.retained == nil {
		k.retained = queues.Get().(*queue)
	}
	m = (*messages.Deliver)((*messages.Relay)(m).Compact())
	k.retained.put(m)
	k.grow(m)
}

// heldBytes is about what a retained message occupies besides its text.
const heldBytes = 320

// heldSize returns about how many bytes a retained message occupies. It may be twice as many, see [messages.Relay.Compact].
func heldSize(m *messages.Deliver) int { return len(m.Text) + heldBytes }

// weight returns how many bytes a retained message counts against the bound of what waits: its text, or half of what it occupies if
// that is more. So short messages do not occupy many times the bound.
func weight(m *messages.Deliver) int { return max(len(m.Text), heldSize(m)/2) }

// memory returns about how many bytes what is retained occupies.
func (k *kept) memory() (bytes int) {
	for _, m := range k.behind(k.confirmed) {
		bytes += heldSize(m.(*messages.Deliver))
	}
	return bytes
}

// grow counts a message that is retained from now on.
func (k *kept) grow(m *messages.Deliver) {
	k.bytes.Add(int64(weight(m)))
	if k.absence != nil {
		k.absence.grow(heldSize(m))
	}
}

// shrink counts a message that is not retained any more.
func (k *kept) shrink(m *messages.Deliver) {
	k.bytes.Add(-int64(weight(m)))
	if k.absence != nil {
		k.absence.grow(-heldSize(m))
	}
}

// confirm lets go what the client has confirmed by a count.
func (k *kept) confirm(count uint64, system *System) {
	if count <= k.confirmed || count > k.sent {
		return
	}
	k.asked = false
	for k.confirmed < count {
		k.confirmed++
		m := k.retained.take().(*messages.Deliver)
		k.shrink(m)
		system.settled(m)
	}
	if k.retained.len() == 0 {
		k.release()
	}
}

// letGo empties what is retained and passes each message to f, which takes it over.
func (k *kept) letGo(f func(*messages.Deliver)) {
	if k.retained == nil {
		return
	}
	k.confirmed = k.sent
	for k.retained.len() > 0 {
		m := k.retained.take().(*messages.Deliver)
		k.shrink(m)
		f(m)
	}
	k.release()
}

func (k *kept) release() {
	if cap(k.retained.messages) <= keepBacklog {
		queues.Put(k.retained)
	}
	k.retained = nil
}

// behind returns the retained messages behind the first count messages. Count is not less than confirmed.
func (k *kept) behind(count uint64) []any {
	if k.retained == nil {
		return nil
	}
	return k.retained.messages[k.retained.head:][count-k.confirmed:]
}

// shown notes that the client has the secret of the last reply.
func (k *kept) shown(system *System) {
	if b := k.brought; b != nil {
		k.brought = nil
		k.confirm(b.received, system)
	}
}

// A proof is what a secret proves.
type proof uint8

const (
	noProof    proof = iota // it is none of the session's
	again                   // it was brought before, and the reply may have been lost
	next                    // it is that of the last reply
	wrongCount              // it holds, and the count that came with it does not
)

// prove says what a secret proves. Expected is that of the last reply. The comparisons take the same time for any secret.
func (k *kept) prove(secret []byte, expected string) proof {
	if subtle.ConstantTimeCompare(secret, []byte(expected)) == 1 {
		return next
	}
	if b := k.brought; b != nil {
		if hash := sha256.Sum256(secret); subtle.ConstantTimeCompare(hash[:], b.hash[:]) == 1 {
			return again
		}
	}
	return noProof
}

// secretBytes is the number of random bytes in a secret of the service.
const secretBytes = 16

// secretOf returns the secret of one reply to the client of a session. It is a function of the session's address, which no other
// session ever has, and of the number of the secret, under a key that only this System has. So no session stores it.
func (s *System) secretOf(id string, generation uint32) string {
	mac := hmac.New(sha256.New, s.secretKey[:])
	mac.Write([]byte(id))
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], generation)
	mac.Write(number[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:secretBytes])
}
