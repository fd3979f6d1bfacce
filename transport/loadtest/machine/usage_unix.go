//go:build unix

package machine

import (
	"syscall"
	"time"
)

// CPUTime returns the processor time that this process has used so far.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// RaiseFileLimit raises the limit of open files of this process as far as it may, and returns the limit. It returns 0
// if the limit is not known.
func RaiseFileLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	if l.Cur < l.Max {
		raised := l
		raised.Cur = l.Max
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	return int(min(uint64(l.Cur), 1<<30)) //nolint:unconvert // signed on some systems
}
