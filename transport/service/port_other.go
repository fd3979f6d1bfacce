//go:build !linux

package service

import "net"

// leavePort does nothing: only Linux can let new connections go to another process at the same port.
func leavePort(net.Listener) bool { return false }
