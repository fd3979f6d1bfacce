package client

import "time"

// WithHaste divides all times of a client that comes back, so that a test need not wait for them.
func WithHaste(by time.Duration) Option {
	return func(s *settings) {
		for _, t := range []*time.Duration{
			&s.timing.dial, &s.timing.answer, &s.timing.confirm, &s.timing.silence, &s.timing.base, &s.timing.limit, &s.timing.holds,
		} {
			*t /= by
		}
	}
}
