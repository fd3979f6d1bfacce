package cluster

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// clock runs on while the machine sleeps, as the store's clock does. The kernel has such a clock, CLOCK_BOOTTIME (clock_gettime(2)), but
// to read it takes a system call. Go's two clocks take none. So the clock adds what the monotonic clock has missed, and reads that again
// when the wall clock and the monotonic clock have moved apart. They do when the machine has slept, because the kernel sets the wall
// clock forward in the same step, and when somebody sets the wall clock.
type clock struct {
	began time.Time
	last  atomic.Pointer[reading]
}

// reading is how far two clocks were ahead of the monotonic one, which counts from began.
type reading struct{ wall, boot time.Duration }

// clockTolerance bounds the error of a clock. The margin of a lease is far longer.
const clockTolerance = time.Millisecond

// newClock returns a function that tells the time on a clock that runs on while the machine sleeps.
func newClock() func() time.Duration { return (&clock{began: time.Now()}).now }

func (c *clock) now() time.Duration {
	monotonic, wall := c.read()
	if r := c.last.Load(); r != nil && (wall-monotonic-r.wall).Abs() < clockTolerance {
		return monotonic + r.boot
	}
	return c.look()
}

// read returns what Go's clocks count since began.
func (c *clock) read() (monotonic, wall time.Duration) {
	t := time.Now()
	return t.Sub(c.began), time.Duration(t.UnixNano() - c.began.UnixNano())
}

// look reads the kernel's clock, and keeps by how much it is ahead if nothing held it up meanwhile. The time does not go back.
func (c *clock) look() time.Duration {
	monotonic, wall := c.read()
	boot := bootTime()
	after, _ := c.read()
	if r := c.last.Load(); r != nil && (boot-monotonic-r.boot).Abs() < clockTolerance {
		boot = monotonic + r.boot
	}
	if after-monotonic < clockTolerance {
		c.last.Store(&reading{wall: wall - monotonic, boot: boot - monotonic})
	}
	return boot
}

// bootTime reads the kernel's clock. The raw call tells Go's scheduler nothing, and needs not to, because it never blocks.
func bootTime() time.Duration {
	var t unix.Timespec
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}
