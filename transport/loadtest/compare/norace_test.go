//go:build !race

package main

// raceEnabled says whether the race detector is built in.
const raceEnabled = false
