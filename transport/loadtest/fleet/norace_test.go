//go:build !race

package fleet

// raceEnabled says whether the race detector is built in.
const raceEnabled = false
