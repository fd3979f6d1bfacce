package fleet

import (
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/machine"
)

// account is a report, and what the process used in its span.
type account struct {
	load.Report
	Grown int64         `json:"grown,omitempty"` // at the end of the set-up: by how many bytes this process has grown
	CPU   time.Duration `json:"cpu"`             // used in the span
	RSS   int64         `json:"rss"`
}

// meter adds to reports what this process uses.
type meter struct {
	cpu  time.Duration // used at the last report
	size int64         // of this process, before the first session
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
