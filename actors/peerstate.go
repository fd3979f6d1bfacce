package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// PeerState is what the next service needs to know of a PeerJS id, when this one ends.
type PeerState struct {
	Key string // see [messages.PeerKey]
	// Token is the hash of the token of the client that has the id, or empty. Only with [PeerJS.Reserve].
	Token []byte
	// Waiting are the messages that wait for the id, the oldest first.
	Waiting []PeerMessage
}

// PeerMessage is a message that waits for a PeerJS id.
type PeerMessage struct {
	From string // the id of the sender
	Text []byte
}

// restored tells the registry, and then the session of an id, what waited when a service before this one has ended.
type restored struct{ state PeerState }

// leave notes the state of a session that ends with its System.
func (all *peers) leave(p *peerSession) {
	state := PeerState{Key: p.key()}
	if p.guarded && all.options.Reserve > 0 {
		state.Token = append(state.Token, p.token[:]...)
	}
	if a := p.room(); a != nil {
		for _, m := range a.messages.messages[a.messages.head:] {
			m := m.(*messages.Deliver)
			state.Waiting = append(state.Waiting, PeerMessage{From: peerID(m.Sender.GetId()), Text: m.Text})
		}
	}
	if state.Token == nil && state.Waiting == nil {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.left = append(all.left, state)
}

// PeersLeft returns the state of the PeerJS ids when [System.Stop] has ended their sessions. [System.RestorePeers] of the next service
// takes it.
func (s *System) PeersLeft() []PeerState {
	s.peers.mu.Lock()
	defer s.peers.mu.Unlock()
	return s.peers.left
}

// RestorePeers takes the state of PeerJS ids of a service before this one. The clocks of reservations and of messages begin anew, because the
// clients were away as well.
func (s *System) RestorePeers(states []PeerState) {
	for _, state := range states {
		if messages.IsPeerKey(state.Key) {
			s.root.Send(s.registry, &restored{state})
		}
	}
}

// restore gives the state of an id to its session.
func (r *registry) restore(ctx actor.Context, m *restored) {
	switch owner := r.system.directory.owner([]byte(m.state.Key)); {
	case owner == nil:
		r.spawnPeer(ctx, m.state.Key, nil, m)
	case owner.mailbox.post(m) != "": // it is ending
		r.peers.awaiting[owner] = append(r.peers.awaiting[owner], m)
	}
}

// restore takes the state that the id had in a service before this one.
func (p *peerSession) restore(m *restored) {
	all := &p.system().peers
	if !p.guarded && len(m.state.Token) == peerTokenSize && all.options.Reserve > 0 && all.take() {
		copy(p.token[:], m.state.Token)
		p.guard(true)
		p.setReservation(all.reserved.begin(p.pid(), 0))
	}
	for _, waiting := range m.state.Waiting {
		text := messages.NewAnswer(waiting.Text)
		text.Type, text.To, text.Sender = messages.TypeOffer, []byte(m.state.Key), peerAddress(waiting.From)
		p.deliver((*messages.Deliver)(text))
	}
}
