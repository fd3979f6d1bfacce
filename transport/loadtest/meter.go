package loadtest

import (
	"time"
)

// account is a report, and what the process used in its span.
type account struct {
	report
	Grown int64         `json:"grown,omitempty"` // at the end of the set-up: by how many bytes this process has grown
	CPU   time.Duration `json:"cpu"`             // used in the span
	RSS   int64         `json:"rss"`
}

// meter adds to reports what this process uses.
type meter struct {
	cpu  time.Duration // used at the last report
	size int64         // of this process, before the first session
}

func newMeter() *meter { return &meter{cpuTime(), tidySize()} }

func (m *meter) account(r report) account {
	used := cpuTime()
	a := account{report: r, CPU: used - m.cpu, RSS: residentSize()}
	m.cpu = used
	if r.Phase == PhaseSetUp && r.Last {
		a.RSS = tidySize()
		a.Grown = a.RSS - m.size
	}
	return a
}
