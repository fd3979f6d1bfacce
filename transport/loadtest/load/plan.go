package load

import (
	"net/netip"
	"time"

	"p2p-messaging/transport/loadtest/options"
)

// Plan says what one process of a run does.
type Plan struct {
	Options   options.Options `json:"options"` // resolved
	Run       uint32          `json:"run"`     // a random number in all logins, so that two runs do not use the same login
	Tokens    Tokens          `json:"tokens,omitempty"`
	Process   int             `json:"process"`
	Processes int             `json:"processes"`
	Sources   []netip.Addr    `json:"sources,omitempty"`
	Grace     time.Duration   `json:"grace"`    // how long the service may deliver nothing at the end of the run before frames under way are given up
	Patience  time.Duration   `json:"patience"` // during the set-up: how long the service may open no session before those that wait are given up
	Loops     int             `json:"loops"`    // event loops; 0: one for each processor
	Every     time.Duration   `json:"every"`    // time between two reports
	Before    time.Duration   `json:"before"`   // from the start of the measured phase until the storm, and until slow readers stop reading
}

// portion divides n things among parts. It returns the first thing of the given part, and the first thing after it.
func portion(n, part, parts int) (first, end int) {
	return int(int64(n) * int64(part) / int64(parts)), int(int64(n) * int64(part+1) / int64(parts))
}
