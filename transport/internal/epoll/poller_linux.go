package epoll

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poller is an epoll instance that waits in the runtime's own poller. The package documentation says why it waits that way.
// Only the goroutine in Run may call its methods. Wake is the exception: any goroutine may call it.
type Poller struct {
	fd    int
	file  *os.File // of fd
	event int      // an eventfd, which is readable after Wake
}

// Wakeup is the data of the event that Wake causes. No other descriptor may have it.
const Wakeup = -1

// NewPoller returns a poller. The caller must close it. The error is the system's.
func NewPoller() (*Poller, error) {
	p := &Poller{fd: -1, event: -1}
	if err := p.open(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Poller) open() (err error) {
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := p.Control(unix.EPOLL_CTL_ADD, p.event, unix.EPOLLIN|unix.EPOLLET, Wakeup); err != nil {
		return err
	}
	if err := unix.SetNonblock(p.fd, true); err != nil { // the runtime's poller takes only non-blocking files
		return os.NewSyscallError("fcntl", err)
	}
	p.file = os.NewFile(uintptr(p.fd), "epoll")
	return awaitable(p.file)
}

// awaitable returns an error if the runtime's poller does not watch f. [os.NewFile] does not report that.
func awaitable(f *os.File) error {
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("the runtime's poller does not take an epoll instance: %w", err)
	}
	return nil
}

// Close closes the poller's own descriptors. It does not close the descriptors that the poller watches.
func (p *Poller) Close() {
	switch {
	case p.file != nil:
		_ = p.file.Close()
	case p.fd >= 0:
		_ = unix.Close(p.fd)
	}
	if p.event >= 0 {
		_ = unix.Close(p.event)
	}
}

// Run calls rounds whenever there may be work, until rounds returns true. Rounds may return false only after Wait has
// returned 0, because the runtime's poller reports only what becomes ready later.
func (p *Poller) Run(rounds func() (end bool)) {
	raw, err := p.file.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool { return rounds() })
	}
	if err != nil {
		panic("epoll: the runtime's poller: " + err.Error()) // it cannot fail: the file is open and has no deadline
	}
}

// Control adds, changes or removes the events for which the poller watches a descriptor. The operation is EPOLL_CTL_ADD,
// EPOLL_CTL_MOD or EPOLL_CTL_DEL. Each event of the descriptor carries data, in its field Fd, and the descriptor, in its
// field Pad.
func (p *Poller) Control(operation, fd int, events uint32, data int32) error {
	e := unix.EpollEvent{Events: events, Fd: data, Pad: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, operation, fd, &e))
}

// Wait stores the events that are ready now and returns their number. It does not block.
func (p *Poller) Wait(events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0 // it cannot fail: the arguments are valid, and a call that does not wait is not interrupted
	}
	return int(n)
}

// Wake makes a waiting poller call its rounds again. Wait then returns an event whose data is [Wakeup].
func (p *Poller) Wake() {
	one := [8]byte{1} // any number greater than 0 works, in any byte order
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(p.event), uintptr(unsafe.Pointer(&one)), uintptr(len(one)))
}

// Woken settles an event that Wake has caused. It resets the counter of the eventfd.
func (p *Poller) Woken() {
	var count [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(p.event), uintptr(unsafe.Pointer(&count)), uintptr(len(count)))
}

// Receive reads from a non-blocking socket. It does not inform the scheduler. It uses recvfrom(2), which does less work than
// read(2).
func Receive(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), errno
}

// Send writes to a non-blocking socket. It does not inform the scheduler. If the connection has ended, the error is EPIPE,
// and no signal is sent.
func Send(fd int, b []byte, flags int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
	return int(n), errno
}

// shutdown ends directions of a socket. It does not inform the scheduler.
func shutdown(fd, how int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0); errno != 0 {
		return os.NewSyscallError("shutdown", errno)
	}
	return nil
}

// closeSocket closes a socket. It does not inform the scheduler. It does not block, because no socket here has the option
// SO_LINGER.
func closeSocket(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
