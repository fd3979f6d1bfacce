package load

import (
	"math"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

const (
	// stalled is how long a closed loop waits for frames under way without hearing anything. It then counts them as
	// missing and goes on. If such a frame arrives later, it is counted then.
	stalled = 5 * time.Second
	// sweep is the time between two searches for stalled pairs.
	sweep = 250 * time.Millisecond
	// backlog bounds the frames of one pair that are due but cannot be sent because the service does not take them.
	backlog = 1 << 16
)

// pairs holds the pairs of sessions on one loop. They exchange the frames of calls. A pair's sides take turns: offer, answer,
// then candidates. This is the scenario relay. Storms and slow readers use it to measure what others feel.
type pairs struct {
	shard  *shard
	kind   byte
	all    []*pair
	metric figures.Metric // under which the latency is counted
	silent bool           // the latency is not counted
	window int            // closed loop: frames of a pair that may be under way

	rate    float64 // open loop: frames a second on this shard; 0: closed loop
	poisson bool
	next    time.Duration // when the next frame is due
	late    []*pair       // pairs with frames that could not be sent yet
	verify  bool
	running bool
	swept   time.Duration
	failed  int // pairs that could not be opened, or that have ended
}

// pair is two sessions. The frames of each direction are numbered from 0.
type pair struct {
	of    *pairs
	sides [2]side
	turn  uint32          // frames sent so far; the parity tells which side sends the next
	late  []time.Duration // due times of frames that could not be sent yet
	heard time.Duration   // when something last arrived
	up    int             // sides that are logged in
	dead  bool
	index uint32
}

// side is one end of a pair, with the frames that it sends.
type side struct {
	session
	pair *pair

	sent    uint32          // frames sent
	arrived uint32          // number of the frame that should arrive next at the other side
	newest  uint32          // 1 more than the highest number that has arrived; less than arrived after skipTo
	errors  int             // errors that the service reported; each accounts for one frame that does not arrive
	dues    []time.Duration // due times of frames under way, by number modulo the length, which is a power of two
	missing map[uint32]time.Duration
	paced   uint32 // value of arrived at the last call of pace
}

func newPairs(s *shard, kind byte, metric figures.Metric, window int, verify bool, indices []uint32) *pairs {
	p := &pairs{shard: s, kind: kind, metric: metric, window: window, verify: verify}
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

func (p *pairs) enter(phase figures.Phase, now time.Duration) {
	switch phase {
	case figures.PhaseWarmUp:
		p.running = true
		p.swept = now
		p.next = now
		if p.rate > 0 {
			p.next += p.gap() // keeps the loops from starting in step
			return
		}
		for _, q := range p.all {
			q.heard = now
			q.pump(now)
		}
	case figures.PhaseDraining:
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

// arrive handles a frame that becomes due in an open loop.
func (p *pairs) arrive(due time.Duration) {
	if p.failed >= len(p.all) {
		return
	}
	q := p.all[p.shard.random.IntN(len(p.all))]
	for q.dead || q.up < 2 {
		q = p.all[p.shard.random.IntN(len(p.all))]
	}
	q.offer(due)
}

// offer sends a frame that is due. If the connection does not take it, the frame waits.
func (q *pair) offer(due time.Duration) {
	p := q.of
	switch {
	case len(q.late) == 0 && q.send(due):
		return
	case len(q.late) == backlog:
		p.shard.error("not-taken")
		return
	case len(q.late) == 0:
		p.late = append(p.late, q)
	}
	q.late = append(q.late, due)
}

// retry sends frames that could not be sent before.
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

// sweep gives up on the frames of stalled pairs, so that these pairs go on.
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

// finish counts the frames that never arrived.
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

// pump sends as many frames as the window allows. Due is when the window allowed them, even if the connection takes them later.
func (q *pair) pump(due time.Duration) {
	p := q.of
	if !p.running || p.rate > 0 || q.dead || q.up < 2 {
		return
	}
	for n := q.underWay() + len(q.late); n < p.window; n++ {
		q.offer(due)
	}
}

// send sends the pair's next frame. It returns false if the connection does not take it.
func (q *pair) send(due time.Duration) bool {
	p := q.of
	direction := int(q.turn & 1)
	d := &q.sides[direction]
	text := p.shard.frames.sent(identity{p.kind, q.index, direction, d.sent})
	if d.conn == nil || d.conn.Send(text) != nil {
		return false
	}
	p.shard.count(figures.CounterBytesSent, int64(len(text)))
	if due >= p.shard.from {
		p.shard.count(figures.CounterRelaysSent, 1)
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

// grow doubles the room for due times.
func (d *side) grow() {
	larger := make([]time.Duration, max(4, 2*len(d.dues)))
	for n := d.arrived; n != d.sent; n++ {
		larger[int(n)&(len(larger)-1)] = d.dues[int(n)&(len(d.dues)-1)]
	}
	d.dues = larger
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

// pace returns how many frames of each sender arrived since the last call.
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
