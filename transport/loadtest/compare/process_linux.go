package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// twoCores returns a core for the service and a core for the generator. They are the first two that this process may
// use.
func twoCores() (cores [2]int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cores, fmt.Errorf("look which processor cores there are: %w", err)
	}
	n := 0
	for cpu := 0; cpu < 8*len(set)*8 && n < 2; cpu++ {
		if set.IsSet(cpu) {
			cores[n] = cpu
			n++
		}
	}
	if n < 2 {
		return cores, fmt.Errorf("this needs two processor cores, one for the service and one for the load, and may use %d", n)
	}
	return cores, nil
}

// startOn starts a command that may run on one core only. The limit holds from the start, so that a runtime that asks
// for the number of cores gets 1. The command ends when this process ends. Ctrl-C in a terminal reaches this process
// alone. The caller closes gone when the command has ended. The thread that started the command lives until then,
// because the command would end with it.
func startOn(core int, c *exec.Cmd, gone <-chan struct{}) error {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var pinned unix.CPUSet
		pinned.Set(core)
		if err := unix.SchedSetaffinity(0, &pinned); err != nil { // of this thread, inherited by its children
			started <- fmt.Errorf("hold a process to core %d: %w", core, err)
			return
		}
		err := c.Start()
		started <- err
		if err == nil {
			<-gone
		}
	}()
	return <-started
}

// usage is what was used up to a moment.
type usage struct {
	at      time.Time
	service time.Duration // processor time of all threads
	own     time.Duration
	busy    [2]time.Duration // time for which each of the two cores was busy, for any program
	memory  memory           // of the service
}

// lookAt measures the service of a job and this process.
func lookAt(j job) (u usage, err error) {
	if u.service, err = cpuTime(j.PID); err != nil {
		return u, err
	}
	if u.own, err = cpuTime(os.Getpid()); err != nil {
		return u, err
	}
	u.at = time.Now()
	u.busy = busyTime(j.Cores)
	u.memory, err = memoryOf(j.PID)
	return u, err
}

// since returns the outcome of the interval from b to u.
func (u usage) since(b usage) outcome {
	f := outcome{
		Seconds: u.at.Sub(b.at).Seconds(), ServiceCPU: (u.service - b.service).Seconds(), GeneratorCPU: (u.own - b.own).Seconds(),
	}
	f.OthersService = max(0, (u.busy[0]-b.busy[0]).Seconds()-f.ServiceCPU) / f.Seconds
	f.OthersOwn = max(0, (u.busy[1]-b.busy[1]).Seconds()-f.GeneratorCPU) / f.Seconds
	return f
}

// cpuTime returns the processor time of all threads of a process, including threads that have ended. It reads the
// kernel's clock for the process, which counts nanoseconds. The clock's number is formed as clock_getcpuclockid forms
// it.
func cpuTime(pid int) (time.Duration, error) {
	const scheduled = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// busyTime returns how long each core was busy since the machine started.
func busyTime(cores [2]int) (busy [2]time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on all platforms of Go
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return busy
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		for i, core := range cores {
			if len(fields) < 9 || fields[0] != "cpu"+strconv.Itoa(core) {
				continue
			}
			for _, n := range []int{1, 2, 3, 6, 7, 8} { // user, nice, system, irq, softirq, steal
				ticks, _ := strconv.ParseInt(fields[n], 10, 64)
				busy[i] += time.Duration(ticks) * tick
			}
		}
	}
	return busy
}

// waitForCalm waits until other programs leave the cores alone, but not longer than limit.
func waitForCalm(ctx context.Context, cores [2]int, limit time.Duration) {
	const look = 300 * time.Millisecond
	for end := time.Now().Add(limit); ctx.Err() == nil && time.Now().Before(end); {
		before := busyTime(cores)
		time.Sleep(look)
		after := busyTime(cores)
		if busy := max(after[0]-before[0], after[1]-before[1]); busy.Seconds() <= disturbance*look.Seconds() {
			return
		}
	}
}

func memoryOf(pid int) (memory, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return memory{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	status, err := process.NewStatus()
	if err != nil {
		return memory{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return memory{resident: int64(status.VmRSS), anonymous: int64(status.RssAnon)}, nil
}
