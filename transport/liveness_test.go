package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// sweep is how late the service may act on a time limit, because it checks its connections once a second.
const sweep = time.Second

func wantAfter(t *testing.T, what string, since time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(since); got < want || got > want+sweep {
		t.Errorf("%s came after %v, want %v and at most %v more", what, got, want, sweep)
	}
}

func TestAConnectionIsPingedEvery25Seconds(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			c := s.connect(t)
			last := time.Now()
			for i := range 100 {
				f, err := c.ReadFrame()
				if err != nil || f.Opcode != rawws.Ping {
					t.Fatalf("received %v, %v; want a ping", f, err)
				}
				took := time.Since(last)
				if most := 25*time.Second + sweep; took > most || i > 0 && took < 25*time.Second-sweep {
					t.Errorf("ping %d came after %v, want 25 s", i, took)
				}
				last = time.Now()
				write(t, c, rawws.Frame{Opcode: rawws.Pong, Payload: f.Payload}.Append(nil))
			}
		})
	})
}

func TestPingsAreSpreadOverTheInterval(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			const connections = 250
			seconds := make(chan int, connections)
			start := time.Now()
			for range connections {
				c := s.connect(t)
				go func() {
					if f, err := c.ReadFrame(); err != nil || f.Opcode != rawws.Ping {
						t.Errorf("received %v, %v; want a ping", f, err)
					}
					seconds <- int(time.Since(start).Seconds())
				}()
			}
			count := make(map[int]int)
			for range connections {
				count[<-seconds]++
			}
			for second, n := range count {
				if n > connections/5 {
					t.Errorf("%d of %d connections were pinged in second %d, want about %d", n, connections, second, connections/25)
				}
			}
		})
	})
}

func TestAConnectionWithoutASignOfLifeIsClosedAfter60Seconds(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			c := s.login(t, "alice")
			time.Sleep(17 * time.Second)
			write(t, c, rawws.Frame{Opcode: rawws.Pong}.Append(nil))
			last := time.Now()
			synctest.Wait()
			wantClose(t, c, 4001)
			wantAfter(t, "the close", last, 60*time.Second)
			synctest.Wait()
			if n := s.system.Sessions(); n != 0 {
				t.Errorf("%d sessions are left, want none", n)
			}
			// The client never closes its side. The service waits 3 s for that, and then closes the socket.
			time.Sleep(4 * time.Second)
			if _, err := c.Write([]byte{0}); err == nil {
				t.Error("the socket is still open 4 s after the close frame")
			}
		})
	})
}

func TestAConnectionThatIsReadMoreSlowlyIsNotTakenForDead(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, func(o *transport.Options) { o.Rate, o.Burst = 1, 1 })
			c := s.connect(t)
			const pings = 1000
			feed(t, c, slices.Values([][]byte{bytes.Repeat(rawws.Frame{Opcode: rawws.Ping, Payload: []byte("mine")}.Append(nil), pings)}))
			start := time.Now()
			for i := 0; i < pings; {
				f, err := c.ReadFrame()
				if err != nil || f.Opcode == rawws.Close {
					t.Fatalf("after %v and %d pongs: %v, %v", time.Since(start), i, f, err)
				}
				if f.Opcode == rawws.Pong {
					i++
				}
			}
			wantAfter(t, "the last pong", start, (pings-1)*time.Second)
		})
	})
}

// On every carrier each frame counts against the rate, whatever its content. Only a close frame is free.
func TestFragmentsAndLoginsThatTakeLongArePaidForAndGoodbyesAreNot(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, func(o *transport.Options) {
				o.Rate, o.Burst = 1, 1
				o.PingInterval, o.IdleTimeout = 1<<61, 1<<62
			})
			c := s.connect(t)
			start := time.Now()
			took := func(what string, want time.Duration) {
				t.Helper()
				if got := time.Since(start); got != want {
					t.Errorf("%s was answered after %v, want %v", what, got, want)
				}
			}
			write(t, c, rawws.Message(`{"type":"login","login":"alice"}`))
			if _, err := c.ReadText(); err != nil {
				t.Fatal(err)
			}
			took("the login", 0)
			// This login has 192 bytes. To compare it takes as long as to handle 16 messages.
			write(t, c, rawws.Message(`{"type":"bye","from":"alice","to":"`+strings.Repeat("\uFDFA", 64)+`"}`))
			wantError(t, c, "peer-unavailable")
			took("the bye", time.Second)
			write(t, c, rawws.Message("{}"))
			wantError(t, c, "malformed")
			took("the next message", (1+1+16)*time.Second)

			stream := rawws.Frame{Opcode: rawws.Text, More: true}.Append(nil)
			for range 40 {
				stream = rawws.Frame{More: true}.Append(stream)
			}
			write(t, c, rawws.Frame{Opcode: rawws.Ping}.Append(stream))
			if f, err := c.ReadFrame(); err != nil || f.Opcode != rawws.Pong {
				t.Fatalf("received %v, %v; want a pong", f, err)
			}
			took("the ping behind 41 fragments", (18+41+1)*time.Second)
			write(t, c, rawws.CloseFrame(1000, ""))
			wantClose(t, c, 1000)
			took("the goodbye", (18+41+1)*time.Second)
		})
	})
}

func TestFramesOverTheRateAreReadMoreSlowlyAndNoneIsLost(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		const rate, burst, frames = 500, 1000, 3000
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, func(o *transport.Options) {
				o.Rate, o.Burst = rate, burst
				o.PingInterval, o.IdleTimeout = 1<<61, 1<<62 // so that no ping comes between the answers
			})
			a, other := s.connect(t), s.connect(t)
			start := time.Now()
			feed(t, a, func(yield func([]byte) bool) {
				for i := 0; i < frames && yield(rawws.Frame{Opcode: rawws.Ping, Payload: fmt.Append(nil, i)}.Append(nil)); i++ {
				}
			})
			for i := range frames {
				f, err := a.ReadFrame()
				if err != nil || f.Opcode != rawws.Pong || string(f.Payload) != fmt.Sprint(i) {
					t.Fatalf("answer %d: %v, %v; want its pong", i, f, err)
				}
				want := max(0, time.Duration(i+1-burst)*time.Second/rate)
				if got := time.Since(start); got != want {
					t.Fatalf("answer %d came after %v, want %v", i, got, want)
				}
				if i == 2*burst {
					now := time.Now()
					write(t, other, rawws.Message("{}"))
					wantError(t, other, "malformed")
					if waited := time.Since(now); waited > 0 {
						t.Errorf("another connection waited %v", waited)
					}
				}
			}
			// After this time a whole burst is allowed again.
			time.Sleep(burst * time.Second / rate)
			start = time.Now()
			write(t, a, bytes.Repeat(rawws.Message("{}"), burst))
			for range burst {
				wantError(t, a, "malformed")
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("a second burst took %v, want no time", took)
			}
		})
	})
}

func TestAWaitForTheRateEndsWithTheConnection(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, func(o *transport.Options) { o.Rate, o.Burst = 1, 1 })
			c := s.login(t, "alice")
			for range 20 {
				write(t, c, rawws.Message("{}"))
			}
			synctest.Wait()
			start := time.Now()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("Shutdown waited %v", took)
			}
		})
	})
}

func TestHeadersThatNeverEndAreCutOffAfter10Seconds(t *testing.T) {
	for name, header := range map[string]string{
		"nothing":      "",
		"some headers": "GET / HTTP/1.1\r\nHost: service.test\r\nX-Header: an end that never comes",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onLoops.listenInMemory(t, 64<<10)
				socket, err := s.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer socket.Close()
				start := time.Now()
				feed(t, socket, func(yield func([]byte) bool) {
					// Sending a byte from time to time does not extend the time limit.
					for i := 0; i < len(header) && yield([]byte{header[i]}); i++ {
						time.Sleep(time.Second / 8)
					}
				})
				if rest, err := io.ReadAll(socket); len(rest) > 0 {
					t.Errorf("received %q, %v", rest, err)
				}
				wantAfter(t, "the end", start, 10*time.Second)
				synctest.Wait()
			})
		})
	}
}

func TestHeadersThatAreTooLongAreRefused(t *testing.T) {
	s := onLoops.listen(t)
	socket, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	_, err = rawws.Open(socket, rawws.Request("/ws", s.host, "X-Long: "+string(bytes.Repeat([]byte("x"), 64<<10))))
	if err == nil {
		t.Error("64 KiB of headers were taken")
	}
}

func TestShutdownTellsClientsWhenToComeBack(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			const clients = 20
			delays := make(chan int, clients)
			for i := range clients {
				c := s.login(t, fmt.Sprint("login", i))
				go func() {
					code, reason, _, err := c.ReadClose()
					var ms int
					if _, scan := fmt.Sscanf(reason, "retry=%d", &ms); scan != nil || code != 1012 || err != nil {
						t.Errorf("closed with %d %q, %v; want 1012 retry=<ms>", code, reason, err)
					}
					delays <- ms
					c.Close()
				}()
			}
			start := time.Now()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if took := time.Since(start); took > sweep {
				t.Errorf("Shutdown took %v although all clients went at once", took)
			}
			different := make(map[int]bool)
			for range clients {
				ms := <-delays
				different[ms] = true
				if spread := transport.DefaultOptions().RetrySpread.Milliseconds(); ms < 500 || int64(ms) >= spread {
					t.Errorf("a client was asked to come back after %d ms, want 500 to %d", ms, spread)
				}
			}
			if len(different) < clients/2 {
				t.Errorf("%d clients were given %d different delays", clients, len(different))
			}
			if _, err := s.dial(); err == nil {
				t.Error("a connection was accepted after Shutdown")
			}
		})
	})
}

func TestShutdownCutsOffWhoDoesNotGo(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			c := s.connect(t)
			gone := make(chan struct{})
			go func() { // the client goes on sending and never closes its side
				defer close(gone)
				for err := error(nil); err == nil; {
					_, err = c.Write(rawws.Frame{Opcode: rawws.Pong}.Append(nil))
					time.Sleep(time.Second / 10)
				}
			}()
			start := time.Now()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			wantAfter(t, "the end of Shutdown", start, 3*time.Second) // a closed connection lingers for 3 s
			<-gone
		})
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 512)
			stuck := s.stuck(t)
			start := time.Now()
			ctx, cancel := contextFor(t, 2*time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); !errors.Is(err, ctx.Err()) || err == nil {
				t.Errorf("Shutdown returned %v, want the context's error", err)
			}
			wantAfter(t, "the end of Shutdown", start, 2*time.Second)
			if _, err := stuck.Write([]byte{0}); err == nil {
				t.Error("a connection is open after Shutdown")
			}
		})
	})
}
