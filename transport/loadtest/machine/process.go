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

// ResidentSize returns the resident memory of this process in bytes. It is 0 if it is not known.
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

// TidySize collects garbage, returns free memory to the system, and then returns the resident memory as [ResidentSize]
// does.
func TidySize() int64 {
	debug.FreeOSMemory()
	return ResidentSize()
}

// Process is a process of this machine that is observed.
type Process struct {
	process procfs.Proc
	limit   int64         // of open files; 0: unknown
	used    time.Duration // processor time at the last call of Look
}

// Sample is what [Process.Look] found.
type Sample struct {
	CPU       time.Duration // used since the last call of Look
	RSS       int64
	Anonymous int64 // RSS without the pages of files, such as the program; 0: unknown
	Files     int64
}

// Find returns the process with this number. If the number is 0, Find returns the process that listens at the address.
// It returns nil if it cannot see such a process, because the process runs elsewhere or belongs to another user.
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
	if limits, err := process.Limits(); err == nil {
		o.limit = int64(limits.OpenFiles)
	}
	if _, ok := o.Look(); !ok {
		return nil
	}
	return o
}

// listener returns the number of the process that listens at an address of this machine. It is 0 if none can be seen.
func listener(address netip.AddrPort) int {
	address = netip.AddrPortFrom(address.Addr().WithZone(""), address.Port()) // the kernel's tables have no zones
	fs, err := procfs.NewDefaultFS()
	if err != nil || !isLocal(address.Addr()) {
		return 0
	}
	const listening = 10 // TCP_LISTEN
	var sockets []string
	//lint:ignore SA1019 The replacement that procfs names reads Netlink, which needs another module. A run reads these tables once.
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

// Look returns what the process used since the last call, and what it has now. It returns false if the process is gone.
func (o *Process) Look() (Sample, bool) {
	stat, err := o.process.Stat()
	if err != nil {
		return Sample{}, false
	}
	used := time.Duration(stat.CPUTime() * float64(time.Second))
	s := Sample{CPU: used - o.used, RSS: int64(stat.ResidentMemory()), Files: o.files()}
	if o.limit > 0 {
		// A process may have inherited files whose numbers are beyond its limit. They take none of its places.
		s.Files = min(s.Files, o.limit)
	}
	if status, err := o.process.NewStatus(); err == nil {
		s.Anonymous = int64(status.RssAnon)
	}
	o.used = used
	return s, true
}

// files returns the number of open files. It is 0 if it is not known.
func (o *Process) files() int64 {
	directory := "/proc/" + strconv.Itoa(o.process.PID) + "/fd"
	if info, err := os.Stat(directory); err == nil && info.Size() > 0 { // Linux 6.2 and later report the number of entries as the size, which costs nothing
		return info.Size()
	}
	n, err := o.process.FileDescriptorsLen()
	if err != nil {
		return 0
	}
	return int64(n)
}

// Figures returns what is known of the process before the load begins.
func (o *Process) Figures(idle Sample) *figures.ServiceFigures {
	f := &figures.ServiceFigures{PID: o.process.PID, IdleRSS: idle.RSS, IdleAnonymous: idle.Anonymous, FileLimit: o.limit}
	f.Command, _ = o.process.Comm()
	return f
}

// isLocal reports whether an address is one of this machine's.
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
