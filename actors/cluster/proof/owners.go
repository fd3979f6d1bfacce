package proof

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// node is what is known of the process of a node.
type node struct {
	renewals []Event // in order of time
	ended    int64   // when its process ended
}

// tenure is the time from a claim to its end.
type tenure struct {
	claim Event
	node  *node
	ended int64 // when the login was released
}

// span is a time in which a node may act as an owner. The end is not part of it.
type span struct{ from, to int64 }

// checkOwners finds owners of one login at the same time, and nodes that act as owners and are none.
func (r *Report) checkOwners(events []Event) {
	nodes := map[string]*node{}
	tenures := map[string]*tenure{} // by claim
	var uses []Event
	for _, e := range events {
		n := nodes[e.Node]
		if n == nil {
			n = &node{ended: math.MaxInt64}
			nodes[e.Node] = n
		}
		switch e.Kind {
		case Renewed:
			n.renewals = append(n.renewals, e)
		case Ended:
			n.ended = min(n.ended, e.At)
		case Claimed:
			r.Claims++
			if other := tenures[e.Claim]; other != nil {
				r.fault("two claims have the value %s: that of %s by %s, and that of %s by %s",
					e.Claim, other.claim.Login, other.claim.Node, e.Login, e.Node)
				continue
			}
			tenures[e.Claim] = &tenure{claim: e, node: n, ended: math.MaxInt64}
			if before := tenures[e.Instead]; before != nil && before.claim.Login == e.Login {
				before.ended = min(before.ended, e.At)
			}
		case Released:
			// A release may be written down twice, as by a fence and the end of the session behind it. The first one counts.
			if t := tenures[e.Claim]; t != nil && t.claim.Node == e.Node && t.claim.Login == e.Login {
				t.ended = min(t.ended, e.At)
			}
		case Used:
			uses = append(uses, e)
		}
	}
	r.Uses = len(uses)
	for _, e := range uses {
		if why := nodes[e.Node].forbids(e.At); why != "" {
			r.fault("%s acted as an owner at %v: %s", e.Node, time.Duration(e.At), why)
		}
	}
	r.checkOverlaps(tenures)
}

// forbids says why the node may not act as an owner at a time, or "".
func (n *node) forbids(at int64) string {
	until := n.deadline(at)
	switch {
	case at >= n.ended:
		return "its process had ended " + after(n.ended, at) + " before"
	case until == 0:
		return "it had fenced itself"
	case at >= until:
		return "its deadline had passed " + after(until, at) + " before"
	}
	return ""
}

func after(from, to int64) string { return time.Duration(to - from).String() }

// deadline returns the end of the time in which the node may act, as the node knew it at a time.
func (n *node) deadline(at int64) int64 {
	i, _ := slices.BinarySearchFunc(n.renewals, at, func(e Event, at int64) int {
		if e.At <= at {
			return -1
		}
		return 1
	})
	if i == 0 {
		return 0
	}
	return n.renewals[i-1].Until
}

// spans returns when the node may act as the owner, in order of time.
func (t *tenure) spans() (spans []span) {
	end := min(t.ended, t.node.ended)
	for i, e := range t.node.renewals {
		s := span{max(e.At, t.claim.At), min(e.Until, end)}
		if i+1 < len(t.node.renewals) {
			s.to = min(s.to, t.node.renewals[i+1].At)
		}
		if s.from >= s.to {
			continue
		}
		if last := len(spans) - 1; last >= 0 && spans[last].to == s.from {
			spans[last].to = s.to
		} else {
			spans = append(spans, s)
		}
	}
	return spans
}

// owned is a span of one tenure.
type owned struct {
	span
	*tenure
}

// checkOverlaps finds the times at which a login has two owners.
func (r *Report) checkOverlaps(tenures map[string]*tenure) {
	logins := map[string][]owned{}
	for _, t := range tenures {
		for _, s := range t.spans() {
			logins[t.claim.Login] = append(logins[t.claim.Login], owned{s, t})
		}
	}
	names := make([]string, 0, len(logins))
	for login := range logins {
		names = append(names, login)
	}
	slices.Sort(names)
	for _, login := range names {
		spans := logins[login]
		slices.SortFunc(spans, func(a, b owned) int { return cmp.Compare(a.from, b.from) })
		for i := 1; i < len(spans); i++ {
			before, now := spans[i-1], spans[i]
			if now.from < before.to {
				r.fault("%s had two owners for %s: %s since %v, and %s since %v", login, after(now.from, min(before.to, now.to)),
					before.claim.Node, time.Duration(before.from), now.claim.Node, time.Duration(now.from))
			}
			if before.to > now.to { // The longer one may overlap the next, too.
				spans[i] = before
			}
		}
	}
}
