package turn_test

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"p2p-messaging/transport/turn"
)

// contender is a TURN server in a process of its own, with one allocation of one client.
type contender struct {
	name             string
	process          int
	server, secret   string
	client, peer     int    // sockets: of the client, connected to the server, and of the peer, connected to the relayed address
	frames, payloads []byte // what the client and what the peer sends: a burst of datagrams, which the kernel takes apart

	datagrams, lost int
	took, cpu       time.Duration
}

const (
	datagramSize = 1200 // bytes of data, about as much as browsers send in one
	frameSize    = 4 + datagramSize
	burst        = 16
	window       = 48 // datagrams under way: coturn's buffers hold no more
)

// BenchmarkRelayBesideCoturn relays datagrams of 1,200 bytes through this service's program and through coturn, in turns, and reports for each how
// fast it is and how much processor time its process takes for a gigabyte. Each server has one core, the client and the peer the other.
//
//	go test -run '^$' -bench RelayBesideCoturn -benchtime 2000000x ./transport/turn
func BenchmarkRelayBesideCoturn(b *testing.B) {
	all := contenders(b)
	for _, c := range all {
		c.connect(b)
	}
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
		{"FromClient", func(c *contender, n int) { c.relay(b, c.client, c.peer, c.frames, datagramSize, window, 0, n) }},
		{"ToClient", func(c *contender, n int) { c.relay(b, c.peer, c.client, c.payloads, frameSize, window, 0, n) }},
		{"OneByOne", func(c *contender, n int) { c.relay(b, c.client, c.peer, c.frames[:frameSize], datagramSize, 1, 0, n) }},
		{"OneGigabit", func(c *contender, n int) {
			c.relay(b, c.client, c.peer, c.frames[:frameSize], datagramSize, window, 1e9*datagramSize*8/1e9, n)
		}},
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

// BenchmarkAllocationBesideCoturn reports by how many bytes the anonymous memory of each server grows with an allocation that has one channel.
//
//	go test -run '^$' -bench AllocationBesideCoturn -benchtime 4000x ./transport/turn
func BenchmarkAllocationBesideCoturn(b *testing.B) {
	if b.N > 8000 {
		b.Fatal("this opens too many files: give -benchtime 4000x")
	}
	for _, c := range contenders(b) {
		c.connect(b)
		before := anonymousSize(b, c.process)
		for range b.N {
			c.connect(b)
		}
		b.ReportMetric(float64(anonymousSize(b, c.process)-before)/float64(b.N), c.name+"-B/allocation")
	}
}

// contenders starts the servers.
func contenders(b *testing.B) []*contender {
	b.Helper()
	if runtime.NumCPU() < 2 {
		b.Skip("this needs two cores")
	}
	const secret = "shared"
	pinned := []string{"taskset", "--cpu-list", "1"}
	program := filepath.Join(b.TempDir(), "p2p-messaging")
	if said, err := exec.Command("go", "build", "-o", program, "p2p-messaging").CombinedOutput(); err != nil {
		b.Fatalf("build the service: %v: %s", err, said)
	}
	ours, process := startProgram(b, program, secret, pinned...)
	coturn, process2 := startCoturn(b, secret, pinned...)
	return []*contender{{name: "ours", process: process.Pid, server: ours, secret: secret}, {name: "coturn", process: process2.Pid, server: coturn, secret: secret}}
}

// startProgram starts this service's program, with another command, and returns the address of its TURN server and its process.
func startProgram(t testing.TB, program, secret string, by ...string) (string, *os.Process) {
	t.Helper()
	address := freeAddress(t)
	command := append(by, program, "serve", "--host", "127.0.0.1", "--port", "0", "--log-level", "error", "--turn-public-ip", "127.0.0.1", "--turn-listen", address,
		"--turn-secret", secret, "--turn-allow-peer", "127.0.0.0/8", "--turn-rate-per-login", "8GiB", "--turn-allocations", "0",
		"--turn-allocations-per-login", "0")
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

// anonymousSize returns the resident memory of a process without the pages of files, in bytes.
func anonymousSize(t testing.TB, process int) int {
	t.Helper()
	p, err := procfs.NewProc(process)
	if err != nil {
		t.Fatal(err)
	}
	status, err := p.NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	return int(status.RssAnon)
}

// connect makes an allocation at a server, and a channel of it to a peer.
func (c *contender) connect(t testing.TB) {
	t.Helper()
	who := turn.Servers{URLs: []string{"turn:" + c.server}, Secret: []byte(c.secret)}.For("alice", time.Now())[0]
	client := newChannelClient(t, c.server, who)
	peer, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), client.relayed.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	client.bind(t, 0x4000, localAddress(peer))
	payload := make([]byte, datagramSize)
	frame := channelData(0x4000, payload)
	c.payloads, c.frames = bytes.Repeat(payload, burst), bytes.Repeat(frame, burst)
	c.client, c.peer = segmenting(t, client.UDPConn, len(frame)), segmenting(t, peer, len(payload))
}

// segmenting returns the descriptor of a socket to which several datagrams of one size are written as one.
func segmenting(t testing.TB, c *net.UDPConn, size int) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(d uintptr) {
		fd = int(d)
		failed = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
	})
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return fd
}

// relay sends n datagrams, a multiple of a burst, from one socket to another through the server. At most a window of them is under way at any
// time. It does not wait for lost datagrams. At least an interval passes between two bursts.
func (c *contender) relay(t testing.TB, from, to int, datagrams []byte, arrives, window int, interval time.Duration, n int) {
	t.Helper()
	burst := len(datagrams) / datagramSize
	buffer := make([]byte, 2*datagramSize)
	sent, done := 0, 0
	last := time.Now()
	due := last
	for done < n {
		for sent < n && sent-done <= window-burst {
			if interval > 0 {
				if time.Now().Before(due) {
					break
				}
				due = due.Add(interval)
			}
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
