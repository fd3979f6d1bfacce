package routes

import "sync/atomic"

// Figures are totals since Start, unless a comment says otherwise.
type Figures struct {
	// Routes is the number of other nodes that this one is connected to now.
	Routes int
	// Waiting is how many bytes messages occupy now that wait, because they were not sent or not answered yet.
	Waiting int
	// Outcomes counts the calls of Send by their outcome. A call without an outcome is not counted yet.
	Outcomes [Closed + 1]uint64
	// Received counts the messages that Config.Receive got.
	Received uint64
	// Published counts the NATS messages that carried messages and answers to others.
	Published uint64
	// Unreadable counts the NATS messages that could not be read. Another version of this program may have sent them.
	Unreadable uint64
}

type counts struct {
	outcomes                        [Closed + 1]atomic.Uint64
	received, published, unreadable atomic.Uint64
}

// Figures returns what has happened so far.
func (r *Routes) Figures() Figures {
	f := Figures{
		Routes:     r.server.NumRoutes(),
		Waiting:    r.waits(),
		Received:   r.counts.received.Load(),
		Published:  r.counts.published.Load(),
		Unreadable: r.counts.unreadable.Load(),
	}
	for o := range f.Outcomes {
		f.Outcomes[o] = r.counts.outcomes[o].Load()
	}
	return f
}

// waits returns how many bytes messages occupy that wait for their outcomes.
func (r *Routes) waits() (bytes int) {
	for _, p := range r.all() {
		p.mu.Lock()
		bytes += p.waiting.held()
		p.mu.Unlock()
	}
	return bytes
}
