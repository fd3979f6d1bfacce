package chat

import (
	"crypto/rand"
	"encoding/json"

	"github.com/pion/webrtc/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

const (
	maxCalls     = 64 // at once
	maxIncoming  = 8  // calls of others that have not connected yet, and requests
	maxEnded     = 64 // calls that are over and remembered
	maxEarly     = 16 // calls for which candidates are kept
	maxEarlyEach = 64 // candidates of each of them

	maxCandidateBytes = 4096 // of the JSON of one; usual ones have some 200
)

// Reasons of a bye, as the page tells them apart. On the wire, a lost call is "left" with "lost":true beside it, and one that was
// refused for want of a relay is "declined" with "noRelay":true.
const (
	byeLeft     = "left"
	byeLost     = "lost"
	byeDeclined = "declined"
	byeNoRelay  = "no-relay"
	byeBusy     = "busy"
)

type bye struct{ reason string }

func (b bye) fields() map[string]any {
	if b.reason == byeLost {
		return map[string]any{"type": "bye", "reason": byeLeft, "lost": true}
	}
	return map[string]any{"type": "bye", "reason": b.reason}
}

func (b bye) end() end {
	switch b.reason {
	case byeDeclined:
		return endDeclined
	case byeNoRelay:
		return endNoRelay
	case byeBusy:
		return endBusy
	case byeLost:
		return endLost
	}
	return endLeft
}

// offer is somebody's offer of a call.
type offer struct{ from, call, sdp, restores string }

// earlyCandidates are those that came before a call was made of their offer, by call.
type earlyCandidates struct {
	calls []string
	all   map[string][]webrtc.ICECandidateInit
}

func (e *earlyCandidates) add(call string, candidate webrtc.ICECandidateInit) {
	if e.all == nil {
		e.all = map[string][]webrtc.ICECandidateInit{}
	}
	if _, known := e.all[call]; !known {
		if e.calls = append(e.calls, call); len(e.calls) > maxEarly {
			delete(e.all, e.calls[0])
			e.calls = e.calls[1:]
		}
	}
	if len(e.all[call]) < maxEarlyEach {
		e.all[call] = append(e.all[call], candidate)
	}
}

// endedCalls remembers why calls are over, so that a late frame of theirs is not taken for a new call.
type endedCalls struct {
	calls []string
	ends  map[string]end
}

func (e *endedCalls) add(call string, why end) {
	if e.ends == nil {
		e.ends = map[string]end{}
	}
	if _, known := e.ends[call]; !known {
		if e.calls = append(e.calls, call); len(e.calls) > maxEnded {
			delete(e.ends, e.calls[0])
			e.calls = e.calls[1:]
		}
	}
	e.ends[call] = why
}

// farewell returns what the other side is told if it continues a call that is over; "" if no such call is remembered.
func (e *endedCalls) farewell(call string) string {
	why, known := e.ends[call]
	switch {
	case !known:
		return ""
	case why.final():
		return byeLeft
	}
	return byeLost
}

// dial calls somebody. If there is a call with them it stays. If they have asked for one, that is accepted.
func (c *chat) dial(w *conversation, restores string) {
	if w.call != nil {
		return
	}
	if q := c.request(w.key); q != nil && c.settle(q) {
		q.accept()
		return
	}
	l, err := c.newCall(w, rand.Text(), true)
	if err == nil {
		l.restores = restores
		err = l.offer()
		if err != nil {
			l.finish(endNoConnection)
		}
	} else {
		c.screen.note("no connection can be made: %v", err)
	}
}

// takeSignal acts on a frame of another client.
func (c *chat) takeSignal(m client.Message) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(m.Text, &fields) != nil || m.From == "" || keyOf(m.From) == c.me.Key {
		return
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(fields[name], &s) // another type counts as missing
		return s
	}
	var description struct{ SDP string }
	id := text("call")
	l := c.calls[id]
	switch m.Type {
	case messages.TypeOffer.String():
		if json.Unmarshal(m.Payload, &description) == nil {
			c.offered(offer{m.From, id, description.SDP, text("restores")}, false)
		}
	case messages.TypeAnswer.String():
		if json.Unmarshal(m.Payload, &description) == nil {
			c.answered(m.From, id, l, description.SDP)
		}
	case messages.TypeICECandidate.String():
		var candidate webrtc.ICECandidateInit
		switch {
		case id == "" || len(m.Payload) > maxCandidateBytes || json.Unmarshal(m.Payload, &candidate) != nil || candidate.Candidate == "":
		case l != nil:
			l.receiveCandidate(candidate)
		case c.ended.farewell(id) == "":
			c.early.add(id, candidate)
		}
	case messages.TypeBye.String():
		b := bye{text("reason")}
		switch {
		case b.reason == byeDeclined && string(fields["noRelay"]) == "true":
			b.reason = byeNoRelay
		case b.reason == byeLeft && string(fields["lost"]) == "true":
			b.reason = byeLost
		}
		c.byeCame(m.From, id, l, b)
	}
}

// offered: somebody offers a call, or continues one. Probed: the page at the other end of the open call was probed and did not reply.
func (c *chat) offered(o offer, probed bool) {
	key := keyOf(o.from)
	refuse := func(reason string) {
		c.ended.add(o.call, endDeclined)
		fields := bye{reason}.fields()
		fields["call"] = o.call
		c.send(o.from, fields)
	}
	if o.call == "" {
		c.screen.note("%s", endForeign.told(oneLine(o.from)))
		c.send(o.from, bye{byeDeclined}.fields())
		return
	}
	if farewell := c.ended.farewell(o.call); farewell != "" {
		fields := bye{farewell}.fields()
		fields["call"] = o.call
		c.send(o.from, fields)
		return
	}
	if o.restores != "" && c.ended.farewell(o.restores) == byeLeft {
		refuse(byeLeft) // the person here has ended the call that is to be restored
		return
	}
	if l := c.calls[o.call]; l != nil {
		if l.phase != calling && l.other == fingerprintIn(o.sdp) {
			l.receiveOffer(o.sdp) // it restarts ICE
		}
		return
	}
	w := c.conversations[key]
	if w != nil && w.call != nil {
		switch l := w.call; {
		case l.outgoing && l.phase == calling:
			// Both called in the same instant: the lower login gives up its own call and takes the other's.
			if c.me.Key < key {
				c.takeCall(o)
			}
			return
		case l.phase == open && !probed:
			c.doubtOffer(w, l, o)
			return
		}
	}
	if q := c.request(key); q != nil {
		if q.call.call == o.call {
			return
		}
		c.settle(q) // the person is asked about somebody, not about one offer: the newest counts
		c.ended.add(q.call.call, endSuperseded)
	}
	incoming := 0
	for _, l := range c.calls {
		if !l.outgoing && !l.wasOpen {
			incoming++
		}
	}
	for _, q := range c.questions {
		if q.call != nil {
			incoming++
		}
	}
	if incoming >= maxIncoming || len(c.calls) >= maxCalls {
		refuse(byeBusy)
		return
	}
	wasOpen := w != nil && (w.loss != nil || w.call != nil && w.call.wasOpen)
	switch {
	case wasOpen || c.o.To != "" && key == keyOf(c.o.To):
		c.takeCall(o)
	case c.screen.seen():
		q := &question{what: oneLine(o.from) + " wants to connect", call: &o}
		q.accept = func() { c.takeCall(o) }
		q.decline = func() { refuse(byeDeclined) }
		q.timer = c.after(requestTimeout, func() {
			if c.settle(q) {
				c.ended.add(o.call, endNoAnswer)
				c.screen.note("%s does not wait any more", oneLine(o.from))
			}
		})
		c.ask(q)
	case c.o.To != "" || c.o.Once != "":
		refuse(byeDeclined)
	default:
		c.takeCall(o) // in a pipe nobody can be asked
	}
}

// doubtOffer: somebody with whom a call is open offers another one. Only the service says that the offer comes from them, so the
// page at the other end of the open call is probed. If it replies, it has not given up the call.
func (c *chat) doubtOffer(w *conversation, l *call, o offer) {
	before, waits := c.doubted[w.key]
	c.doubted[w.key] = o
	if waits {
		c.ended.add(before.call, endBusy)
		return // the new one waits for the same probe
	}
	l.probe(func(there bool) {
		newest, still := c.doubted[w.key]
		if !still || c.finished {
			return
		}
		delete(c.doubted, w.key)
		if !there || l.phase != open {
			c.offered(newest, true)
			return
		}
		c.ended.add(newest.call, endBusy)
		fields := bye{byeBusy}.fields()
		fields["call"] = newest.call
		c.send(newest.from, fields)
	})
}

// takeCall makes a call of an offer.
func (c *chat) takeCall(o offer) {
	w := c.conversation(o.from)
	if w.call != nil {
		w.call.finish(endSuperseded)
	}
	w.peer = o.from
	l, err := c.newCall(w, o.call, false)
	if err != nil {
		c.screen.note("no connection can be made: %v", err)
		return
	}
	l.receiveOffer(o.sdp)
	for _, candidate := range c.early.all[o.call] {
		l.receiveCandidate(candidate)
	}
	delete(c.early.all, o.call)
}

// answered: somebody has answered a call.
func (c *chat) answered(from, id string, l *call, sdp string) {
	switch {
	case id == "":
		// A client of the original protocol does not number its calls.
		if w := c.conversations[keyOf(from)]; w != nil && w.call != nil && w.call.phase == calling {
			w.call.finish(endForeign)
		}
	case l != nil:
		if keyOf(from) == l.with.key {
			l.with.peer = from // the login is shown as the other side spells it
		}
		l.receiveAnswer(sdp)
	default:
		fields := bye{byeLeft}.fields() // the other side waits for a call that has ended here
		if farewell := c.ended.farewell(id); farewell != "" {
			fields = bye{farewell}.fields()
		}
		fields["call"] = id
		c.send(from, fields)
	}
}

// byeCame: somebody has ended or refused a call, or taken back an offer.
func (c *chat) byeCame(from, id string, l *call, b bye) {
	key := keyOf(from)
	if q := c.request(key); q != nil && (id == "" || id == q.call.call) && c.settle(q) {
		c.ended.add(q.call.call, endLeft)
		c.screen.note("%s does not wait any more", oneLine(from))
	}
	if o, waits := c.doubted[key]; waits && o.call == id {
		delete(c.doubted, key)
	}
	w := c.conversations[key]
	switch {
	case l != nil:
		l.receiveBye(b)
	case w != nil && w.call == nil && w.loss != nil && w.loss.call == id && b.reason != byeLost:
		w.giveUp(endLeft) // they do not want the lost call any more
	}
}
