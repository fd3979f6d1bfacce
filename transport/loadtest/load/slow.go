package load

import (
	"strings"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

// The flood for a reader that does not read. It fills within seconds what the operating systems on both sides buffer,
// which is a few MB. It leaves the service time for others.
const (
	floodSize = 16 << 10             // bytes of a frame, if --size is not given
	floodGap  = 5 * time.Millisecond // time between two frames
)

// slow holds the pairs of one loop whose readers stop reading while frames are sent to them, and neighbours that go on.
type slow struct {
	shard      *shard
	neighbours *pairs
	all        []*slowPair
	stop       time.Duration // when the readers stop reading
	stopped    bool
	next       time.Duration // when the next frames are due
	text       []byte        // the middle of the flood's frames
	running    bool
}

// slowPair is a sender, and a reader that stops reading.
type slowPair struct {
	of       *slow
	from, to slowSide
}

type slowSide struct {
	session
	pair *slowPair
	up   bool
	gone bool
}

func newSlow(s *shard, indices []uint32, neighbours *pairs, size int) *slow {
	x := &slow{shard: s, neighbours: neighbours, stop: swarm.Never}
	if size == 0 {
		size = floodSize
	}
	x.text = []byte(strings.Repeat("x", max(0, size-len(floodHead)-len(floodMiddle)-len(floodTo)-len(floodTail)-2*loginLength)))
	for _, i := range indices {
		p := &slowPair{of: x}
		p.from = slowSide{session: session{shard: s, user: &p.from, kind: kindSlow, index: i}, pair: p}
		p.to = slowSide{session: session{shard: s, user: &p.to, kind: kindSlow, index: i, side: 1}, pair: p}
		x.all = append(x.all, p)
	}
	return x
}

const (
	floodHead   = `{"type":"ice-candidate","ice-candidate":{"candidate":"`
	floodMiddle = `","sdpMid":"0","sdpMLineIndex":0},"from":"`
	floodTo     = `","to":"`
	floodTail   = `"}`
)

func (x *slow) open() {
	x.neighbours.open()
	for _, p := range x.all {
		x.shard.opener.add(&p.from.session)
		x.shard.opener.add(&p.to.session)
	}
}

func (x *slow) enter(p figures.Phase, now time.Duration) {
	x.neighbours.enter(p, now)
	switch p {
	case figures.PhaseWarmUp:
		x.running = true
	case figures.PhaseMeasuring:
		x.stop = now + x.shard.engine.plan.Before
	case figures.PhaseDraining:
		x.running = false
		for _, p := range x.all { // the service's close frame comes after what they did not read
			if p.to.conn != nil {
				p.to.conn.ResumeReading()
			}
		}
	}
}

func (x *slow) tick(now time.Duration) time.Duration {
	next := x.neighbours.tick(now)
	if !x.running {
		return next
	}
	if !x.stopped {
		if now < x.stop {
			return min(next, x.stop)
		}
		x.stopped = true
		x.next = now
		x.neighbours.metric = figures.MetricSlowDuring
		for _, p := range x.all {
			if p.to.up {
				p.to.conn.PauseReading()
			}
		}
	}
	if now >= x.next {
		x.next = now + floodGap
		for _, p := range x.all {
			x.flood(p, now)
		}
	}
	return min(next, x.next)
}

// flood sends one frame to a reader that does not read.
func (x *slow) flood(p *slowPair, now time.Duration) {
	if !p.from.up || p.to.gone {
		return
	}
	b := append(x.shard.scratch[:0], floodHead...)
	b = append(b, x.text...)
	b = append(b, floodMiddle...)
	b = appendLogin(b, x.shard.frames.run, kindSlow, p.from.index, 0)
	b = append(b, floodTo...)
	b = appendLogin(b, x.shard.frames.run, kindSlow, p.from.index, 1)
	b = append(b, floodTail...)
	x.shard.scratch = b
	if p.from.send(b) == nil {
		x.shard.count(figures.CounterRelaysSent, 1)
		x.shard.lags = append(x.shard.lags, now)
	}
}

func (x *slow) underWay() bool { return x.neighbours.underWay() }

func (x *slow) lasting() (opened, ended int) {
	opened, ended = x.neighbours.lasting()
	for _, p := range x.all { // only senders count: the service may end the readers
		opened++
		if p.from.gone {
			ended++
		}
	}
	return opened, ended
}

func (x *slow) finish() { x.neighbours.finish() }

func (d *slowSide) loggedIn(time.Duration) {
	d.shard.opener.done()
	d.up = true
}

func (d *slowSide) text(text []byte, _ time.Duration) {
	if strings.HasPrefix(string(text[:min(len(text), len(floodHead))]), floodHead) {
		d.shard.count(figures.CounterRelaysDelivered, 1)
		return
	}
	r, ok := d.shard.dialect.reply(text)
	if !ok || r.Type != "error" {
		return
	}
	d.shard.error(r.code())
	d.shard.count(figures.CounterRelaysRefused, 1)
	if to := &d.pair.to; r.Code == messages.CodePeerUnavailable && to.conn != nil {
		// The service has given the reader up. Its close frame may come after what the reader did not read.
		to.gone = true
		to.conn.ResumeReading()
	}
}

func (d *slowSide) ended(wasLoggedIn bool, _ string) {
	if !wasLoggedIn {
		d.shard.opener.done()
	}
	d.up = false
	d.gone = true
}
