package turn_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"golang.org/x/sys/unix"

	"p2p-messaging/transport/turn"
)

// contender is a TURN server in a process of its own, with one allocation of one client.
type contender struct {
	name             string
	process          int
	client, peer     int    // sockets: of the client, connected to the server, and of the peer, connected to the relayed address
	frames, payloads []byte // what the client and what the peer sends: a burst of datagrams, which the kernel takes apart

	datagrams, lost int
	took, cpu       time.Duration
}

const (
	datagramSize = 1200 // bytes of data, about as much as browsers send in one
	frameSize    = 4 + datagramSize
	channel      = 0x4000
	burst        = 16
	window       = 48 // datagrams under way: coturn's buffers hold no more
)

// BenchmarkBesideCoturn relays datagrams of 1,200 bytes through this service's program and through coturn, in turns, and reports for each how
// fast it is and how much processor time its process takes for a gigabyte. Each server has one core, the client and the peer the other.
//
//	go test -run '^$' -bench BesideCoturn -benchtime 5s ./transport/turn
func BenchmarkBesideCoturn(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("this needs two cores")
	}
	const secret = "shared"
	pinned := []string{"taskset", "--cpu-list", "1"}
	program := filepath.Join(b.TempDir(), "p2p-messaging")
	if said, err := exec.Command("go", "build", "-o", program, "p2p-messaging").CombinedOutput(); err != nil {
		b.Fatalf("build the service: %v: %s", err, said)
	}
	service, process := startProgram(b, program, secret, pinned...)
	all := []*contender{{name: "ours", process: process.Pid}, {name: "coturn"}}
	all[0].connect(b, service, secret)
	coturn, process := startCoturn(b, secret, pinned...)
	all[1].process = process.Pid
	all[1].connect(b, coturn, secret)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	own.Set(0)
	if err := unix.SchedSetaffinity(0, &own); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	for _, way := range []struct {
		name  string
		relay func(c *contender, n int)
	}{
		{"FromClient", func(c *contender, n int) { c.relay(b, c.client, c.peer, c.frames, datagramSize, n) }},
		{"ToClient", func(c *contender, n int) { c.relay(b, c.peer, c.client, c.payloads, frameSize, n) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			const turn = 1000 * burst // datagrams through one server before the other has its turn
			for _, c := range all {
				c.datagrams, c.lost, c.took, c.cpu = 0, 0, 0, 0
				way.relay(c, 100*burst)
			}
			b.SetBytes(datagramSize * int64(len(all)))
			b.ResetTimer()
			for left := b.N; left > 0; left -= turn {
				for _, c := range all {
					n, cpu, began := (min(turn, left)+burst-1)/burst*burst, cpuTime(b, c.process), time.Now()
					way.relay(c, n)
					c.took += time.Since(began)
					c.cpu += cpuTime(b, c.process) - cpu
					c.datagrams += n
				}
			}
			for _, c := range all {
				relayed := float64(c.datagrams * datagramSize)
				b.ReportMetric(relayed*8/1e6/c.took.Seconds(), c.name+"-Mbit/s")
				b.ReportMetric(c.cpu.Seconds()/(relayed/1e9), c.name+"-CPU-s/GB")
				b.ReportMetric(100*float64(c.lost)/float64(c.datagrams), c.name+"-lost-%")
			}
		})
	}
}

// startProgram starts this service's program, with another command, and returns the address of its TURN server and its process.
func startProgram(t testing.TB, program, secret string, by ...string) (string, *os.Process) {
	t.Helper()
	address := freeAddress(t)
	command := append(by, program, "serve", "--host", "127.0.0.1", "--port", "0", "--log-level", "error", "--turn-public-ip", "127.0.0.1", "--turn-listen", address,
		"--turn-secret", secret, "--turn-allow-peer", "127.0.0.0/8", "--turn-rate", "0", "--turn-rate-per-login", "0")
	process := exec.Command(command[0], command[1:]...)
	said, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "is ready") {
			return address, process.Process
		}
	}
	t.Fatal("the service does not start")
	return "", nil
}

// freeAddress returns an address that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.LocalAddr().String()
}

// cpuTime returns the processor time that all threads of a process have taken.
func cpuTime(t testing.TB, process int) time.Duration {
	t.Helper()
	const scheduled = 2 // as clock_getcpuclockid forms the number of the clock
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^process<<3|scheduled), &at); err != nil {
		t.Fatal(err)
	}
	return time.Duration(at.Nano())
}

// connect makes an allocation at a server, and a channel of it to a peer.
func (c *contender) connect(t testing.TB, server, secret string) {
	t.Helper()
	c.client, c.peer = udpSocket(t), udpSocket(t)
	at := func(address netip.AddrPort) unix.Sockaddr {
		return &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())}
	}
	if err := unix.Connect(c.client, at(netip.MustParseAddrPort(server))); err != nil {
		t.Fatal(err)
	}
	who := turn.Servers{URLs: []string{"turn:" + server}, Secret: []byte(secret)}.For("alice", time.Now())[0]
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}} // UDP
	refused := c.ask(t, stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport)
	var realm stun.Realm
	var nonce stun.Nonce
	if err := refused.Parse(&realm, &nonce); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	signed := []stun.Setter{stun.NewUsername(who.Username), realm, nonce, stun.NewLongTermIntegrity(who.Username, realm.String(), who.Credential)}
	allocated := c.ask(t, append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport}, signed...)...)
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(allocated, stun.AttrXORRelayedAddress); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	if err := unix.Connect(c.peer, at(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(relayed.Port)))); err != nil {
		t.Fatal(err)
	}
	local, err := unix.Getsockname(c.peer)
	if err != nil {
		t.Fatal(err)
	}
	number := stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{channel >> 8, channel & 0xff, 0, 0}}
	peer := peerAddress{IP: net.IPv4(127, 0, 0, 1), Port: local.(*unix.SockaddrInet4).Port}
	bound := c.ask(t, append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodChannelBind, stun.ClassRequest), number, peer}, signed...)...)
	if bound.Type.Class != stun.ClassSuccessResponse {
		t.Fatalf("%s: a channel is refused: %v", c.name, bound)
	}
	payload := make([]byte, datagramSize)
	frame := append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, channel), datagramSize), payload...)
	c.payloads, c.frames = bytes.Repeat(payload, burst), bytes.Repeat(frame, burst)
	for _, err := range []error{
		unix.SetsockoptInt(c.client, unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(frame)), unix.SetsockoptInt(c.peer, unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(payload)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// peerAddress is the attribute XOR-PEER-ADDRESS.
type peerAddress stun.XORMappedAddress

// AddTo implements [stun.Setter].
func (p peerAddress) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress(p).AddToAs(m, stun.AttrXORPeerAddress)
}

// udpSocket returns a socket at a free port.
func udpSocket(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { _ = unix.Close(fd) })
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// ask sends a request of the client and returns the answer.
func (c *contender) ask(t testing.TB, of ...stun.Setter) *stun.Message {
	t.Helper()
	request, err := stun.Build(of...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(c.client, request.Raw); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1500)
	for deadline := time.Now().Add(patience); ; {
		n, err := unix.Read(c.client, answer)
		if err == nil {
			m := &stun.Message{Raw: answer[:n]}
			if err := m.Decode(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no answer: %v", c.name, err)
		}
	}
}

// relay has n datagrams, a multiple of a burst, relayed from one socket to another, of which some are under way at any time. It waits for none
// that do not come.
func (c *contender) relay(t testing.TB, from, to int, datagrams []byte, arrives, n int) {
	t.Helper()
	buffer := make([]byte, 2*datagramSize)
	sent, done := 0, 0
	last := time.Now()
	for done < n {
		for sent < n && sent-done <= window-burst {
			if _, err := unix.Write(from, datagrams); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			sent += burst
		}
		progress := false
		for {
			got, err := unix.Read(to, buffer)
			if err != nil {
				break
			}
			if got != arrives {
				t.Fatalf("%s: %d bytes arrived; want %d", c.name, got, arrives)
			}
			done++
			progress = true
		}
		switch now := time.Now(); {
		case progress:
			last = now
		case now.Sub(last) > 100*time.Millisecond:
			c.lost += sent - done
			done, last = sent, now
		}
	}
}
