package load

import (
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/swarm"
)

// idle holds the sessions of one loop that are opened and kept open.
type idle struct {
	shard *shard
	all   []idleSession
	ends  int
}

type idleSession struct {
	session
	of *idle
}

func newIdle(s *shard, indices []uint32) *idle {
	x := &idle{shard: s, all: make([]idleSession, len(indices))}
	for n, i := range indices {
		c := &x.all[n]
		c.of = x
		c.session = session{shard: s, user: c, kind: kindIdle, index: i, kept: s.keep()}
	}
	return x
}

func (x *idle) open() {
	for n := range x.all {
		x.shard.opener.add(&x.all[n].session)
	}
}

func (x *idle) enter(figures.Phase, time.Duration)       {}
func (x *idle) tick(time.Duration) time.Duration         { return swarm.Never }
func (x *idle) underWay() bool                           { return false }
func (x *idle) lasting() (opened, ended int)             { return len(x.all), x.ends }
func (c *idleSession) loggedIn(time.Duration)            { c.shard.opener.done() }
func (c *idleSession) text(text []byte, _ time.Duration) { c.shard.unexpected(text) }

func (x *idle) finish() {
	for n := range x.all {
		x.all[n].leave()
	}
}

func (c *idleSession) ended(wasLoggedIn bool, _ string) {
	if !wasLoggedIn {
		c.shard.opener.done()
	}
	c.of.ends++
}

// unexpected handles a message to a session that nobody sends to.
func (s *shard) unexpected(text []byte) {
	if _, intact, known := s.frames.identify(text); known && s.engine.plan.Options.Verify {
		s.count(figures.CounterRelaysDelivered, 1)
		if !intact {
			s.violation(figures.ViolationModified, 1, "a frame arrived, changed, at a session that nobody sends to")
			return
		}
		s.violation(figures.ViolationMisrouted, 1, "a frame of a pair arrived at a session that nobody sends to")
		return
	}
	if r, ok := s.dialect.reply(text); ok && r.Type == "error" {
		s.error(r.code())
	}
}
