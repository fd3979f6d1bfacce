package load

import (
	"bytes"
	"fmt"
	"time"

	"p2p-messaging/transport/loadtest/figures"
)

// text handles a message that arrives at this side. Nearly always it is the next frame of the other side.
func (d *side) text(text []byte, now time.Duration) {
	q, s := d.pair, d.shard
	q.heard = now
	from := &q.sides[1-d.side]
	if q.of.verify {
		next := from.isNext(text)
		if !next {
			text = s.dialect.canonical(text)
			next = from.isNext(text)
		}
		if next {
			s.verified.Checked++
			from.take(now)
		} else if isError(text) {
			d.answer(text)
		} else {
			from.inspect(text, d, now)
		}
	} else if isError(text) {
		d.answer(text)
	} else {
		from.trust(text, now)
	}
	q.pump(now)
}

// isNext reports whether text is the frame that should arrive next.
func (d *side) isNext(text []byte) bool {
	return d.arrived != d.sent && bytes.Equal(text, d.shard.frames.make(identity{d.kind, d.index, int(d.side), d.arrived}))
}

// trust counts a frame without verifying it. The frame's mark tells which one it is, because frames before it may have
// been refused. A frame without a mark counts as the next one. A frame that was not expected is counted without a
// latency.
func (d *side) trust(text []byte, now time.Duration) {
	m, _, whole := readMark(text)
	n := m.id.sequence
	due, missing := d.missing[n]
	switch {
	case !whole && d.arrived != d.sent:
		d.take(now)
	case !whole || m.run != d.shard.frames.run || m.id.pair != d.index || m.id.direction != int(d.side):
		d.shard.count(figures.CounterRelaysDelivered, 1)
	case int32(n-d.arrived) >= 0 && int32(d.sent-n) > 0:
		d.skipTo(n)
		d.take(now)
	case missing:
		delete(d.missing, n)
		d.count(due, now)
		d.settle()
	default:
		d.shard.count(figures.CounterRelaysDelivered, 1)
	}
}

// take counts the frame that should arrive next.
func (d *side) take(now time.Duration) {
	d.count(d.dues[int(d.arrived)&(len(d.dues)-1)], now)
	d.arrived++
	d.newest = d.arrived
	if d.errors > 0 {
		d.settle()
	}
}

// count counts a frame by its due time and its time of arrival.
func (d *side) count(due, now time.Duration) {
	p := d.pair.of
	if due < d.shard.from {
		d.shard.count(figures.CounterRelaysFromWarmup, 1)
		return
	}
	d.shard.count(figures.CounterRelaysDelivered, 1)
	if !p.silent {
		d.shard.observe(p.metric, now-due)
	}
}

// answer handles a message that is no relayed frame: an error about one. Any other message is a violation. Without verification
// it is ignored: a later protocol may have it.
func (d *side) answer(text []byte) {
	r, ok := d.shard.dialect.reply(text)
	switch {
	case ok && r.Type == "error":
		d.shard.error(r.code())
		d.shard.count(figures.CounterRelaysRefused, 1)
		d.errors++
		d.settle()
	case d.pair.of.verify && !ok:
		d.shard.violation(figures.ViolationInvented, 1, fmt.Sprintf("%d bytes arrived at pair %d that nobody had sent", len(text), d.index))
	}
}

// inspect finds out which frame arrived at receiver in place of the next frame of d.
func (d *side) inspect(text []byte, receiver *side, now time.Duration) {
	s := d.shard
	s.verified.Checked++
	id, intact, known := s.frames.identify(text)
	switch {
	case !known:
		s.count(figures.CounterRelaysDelivered, 1)
		s.violation(figures.ViolationInvented, 1, fmt.Sprintf("a frame arrived at pair %d that is not of this run", receiver.index))
	case !intact:
		d.modified(receiver, now)
	case id.kind != d.kind || id.pair != d.index || id.direction != int(d.side):
		s.count(figures.CounterRelaysDelivered, 1)
		s.violation(figures.ViolationMisrouted, 1, fmt.Sprintf("%s arrived at side %c of pair %d", describe(id), 'a'+receiver.side, receiver.index))
	case int32(id.sequence-d.arrived) >= 0 && int32(d.sent-id.sequence) > 0:
		d.skipTo(id.sequence)
		d.take(now)
	default:
		due, missing := d.missing[id.sequence]
		switch {
		case missing:
			delete(d.missing, id.sequence)
			d.count(due, now)
			if int32(id.sequence-d.newest) < 0 {
				s.violation(figures.ViolationReordered, 1, fmt.Sprintf("%s arrived after frame %d", describe(id), d.newest-1))
			} else {
				d.newest = id.sequence + 1
			}
			d.settle()
		case int32(id.sequence-d.sent) >= 0:
			s.count(figures.CounterRelaysDelivered, 1)
			s.violation(figures.ViolationInvented, 1, fmt.Sprintf("%s arrived before it was sent", describe(id)))
		default:
			s.count(figures.CounterRelaysDelivered, 1)
			s.violation(figures.ViolationDuplicated, 1, fmt.Sprintf("%s arrived more than once", describe(id)))
		}
	}
}

// modified counts a frame with changed content. The content no longer tells for sure which frame it was. It counts as
// the next one, which would otherwise count as lost, too.
func (d *side) modified(receiver *side, now time.Duration) {
	s := d.shard
	s.violation(figures.ViolationModified, 1, fmt.Sprintf("a frame arrived at side %c of pair %d with other content than it was sent with", 'a'+receiver.side, receiver.index))
	if d.arrived != d.sent {
		d.take(now)
		return
	}
	s.count(figures.CounterRelaysDelivered, 1)
}

// skipTo marks the frames before number n that have not arrived as missing.
func (d *side) skipTo(n uint32) {
	for ; d.arrived != n; d.arrived++ {
		if d.missing == nil {
			d.missing = make(map[uint32]time.Duration)
		}
		d.missing[d.arrived] = d.dues[int(d.arrived)&(len(d.dues)-1)]
	}
}

// account counts the missing frames as lost at the end of the run, except for those that the service reported. It
// counts nothing for a pair whose connection ended.
func (d *side) account(broken bool) {
	if broken {
		return // the end of the connection was counted, and explains what is missing
	}
	d.skipTo(d.sent)
	d.settle()
	lost := len(d.missing) - d.errors
	if lost <= 0 {
		return
	}
	first := d.sent
	for n := range d.missing {
		first = min(first, n)
	}
	d.shard.violation(figures.ViolationLost, int64(lost), fmt.Sprintf("%s never arrived, and no error was reported", d.describe(first)))
}

// settle finds errors that the service reported although every frame has arrived.
func (d *side) settle() {
	if surplus := d.errors - len(d.missing); surplus > 0 && d.arrived == d.sent && d.pair.of.verify {
		d.errors -= surplus
		d.shard.violation(figures.ViolationInvented, int64(surplus), fmt.Sprintf("an error was reported to side %c of pair %d, whose frames had all arrived", 'a'+d.side, d.index))
	}
}

func (d *side) describe(sequence uint32) string {
	return describe(identity{d.kind, d.index, int(d.side), sequence})
}

func describe(id identity) string {
	return fmt.Sprintf("frame %d of pair %d, from its side %c", id.sequence, id.pair, 'a'+byte(id.direction))
}
