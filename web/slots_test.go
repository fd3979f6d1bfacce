package web_test

import (
	"flag"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// parallel returns how many tests run at once unless -parallel says otherwise. Half of them have a slot. That is more than the usual one
// per processor, because a test waits for the network and for its other pages much of the time. More tests at once would open more
// tabs. Each tab has a process, which takes memory and has to compile the page first.
func parallel() int { return min(4*goruntime.GOMAXPROCS(0), 16) }

// slots bounds how many tests use the browsers at once. A test that mostly waits takes no slot, so that the processors have work
// meanwhile. What package testing says of how long a test took includes its wait for a slot.
var slots = sync.OnceValue(func() chan struct{} {
	n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String())
	if err != nil {
		panic(err) // It is a number.
	}
	return make(chan struct{}, (n+1)/2)
})

// served are the names of the tests that have a slot, and of those that take none.
var served sync.Map

// mostlyWaits says that a test waits for time-outs nearly all the time. Call it first, because it is before the test opens a page.
//
// Such a test may call t.Parallel when only its waiting is left to do. Until all tests have begun, and while others run, it waits without
// taking their place.
func mostlyWaits(t *testing.T) {
	served.Store(t.Name(), true)
}

// takeSlot waits for a slot, which the test has until it ends. A test and its subtests have one slot together.
func takeSlot(t testing.TB) {
	name, _, _ := strings.Cut(t.Name(), "/")
	if _, has := served.LoadOrStore(name, true); has {
		return
	}
	slots() <- struct{}{}
	t.Cleanup(func() {
		served.Delete(name)
		<-slots()
	})
}
