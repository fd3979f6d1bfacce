package service

import (
	"os"
	"runtime/debug"
)

// collectorPercent is how much garbage Go's collector lets gather, in percent of the live memory. A relayed message
// leaves no garbage, so a value below Go's usual 100 costs only logins and their ends: with 100,000 sessions each takes
// some 10 µs more, and a session takes a fifth less memory (BenchmarkCollector in package transport).
const collectorPercent = 50

// SetCollector sets Go's garbage collector for a process that only serves. GOGC in the environment wins.
func SetCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
}
