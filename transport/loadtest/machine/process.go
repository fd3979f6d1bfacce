package machine

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"p2p-messaging/transport/loadtest/figures"

	"github.com/prometheus/procfs"
)

// residentSize returns the memory of this process that is in use, in bytes; 0 where it is not known.
func ResidentSize() int64 {
	self, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, err := self.Stat()
	if err != nil {
		return 0
	}
	return int64(stat.ResidentMemory())
}

// tidySize returns it without what is only waiting to be collected.
func TidySize() int64 {
	debug.FreeOSMemory()
	return ResidentSize()
}

// observed is the service's process.
type Process struct {
	process procfs.Proc
	used    time.Duration // processor time at the last look
}

// sample is what a look at the service's process found.
type Sample struct {
	CPU   time.Duration // since the look before
	RSS   int64
	Files int64
}

// findService returns the process with this number, or, where it is 0, the one that listens at the address. It is nil
// where there is none to be seen: the service runs elsewhere, or belongs to somebody else.
func Find(pid int, address netip.AddrPort) *Process {
	if pid == 0 {
		if pid = listener(address); pid == 0 {
			return nil
		}
	}
	process, err := procfs.NewProc(pid)
	if err != nil {
		return nil
	}
	o := &Process{process: process}
	if _, ok := o.Look(); !ok {
		return nil
	}
	return o
}

// listener returns the number of the process that listens at an address of this machine; 0 where none is to be seen.
func listener(address netip.AddrPort) int {
	fs, err := procfs.NewDefaultFS()
	if err != nil || !isLocal(address.Addr()) {
		return 0
	}
	const listening = 10 // TCP_LISTEN
	var sockets []string
	for _, table := range []func() (procfs.NetTCP, error){fs.NetTCP, fs.NetTCP6} {
		lines, err := table()
		if err != nil {
			continue
		}
		for _, line := range lines {
			local, _ := netip.AddrFromSlice(line.LocalAddr)
			local = local.Unmap()
			if line.St == listening && line.LocalPort == uint64(address.Port()) && (local.IsUnspecified() || local == address.Addr()) {
				sockets = append(sockets, fmt.Sprintf("socket:[%d]", line.Inode))
			}
		}
	}
	if len(sockets) == 0 {
		return 0
	}
	processes, err := fs.AllProcs()
	if err != nil {
		return 0
	}
	for _, p := range processes {
		targets, err := p.FileDescriptorTargets()
		if err == nil && slices.ContainsFunc(targets, func(t string) bool { return slices.Contains(sockets, t) }) {
			return p.PID
		}
	}
	return 0
}

// look returns what the process used since the last look, and what it has.
func (o *Process) Look() (Sample, bool) {
	stat, err := o.process.Stat()
	if err != nil {
		return Sample{}, false
	}
	used := time.Duration(stat.CPUTime() * float64(time.Second))
	s := Sample{CPU: used - o.used, RSS: int64(stat.ResidentMemory()), Files: o.files()}
	o.used = used
	return s, true
}

// files returns the number of open files; 0 where it is not known.
func (o *Process) files() int64 {
	directory := "/proc/" + strconv.Itoa(o.process.PID) + "/fd"
	if info, err := os.Stat(directory); err == nil && info.Size() > 0 { // since Linux 6.2, at no cost
		return info.Size()
	}
	n, err := o.process.FileDescriptorsLen()
	if err != nil {
		return 0
	}
	return int64(n)
}

// figures returns what is known from the start.
func (o *Process) Figures(idle int64) *figures.ServiceFigures {
	f := &figures.ServiceFigures{PID: o.process.PID, IdleRSS: idle}
	f.Command, _ = o.process.Comm()
	if limits, err := o.process.Limits(); err == nil {
		f.FileLimit = int64(limits.OpenFiles)
	}
	return f
}

// isLocal reports whether an address is this machine's.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, local := range addresses {
		if prefix, err := netip.ParsePrefix(local.String()); err == nil && prefix.Addr().Unmap() == a {
			return true
		}
	}
	return false
}
