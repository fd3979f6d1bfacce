package actors

import (
	"crypto/sha256"
	"log/slog"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// Peer is the [Connection] of a PeerJS client. [System.ConnectPeer] makes it. It asks for one id, with Begin, and ends if that is refused.
// Otherwise the rules of Connection hold.
type Peer struct{ Connection }

// ConnectPeer returns a Peer for a new client.
func (s *System) ConnectPeer(link Link) *Peer {
	return &Peer{Connection{system: s, link: link}}
}

// Begin asks for the id of the client, which has said hello in the address of its WebSocket. Key is that of the service; "" takes any. Begin must
// be called once, before anything else. Its result is that of [Connection.Receive]: if it returns false, the client's first message must wait
// for [Link.Resume].
func (p *Peer) Begin(h peerjs.Hello, key string) (next bool) {
	switch {
	case h.ID == "" || h.Token == "" || h.Key == "":
		p.turnAway(messages.CodeMalformed, peerjs.ErrorIncomplete)
		return true
	case key != "" && h.Key != key:
		p.turnAway(messages.CodeMalformed, peerjs.ErrorKey)
		return true
	case !p.link.Admit(false):
		p.turnAway(messages.CodeTooMany, peerjs.ErrorTooMany)
		return true
	}
	question := &claim{
		login:      messages.Login{Shown: h.ID, Key: messages.PeerKey(h.ID)},
		connection: &p.Connection,
		secret:     hashOf(h.Token),
	}
	if p.system.authenticate == nil {
		return p.ask(p.system.registry, question)
	}
	question.proven = true
	return p.prove(question, []byte(h.Token), func(reason string) { p.turnAway(messages.CodeAuthFailed, peerjs.ErrorToken+": "+reason) })
}

// hashOf returns what is kept of a token.
func hashOf(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:peerTokenSize]
}

// ID returns the id of the client, or "" if it has none. Only the reader may call it, and not while a message must wait.
func (p *Peer) ID() string {
	if p.session == nil {
		return ""
	}
	return peerID(p.session.Id)
}

// Receive acts on one message of the client, and owns it from then on. See [Connection.Receive].
func (p *Peer) Receive(m *messages.Relay) (next bool) {
	if p.session == nil {
		m.Release()
		return true
	}
	if !p.send(m) {
		return false
	}
	if p.system.peers.routed.Load() > maxRouted {
		return p.ask(p.system.registry, caughtUp{&p.Connection})
	}
	return true
}

// Leave gives up the id of the client, and ends its connection.
func (p *Peer) Leave() {
	p.leave(true)
	p.link.Close(messages.CloseNoStatus, "")
}

// Closed says that the connection has ended. The id of its client is free then, or reserved for the client.
func (p *Peer) Closed(bool) { p.Connection.Closed(false) }

// Undelivered drops a message that the link had taken. A PeerJS client is told of messages that nobody came for, and not of those that
// its peer has missed.
func (p *Peer) Undelivered([]byte, messages.Address, bool) {}

// turnAway refuses an id, and ends the connection.
func (c *Connection) turnAway(code messages.Code, sentence string) {
	c.endWith(code, peerjs.AppendError(nil, sentence))
}

// endWith tells a PeerJS client why it may not have the id, and ends the connection.
func (c *Connection) endWith(code messages.Code, frame []byte) {
	c.system.counts.loginsRefused.add(code)
	if c.system.debugs() {
		c.system.logger.Debug("a PeerJS id was refused", slog.String("code", string(code)), c.logged())
	}
	c.link.Send(frame)
	c.link.Close(messages.CloseNoStatus, "")
}
