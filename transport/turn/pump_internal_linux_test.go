package turn

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestASocketThatIsOfNoUseIsClosed(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error // a file in the socket's place has no options
	if err := errors.Join(raw.Control(func(fd uintptr) { failed = unix.Dup3(int(file.Fd()), int(fd), unix.O_CLOEXEC) }), failed); err != nil {
		t.Fatal(err)
	}
	if s, err := newSocket(c); s != nil || err == nil {
		t.Errorf("a file is taken for a socket: %v, %v", s, err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket was left open: %v", err)
	}
}

// TestDatagramsThatTheKernelDoesNotSeparateAreSentOneByOne has a pump send by sockets that take only one at a time.
func TestDatagramsThatTheKernelDoesNotSeparateAreSentOneByOne(t *testing.T) {
	open := func() *socket {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s, err := newSocket(c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, spoil := range map[string]func(s *socket){
		"a kernel that can":    func(*socket) {},
		"a kernel that cannot": func(s *socket) { s.segments.Store(false) },
		"a socket that refuses": func(s *socket) { // datagrams without a checksum cannot be sent together
			_ = s.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, by, to := open(), open(), open()
			spoil(by)
			p := newPump(from, new(batches))
			at := from.LocalAddr().(*net.UDPAddr).AddrPort()
			for i := range batchSize {
				if _, err := to.WriteToUDPAddrPort(bytes.Repeat([]byte{byte(i)}, 100), at); err != nil {
					t.Fatal(err)
				}
			}
			for range batchSize {
				message, sender, err := p.read()
				if err != nil {
					t.Fatal(err)
				}
				p.send(message[channelHeader:], by, sender)
			}
			p.flush()
			_ = to.SetReadDeadline(time.Now().Add(10 * time.Second))
			for i := range batchSize {
				b := make([]byte, 200)
				if n, err := to.Read(b); err != nil || !bytes.Equal(b[:n], bytes.Repeat([]byte{byte(i)}, 100)) {
					t.Fatalf("datagram %d: read %v, %v", i, b[:n], err)
				}
			}
		})
	}
}
