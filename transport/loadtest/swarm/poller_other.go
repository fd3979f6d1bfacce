//go:build !linux

package swarm

func newDriver(l *Loop) (driver, error) { return newBlocking(l), nil }
