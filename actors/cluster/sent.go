package cluster

import (
	"encoding/binary"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// sending is one message of a session of this node to a login of another one.
type sending struct {
	relay   *relay
	target  *target
	number  uint64
	owner   routes.Address // that it was sent to
	holder  *holder        // while it is remembered
	block   *block
	message *messages.Deliver // nil when the owner has taken it
	sender  string
	rawTo   string
	tries   uint8
	gone    bool // the sender needs to be told nothing any more
}

// perBlock is how many messages share one piece of memory. Messages with consecutive numbers are nearly always forgotten at about the same
// time. One that is not keeps the memory of all.
const perBlock = 16

// block is the memory of messages with consecutive numbers.
type block struct {
	sendings   [perBlock]sending
	remembered int
}

// sent holds the messages that may have to be told to their senders. The relay's mutex guards it.
type sent struct {
	number  uint64 // of the newest message
	newest  *block
	blocks  map[uint64]*block // those with messages that are remembered, by number/perBlock
	holders map[routes.Address]*holder
	holder  *holder // of the last message
	count   int
}

// holder is a node that has messages which are remembered.
type holder struct {
	address routes.Address
	count   int
}

func newSent() sent { return sent{blocks: map[uint64]*block{}, holders: map[routes.Address]*holder{}} }

// next returns a message with the next number.
func (s *sent) next() *sending {
	s.number++
	if s.newest == nil || s.number%perBlock == 0 {
		s.newest = new(block)
	}
	m := &s.newest.sendings[s.number%perBlock]
	m.number, m.block = s.number, s.newest
	return m
}

// sending returns a new message for a target. The caller holds mu.
func (r *relay) sending(t *target, m *messages.Deliver) *sending {
	if t.rawTo != string(m.RawTo) {
		t.rawTo = string(m.RawTo)
	}
	s := r.sent.next()
	s.relay, s.target, s.message, s.sender, s.rawTo = r, t, m, m.Sender.GetId(), t.rawTo
	return s
}

// remember notes that the owner of a message has it.
func (s *sent) remember(m *sending) {
	if s.holder == nil || s.holder.address != m.owner || s.holder.count == 0 {
		if s.holder = s.holders[m.owner]; s.holder == nil {
			s.holder = &holder{address: m.owner}
			s.holders[m.owner] = s.holder
		}
	}
	m.holder = s.holder
	m.holder.count++
	s.count++
	if m.block.remembered++; m.block.remembered == 1 {
		s.blocks[m.number/perBlock] = m.block
	}
}

// forget notes that the sender of a message needs to be told nothing any more.
func (s *sent) forget(m *sending) {
	m.gone = true
	h := m.holder
	if h == nil {
		return
	}
	m.holder = nil
	s.count--
	if m.block.remembered--; m.block.remembered == 0 {
		delete(s.blocks, m.number/perBlock)
	}
	if h.count--; h.count == 0 {
		delete(s.holders, h.address)
	}
}

// move notes that another node has a message now.
func (s *sent) move(m *sending, owner routes.Address) {
	s.forget(m)
	m.owner, m.gone = owner, false
	s.remember(m)
}

// get returns the message with a number if it is remembered, or nil.
func (s *sent) get(number uint64) *sending {
	b := s.blocks[number/perBlock]
	if b == nil {
		return nil
	}
	if m := &b.sendings[number%perBlock]; m.holder != nil {
		return m
	}
	return nil
}

// takenBy forgets what a node has taken, and returns it.
func (s *sent) takenBy(owner routes.Address) (taken []*sending) {
	for _, b := range s.blocks {
		for i := range b.sendings {
			if m := &b.sendings[i]; m.holder != nil && m.owner == owner && m.message == nil {
				taken = append(taken, m)
			}
		}
	}
	for _, m := range taken {
		s.forget(m)
	}
	return taken
}

// Size implements [routes.Message].
func (s *sending) Size() int {
	return 2 + numberSize(s.number) + partSize(s.sender) + partSize(s.target.key) + partSize(s.sentTo()) + len(s.message.Text)
}

// sentTo returns the addressee as the sender has spelled it. The node of a PeerJS client does not need it.
func (s *sending) sentTo() string {
	if messages.IsPeerKey(s.target.key) {
		return ""
	}
	return s.rawTo
}

// sendingBytes is about what a sending occupies besides the text of its message.
const sendingBytes = 192

// Memory implements [routes.Message].
func (s *sending) Memory() int { return (*messages.Relay)(s.message).Memory() + sendingBytes }

// Append implements [routes.Message].
func (s *sending) Append(data []byte) []byte {
	data = binary.AppendUvarint(append(data, kindRelay, byte(s.message.Type)), s.number)
	data = appendPart(data, s.sender)
	data = appendPart(data, s.target.key)
	data = appendPart(data, s.sentTo())
	return append(data, s.message.Text...)
}
