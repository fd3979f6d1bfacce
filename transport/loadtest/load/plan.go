package load

import (
	"net/netip"
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// plan is what one process has to do.
type Plan struct {
	Options   options.Options `json:"options"` // resolved
	Run       uint32          `json:"run"`     // in all logins, so that runs do not meet
	Process   int             `json:"process"`
	Processes int             `json:"processes"`
	Sources   []netip.Addr    `json:"sources,omitempty"`
	Grace     time.Duration   `json:"grace"`  // how long frames under way may take to arrive in the end
	Loops     int             `json:"loops"`  // 0: one for each processor
	Every     time.Duration   `json:"every"`  // the length of a report's span
	Before    time.Duration   `json:"before"` // from the start of the measured phase to the storm, and to when readers stop
}

// portion returns the numbers of those of n things that are one part's of so many.
func portion(n, part, parts int) (first, end int) {
	return int(int64(n) * int64(part) / int64(parts)), int(int64(n) * int64(part+1) / int64(parts))
}
