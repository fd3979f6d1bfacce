package cluster

import (
	"testing"
	"time"
)

func TestTheClockIsTheKernels(t *testing.T) {
	c := &clock{began: time.Now()}
	check := func(when string) {
		t.Helper()
		before := bootTime()
		got := c.now()
		if after := bootTime(); got < before-clockTolerance || got > after+clockTolerance {
			t.Errorf("%s: the clock shows %v, want %v to %v", when, got, before, after)
		}
	}
	read := func() *reading {
		for c.last.Load() == nil { // a busy machine may hold it up
			c.look()
		}
		return c.last.Load()
	}
	check("at first")
	r := read()
	check("a moment later")
	if c.last.Load() != r {
		t.Log("the clock was read again, although nothing had happened")
	}
	for when, asleep := range map[string]time.Duration{"after a sleep of 3 ms": 3 * time.Millisecond, "after a sleep of an hour": time.Hour} {
		r := read()
		c.last.Store(&reading{wall: r.wall - asleep, boot: r.boot - asleep}) // as it was before
		check(when)
	}
	for when, step := range map[string]time.Duration{"after the wall clock was set back": time.Hour, "after it was set forward": -time.Hour} {
		r := read()
		c.last.Store(&reading{wall: r.wall + step, boot: r.boot})
		check(when)
	}
}

func BenchmarkClock(b *testing.B) {
	now := newClock()
	for b.Loop() {
		now()
	}
}
