package turn

import "sync/atomic"

// Figures says what a [Server] does and has done since [Start].
type Figures struct {
	// Allocations is the number of allocations that there are. Made counts those that there were, and Refused those that were not
	// given because there were too many.
	Allocations   int
	Made, Refused uint64
	// ToPeers and ToClients count the bytes of the data that clients have sent to peers, and peers to clients. What was over a rate
	// is not in them.
	ToPeers, ToClients uint64
}

// relayed counts the bytes that one allocation relays. Each direction is counted by the goroutine that relays it.
type relayed struct{ toPeers, toClients atomic.Uint64 }

func (r *relayed) add(other *relayed) {
	r.toPeers.Add(other.toPeers.Load())
	r.toClients.Add(other.toClients.Load())
}

// Figures returns what the server does and has done. Without a server it returns zeros.
func (s *Server) Figures() Figures {
	if s == nil {
		return Figures{}
	}
	return s.relays.figures()
}

func (r *relays) figures() Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum relayed
	sum.add(&r.ended)
	for _, one := range r.open {
		sum.add(&one.relayed)
	}
	return Figures{Allocations: r.taken, Made: r.made, Refused: r.refused, ToPeers: sum.toPeers.Load(), ToClients: sum.toClients.Load()}
}
