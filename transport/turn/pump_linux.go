package turn

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams are read, and sent, with one system call at most.
const batchSize = 32

// socket is a UDP socket of the server.
type socket struct {
	*net.UDPConn
	raw  syscall.RawConn
	ipv6 bool // its addresses are of IPv6, those of IPv4 mapped into it
	// segments says that the kernel takes several datagrams as one and separates them (UDP_SEGMENT, since Linux 4.18).
	segments atomic.Bool
}

// newSocket takes c over. If it fails, it closes c.
func newSocket(c *net.UDPConn) (*socket, error) {
	s := &socket{UDPConn: c}
	var err error
	if s.raw, err = c.SyscallConn(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	var failed error
	err = s.raw.Control(func(fd uintptr) {
		var domain int
		domain, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		s.ipv6 = domain == unix.AF_INET6
		_, unknown := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.segments.Store(unknown == nil)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return s, nil
}

// pump reads the datagrams that come to a socket, and sends them on through others. It reads all that have arrived with one system call. Those
// that go to the same address it sends with one, too. A pump has memory for datagrams only while there are any. Its methods are called by one goroutine.
type pump struct {
	from    *socket
	batches *batches
	batch   *batch // nil: nothing is read
	next    int    // the next datagram of the batch
	receive func(fd uintptr) (done bool)
	failed  unix.Errno
}

func newPump(from *socket, b *batches) *pump {
	p := &pump{from: from, batches: b}
	p.receive = func(fd uintptr) bool {
		b := p.batches.get()
		p.failed = b.read(int(fd))
		if p.failed == unix.EAGAIN {
			p.batches.put(b)
			return false
		}
		p.batch, p.next = b, 0
		return true
	}
	return p
}

// read returns the next datagram, behind channelHeader bytes that are free for use, and its sender. It is valid until the next read.
func (p *pump) read() (message []byte, from netip.AddrPort, err error) {
	for {
		for b := p.batch; b != nil && p.next < b.count; {
			i := p.next
			p.next++
			if b.received[i].header.Flags&unix.MSG_TRUNC == 0 { // half a datagram is of no use
				return b.buffers[i][:channelHeader+int(b.received[i].size)], addressOf(&b.names[i]), nil
			}
		}
		if p.batch != nil {
			p.flush()
			p.batches.put(p.batch)
			p.batch = nil
		}
		if err := p.from.raw.Read(p.receive); err != nil {
			return nil, netip.AddrPort{}, err
		}
		if p.failed != 0 {
			return nil, netip.AddrPort{}, os.NewSyscallError("recvmmsg", p.failed)
		}
	}
}

// send sends a part of the datagram that was read last. It may wait for others until flush, or until read has no more.
func (p *pump) send(data []byte, by *socket, to netip.AddrPort) {
	o := &p.batch.out
	// The kernel cuts off datagrams of one size. Only the last may be shorter.
	if o.count > 0 && (o.by != by || o.to != to || !by.segments.Load() || o.size == 0 || len(data) > o.size || int(o.vectors[o.count-1].Len) < o.size) {
		p.flush()
	}
	if o.count == 0 {
		o.by, o.to, o.size = by, to, len(data)
	}
	v := &o.vectors[o.count]
	v.Base = unsafe.SliceData(data)
	v.SetLen(len(data))
	o.count++
}

// flush sends what waits. As on the network, nobody is told of a datagram that is lost.
func (p *pump) flush() {
	if p.batch == nil || p.batch.out.count == 0 {
		return
	}
	o := &p.batch.out
	setAddress(o, o.to, o.by.ipv6)
	o.first, o.last = 0, o.count
	if err := o.by.raw.Write(o.write); err == nil && o.failed != 0 && o.count > 1 {
		if o.failed == unix.EIO { // the network interface cannot
			o.by.segments.Store(false)
		}
		for i := range o.count {
			o.first, o.last = i, i+1
			_ = o.by.raw.Write(o.write)
		}
	}
	o.by, o.count = nil, 0
}

// batch is memory for datagrams.
type batch struct {
	count    int // read
	received [batchSize]received
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6 // large enough for IPv4
	buffers  [batchSize][channelHeader + maxDatagram]byte
	out      outgoing
}

// received is struct mmsghdr of recvmmsg(2).
type received struct {
	header unix.Msghdr
	size   uint32
}

// outgoing has the datagrams that are sent together.
type outgoing struct {
	by          *socket
	to          netip.AddrPort
	size        int // of each but the last
	count       int
	first, last int // those that write sends
	vectors     [batchSize]unix.Iovec
	header      unix.Msghdr
	name        unix.RawSockaddrInet6
	nameSize    uint32
	control     struct {
		unix.Cmsghdr
		size uint16
		_    [6]byte
	}
	write  func(fd uintptr) (done bool)
	failed unix.Errno
}

// batches keeps batches that nobody uses. Its zero value is ready.
type batches struct{ pool sync.Pool }

func (b *batches) put(one *batch) { b.pool.Put(one) }

func (b *batches) get() *batch {
	if one, ok := b.pool.Get().(*batch); ok {
		return one
	}
	one := new(batch)
	for i := range one.received {
		one.vectors[i].Base = &one.buffers[i][channelHeader]
		one.vectors[i].SetLen(maxDatagram)
		h := &one.received[i].header
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&one.names[i])), &one.vectors[i]
		h.SetIovlen(1)
	}
	o := &one.out
	o.control.Level, o.control.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	o.control.SetLen(unix.CmsgLen(2))
	o.write = o.writeTo
	return one
}

// read reads what has arrived at a socket.
func (b *batch) read(fd int) unix.Errno {
	for i := range b.received {
		b.received[i].header.Namelen = uint32(unsafe.Sizeof(b.names[i]))
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.received[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if b.count = int(n); errno != 0 {
			b.count = 0
		}
		return errno
	}
}

// writeTo sends the datagrams from first to last.
func (o *outgoing) writeTo(fd uintptr) (done bool) {
	h := &o.header
	h.Name, h.Namelen, h.Iov = (*byte)(unsafe.Pointer(&o.name)), o.nameSize, &o.vectors[o.first]
	h.SetIovlen(o.last - o.first)
	h.Control = nil
	h.SetControllen(0)
	if o.last-o.first > 1 {
		o.control.size = uint16(o.size)
		h.Control = (*byte)(unsafe.Pointer(&o.control))
		h.SetControllen(unix.CmsgSpace(2))
	}
	for {
		_, _, o.failed = unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(h)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if o.failed != unix.EINTR {
			return o.failed != unix.EAGAIN
		}
	}
}

// addressOf returns the address that the kernel has written.
func addressOf(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&four.Port))[:]))
	}
	address := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 && !address.Is4In6() {
		address = address.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	return netip.AddrPortFrom(address, binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:]))
}

// setAddress writes an address for the kernel.
func setAddress(o *outgoing, to netip.AddrPort, ipv6 bool) {
	if !ipv6 {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&o.name))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().Unmap().As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&four.Port))[:], to.Port())
		o.nameSize = uint32(unsafe.Sizeof(*four))
		return
	}
	o.name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&o.name.Port))[:], to.Port())
	if zone := to.Addr().Zone(); zone != "" {
		index, _ := strconv.ParseUint(zone, 10, 32) // addressOf has written it
		o.name.Scope_id = uint32(index)
	}
	o.nameSize = uint32(unsafe.Sizeof(o.name))
}
