package fleet

import (
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/machine"
)

// account is a report, with what the process used in its span.
type account struct {
	load.Report
	Grown int64         `json:"grown,omitempty"` // set in the last report of the set-up: by how many bytes the process has grown since before the first session
	CPU   time.Duration `json:"cpu"`             // processor time used in the span
	RSS   int64         `json:"rss"`

	worker int // whose account this is; set where it arrives
}

// meter measures what this process uses.
type meter struct {
	cpu  time.Duration // processor time used until the last report
	size int64         // resident memory before the first session, in bytes
}

func newMeter() *meter { return &meter{machine.CPUTime(), machine.TidySize()} }

func (m *meter) account(r load.Report) account {
	used := machine.CPUTime()
	a := account{Report: r, CPU: used - m.cpu, RSS: machine.ResidentSize()}
	m.cpu = used
	if r.Phase == figures.PhaseSetUp && r.Last {
		a.RSS = machine.TidySize()
		a.Grown = a.RSS - m.size
	}
	return a
}
