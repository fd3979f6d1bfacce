package turn

// Allocations returns how many there are.
func (s *Server) Allocations() int { return s.server.AllocationCount() }

// Kept returns how many allocations, clients and logins the server knows.
func (s *Server) Kept() int {
	r := s.relays
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open) + len(r.byClient) + len(r.asking) + len(r.byLogin)
}
