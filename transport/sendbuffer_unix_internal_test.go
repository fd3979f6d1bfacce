//go:build unix

package transport

import "golang.org/x/sys/unix"

// takeLittle makes the send buffer of a socket small, so that the network soon takes no more.
func takeLittle(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10) }
