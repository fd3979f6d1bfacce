package actors

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/messages"
)

// talkers logs two clients in and returns the first, with a message of that size from it to the second.
func talkers(b *testing.B, s *System, n int32, size int, members string) (from *Connection, text []byte) {
	from, to := s.Connect(discard{}), s.Connect(discard{})
	a, z := fmt.Sprintf("from%d", n), fmt.Sprintf("to%d", n)
	from.Receive(decoded(b, fmt.Sprintf(`{"type":"login","login":%q%s}`, a, members)))
	to.Receive(decoded(b, fmt.Sprintf(`{"type":"login","login":%q%s}`, z, members)))
	head := fmt.Sprintf(`{"type":"offer","from":%q,"to":%q,"offer":{"sdp":"`, a, z)
	return from, []byte(head + strings.Repeat("v", size-len(head)-3) + `"}}`)
}

// This measures messages from the decoder to the link, through two actors. Each processor has its own pair. So with
// -cpu 1,2 two processors should do twice the work of one.
func BenchmarkRelay(b *testing.B) {
	for _, c := range []struct {
		name, members string
		size          int
		options       Options
	}{
		{"300B", "", 300, Options{}},
		{"300B with tokens", withToken("fresh"), 300, Options{Authenticate: holds(time.Hour)}},
		{"2048B", "", 2048, Options{}},
		{"2048B with tokens", withToken("fresh"), 2048, Options{Authenticate: holds(time.Hour)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newTestSystem(b, c.options)
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			var pair atomic.Int32
			b.RunParallel(func(pb *testing.PB) {
				from, text := talkers(b, s, pair.Add(1), c.size, c.members)
				for pb.Next() {
					m, err := messages.NewRelay(text)
					if err != nil {
						b.Error(err)
						return
					}
					from.Receive(m)
				}
			})
		})
	}
}

// This measures a login and a logout, alone and among many logins. Each time it is another login.
func BenchmarkLoginLogout(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("among%d", others), func(b *testing.B) {
			s := newTestSystem(b, Options{})
			connections := loginMany(b, s, max(others, 1), "")
			next := 0
			b.ReportAllocs()
			for b.Loop() {
				c, login := connections[next], fmt.Appendf(nil, "user%d", next)
				next = (next + 7919) % len(connections)
				for _, kind := range []string{"logout", "login"} {
					m, err := messages.NewRelay(fmt.Appendf(nil, `{"type":%q,"login":%q}`, kind, login))
					if err != nil {
						b.Fatal(err)
					}
					c.Receive(m)
				}
			}
		})
	}
}

// BenchmarkRoute finds the session for a message among 100,000 sessions. It looks for a login that is there, one that is
// there and spelled differently, and one that is not there.
func BenchmarkRoute(b *testing.B) {
	s := newTestSystem(b, Options{})
	loginMany(b, s, 100_000, "")
	for name, spelling := range map[string]string{"hit": "user%d", "spelt otherwise": "USER%d", "miss": "nobody %d"} {
		logins := make([][]byte, 1<<14)
		for i := range logins {
			logins[i] = fmt.Appendf(nil, spelling, i)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if found, _, _ := s.find(logins[i%len(logins)]); (found != nil) != (name != "miss") {
					b.Fatalf("found %v", found)
				}
			}
		})
	}
}

// loginMany logs clients in. Members are what each login has besides.
func loginMany(b testing.TB, s *System, clients int, members string) []*Connection {
	connections := make([]*Connection, clients)
	for i := range connections {
		connections[i] = s.Connect(discard{})
		connections[i].Receive(decoded(b, fmt.Sprintf(`{"type":"login","login":"user%d"%s}`, i, members)))
	}
	if n := s.Sessions(); n != clients {
		b.Fatalf("%d sessions, want %d", n, clients)
	}
	return connections
}

// live returns how many bytes of the heap and of stacks are in use.
func live() (heap, stack uint64) {
	runtime.GC()
	runtime.GC() // the first run only moves the contents of the pools to their victim caches
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// A kept session is measured with its connection, and without one, for as long as its window lasts.
func BenchmarkIdleSession(b *testing.B) {
	for _, c := range []struct {
		name, members string
		away          bool
		authenticate  Authenticate
	}{
		{"plain", "", false, nil},
		{"with a token", withToken("fresh"), false, holds(time.Hour)},
		{"kept", `,"keep":true`, false, nil},
		{"kept with a secret that was brought", `,"keep":true,"resume":"` + firstSecret + `","received":0`, false, nil},
		{"away", `,"keep":true`, true, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			const clients = 50_000
			for b.Loop() {
				heap, stack := live()
				s := newTestSystem(b, Options{ResumeWindow: MaxResumeWindow, Authenticate: c.authenticate})
				connections := loginMany(b, s, clients, c.members)
				if c.away {
					for i, connection := range connections {
						connection.Closed(false)
						connections[i] = nil
					}
				}
				heap2, stack2 := live()
				b.ReportMetric((float64(heap2)-float64(heap))/clients-8, "heap-B/session") // 8: the slice here
				b.ReportMetric((float64(stack2)-float64(stack))/clients, "stack-B/session")
				runtime.KeepAlive(connections)
			}
		})
	}
}

var million = flag.Bool("million", false, "have BenchmarkMillionSessions run: it takes 1 GB and half a minute")

// A million clients log in. They relay to each other at random while the collector runs. Then they are stopped.
func BenchmarkMillionSessions(b *testing.B) {
	if !*million {
		b.Skip("-million runs it")
	}
	const clients, collections = 1_000_000, 5
	for b.Loop() {
		heap, stack := live()
		s := NewSystem(Options{})
		start := time.Now()
		connections := loginMany(b, s, clients, "")
		b.ReportMetric(time.Since(start).Seconds(), "login-s")
		heap2, stack2 := live()
		b.ReportMetric((float64(heap2)-float64(heap))/clients-8, "heap-B/session") // 8: the slice here
		b.ReportMetric((float64(stack2)-float64(stack))/clients, "stack-B/session")

		random := rand.New(rand.NewPCG(1, 2))
		text := make([]byte, 0, 300)
		relay := func() {
			from, to := random.IntN(clients), random.IntN(clients)
			text = fmt.Appendf(text[:0], `{"type":"offer","from":"user%d","to":"user%d","offer":{"sdp":"%0200d"}}`, from, to, 0)
			m, err := messages.NewRelay(text)
			if err != nil {
				b.Fatal(err)
			}
			connections[from].Receive(m)
		}
		start = time.Now()
		for range clients {
			relay()
		}
		b.ReportMetric(float64(time.Since(start))/clients, "relay-ns")

		collected := make(chan struct{})
		go func() {
			defer close(collected)
			for range collections {
				runtime.GC()
			}
		}()
		worst, relays := time.Duration(0), 0
		start = time.Now()
		for collecting := true; collecting; relays++ {
			before := time.Now()
			relay()
			worst = max(worst, time.Since(before))
			select {
			case <-collected:
				collecting = false
			default:
			}
		}
		b.ReportMetric(float64(time.Since(start))/float64(relays), "relay-ns-collecting")
		b.ReportMetric(float64(worst.Microseconds()), "worst-relay-µs")
		var gc debug.GCStats
		debug.ReadGCStats(&gc)
		b.ReportMetric(float64(slices.Max(gc.Pause[:collections]).Microseconds()), "worst-pause-µs")

		start = time.Now()
		if err := s.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "stop-s")
		runtime.KeepAlive(connections)
	}
}
