//go:build unix

package routes

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// cpu returns the time that all threads of this process have used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSend sends 300 bytes to another node of the same process, as many pairs do that each have a number of messages on their way. cpu-µs/op is what both nodes take together.
func BenchmarkSend(b *testing.B) {
	for _, c := range []struct {
		name          string
		pairs, window int
	}{{"pairs=1/window=1", 1, 1}, {"pairs=200/window=1", 200, 1}, {"pairs=200/window=16", 200, 16}} {
		b.Run(c.name, func(b *testing.B) {
			var one, two *Routes
			var left atomic.Int64
			done := make(chan struct{})
			body := make([]byte, 300)
			c2 := config("two")
			c2.Receive = func(from Address, m []byte) Outcome {
				if len(m) == 0 {
					return Accepted
				}
				two.Send(from, m, nil) // an answer by the other client of the pair
				return Accepted
			}
			two = start(b, c2)
			c1 := config("one", two.Listening())
			c1.Receive = func(from Address, m []byte) Outcome {
				if len(m) == 0 {
					return Accepted
				}
				switch n := left.Add(-1); {
				case n >= 0:
					one.Send(from, m, nil)
				case n == int64(-c.pairs*c.window):
					close(done)
				}
				return Accepted
			}
			one = start(b, c1)
			together(b, one, two)
			left.Store(int64(b.N) / 2)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			published := one.Figures().Published + two.Figures().Published
			for range c.pairs * c.window {
				one.Send(two.Address(), body, nil)
			}
			<-done
			b.StopTimer()
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(b.N)/float64(one.Figures().Published+two.Figures().Published-published), "messages/batch")
		})
	}
}
