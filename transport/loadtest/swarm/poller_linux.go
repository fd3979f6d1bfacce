package swarm

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"p2p-messaging/transport/internal/epoll"
)

const (
	// readSize is how many bytes one read can return.
	readSize = 64 << 10
	// batch is the number of events that are handled before the connections are flushed.
	batch = 128
	// politeness is the number of rounds without a pause after which other goroutines get their turn.
	politeness = 32
)

// poller drives the connections of a loop with one epoll instance. The documentation of package epoll says how it waits, and
// why it uses raw system calls.
type poller struct {
	loop   *Loop
	epoll  *epoll.Poller
	timer  int           // a timerfd that wakes the loop when it must settle
	armed  time.Duration // the time for which timer is set; Never if it is not set
	conns  []*Conn       // indexed by file descriptor
	doomed []int         // descriptors to close at the end of the round, so that no number is used twice in one round
	events [batch]unix.EpollEvent
	buffer [readSize]byte
}

func newDriver(l *Loop) (driver, error) {
	d := &poller{loop: l, timer: -1, armed: Never}
	var err error
	if d.epoll, err = epoll.NewPoller(); err != nil {
		return nil, err
	}
	if d.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		d.close()
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	if err := d.control(unix.EPOLL_CTL_ADD, d.timer, unix.EPOLLIN); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *poller) close() {
	d.epoll.Close()
	if d.timer >= 0 {
		_ = unix.Close(d.timer)
	}
}

// control calls [epoll.Poller.Control]. The data of the events is the descriptor.
func (d *poller) control(operation, fd int, events uint32) error {
	return d.epoll.Control(operation, fd, events, int32(fd))
}

func (d *poller) wake() { d.epoll.Wake() }

func (d *poller) run() { d.epoll.Run(d.rounds) }

// rounds does all work that is ready. It reports whether the loop has ended.
func (d *poller) rounds() (end bool) {
	for round := 1; ; round++ {
		n := d.epoll.Wait(d.events[:])
		for i := range d.events[:n] {
			d.serve(&d.events[i])
		}
		d.loop.takeTasks()
		next := d.loop.settle()
		end = d.loop.finished()
		for _, fd := range d.doomed {
			_ = unix.Close(fd)
		}
		d.doomed = d.doomed[:0]
		if end {
			return true
		}
		if n == 0 && len(d.loop.dirty) == 0 && !d.due(next) {
			return false
		}
		if round%politeness == 0 {
			runtime.Gosched()
		}
	}
}

// due reports whether the time next has come. If not, it sets the timer, which wakes the loop at that time.
func (d *poller) due(next time.Duration) bool {
	if next == d.armed {
		return false
	}
	spec := unix.ItimerSpec{}
	if next != Never {
		left := next - d.loop.Now()
		if left <= 0 {
			return true
		}
		spec.Value = unix.NsecToTimespec(int64(left))
	}
	d.armed = next
	_ = unix.TimerfdSettime(d.timer, 0, &spec, nil)
	return false
}

func (d *poller) serve(e *unix.EpollEvent) {
	fd := int(e.Fd)
	switch fd {
	case epoll.Wakeup:
		d.epoll.Woken()
		return
	case d.timer:
		d.armed = Never
		var expirations [8]byte
		_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&expirations)), uintptr(len(expirations)))
		return
	}
	c := d.conns[fd]
	if c == nil {
		return
	}
	if c.state == connecting {
		if e.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			d.finishConnect(c)
		}
		return
	}
	if e.Events&unix.EPOLLOUT != 0 {
		c.blocked = false
		d.watch(c)
		if len(c.out) > 0 {
			c.touch()
		}
	}
	// Epoll reports a reset even if nobody reads. So a paused connection is read then.
	if e.Events&unix.EPOLLIN != 0 && !c.paused || e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		d.read(c)
	}
}

func (d *poller) read(c *Conn) {
	n, errno := epoll.Receive(int(c.fd), d.buffer[:])
	d.loop.read = d.loop.Now()
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		c.fail(os.NewSyscallError("recvfrom", errno))
	case n == 0:
		c.fail(io.EOF)
	default:
		c.receive(d.buffer[:n])
	}
}

func (d *poller) dial(c *Conn) {
	if err := d.connect(c); err != nil {
		c.loop.Do(func() { c.fail(err) })
	}
}

func (d *poller) connect(c *Conn) error {
	s := c.loop.swarm
	family := unix.AF_INET
	if s.address.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	keep := func(err error) error {
		if err == nil {
			c.fd = int32(fd)
			d.conns = extend(d.conns, fd)
			d.conns[fd] = c
			return nil
		}
		_ = unix.Close(fd)
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return keep(os.NewSyscallError("setsockopt", err))
	}
	if source := c.loop.nextSource(); source.IsValid() {
		// With this option the system chooses the port in connect(2), when it knows the other side. So each source can use
		// all its ports for each service.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, socketAddress(netip.AddrPortFrom(source, 0))); err != nil {
			return keep(os.NewSyscallError("bind", err))
		}
	}
	if err := unix.Connect(fd, socketAddress(s.address)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return keep(os.NewSyscallError("connect", err))
	}
	return keep(d.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLOUT))
}

func extend(conns []*Conn, fd int) []*Conn {
	if fd < len(conns) {
		return conns
	}
	return append(conns, make([]*Conn, fd+1-len(conns))...)
}

func socketAddress(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	six := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		if on, err := net.InterfaceByName(zone); err == nil {
			six.ZoneId = uint32(on.Index)
		}
	}
	return six
}

func (d *poller) finishConnect(c *Conn) {
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err != nil {
		c.fail(os.NewSyscallError("connect", err))
		return
	}
	c.connected()
	d.watch(c)
}

// watch tells epoll which events the connection waits for.
func (d *poller) watch(c *Conn) {
	var events uint32
	if !c.paused {
		events |= unix.EPOLLIN
	}
	if c.blocked {
		events |= unix.EPOLLOUT
	}
	if err := d.control(unix.EPOLL_CTL_MOD, int(c.fd), events); err != nil {
		c.loop.Do(func() { c.fail(err) })
	}
}

func (d *poller) reading(c *Conn) {
	if c.fd < 0 {
		return
	}
	_ = unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_RCVBUF, readBuffer(c.paused))
	if c.state != connecting {
		d.watch(c)
	}
}

func (d *poller) flush(c *Conn) {
	for len(c.out) > 0 {
		n, errno := epoll.Send(int(c.fd), c.out, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			c.blocked = true
			d.watch(c)
			return
		case errno != 0:
			// The connection does not end here. A read ends it, after the last bytes of the service were read. They may be a
			// close frame.
			c.unsend()
			c.blocked = true
			return
		default:
			c.wrote(n)
		}
	}
}

func (d *poller) drop(c *Conn, reset bool) {
	fd := int(c.fd)
	if fd < 0 {
		return
	}
	if reset {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	_ = d.control(unix.EPOLL_CTL_DEL, fd, 0)
	d.conns[fd] = nil
	c.fd = -1
	d.doomed = append(d.doomed, fd)
}

func (d *poller) each(f func(*Conn)) {
	for _, c := range d.conns {
		if c != nil {
			f(c)
		}
	}
}
