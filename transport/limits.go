package transport

import (
	"fmt"
	"time"
)

// Limits bound what clients may ask of a [Server]. They are a part of its [Options].
type Limits struct {
	// Rate is how many frames a second a connection may send in the long run, after a Burst. 0 means no limit. A
	// connection that sends more is read more slowly, and nothing is lost. Memory does not depend on the rate: while more
	// than [actors.Options.QueueLimit] waits for a client, the service does not read its connection.
	Rate int
	// Burst is how many frames a connection may send at once before Rate applies. It must be at least 1 if there is a Rate.
	Burst int
	// ByteRate is how many bytes a second a connection may send in the long run. 0 means no limit. It shares the account of
	// Rate: each frame costs as much time as the slower of the two rates gives it, and Burst/Rate is the time that a
	// connection may be ahead. So it has no effect without a Rate.
	ByteRate int

	// MaxConnections is how many connections may be open at once, those included that have not asked for a WebSocket. When
	// there are more, those that have been there longest without a login are closed (close code 1013). Then new ones are
	// refused with HTTP 503. 0 means as many as the number of files allows that the process may open. That number is never
	// exceeded.
	MaxConnections int

	// ConnectionsPerAddress bounds how many connections of one address may be open at once. When there are more, those of this
	// address go that have been there longest without a login (close code 1013). Then new ones are refused with HTTP 503.
	ConnectionsPerAddress AddressLimit
	// LoginsPerAddress bounds how many logins a second may come from one address in the long run. Ten seconds' worth may come
	// at once. A login beyond that is refused with [messages.CodeTooMany]. One that resumes a session does not count.
	LoginsPerAddress AddressLimit

	// LoginTimeout is how long a WebSocket may be open without a login. After that it is closed with 1008 and
	// [messages.ReasonNoLogin]. The time begins anew when a client logs out. 0 means no limit.
	LoginTimeout time.Duration
}

// maxRate bounds the rates and the burst: the time between two frames is kept in whole nanoseconds, and that for 1 KiB too.
const maxRate = 1_000_000_000

// Check says which limit cannot be used.
func (l *Limits) Check() error {
	if l.Rate < 0 || l.Rate > maxRate {
		return fmt.Errorf("the rate must be from 0 to %d frames a second, not %d", maxRate, l.Rate)
	}
	if l.Burst < 0 || l.Burst > maxRate || l.Rate > 0 && l.Burst == 0 {
		return fmt.Errorf("the burst must be from 1 to %d frames where there is a rate, not %d", maxRate, l.Burst)
	}
	if l.ByteRate != 0 && (l.ByteRate < minByteRate || l.ByteRate > maxRate) {
		return fmt.Errorf("the rate of bytes must be 0, for no limit, or from %d to %d bytes a second, not %d", minByteRate, maxRate, l.ByteRate)
	}
	if l.MaxConnections < 0 {
		return fmt.Errorf("the greatest number of connections must be 0, for no limit, or more, not %d", l.MaxConnections)
	}
	for _, limit := range []struct {
		name string
		most int
	}{
		{"connections of one address", l.ConnectionsPerAddress.Most},
		{"logins a second from one address", l.LoginsPerAddress.Most},
	} {
		if limit.most < 0 || limit.most > maxRate {
			return fmt.Errorf("the greatest number of %s must be from 1 to %d, or 0 for no limit, not %d", limit.name, maxRate, limit.most)
		}
	}
	if l.LoginTimeout != 0 && l.LoginTimeout < time.Second {
		return fmt.Errorf("the login timeout must be 0, for no limit, or at least %v, not %v", time.Second, l.LoginTimeout)
	}
	return nil
}

// minByteRate is the lowest rate of bytes that can be set. The longest message takes a minute at this rate.
const minByteRate = 1 << 10

// pace is what the rates of [Limits] mean for one connection. All times are in nanoseconds.
type pace struct {
	frame int64 // between two frames at the allowed rate; 0: no limit
	kib   int64 // for 1 KiB at the allowed rate; 0: no limit
	burst int64 // how far ahead of the rates a connection may be
}

// pace returns the pace that the rates allow.
func (l *Limits) pace() (p pace) {
	if l.Rate == 0 {
		return pace{}
	}
	p.frame = int64(time.Second) / int64(l.Rate)
	p.burst = p.frame * int64(l.Burst)
	if l.ByteRate > 0 {
		p.kib = int64(time.Second) << 10 / int64(l.ByteRate)
	}
	return p
}

// cost returns the time that a frame of this size, in bytes, takes at the allowed rates.
func (p *pace) cost(size int) int64 { return max(p.frame, int64(size)*p.kib>>10) }

// limits are the limits of a server. They are replaced as a whole, so that each frame is judged by limits that belong together.
type limits struct {
	Limits
	pace pace
}

// SetLimits replaces the limits of a running server. They hold for the connections that are open, too. But none of those is
// closed because there may be fewer connections now. The error says which limit is wrong, and then nothing changes.
func (s *Server) SetLimits(l Limits) error {
	if err := l.Check(); err != nil {
		return err
	}
	s.limits.Store(&limits{Limits: l, pace: l.pace()})
	s.connections.places.setLimits(l)
	return nil
}
