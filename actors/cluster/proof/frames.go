package proof

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// frame is the place of a frame among all.
type frame struct {
	from, to string
	number   int
}

func (f frame) compare(g frame) int {
	return cmp.Or(cmp.Compare(f.from, g.from), cmp.Compare(f.to, g.to), cmp.Compare(f.number, g.number))
}

// checkFrames finds frames that arrive twice, out of order or unsent, and those that get lost and nobody is told.
func (r *Report) checkFrames(events []Event) {
	sent := map[frame]int64{}
	for _, e := range events {
		if e.Kind == Sent {
			r.Sent++
			sent[frame{e.From, e.To, e.Number}] = e.At
		}
	}
	told := map[frame]bool{}
	delivered := map[frame]bool{}
	type pair struct{ from, to string }
	last := map[pair]int{}
	accepted := map[string][]Event{} // by login
	for _, e := range events {
		f, p := frame{e.From, e.To, e.Number}, pair{e.From, e.To}
		switch e.Kind {
		case Accepted:
			accepted[e.Login] = append(accepted[e.Login], e)
			continue
		case Told:
			r.Told++
			told[f] = true
			continue
		case Delivered:
		default:
			continue
		}
		r.Delivered++
		at, known := sent[f]
		newest, any := last[p]
		switch {
		case !known:
			r.fault("%s got frame %d of %s, who had not sent it", e.To, e.Number, e.From)
		case e.At < at:
			r.fault("%s got frame %d of %s %s before it was sent", e.To, e.Number, e.From, after(e.At, at))
		case delivered[f]:
			r.fault("%s got frame %d of %s twice", e.To, e.Number, e.From)
		case any && e.Number < newest && told[f]:
			r.Late++
		case any && e.Number < newest:
			r.fault("%s got frame %d of %s behind frame %d", e.To, e.Number, e.From, newest)
		}
		if next := successor(accepted[e.To], e.Client); known && next.Client != "" && next.At < at {
			r.fault("%s got frame %d of %s, sent %s after %s had got the login %s", e.Client, e.Number, e.From, after(next.At, at), next.Client, e.To)
		}
		delivered[f] = true
		if !any || e.Number > newest {
			last[p] = e.Number
		}
	}
	for _, f := range slices.SortedFunc(maps.Keys(sent), frame.compare) {
		if !delivered[f] && !told[f] {
			r.fault("frame %d of %s for %s, sent at %v, is lost, and %s was not told", f.number, f.from, f.to, time.Duration(sent[f]), f.from)
		}
	}
}

// successor returns the event by which another client got a login behind this one. All are the events of the login, in order of
// time. If nobody got the login, the event has no client.
func successor(all []Event, client string) Event {
	i := slices.IndexFunc(all, func(e Event) bool { return e.Client == client })
	if i < 0 || i+1 == len(all) {
		return Event{}
	}
	return all[i+1]
}
