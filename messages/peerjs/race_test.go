//go:build race

package peerjs

const raceEnabled = true
