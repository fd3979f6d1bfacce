package service

import (
	"os"
	"runtime/debug"
)

// collectorPercent is the amount of garbage at which Go's garbage collector runs, in percent of the live memory. A relayed
// message leaves no garbage. So a value below Go's default of 100 makes only logins and their ends slower. With 100,000
// sessions, a login and its end take some 10 µs more, and a session takes a fifth less memory (BenchmarkCollector in package
// transport).
const collectorPercent = 50

// SetCollector sets Go's garbage collector for a process that only serves. GOGC in the environment wins.
func SetCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
}
