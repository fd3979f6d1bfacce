package routes

import (
	"encoding/binary"
	"sync"
	"time"
)

const (
	// chunkSize is how many bytes of messages travel in one NATS message. A longer message travels alone.
	chunkSize = 64 << 10
	// tick is the time between two looks at a peer while either side waits for something. So an answer waits at most this long for a
	// message that it can travel with.
	tick = 10 * time.Millisecond
	// askAfter is the age of a message without an answer at which the peer is asked. If the peer has ended, NATS says so then.
	askAfter = 25 * time.Millisecond
	// askMost is the longest time between two questions. The time doubles from askAfter on.
	askMost = time.Second
	// maxOnItsWay is how many bytes of messages may be published and not answered. NATS holds a second copy of them until they are
	// with the peer. A longer message goes alone.
	maxOnItsWay = 2 << 20
	// answerBytes is how many bytes may be received before they are answered at once. It is so much less than maxOnItsWay that a sender
	// never waits for the next tick.
	answerBytes = maxOnItsWay / 4
	// keepPeer is how long an idle peer is kept.
	keepPeer = time.Minute
)

// peer is another process: the stream of messages to it, and the one from it.
type peer struct {
	routes  *Routes
	address Address
	subject string

	mu sync.Mutex
	// publishing says that a goroutine publishes. It goes on until there is nothing to publish.
	publishing bool
	ticker     *time.Timer // runs while ticking
	ticking    bool
	used       time.Time // when something was published or received
	removed    bool      // Routes has forgotten the peer

	// What goes to the peer:
	stream    uint64
	waiting   waiting
	published uint64 // the number of the last message that was published
	unsent    int    // bytes of the messages that were not published yet
	marks     []mark
	telling   int  // goroutines that tell what was answered
	silent    bool // a message waited for Config.Timeout, and nothing was answered since
	ask       bool // a question is to be published
	asked     time.Time
	askPause  time.Duration

	// What comes from the peer:
	inStream, inNext uint64 // inNext is the number of the next message
	answer           answer // what is to be answered
	answerDue        bool
	answerNow        bool
	unanswered       int         // bytes
	exceptions       []exception // room for those of one batch; only receive uses it
	told             []result    // room for the outcomes in one answer; only receive uses it
}

// chunk is room for what travels together: a head and messages.
type chunk struct{ data []byte }

var chunkPool = sync.Pool{New: func() any { return new([headRoom + chunkSize]byte) }}

func newChunk(size int) chunk {
	if size > chunkSize {
		return chunk{make([]byte, headRoom, headRoom+size)}
	}
	return chunk{chunkPool.Get().(*[headRoom + chunkSize]byte)[:headRoom]}
}

func (c chunk) release() {
	if cap(c.data) == headRoom+chunkSize {
		chunkPool.Put((*[headRoom + chunkSize]byte)(c.data[:headRoom+chunkSize]))
	}
}

// post is [Routes.post] to this peer. It does nothing if the peer was removed.
func (p *peer) post(m Message) (outcome Outcome, waits, removed bool) {
	size, memory := m.Size()+perMessage, m.Memory()+perMessage
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.removed:
		return 0, false, true
	case p.silent:
		return Silent, false, false
	case !p.waiting.takes(size, memory):
		return Overloaded, false, false
	}
	p.waiting.put(m, size, memory)
	p.unsent += size
	p.wake()
	return 0, true, false
}

// perMessage is what a message counts more than its body.
const perMessage = 32

// wake makes sure that what there is to publish will be published. The caller holds mu.
func (p *peer) wake() {
	if !p.publishing {
		p.publishing = true
		go p.publish()
	}
}

// watch makes sure that the peer is looked at soon. The caller holds mu.
func (p *peer) watch() {
	if p.ticking || p.removed {
		return
	}
	p.ticking = true
	if p.ticker == nil {
		p.ticker = time.AfterFunc(tick, p.look)
	} else {
		p.ticker.Reset(tick)
	}
}

// publish publishes until there is nothing to publish.
func (p *peer) publish() {
	for {
		p.mu.Lock()
		data, reply, done := p.nextBatch()
		if data == nil {
			p.publishing = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		p.routes.publish(p.subject, reply, data)
		done.release()
	}
}

// nextBatch returns what is published next, or nil. The chunk is released when that is done. The caller holds mu.
func (p *peer) nextBatch() (data []byte, reply string, c chunk) {
	answer := answer{}
	sends := p.sends()
	if p.answerDue && (p.answerNow || sends || p.ask) {
		answer = p.answer
		p.answer = newAnswer(p.inStream, p.inNext)
		p.answerDue, p.answerNow, p.unanswered = false, false, 0
	}
	first := p.published + 1
	switch {
	case sends && len(answer.exceptions) == 0:
		c = p.fill(answer)
		now := time.Now()
		p.marks = append(p.marks, mark{p.published, now})
		p.used = now
		p.ask = false
		p.watch()
		data = c.data
	case p.ask:
		p.ask = false
		data = appendHead(nil, p.routes.address, answer, p.stream, first)
	case answer.stream != 0:
		return appendHead(nil, p.routes.address, answer, 0, 0), "", chunk{}
	default:
		return nil, "", chunk{}
	}
	return data, p.routes.replySubject(p.address, p.stream, first, p.published+1-first), c
}

// sends reports whether a message may be published now. The caller holds mu.
func (p *peer) sends() bool {
	if p.unsent == 0 {
		return false
	}
	onItsWay := p.waiting.bytes - p.unsent
	return onItsWay == 0 || onItsWay+int(p.waiting.at(p.published+1).size) <= maxOnItsWay
}

// fill returns a batch of what may be published now, and counts it as published. The caller holds mu.
func (p *peer) fill(a answer) chunk {
	c := newChunk(int(p.waiting.at(p.published + 1).size))
	data := appendHead(c.data[:0], p.routes.address, a, p.stream, p.published+1)
	end := len(data) + chunkSize
	for first := true; p.sends(); first = false {
		e := p.waiting.at(p.published + 1)
		size := int(e.size)
		if !first && len(data)+size > min(end, cap(data)) {
			break
		}
		data = binary.AppendUvarint(data, uint64(size-perMessage))
		data = e.message.Append(data)
		p.published++
		p.unsent -= size
	}
	c.data = data
	return c
}

// look is called while something is expected.
func (p *peer) look() {
	told := results{counts: &p.routes.counts}
	defer told.tell()
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ticking = false
	if p.answerDue {
		p.answerNow = true
		p.wake()
	}
	if len(p.marks) > 0 {
		if age := now.Sub(p.marks[0].at); age >= askAfter {
			if now.Sub(p.asked) >= p.askPause {
				p.asked, p.askPause, p.ask = now, min(2*p.askPause, askMost), true
				p.wake()
			}
			if age >= p.routes.config.Timeout {
				p.timeOut(now.Add(-p.routes.config.Timeout), &told)
			}
		}
	}
	if p.waiting.len() > 0 {
		p.watch()
	}
}

// timeOut gives messages that were published before a time the outcome Lost. They still count against the bound. Messages that were not
// published get Silent, and are never sent. The caller holds mu.
func (p *peer) timeOut(before time.Time, told *results) {
	p.silent = true
	through := uint64(0)
	for _, m := range p.marks {
		if m.at.After(before) {
			break
		}
		through = m.through
	}
	for n := p.waiting.oldest(); n <= through; n++ {
		e := p.waiting.at(n)
		told.add(*e, Lost)
		e.message = nil
	}
	for n := p.published + 1; n < p.waiting.next; n++ {
		told.add(*p.waiting.at(n), Silent)
	}
	p.waiting.cut(p.published + 1)
	p.unsent = 0
}

// unreachable says that NATS found nobody to give a batch of the peer to. The stream ends.
func (p *peer) unreachable(stream, first, count uint64) {
	told := results{counts: &p.routes.counts}
	p.mu.Lock()
	if stream == p.stream {
		for n := p.waiting.oldest(); p.waiting.len() > 0; n++ {
			outcome := Lost
			if first <= n && n < first+count || n > p.published {
				outcome = NoNode
			}
			told.add(p.waiting.take(), outcome)
		}
		p.restart()
	}
	p.mu.Unlock()
	told.tell()
}

// restart begins a new stream. Nothing waits. The caller holds mu.
func (p *peer) restart() {
	p.stream = p.routes.streams.Add(1)
	p.waiting = waiting{next: 1}
	p.published, p.unsent, p.marks = 0, 0, nil
	p.silent, p.ask, p.askPause = false, false, askAfter
}

// receive acts on a batch of the peer. Only one goroutine receives. It returns false, and does nothing, if the peer was removed.
func (p *peer) receive(b batch) bool {
	p.mu.Lock()
	if p.removed {
		p.mu.Unlock()
		return false
	}
	p.used = time.Now()
	p.mu.Unlock()
	if b.answer.stream != 0 {
		p.answered(b.answer)
	}
	if b.stream != 0 {
		p.accept(b)
	}
	return true
}

// accept gives the messages of a batch to the receiver, and makes sure that they will be answered.
func (p *peer) accept(b batch) {
	p.mu.Lock()
	if b.stream > p.inStream {
		p.inStream, p.inNext = b.stream, 1
		p.answer = newAnswer(b.stream, 1)
	}
	next := p.inNext
	p.mu.Unlock()
	if b.stream < p.inStream || b.first < next {
		return // it was delayed, and has been answered as lost
	}
	exceptions := p.exceptions[:0]
	if b.first > next {
		exceptions = note(exceptions, next, b.first-next, Lost)
	}
	bodies, size := b.bodies, len(b.bodies)
	var body []byte
	for n := b.first; n < b.first+b.count; n++ {
		body, bodies = nextBody(bodies)
		if outcome := p.routes.deliver(p.address, body); outcome != Accepted {
			exceptions = note(exceptions, n, 1, outcome)
		}
	}
	p.exceptions = exceptions

	p.mu.Lock()
	defer p.mu.Unlock()
	p.inNext = b.first + b.count
	p.answer.through = p.inNext - 1
	p.answer.exceptions = append(p.answer.exceptions, exceptions...)
	p.answerDue = true
	p.unanswered += size
	if b.count == 0 || len(exceptions) > 0 || p.unanswered > answerBytes {
		p.answerNow = true
		p.wake()
	} else {
		p.watch()
	}
}

func newAnswer(stream, next uint64) answer {
	return answer{stream: stream, from: next, through: next - 1}
}

// note adds an exception to a list.
func note(list []exception, first, count uint64, outcome Outcome) []exception {
	if last := len(list) - 1; last >= 0 && list[last].outcome == outcome && list[last].first+list[last].count == first {
		list[last].count += count
		return list
	}
	return append(list, exception{first: first, count: count, outcome: outcome})
}

// answered acts on what the peer says of the messages to it.
func (p *peer) answered(a answer) {
	told := results{&p.routes.counts, p.told[:0]}
	p.mu.Lock()
	if a.stream != p.stream || a.through > p.published || a.from > p.published+1 {
		p.mu.Unlock()
		return
	}
	exceptions := a.exceptions
	for n := p.waiting.oldest(); n <= a.through || n < a.from && n <= p.published; n++ {
		outcome := Accepted
		for len(exceptions) > 0 && exceptions[0].first+exceptions[0].count <= n {
			exceptions = exceptions[1:]
		}
		switch {
		case n < a.from: // an answer was lost
			outcome = Lost
		case len(exceptions) > 0 && exceptions[0].first <= n:
			outcome = exceptions[0].outcome
		}
		told.add(p.waiting.take(), outcome)
	}
	i := 0
	for i < len(p.marks) && p.marks[i].through < p.waiting.oldest() {
		i++
	}
	if p.marks = p.marks[i:]; len(p.marks) == 0 {
		p.marks = nil
	}
	p.silent, p.askPause = false, askAfter
	if p.sends() {
		p.wake()
	}
	p.telling++
	p.mu.Unlock()
	told.tell()
	clear(told.list)
	if p.told = told.list; cap(p.told) > keepEntries {
		p.told = nil
	}
	p.mu.Lock()
	p.telling--
	p.mu.Unlock()
	p.routes.settled()
}

// remove removes the peer if nothing has come or gone for long. It reports whether it did.
func (p *peer) remove(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = p.waiting.len() == 0 && !p.publishing && !p.answerDue && now.Sub(p.used) >= keepPeer
	return p.removed
}

// abandon notes that the outcome of what waits will never be known.
func (p *peer) abandon() {
	told := results{counts: &p.routes.counts}
	p.mu.Lock()
	p.removed = true
	if p.ticker != nil {
		p.ticker.Stop()
	}
	for n := p.waiting.oldest(); p.waiting.len() > 0; n++ {
		outcome := Lost
		if n > p.published {
			outcome = Closed
		}
		told.add(p.waiting.take(), outcome)
	}
	p.restart()
	p.mu.Unlock()
	told.tell()
}

// flushed reports whether nothing waits for an outcome and no answer is due. It makes sure that an answer which is due goes out now.
func (p *peer) flushed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answerDue {
		p.answerNow = true
		p.wake()
	}
	return p.waiting.len() == 0 && p.telling == 0 && !p.publishing
}
