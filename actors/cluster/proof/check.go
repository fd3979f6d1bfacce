package proof

import (
	"cmp"
	"fmt"
	"slices"
)

// Report is what [Check] has found.
type Report struct {
	// Faults are sentences, one for each thing that must not have happened.
	Faults []string

	Claims    int // logins that were claimed
	Uses      int // times that a node has acted as an owner
	Sent      int // frames
	Delivered int
	// Told counts the frames whose sender knows that they may not have arrived. Some of them have arrived all the same.
	Told int
	// Late counts the frames that have arrived behind later ones when their sender already knew that they may not arrive.
	Late int
}

// Check reads all events of all nodes and clients, in any order. It sorts them by time.
func Check(events []Event) Report {
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	var r Report
	r.checkOwners(events)
	r.checkFrames(events)
	return r
}

func (r *Report) fault(format string, arguments ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, arguments...))
}
