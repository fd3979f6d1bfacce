package load

import "math"

// rateLimit recognizes a service that holds each connection to a fixed number of frames a second. The sign is that all
// senders reach the same round number, second after second, although they could send more.
type rateLimit struct {
	before float64
	found  float64 // frames a second; 0: no limit was recognized
}

// pace is how many frames of each sender of a part of the load arrived in a second.
type pace struct {
	senders   int
	least     uint32
	most      uint32
	delivered uint64
}

func (p *pace) add(frames uint32) {
	if p.senders == 0 {
		p.least = frames
	}
	p.senders++
	p.least = min(p.least, frames)
	p.most = max(p.most, frames)
	p.delivered += uint64(frames)
}

func (p *pace) merge(o pace) {
	if o.senders == 0 {
		return
	}
	if p.senders == 0 {
		p.least = o.least
	}
	p.senders += o.senders
	p.least = min(p.least, o.least)
	p.most = max(p.most, o.most)
	p.delivered += o.delivered
}

// see adds what happened in a span of the given number of seconds.
func (r *rateLimit) see(p pace, seconds float64) {
	const spread, slowest, round = 0.02, 20, 50
	mean := 0.0
	if p.senders >= 2 && seconds > 0.5 && float64(p.most-p.least) <= spread*float64(p.most)+2 {
		mean = float64(p.delivered) / float64(p.senders) / seconds
	}
	nearest := round * math.Round(mean/round)
	if mean >= slowest && math.Abs(mean-r.before) <= 0.01*mean && math.Abs(mean-nearest) <= 0.005*mean {
		r.found = nearest
	}
	r.before = mean
}
