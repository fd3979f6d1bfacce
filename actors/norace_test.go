//go:build !race

package actors

// raceEnabled says whether the race detector is built in.
const raceEnabled = false
