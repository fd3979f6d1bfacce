//go:build unix

package routes

import (
	"syscall"
	"testing"
	"time"
)

func TestAFrozenNodeCostsItsPeersABoundedAmount(t *testing.T) {
	t.Parallel()
	a := start(t, config("a"))
	b := start(t, config("b", a.Listening()))
	frozen := startChild(t, a.Listening())
	reach(t, a, frozen.address)
	together(t, a, b)
	if err := frozen.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const size, count = 64 << 10, 1000
	told := newTally(count)
	for range count {
		a.Send(frozen.address, make([]byte, size), told)
	}
	if waits := a.Figures().Waiting; waits > MaxWaiting {
		t.Errorf("%d bytes wait, want at most %d", waits, MaxWaiting)
	}
	slowest := time.Duration(0)
	for range 200 {
		before := time.Now()
		if o := send(a, b.Address(), "hello"); o != Accepted {
			t.Fatalf("a message between healthy nodes ended with %v", o)
		}
		slowest = max(slowest, time.Since(before))
	}
	t.Logf("the slowest message between healthy nodes took %v", slowest)
	counts := told.wait(t, 20*time.Second)
	// A machine that is busy may take so long to send them that the last ones find the node silent.
	if lost := counts[Lost]; lost == 0 || lost > maxOnItsWay/size || counts[Overloaded]+counts[Silent] != count-lost {
		t.Errorf("the outcomes are %v", counts)
	}
	if o := send(a, frozen.address, "hello"); o != Silent && o != NoNode {
		t.Errorf("a message to the frozen node ended with %v", o)
	}
	if err := frozen.process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	reach(t, a, frozen.address)
	if waits := a.Figures().Waiting; waits != 0 {
		t.Errorf("%d bytes still wait", waits)
	}
}
