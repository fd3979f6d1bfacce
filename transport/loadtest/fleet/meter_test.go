package fleet

import (
	"testing"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/machine"
)

func TestAMeterSaysWhatWasUsedInTheSpanAndGrownByInTheSetUp(t *testing.T) {
	m := newMeter()
	began := machine.CPUTime()
	for machine.CPUTime()-began < time.Millisecond {
	}
	first := m.account(load.Report{Phase: figures.PhaseSetUp})
	if first.CPU < time.Millisecond || first.Grown != 0 {
		t.Errorf("%v of CPU and %d bytes grown; wanted 1 ms at least, and no growth before the set-up ends", first.CPU, first.Grown)
	}
	if first.RSS == 0 {
		t.Skip("the memory of a process is not known here")
	}
	m.size -= 1 << 20
	if last := m.account(load.Report{Phase: figures.PhaseSetUp, Last: true}); last.Grown != last.RSS-m.size || last.Grown == 0 {
		t.Errorf("grown by %d bytes, from %d to %d; wanted the difference", last.Grown, m.size, last.RSS)
	}
	if a := m.account(load.Report{Phase: figures.PhaseMeasuring, Last: true}); a.Grown != 0 {
		t.Errorf("grown by %d bytes after the set-up; wanted none to be told", a.Grown)
	}
}
