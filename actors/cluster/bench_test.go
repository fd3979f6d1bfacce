//go:build unix

package cluster

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// benchLoop acts for the clients of a node as an event loop of the transport does: on one goroutine, one client after another.
type benchLoop struct {
	mu     sync.Mutex
	filled *sync.Cond
	due    []*benchClient
	ended  bool
}

// benchClient answers each burst of frames with one.
type benchClient struct {
	client
	connection *actors.Connection
	loop       *benchLoop
	frame      []byte
	window     int
	missing    int           // frames of the burst that is coming
	left       *atomic.Int64 // bursts of all
	done       chan<- struct{}
}

func (c *benchClient) Deliver(*messages.Deliver) bool {
	if c.missing--; c.missing > 0 {
		return true
	}
	c.missing = c.window
	if c.left.Add(-1) < 0 {
		c.done <- struct{}{}
		return true
	}
	c.loop.mu.Lock()
	c.loop.due = append(c.loop.due, c)
	c.loop.mu.Unlock()
	c.loop.filled.Signal()
	return true
}

func (l *benchLoop) run(b *testing.B) {
	var due []*benchClient
	for {
		l.mu.Lock()
		for len(l.due) == 0 && !l.ended {
			l.filled.Wait()
		}
		due, l.due = l.due, due[:0]
		ended := l.ended
		l.mu.Unlock()
		if ended {
			return
		}
		for _, c := range due {
			for range c.window {
				m, err := messages.NewRelay(c.frame)
				if err != nil {
					b.Error(err)
					return
				}
				c.connection.Receive(m)
			}
		}
	}
}

// BenchmarkRelay relays frames of 300 bytes within a node and between two, in bursts. Sockets of clients are not part of it.
// cpu-µs/op is what both nodes take together.
func BenchmarkRelay(b *testing.B) {
	nodes := startNodes(b, startEtcd(b), 2)
	for _, window := range []int{1, 16} {
		for _, where := range []string{"local", "across"} {
			b.Run(fmt.Sprintf("%s/burst=%d", where, window), func(b *testing.B) {
				const pairs = 50
				var left atomic.Int64
				done := make(chan struct{}, 2*pairs)
				loops := [2]*benchLoop{{}, {}}
				var running sync.WaitGroup
				for _, l := range loops {
					l.filled = sync.NewCond(&l.mu)
					running.Go(func() { l.run(b) })
				}
				connect := func(side int, login, to string) *benchClient {
					n, loop := nodes[0], loops[0]
					if where == "across" {
						n, loop = nodes[side], loops[side]
					}
					c := &benchClient{loop: loop, window: window, missing: window, left: &left, done: done}
					c.changed = sync.NewCond(&c.mu)
					c.frame = fmt.Appendf(nil, `{"type":"ice-candidate","ice-candidate":{"candidate":%q},"from":%q,"to":%q}`, strings.Repeat("x", 220), login, to)
					c.connection = n.Connect(c)
					m, err := messages.NewRelay(fmt.Appendf(nil, `{"type":"login","login":%q}`, login))
					if err != nil {
						b.Fatal(err)
					}
					c.connection.Receive(m)
					waitFor(b, "a client is logged in", func() bool {
						c.mu.Lock()
						defer c.mu.Unlock()
						return len(c.texts) == 1 && strings.Contains(c.texts[0], `"success":true`)
					})
					return c
				}
				var begin []*benchClient
				for i := range pairs {
					x, y := fmt.Sprintf("%s-%d-a%d", where, window, i), fmt.Sprintf("%s-%d-b%d", where, window, i)
					begin = append(begin, connect(0, x, y))
					defer begin[i].connection.Closed(true)
					defer connect(1, y, x).connection.Closed(true)
				}
				round := func(bursts int) {
					left.Store(int64(bursts))
					loops[0].mu.Lock()
					loops[0].due = append(loops[0].due, begin...)
					loops[0].mu.Unlock()
					loops[0].filled.Signal()
					for range pairs {
						<-done
					}
				}
				round(1000) // so that all know where all are
				b.ReportAllocs()
				b.ResetTimer()
				before := cpu(b)
				round(b.N / window)
				b.StopTimer()
				b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
				for _, l := range loops {
					l.mu.Lock()
					l.ended = true
					l.mu.Unlock()
					l.filled.Signal()
				}
				running.Wait()
			})
		}
	}
}

// cpu returns the time that all threads of this process have used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
