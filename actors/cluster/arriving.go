package cluster

import (
	"encoding/binary"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// Receive takes what another node has sent. It implements [routes.Config.Receive].
func (r *relay) Receive(from routes.Address, body []byte) routes.Outcome {
	<-r.started // a message may come while the node is still joining
	if len(body) == 0 {
		return routes.Gone
	}
	in := &reader{rest: body[1:]}
	switch body[0] {
	case kindAlive:
	case kindRelay:
		return r.arrive(from, in)
	case kindSettled:
		r.mu.Lock()
		for len(in.rest) > 0 {
			r.settled(in.number())
		}
		r.mu.Unlock()
	case kindReturn:
		r.returned(from, in)
	case kindMove:
		r.handOver(from, in)
	case kindMoveAnswer:
		outcome := actors.HandedOver(in.number())
		number := in.number()
		r.answered(number, outcome, &reader{rest: slices.Clone(in.rest)})
	case kindMoved:
		key := string(in.part())
		r.handed(key, true)
		r.system.Moved(key)
	case kindRehome:
		r.rehome(in)
	case kindInform:
		key, sender, code, rawTo := in.part(), in.part(), in.part(), in.part()
		if !in.fault {
			(&informing{relay: r, key: string(key), sender: string(sender), code: messages.Code(code), rawTo: slices.Clone(rawTo)}).find()
		}
	default:
		r.unreadable.Add(1)
		r.logger.Warn("another node has sent what this one cannot read", slog.String("node", string(from)))
		return routes.Gone
	}
	return routes.Accepted
}

// arrive gives a message of another node to the session that has its login.
func (r *relay) arrive(from routes.Address, in *reader) routes.Outcome {
	of, number, sender, key, rawTo := in.number(), in.number(), in.part(), in.part(), in.part()
	if in.fault || !r.owns() {
		return routes.Gone
	}
	m := arrived(of, key, rawTo, in.rest)
	if m == nil {
		r.unreadable.Add(1)
		r.logger.Warn("another node has sent a message that this one cannot read", slog.String("node", string(from)))
		return routes.Gone
	}
	r.received.Add(1)
	var room [256]byte
	origin := append(room[:0], from...)
	origin = append(origin, ' ')
	origin = strconv.AppendUint(origin, number, 36)
	origin = append(origin, ' ')
	origin = append(origin, sender...)
	if !r.system.Arrive(key, m, string(origin)) {
		m.Release()
		return routes.Gone
	}
	return routes.Accepted
}

// parseOrigin takes an origin apart.
func parseOrigin(origin string) (from routes.Address, number uint64, sender string) {
	address, rest, _ := strings.Cut(origin, " ")
	digits, sender, _ := strings.Cut(rest, " ")
	number, _ = strconv.ParseUint(digits, 36, 64)
	return routes.Address(address), number, sender
}

// arrived returns the message for the login, or the PeerJS id, with a key. It is nil if no client sends such a message to another. The sender's
// node has read the text.
func arrived(of uint64, key, rawTo, text []byte) *messages.Relay {
	if messages.IsPeerKey(key) {
		return peerjs.Arrived(key, text)
	}
	if of > math.MaxUint8 || !messages.Type(of).Relayed() || len(rawTo) == 0 {
		return nil
	}
	return messages.NewArrived(messages.Type(of), text, rawTo)
}

// Return implements [actors.Cluster].
func (r *relay) Return(origin string, m *messages.Return) {
	from, number, sender := parseOrigin(origin)
	body := binary.AppendUvarint([]byte{kindReturn, 0}, number)
	body = appendPart(body, sender)
	body = appendPart(body, string(m.Refusal))
	body = appendPart(body, m.RawTo)
	(*messages.Relay)(m).Release()
	r.carrier.Send(from, body, &again{relay: r, to: from, body: body})
}

// returned tells a session of this node that its message was not delivered.
func (r *relay) returned(from routes.Address, in *reader) {
	again := in.number() > 0
	number, sender, code, rawTo := in.number(), in.part(), in.part(), in.part()
	if in.fault {
		return
	}
	r.mu.Lock()
	s := r.sent.get(number)
	known := s != nil
	if known {
		r.sent.forget(s)
	}
	r.mu.Unlock()
	if known || !again && !r.peers.hasTold(from, number) { // otherwise it was told the first time
		r.system.Tell(string(sender), messages.Code(code), rawTo)
	}
}

// settled forgets a message. The caller holds mu.
func (r *relay) settled(number uint64) {
	if s := r.sent.get(number); s != nil {
		r.sent.forget(s)
	}
}
