package turn

// Allocations returns how many there are.
func (s *Server) Allocations() int { return s.server.AllocationCount() }
