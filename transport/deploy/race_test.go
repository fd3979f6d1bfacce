//go:build race

package deploy

// raceEnabled says whether the race detector is built in.
const raceEnabled = true
