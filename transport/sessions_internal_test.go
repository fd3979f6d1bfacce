package transport

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/epoll"
	"p2p-messaging/transport/internal/rawws"
)

// simulation is a server whose connections have no sockets. The bytes that it writes to them are discarded. The test
// provides the bytes that it reads from them, and runs their loops.
type simulation struct {
	testing.TB
	*Server
	system *actors.System

	loops   []*simulatedLoop
	opening *simulatedLoop // the loop of the next connection
}

// simulatedLoop keeps the tasks that are posted until run runs them.
type simulatedLoop struct {
	mu           sync.Mutex
	tasks, spare []epoll.Task
}

func (l *simulatedLoop) Post(t epoll.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
}

// run runs tasks until there are none. Only one goroutine at a time may call it.
func (l *simulatedLoop) run() {
	for {
		l.mu.Lock()
		tasks := l.tasks
		l.tasks, l.spare = l.spare[:0], nil
		l.mu.Unlock()
		if len(tasks) == 0 {
			l.spare = tasks
			return
		}
		for i, t := range tasks {
			tasks[i] = nil
			t.Run()
		}
		if cap(tasks) < 1024 {
			l.spare = tasks[:0]
		}
	}
}

func simulate(t testing.TB) *simulation {
	m := &simulation{TB: t, system: actors.NewSystem(actors.Options{})}
	m.begin()
	o := DefaultOptions()
	o.Rate = 0
	o.PingInterval, o.IdleTimeout = 1<<61, 1<<62
	var err error
	if m.Server, err = New(m.system, o); err != nil {
		t.Fatal(err)
	}
	return m
}

// adopt returns a new connection on the loop m.opening.
func (m *simulation) adopt() *looped {
	c := new(looped)
	c.socket = &simulated{loop: m.opening, handler: c}
	return c
}

// begin makes a new loop, on which connections open from now on.
func (m *simulation) begin() {
	m.opening = new(simulatedLoop)
	m.loops = append(m.loops, m.opening)
}

// open opens a connection and logs in.
func (m *simulation) open(login string) *looped {
	m.connections.enter(unknown)
	c := m.adopt()
	m.openLooped(c, unknown, entry{key: sampleKey}, nil)
	m.opening.run()
	m.receive(c, `{"type":"login","login":"`+login+`"}`)
	return c
}

// receive gives a connection a message from its client.
func (m *simulation) receive(c *looped, text string) {
	c.Receive(rawws.Message(text), time.Now())
	m.opening.run()
}

// close ends a connection from the client's side.
func (m *simulation) close(c *looped) {
	c.Ended(io.EOF)
	m.opening.run()
}

// stop ends all connections, then the server and the system of actors.
func (m *simulation) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	gone := make(chan error)
	m.connections.each(func(c *conn) { c.Close(messages.CloseServiceRestart, "") })
	for _, l := range m.loops {
		l.run()
	}
	go func() { gone <- m.Shutdown(ctx) }()
	if err := <-gone; err != nil {
		m.Error(err)
	}
	if err := m.system.Stop(ctx); err != nil {
		m.Error(err)
	}
}

// simulated is a socket that takes all bytes. Its other side closes when the service closes its sending direction, or both.
type simulated struct {
	loop    *simulatedLoop
	handler epoll.Handler
}

func (s *simulated) Post(t epoll.Task)                   { s.loop.Post(t) }
func (s *simulated) Open() error                         { return nil }
func (s *simulated) Watch(bool, bool)                    {}
func (s *simulated) Write(b []byte, _ bool) (int, error) { return len(b), nil }
func (s *simulated) CloseWrite() error                   { s.Post(hangUp{s.handler}); return nil }
func (s *simulated) Shutdown()                           { s.Post(hangUp{s.handler}) }
func (s *simulated) Close()                              {}

type hangUp struct{ epoll.Handler }

func (h hangUp) Run() { h.Ended(io.EOF) }

// memory is the memory that the process uses, in bytes.
type memory struct{ heap, stacks, resident float64 }

func measure() (m memory) {
	debug.FreeOSMemory()
	return measureNow()
}

func measureNow() (m memory) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.heap, m.stacks = float64(stats.HeapAlloc), float64(stats.StackInuse)
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages, _ := strconv.Atoi(fields[1])
			m.resident = float64(pages * os.Getpagesize())
		}
	}
	return m
}

func (m memory) report(b *testing.B, before memory, sessions int) {
	n := float64(sessions)
	b.ReportMetric((m.heap-before.heap)/n, "heap-B/session")
	b.ReportMetric((m.stacks-before.stacks)/n, "stack-B/session")
	b.ReportMetric((m.resident-before.resident)/n, "resident-B/session")
}

// BenchmarkSimulatedSessions holds 100,000 and then a million idle sessions. They are logged in over connections without
// sockets. It reports the memory for each session, the longest pause of the garbage collector, and the time that it takes
// to end all sessions.
func BenchmarkSimulatedSessions(b *testing.B) {
	for _, sessions := range []int{100_000, 1_000_000} {
		b.Run(strconv.Itoa(sessions), func(b *testing.B) {
			for b.Loop() {
				before := measure()
				m := simulate(b)
				for i := range sessions {
					m.open(fmt.Sprint("login ", i))
				}
				if n := m.system.Sessions(); n != sessions {
					b.Fatalf("%d sessions, want %d", n, sessions)
				}
				measure().report(b, before, sessions)
				var pauses debug.GCStats
				debug.ReadGCStats(&pauses)
				longest := time.Duration(0)
				for _, p := range pauses.Pause {
					longest = max(longest, p)
				}
				b.ReportMetric(float64(longest.Microseconds()), "longest-pause-µs")
				start := time.Now()
				m.stop()
				b.ReportMetric(time.Since(start).Seconds(), "s-to-stop-all")
			}
		})
	}
}

// BenchmarkCollector measures what the setting of the garbage collector costs and saves in a service with 100,000 idle
// sessions. Meanwhile other clients connect, log in, relay one message and leave. It reports the resident memory for each
// idle session. The time is that of one other client.
func BenchmarkCollector(b *testing.B) {
	const sessions = 100_000
	for _, percent := range []int{10, 25, 50, 100, 200} {
		b.Run(fmt.Sprintf("percent=%d", percent), func(b *testing.B) {
			defer debug.SetGCPercent(debug.SetGCPercent(percent))
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
			before := measure()
			m := simulate(b)
			for i := range sessions {
				m.open(fmt.Sprint("login ", i))
			}
			i := 0
			for b.Loop() {
				c := m.open(fmt.Sprint("coming and going ", i))
				m.receive(c, fmt.Sprintf(`{"type":"offer","offer":{},"from":"coming and going %d","to":"login %d"}`, i, i%sessions))
				m.close(c)
				i++
			}
			measureNow().report(b, before, sessions)
			m.stop()
		})
	}
}

// BenchmarkRelayWithoutNetwork relays frames between pairs of connections without sockets. It covers everything from the
// read to the write. With -cpu 1,2 it shows what a second processor adds.
func BenchmarkRelayWithoutNetwork(b *testing.B) {
	const pairs = 100 // for each processor
	for _, size := range []int{300, 2 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			m := simulate(b)
			type processor struct {
				loop    *simulatedLoop
				senders []*looped
				frames  [][]byte
			}
			processors := make(chan processor, runtime.GOMAXPROCS(0))
			for p := range cap(processors) {
				m.begin()
				processor := processor{loop: m.opening}
				for i := range pairs {
					from, to := fmt.Sprintf("from %d %d", p, i), fmt.Sprintf("to %d %d", p, i)
					processor.senders = append(processor.senders, m.open(from))
					m.open(to)
					text := fmt.Sprintf(`{"type":"offer","offer":"%s","from":"%s","to":"%s"}`, strings.Repeat("x", size-70), from, to)
					processor.frames = append(processor.frames, rawws.Message(text))
				}
				processors <- processor
			}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				p := <-processors
				buffer := make([]byte, 0, 2*size)
				at := time.Now()
				for i := 0; pb.Next(); i++ {
					buffer = append(buffer[:0], p.frames[i%pairs]...) // Receive unmasks the frame in place
					p.senders[i%pairs].Receive(buffer, at)
					p.loop.run()
				}
			})
			b.StopTimer()
			close(processors)
			m.stop()
		})
	}
}
