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

func TestASessionTakesTheLeastThatWasSeen(t *testing.T) {
	found := 0.0
	for _, look := range []struct {
		name                  string
		before, now, sessions int64
		want                  float64
	}{
		{"nothing is known", 0, 0, 1000, 0},
		{"what was before is not known", 0, 9e6, 1000, 0},
		{"with the garbage of the logins", 6e6, 8e6, 1000, 2000},
		{"without it", 6e6, 7e6, 1000, 1000},
		{"with other garbage", 6e6, 9e6, 1000, 1000},
		{"a look fails", 6e6, 0, 1000, 1000},
		{"less than before", 6e6, 5e6, 1000, 1000},
		{"more sessions", 6e6, 7e6, 2000, 500},
	} {
		if found = lessPerSession(found, look.before, look.now, look.sessions); found != look.want {
			t.Errorf("%s: %v bytes, want %v", look.name, found, look.want)
		}
	}
}
