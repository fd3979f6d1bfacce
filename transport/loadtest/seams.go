package loadtest

import "time"

// What the comparison with other services (the command in compare/) uses of this package beside Distribution.

// ThisMachine describes the machine that this program runs on, as far as it can find out.
func ThisMachine() Machine { return thisMachine() }

// RaiseFileLimit raises the number of files that this process may have open as far as it may, and returns it; 0 where it
// is not known.
func RaiseFileLimit() int { return raiseFileLimit() }

// FormatDuration writes three digits that matter and a unit.
func FormatDuration(d time.Duration) string { return formatDuration(d) }

// FormatRate writes three digits that matter, more where they stand before the point.
func FormatRate(v float64) string { return formatRate(v) }

// FormatBytes writes three digits that matter and a unit.
func FormatBytes(v float64) string { return formatBytes(v) }
