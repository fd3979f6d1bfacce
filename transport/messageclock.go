package transport

import "sync/atomic"

// messageClock says by when the unfinished message of a client must be finished. The time in which the service itself makes
// the reader wait does not count. The reader sets the clock. Anybody may read it.
type messageClock struct {
	// set is the time by which the message must be finished, in the server's nanoseconds. If the clock is stopped, set is
	// less than 0: the nanoseconds that are left, negated. If no message has begun, set is 0.
	set atomic.Int64
}

// clear says that no message has begun.
func (m *messageClock) clear() {
	if m.set.Load() != 0 {
		m.set.Store(0)
	}
}

// run makes the clock run, and reports whether it did not run before. A message that begins now has timeout nanoseconds.
func (m *messageClock) run(now, timeout int64) bool {
	set := m.set.Load()
	switch {
	case set > 0:
		return false
	case set < 0:
		timeout = -set
	}
	m.set.Store(now + timeout)
	return true
}

// stop stops the clock if it runs.
func (m *messageClock) stop(now int64) {
	if set := m.set.Load(); set > 0 {
		m.set.Store(min(now-set, -1))
	}
}

// due returns the time by which the message must be finished, or never if there is none or the clock is stopped.
func (m *messageClock) due() int64 {
	if set := m.set.Load(); set > 0 {
		return set
	}
	return never
}
