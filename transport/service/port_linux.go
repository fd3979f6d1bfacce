package service

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// leavePort lets new connections go to the other process that listens at the port of l, and reports whether l shares its port. The
// sockets of a port are numbered in the order in which they began to listen, and when one is closed, the last takes its number
// (SO_ATTACH_REUSEPORT_CBPF, socket(7)). So of two, the older is 0 and the newer 1. If there is no 1, the kernel chooses among all.
func leavePort(l net.Listener) bool {
	shared, ok := l.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := shared.SyscallConn()
	if err != nil {
		return false
	}
	left := false
	_ = raw.Control(func(fd uintptr) {
		if value, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT); err != nil || value == 0 {
			return
		}
		newer := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1}
		left = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &unix.SockFprog{Len: 1, Filter: &newer}) == nil
	})
	return left
}
