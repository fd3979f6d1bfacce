package load

import (
	"time"

	"p2p-messaging/transport/loadtest/figures"
)

// Report is what happened in one process in a span of time.
type Report struct {
	Phase    figures.Phase     `json:"phase"`
	Number   int               `json:"number"` // of the report within the phase, from 0
	Span     time.Duration     `json:"span"`
	Last     bool              `json:"last"` // this is the last report of the phase
	Snapshot *figures.Snapshot `json:"snapshot"`
	Sessions int64             `json:"sessions"` // logged in at the end of the span
	Most     int64             `json:"most"`     // the sum over all loops of the most sessions that were logged in at once

	// These are of the run so far. 0 means that there was none.
	FirstDial int64 `json:"first_dial,omitempty"` // Unix time in ns
	LastLogin int64 `json:"last_login,omitempty"` // that was accepted; Unix time in ns

	// These are set in the last report of the run.
	Done         bool                  `json:"done,omitempty"`
	Failed       string                `json:"failed,omitempty"`
	Verification *figures.Verification `json:"verification,omitempty"`
	RateLimit    float64               `json:"rate_limit,omitempty"` // frames a second that the service seems to hold each connection to; 0: none
}
