package web_test

import (
	"flag"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// parallel returns how many tests run at once unless -parallel says otherwise. At most half of them have a slot. That is more than the usual
// one per processor, because a test waits for the network and for its other pages much of the time. More tests at once would open more
// tabs. Each tab has a process, which takes memory and has to compile the page first.
func parallel() int { return min(4*goruntime.GOMAXPROCS(0), 16) }

// slots bounds how many tests keep the browsers busy at once. A test that mostly waits takes no slot, so that the processors have work
// meanwhile. What package testing says of how long a test took includes its wait for a slot.
var slots = sync.OnceValue(func() chan struct{} {
	n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String())
	if err != nil {
		panic(err) // It is a number.
	}
	return make(chan struct{}, (n+1)/2)
})

// needNoSlot are the names of the tests that have a slot, and of those that mostly wait.
var needNoSlot sync.Map

// mostlyWaits says that a test waits for time-outs nearly all the time. Call it before the test opens a page.
//
// Such a test may call t.Parallel when only its waiting is left to do. Until all tests have begun, and while others run, it waits without
// taking their place. No other test may open a page before it calls t.Parallel: it would keep its slot until all tests have begun, and
// one of these may wait for the slot.
func mostlyWaits(t *testing.T) {
	needNoSlot.Store(t.Name(), true)
}

// takeSlot waits for a slot. A test and its subtests share one, which is free again when the one that took it ends. So subtests that
// open pages must not be parallel.
func takeSlot(t testing.TB) {
	name, _, _ := strings.Cut(t.Name(), "/")
	if _, has := needNoSlot.LoadOrStore(name, true); has {
		return
	}
	slots() <- struct{}{}
	t.Cleanup(func() {
		needNoSlot.Delete(name)
		<-slots()
	})
}
