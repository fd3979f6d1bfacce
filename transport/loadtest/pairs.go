package loadtest

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

const (
	// stalled is after what time without a sign of the frames under way a closed loop counts them as missing and goes
	// on. Frames that come later are counted when they come.
	stalled = 5 * time.Second
	// sweep is how often that is looked for.
	sweep = 250 * time.Millisecond
	// backlog bounds the frames of one pair that are due and cannot be sent, because the service does not take them.
	backlog = 1 << 16
)

// pairs is pairs of sessions on one loop that exchange the frames of calls: offer, answer, then candidates, the sides in
// turn. It is the scenario relay, and what storms and slow readers are seen with.
type pairs struct {
	shard  *shard
	kind   byte
	all    []*pair
	metric Metric // of the latency
	silent bool   // the latency is not observed
	window int    // closed loop: frames of a pair that may be under way

	rate     float64 // open loop: frames a second on this shard; 0: closed loop
	poisson  bool
	next     time.Duration // when the next frame is due
	late     []*pair       // have frames that could not be sent
	verify   bool
	running  bool
	swept    time.Duration
	failed   int // pairs that could not be opened, or broke
	expected int
}

// pair is two sessions. The frames of one direction are numbered from 0.
type pair struct {
	of    *pairs
	sides [2]side
	turn  uint32 // frames sent so far; their parity is the side that sends the next
	late  []time.Duration
	heard time.Duration // when something came last
	up    int           // sides that are logged in
	dead  bool
	index uint32
}

// side is one end of a pair, and the frames that it sends.
type side struct {
	session
	pair *pair

	sent    uint32          // frames
	arrived uint32          // the number of the frame that should arrive next at the other side
	newest  uint32          // the number after the highest one that has arrived: less than arrived after skipTo
	errors  int             // that the service reported; each accounts for one frame that does not arrive
	dues    []time.Duration // of frames under way, by number modulo the length, a power of two
	missing map[uint32]time.Duration
	paced   uint32 // what arrived was when the pace was seen last
}

func newPairs(s *shard, kind byte, metric Metric, window int, verify bool, indices []uint32) *pairs {
	p := &pairs{shard: s, kind: kind, metric: metric, window: window, verify: verify, expected: len(indices)}
	for _, i := range indices {
		q := &pair{of: p, index: i}
		for n := range q.sides {
			q.sides[n].session = session{shard: s, user: &q.sides[n], kind: kind, index: i, side: byte(n)}
			q.sides[n].pair = q
		}
		p.all = append(p.all, q)
	}
	return p
}

func (p *pairs) open() {
	for _, q := range p.all {
		p.shard.opener.add(&q.sides[0].session)
		p.shard.opener.add(&q.sides[1].session)
	}
}

func (p *pairs) enter(phase Phase, now time.Duration) {
	switch phase {
	case PhaseWarmUp:
		p.running = true
		p.swept = now
		p.next = now
		if p.rate > 0 {
			p.next += p.gap() // otherwise the loops would begin together
			return
		}
		for _, q := range p.all {
			q.heard = now
			q.pump(now)
		}
	case PhaseDraining:
		p.running = false
	}
}

// gap returns the time between two frames of an open loop.
func (p *pairs) gap() time.Duration {
	mean := float64(time.Second) / p.rate
	if p.poisson {
		mean *= p.shard.random.ExpFloat64()
	}
	return time.Duration(math.Round(mean))
}

func (p *pairs) tick(now time.Duration) time.Duration {
	if len(p.late) > 0 {
		p.retry()
	}
	if !p.running {
		return swarm.Never
	}
	next := swarm.Never
	if p.rate > 0 {
		for n := 0; p.next <= now; n++ {
			if n == perTick {
				return now
			}
			p.arrive(p.next)
			p.next += p.gap()
		}
		next = p.next
	} else {
		if now-p.swept >= sweep {
			p.sweep(now)
		}
		next = p.swept + sweep
	}
	return next
}

// arrive has one frame become due.
func (p *pairs) arrive(due time.Duration) {
	if p.failed >= len(p.all) {
		return
	}
	q := p.all[p.shard.random.IntN(len(p.all))]
	for q.dead || q.up < 2 {
		q = p.all[p.shard.random.IntN(len(p.all))]
	}
	if len(q.late) == 0 && q.send(due) {
		return
	}
	if len(q.late) == backlog {
		p.shard.error("not-taken")
		return
	}
	if len(q.late) == 0 {
		p.late = append(p.late, q)
	}
	q.late = append(q.late, due)
}

// retry sends what could not be sent before.
func (p *pairs) retry() {
	kept := p.late[:0]
	for _, q := range p.late {
		n := 0
		for n < len(q.late) && !q.dead && q.send(q.late[n]) {
			n++
		}
		if q.late = q.late[n:]; len(q.late) > 0 && !q.dead {
			kept = append(kept, q)
		} else {
			q.late = nil
		}
	}
	clear(p.late[len(kept):])
	p.late = kept
}

// sweep gives up waiting for frames of pairs that stand still.
func (p *pairs) sweep(now time.Duration) {
	p.swept = now
	for _, q := range p.all {
		if q.dead || q.up < 2 {
			continue
		}
		if q.underWay() > 0 && now-q.heard > stalled {
			for n := range q.sides {
				q.sides[n].skipTo(q.sides[n].sent)
			}
			q.heard = now
		}
		q.pump(now)
	}
}

func (p *pairs) underWay() bool {
	if len(p.late) > 0 {
		return true
	}
	for _, q := range p.all {
		if !q.dead && q.underWay() > 0 {
			return true
		}
	}
	return false
}

func (p *pairs) lasting() (opened, ended int) { return 2 * len(p.all), 2 * p.failed }

// finish counts what never arrived.
func (p *pairs) finish() {
	if !p.verify {
		return
	}
	for _, q := range p.all {
		for n := range q.sides {
			q.sides[n].account(q.dead)
		}
	}
}

// underWay returns how many frames of the pair are under way.
func (q *pair) underWay() int {
	n := 0
	for i := range q.sides {
		d := &q.sides[i]
		n += max(0, int(d.sent-d.arrived)-max(0, d.errors-len(d.missing)))
	}
	return n
}

// pump sends what the window allows. It was due when the window allowed it.
func (q *pair) pump(due time.Duration) {
	p := q.of
	if !p.running || p.rate > 0 || q.dead || q.up < 2 {
		return
	}
	for n := q.underWay(); n < p.window; n++ {
		if !q.send(due) {
			return
		}
	}
}

// send sends the pair's next frame, if the connection takes it.
func (q *pair) send(due time.Duration) bool {
	p := q.of
	direction := int(q.turn & 1)
	d := &q.sides[direction]
	text := p.shard.frames.make(identity{p.kind, q.index, direction, d.sent})
	if d.conn == nil || d.conn.Send(text) != nil {
		return false
	}
	p.shard.figures.counts[CounterBytesSent] += int64(len(text))
	if due >= p.shard.from {
		p.shard.figures.counts[CounterRelaysSent]++
		p.shard.lags = append(p.shard.lags, due)
	}
	if int(d.sent-d.arrived) >= len(d.dues) {
		d.grow()
	}
	d.dues[int(d.sent)&(len(d.dues)-1)] = due
	d.sent++
	q.turn++
	return true
}

// grow makes room for more frames under way.
func (d *side) grow() {
	larger := make([]time.Duration, max(4, 2*len(d.dues)))
	for n := d.arrived; n != d.sent; n++ {
		larger[int(n)&(len(larger)-1)] = d.dues[int(n)&(len(d.dues)-1)]
	}
	d.dues = larger
}

// skipTo counts all frames before number n as missing that have not arrived.
func (d *side) skipTo(n uint32) {
	for ; d.arrived != n; d.arrived++ {
		if d.missing == nil {
			d.missing = make(map[uint32]time.Duration)
		}
		d.missing[d.arrived] = d.dues[int(d.arrived)&(len(d.dues)-1)]
	}
}

// account counts as lost what is missing in the end, unless the service reported it.
func (d *side) account(broken bool) {
	if broken {
		return // the end of the connection was counted, and explains it
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
	d.shard.violation(ViolationLost, int64(lost), fmt.Sprintf("%s never arrived, and no error was reported", d.describe(first)))
}

// settle finds errors that were reported although all frames have arrived that they could be about.
func (d *side) settle() {
	if surplus := d.errors - len(d.missing); surplus > 0 && d.arrived == d.sent && d.pair.of.verify {
		d.errors -= surplus
		d.shard.violation(ViolationInvented, int64(surplus), fmt.Sprintf("an error was reported to side %c of pair %d, whose frames had all arrived", 'a'+d.side, d.index))
	}
}

func (d *side) describe(sequence uint32) string {
	return describe(identity{d.kind, d.index, int(d.side), sequence})
}

func describe(id identity) string {
	return fmt.Sprintf("frame %d of pair %d, from its side %c", id.sequence, id.pair, 'a'+byte(id.direction))
}

func (d *side) loggedIn(now time.Duration) {
	q := d.pair
	d.shard.opener.done()
	q.up++
	q.heard = now
	q.pump(now)
}

func (d *side) ended(wasLoggedIn bool, _ string) {
	q := d.pair
	if !wasLoggedIn {
		d.shard.opener.done()
	}
	if wasLoggedIn {
		q.up--
	}
	if !q.dead {
		q.dead = true
		q.of.failed++
	}
}

// text takes what arrives at this side: nearly always the next frame of the other one.
func (d *side) text(text []byte, now time.Duration) {
	q, s := d.pair, d.shard
	q.heard = now
	from := &q.sides[1-d.side]
	if q.of.verify {
		if from.arrived != from.sent && bytes.Equal(text, s.frames.make(identity{d.kind, d.index, int(from.side), from.arrived})) {
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

// trust takes a frame that is not verified: which one it is, its mark says, since those before it may have been refused.
// Without a mark it stands for the next one. One that was not waited for has no latency.
func (d *side) trust(text []byte, now time.Duration) {
	m, _, whole := readMark(text)
	n := m.id.sequence
	due, missing := d.missing[n]
	switch {
	case !whole && d.arrived != d.sent:
		d.take(now)
	case !whole || m.run != d.shard.frames.run || m.id.pair != d.index || m.id.direction != int(d.side):
		d.shard.count(CounterRelaysDelivered, 1)
	case int32(n-d.arrived) >= 0 && int32(d.sent-n) > 0:
		d.skipTo(n)
		d.take(now)
	case missing:
		delete(d.missing, n)
		d.count(due, now)
		d.settle()
	default:
		d.shard.count(CounterRelaysDelivered, 1)
	}
}

// take takes the frame that should arrive next.
func (d *side) take(now time.Duration) {
	d.count(d.dues[int(d.arrived)&(len(d.dues)-1)], now)
	d.arrived++
	d.newest = d.arrived
	if d.errors > 0 {
		d.settle()
	}
}

// count counts a frame that was due then and has arrived now.
func (d *side) count(due, now time.Duration) {
	p := d.pair.of
	if due < d.shard.from {
		return
	}
	d.shard.figures.counts[CounterRelaysDelivered]++
	if !p.silent {
		d.shard.observe(p.metric, now-due)
	}
}

// answer takes what is not a relayed frame: an error about one, or something of a later protocol.
func (d *side) answer(text []byte) {
	r, ok := parseReply(text)
	switch {
	case ok && r.Type == "error":
		d.shard.error(r.code())
		d.shard.count(CounterRelaysRefused, 1)
		d.errors++
		d.settle()
	case d.pair.of.verify && !ok:
		d.shard.violation(ViolationInvented, 1, fmt.Sprintf("%d bytes arrived at pair %d that nobody had sent", len(text), d.index))
	}
}

// inspect finds out what a frame is that arrived at receiver instead of the next one of d.
func (d *side) inspect(text []byte, receiver *side, now time.Duration) {
	s := d.shard
	s.verified.Checked++
	id, intact, known := s.frames.identify(text)
	switch {
	case !known:
		s.count(CounterRelaysDelivered, 1)
		s.violation(ViolationInvented, 1, fmt.Sprintf("a frame arrived at pair %d that is not of this run", receiver.index))
	case !intact:
		d.modified(receiver, now)
	case id.kind != d.kind || id.pair != d.index || id.direction != int(d.side):
		s.count(CounterRelaysDelivered, 1)
		s.violation(ViolationMisrouted, 1, fmt.Sprintf("%s arrived at side %c of pair %d", describe(id), 'a'+receiver.side, receiver.index))
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
				s.violation(ViolationReordered, 1, fmt.Sprintf("%s arrived after frame %d", describe(id), d.newest-1))
			} else {
				d.newest = id.sequence + 1
			}
			d.settle()
		case int32(id.sequence-d.sent) >= 0:
			s.count(CounterRelaysDelivered, 1)
			s.violation(ViolationInvented, 1, fmt.Sprintf("%s arrived before it was sent", describe(id)))
		default:
			s.count(CounterRelaysDelivered, 1)
			s.violation(ViolationDuplicated, 1, fmt.Sprintf("%s arrived more than once", describe(id)))
		}
	}
}

// modified takes a frame that is not as it was sent. Which one it was cannot be known for sure: it stands for the next
// one, or it would count as lost, too.
func (d *side) modified(receiver *side, now time.Duration) {
	s := d.shard
	s.violation(ViolationModified, 1, fmt.Sprintf("a frame arrived at side %c of pair %d with other content than it was sent with", 'a'+receiver.side, receiver.index))
	if d.arrived != d.sent {
		d.take(now)
		return
	}
	s.count(CounterRelaysDelivered, 1)
}

// pace returns what arrived since the last time, sender by sender.
func (p *pairs) pace() (seen pace) {
	for _, q := range p.all {
		for n := range q.sides {
			d := &q.sides[n]
			if !q.dead {
				seen.add(d.arrived - d.paced)
			}
			d.paced = d.arrived
		}
	}
	return seen
}
