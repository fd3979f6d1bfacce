package auth

import "slices"

// longestLine is how many checks may wait in one place. With the longest tokens they take 8 MiB.
const longestLine = 1024

// line is checks that wait. The addresses from which they come take turns, so one that has many waits for itself. If there are too
// many, the address that has most loses its newest. The zero value is an empty line. Its owner guards it.
type line struct {
	lanes []*lane // those that have checks, and the next turn first
	of    map[uint64]*lane
	size  int
}

// lane is the checks from one address, the oldest first.
type lane struct {
	from   uint64
	checks []*check
}

// put adds a check. It returns the one that has no place, which may be c, or nil if all have.
func (l *line) put(c *check) (out *check) {
	own, held := l.of[c.From], 0
	if own != nil {
		held = len(own.checks)
	}
	if l.size >= longestLine {
		most := slices.MaxFunc(l.lanes, func(a, b *lane) int { return len(a.checks) - len(b.checks) })
		if held+1 >= len(most.checks) {
			return c
		}
		last := len(most.checks) - 1
		out, most.checks[last] = most.checks[last], nil
		most.checks = most.checks[:last]
		l.size--
	}
	if own == nil {
		own = &lane{from: c.From}
		if l.of == nil {
			l.of = map[uint64]*lane{}
		}
		l.of[c.From] = own
		l.lanes = append(l.lanes, own)
	}
	own.checks = append(own.checks, c)
	l.size++
	return out
}

// next takes out the check whose turn it is, of those from addresses that may have a turn. It returns nil if there is none.
func (l *line) next(may func(from uint64) bool) *check {
	i := slices.IndexFunc(l.lanes, func(a *lane) bool { return may(a.from) })
	if i < 0 {
		return nil
	}
	turn := l.lanes[i]
	l.lanes = slices.Delete(l.lanes, i, i+1)
	c := turn.checks[0]
	turn.checks[0] = nil
	if turn.checks = turn.checks[1:]; len(turn.checks) > 0 {
		l.lanes = append(l.lanes, turn)
	} else {
		delete(l.of, turn.from)
	}
	l.size--
	return c
}
