package transport_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// BenchmarkRelay relays frames between two sessions over loopback sockets. It sends window frames at a time.
func BenchmarkRelay(b *testing.B) {
	for _, size := range []int{300, 2 << 10} {
		for _, window := range []int{1, 16} {
			b.Run(fmt.Sprintf("%dB/window=%d", size, window), func(b *testing.B) {
				s := onLoops.listen(b)
				from, to := s.login(b, "alice"), s.login(b, "bob")
				text := offer("alice", "bob", size)
				frame := rawws.Message(text)
				burst := []byte(strings.Repeat(string(frame), window))
				answer := make([]byte, (4+len(text))*window)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for sent := 0; b.Loop(); sent++ {
					if sent%window > 0 {
						continue // this frame was sent with its burst
					}
					write(b, from, burst)
					if _, err := io.ReadFull(to.Conn, answer); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCycle connects, logs in, logs out and closes, over loopback sockets. The allocations are those of both sides.
func BenchmarkCycle(b *testing.B) {
	s := onLoops.listen(b)
	arrives := append([]byte(rawws.Request("/", s.host)), rawws.Message(`{"type":"login","login":"alice"}`)...)
	leaves := append(rawws.Message(`{"type":"logout","login":"alice"}`), 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8)
	b.ReportAllocs()
	for b.Loop() {
		socket, err := s.dial()
		if err != nil {
			b.Fatal(err)
		}
		write(b, socket, arrives)
		write(b, socket, leaves)
		if _, err := io.Copy(io.Discard, socket); err != nil {
			b.Fatal(err)
		}
		socket.Close()
	}
}

// BenchmarkIdleSessions measures the memory of a logged-in session while nothing happens: the bytes that Go uses, and the
// resident bytes of the process. The clients' ends are plain sockets, which need almost no memory in this process.
func BenchmarkIdleSessions(b *testing.B) {
	const sessions = 4000
	for b.Loop() {
		b.StopTimer()
		s := onLoops.listen(b, func(o *transport.Options) { o.PingInterval, o.IdleTimeout = 1<<40, 1<<41 })
		clients := make([]io.Closer, 0, sessions)
		inUse, resident := memory()
		b.StartTimer()
		for i := range sessions {
			socket, err := s.dial()
			if err != nil {
				b.Fatal(err)
			}
			clients = append(clients, socket)
			login := rawws.Message(fmt.Sprintf(`{"type":"login","login":"login %d"}`, i))
			if _, err := socket.Write(append([]byte(rawws.Request("/", s.host)), login...)); err != nil {
				b.Fatal(err)
			}
		}
		for s.system.Sessions() < sessions {
			runtime.Gosched()
		}
		b.StopTimer()
		inUseNow, residentNow := memory()
		b.ReportMetric((inUseNow-inUse)/sessions, "heap+stack-B/session")
		b.ReportMetric((residentNow-resident)/sessions, "resident-B/session")
		for _, c := range clients {
			c.Close()
		}
		b.StartTimer()
	}
}

// memory returns the bytes of heap and stacks in use, and the resident bytes of the process. Resident is 0 if the system
// does not report it.
func memory() (inUse, resident float64) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages, _ := strconv.Atoi(fields[1])
			resident = float64(pages * os.Getpagesize())
		}
	}
	return float64(m.HeapInuse + m.StackInuse), resident
}
