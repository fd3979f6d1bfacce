package transport

import "context"

// Arrivals returns how many connections have come. A service that is overrun still counts them.
func (s *Server) Arrivals() uint64 {
	p := &s.connections.places
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.arrived
}

// LoopsAnswer reports whether all event loops answer before ctx ends.
func (s *Server) LoopsAnswer(ctx context.Context) bool { return s.carriers.answer(ctx) }

// answer implements carriers.
func (l *loops) answer(ctx context.Context) bool {
	l.mu.Lock()
	answers := make(answerTask, len(l.all))
	for _, loop := range l.all {
		loop.Post(answers)
	}
	l.mu.Unlock()
	for range cap(answers) {
		select {
		case <-answers:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// answerTask gets an element from each loop. It has room for all.
type answerTask chan struct{}

// Run implements [epoll.Task].
func (a answerTask) Run() { a <- struct{}{} }
