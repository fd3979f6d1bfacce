package load

import (
	"time"

	"p2p-messaging/transport/loadtest/figures"
)

// report is what one process tells about a span of its time.
type Report struct {
	Phase    figures.Phase     `json:"phase"`
	Number   int               `json:"number"` // in the phase, from 0
	Span     time.Duration     `json:"span"`
	Last     bool              `json:"last"` // of the phase
	Snapshot *figures.Snapshot `json:"snapshot"`
	Sessions int64             `json:"sessions"` // logged in at its end
	Most     int64             `json:"most"`     // logged in at once: the most of each loop, added up

	// At the end of the run:
	Done         bool                  `json:"done,omitempty"`
	Failed       string                `json:"failed,omitempty"`
	Verification *figures.Verification `json:"verification,omitempty"`
	RateLimit    float64               `json:"rate_limit,omitempty"` // frames a second that connections seem to be held to
}
