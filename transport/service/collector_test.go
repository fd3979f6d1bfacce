package service

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestThePercentageFollowsTheLiveMemory(t *testing.T) {
	for live, want := range map[uint64]int{
		0: maxCollectorPercent, 1 << 20: maxCollectorPercent, 8 << 20: 200, 16 << 20: 100, 32 << 20: collectorPercent, 1 << 40: collectorPercent,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("with %d bytes it is %d %%; wanted %d", live, got, want)
		}
	}
}

func TestTheCollectorFollowsTheLiveMemoryUntilItIsStopped(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	stop := SetCollector()
	defer stop()
	for begun := time.Now(); ; runtime.Gosched() {
		runtime.GC() // the live memory of a test is little
		var m memory
		m.read()
		got, want := debug.SetGCPercent(77), percentFor(m.live)
		debug.SetGCPercent(got)
		if got > collectorPercent && got != 77 && got*10 >= want*8 && got*10 <= want*12 {
			break
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("the collector is at %d %%; wanted about %d", got, want)
		}
	}
	stop()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("afterwards it is at %d %%; wanted what it was before", got)
	}
}

func TestMemoryIsReturnedWhenTheServiceIsQuiet(t *testing.T) {
	for _, c := range []struct {
		allocated, live, objects, free, rest uint64
		want                                 bool
	}{
		{0, 4 << 20, 4 << 20, 0, 0, false},
		{0, 4 << 20, 4<<20 + returnedBytes - 1, 0, 0, false},
		{0, 4 << 20, 4<<20 + returnedBytes, 0, 0, true},
		{0, 4 << 20, 4 << 20, returnedBytes, 0, true},
		{0, 4 << 20, 4<<20 + returnedBytes/2, returnedBytes / 2, 0, true},
		{quietAllocation, 4 << 20, 20 << 20, 0, 0, true},
		{quietAllocation + 1, 4 << 20, 20 << 20, 0, 0, false},
		{0, 320 << 20, 329 << 20, 0, 0, false},
		{0, 320 << 20, 330 << 20, 0, 0, true},
		{0, 4 << 20, 0, 0, 0, false},
		{0, 4 << 20, 4<<20 + returnedBytes, 0, 1, false},
		{0, 4 << 20, 4<<20 + 2*returnedBytes, 0, returnedBytes, true},
	} {
		if got := (&memory{live: c.live, objects: c.objects, free: c.free, rest: c.rest}).wastes(c.allocated); got != c.want {
			t.Errorf("%+v: a collection is worth it: %t", c, got)
		}
	}
}

// kept is what a test keeps alive.
type kept struct{ bytes []byte }

func TestGarbageGoesOnceLoginsAreOver(t *testing.T) {
	t.Setenv("GOGC", "")
	synctest.Test(t, func(t *testing.T) {
		defer SetCollector()()
		forced := func() uint32 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.NumForcedGC
		}
		before := forced()
		for range 2 * lookInterval / time.Second { // logins leave garbage every second
			k := kept{make([]byte, 1<<20)}
			time.Sleep(time.Second)
			runtime.KeepAlive(k)
		}
		if got := forced(); got != before {
			t.Errorf("%d collections while clients log in", got-before)
		}
		time.Sleep(2 * lookInterval)
		if got := forced(); got != before+1 {
			t.Errorf("%d collections after the last login; wanted one", got-before)
		}
		time.Sleep(100 * lookInterval)
		if got := forced(); got > before+2 {
			t.Errorf("%d collections while nothing happens; wanted one", got-before)
		}
	})
}
