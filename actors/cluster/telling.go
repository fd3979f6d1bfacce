package cluster

import (
	"encoding/binary"
	"time"

	"p2p-messaging/actors/cluster/routes"
	"p2p-messaging/messages"
)

// informing tells a session that has moved that a message of its client was not delivered.
type informing struct {
	relay  *relay
	key    string
	sender string
	code   messages.Code
	rawTo  []byte
	tries  uint8
}

// Inform implements [actors.Cluster].
func (r *relay) Inform(key, sender string, code messages.Code, rawTo []byte) {
	(&informing{relay: r, key: key, sender: sender, code: code, rawTo: rawTo}).find()
}

// find looks for the node that the session is at.
func (i *informing) find() {
	r := i.relay
	r.owners.find(i.key, func(value string, err error) {
		owner := routes.Address(addressIn(value))
		switch {
		case err != nil:
			i.again(time.Second)
		case owner == r.carrier.Address(): // it has come here, or is about to
			if !r.system.Inform(i.key, i.sender, i.code, i.rawTo) {
				i.again(findAgainAfter)
			}
		case owner != "": // otherwise the session has ended
			body := appendPart(appendPart([]byte{kindInform}, i.key), i.sender)
			body = appendPart(appendPart(body, string(i.code)), i.rawTo)
			r.carrier.Send(owner, body, &again{relay: r, to: owner, body: body})
		}
	})
}

// again looks for the node once more, in a while.
func (i *informing) again(after time.Duration) {
	if i.tries++; i.tries < findAgain {
		time.AfterFunc(after, i.find)
	}
}

// maxAgain is the longest time until a message is sent again.
const maxAgain = 30 * time.Second

// again is the receipt of a message that means the same if it arrives twice. It is sent once more until it arrives or the node that it is
// for has ended. A node that is cut off may come back. One without a lease may come back for a while.
type again struct {
	relay *relay
	to    routes.Address
	body  []byte
	pause time.Duration // the last one
	since time.Time     // when it was sent the second time
}

// Done implements [routes.Receipt].
func (a *again) Done(outcome routes.Outcome) {
	switch outcome {
	case routes.Lost:
		if a.body[0] == kindReturn {
			a.body[1] = 1
		}
		a.later()
	case routes.Overloaded, routes.Silent:
		a.later()
	case routes.NoNode:
		a.relay.peers.verdict(a.to, len(a.body), func(code messages.Code) {
			switch {
			case code != messages.CodePeerUnavailable:
				a.later()
			case !a.relay.peers.hasVanished(a.to) || time.Since(a.since) > keepGone && !a.since.IsZero():
				a.ended()
			default:
				a.ended()
				a.settle()
				a.later()
			}
		})
	}
}

// later sends the message again in a while.
func (a *again) later() {
	if a.since.IsZero() {
		a.since = time.Now()
	}
	a.pause = min(a.pause+time.Second, maxAgain)
	time.AfterFunc(a.pause, func() { a.relay.carrier.Send(a.to, a.body, a) })
}

// settle makes of the news that a message was not delivered one that says only that nothing is to be told any more.
func (a *again) settle() {
	if a.body[0] == kindReturn {
		in := &reader{rest: a.body[2:]}
		a.body = binary.AppendUvarint([]byte{kindSettled}, in.number())
	}
}

// ended deals with a message to a node that has ended. A session that was there may have moved to another one before.
func (a *again) ended() {
	if a.body[0] != kindReturn {
		return
	}
	in := &reader{rest: a.body[2:]}
	in.number()
	sender, code, rawTo := in.part(), in.part(), in.part()
	a.relay.system.Pursue(string(sender), messages.Code(code), rawTo)
}
