// Package files says how many files the process may open, and when hardly any are left. Each socket is a file.
//
// The system gives a new file the lowest number that is free (POSIX.1-2017, Base Definitions, section 3.166 and open()). So if a new
// file has one of the last numbers, nearly all others are taken, no matter which part of the process has opened them.
package files

import "syscall"

// Spare returns how many of the files that a process may open are kept back: for sockets that are about to be closed, and for
// clients that are told that there is no room.
func Spare(limit int) int { return min(max(limit/8, 16), 128) }

// Reserve knows which numbers are those of files that are kept back.
type Reserve struct{ first int }

// NewReserve returns the reserve of a process that may open so many files.
func NewReserve(limit int) Reserve { return Reserve{limit - Spare(limit)} }

// Holds reports whether a file is one of those that are kept back, because all others are taken, except for some that are about
// to be closed. An unknown file, 0, is not.
func (r Reserve) Holds(file, closing int) bool { return file-closing >= r.first && file > 0 }

// Number returns the number of the file beneath c, or 0 if it is not known.
func Number(c any) (file int) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { file = int(fd) }) // if c is closed, the number is not known
	return file
}
