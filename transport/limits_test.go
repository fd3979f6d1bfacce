package transport_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

const reasonNoLogin = "no login came in time"

// quiet makes a service send no pings, so that none comes between the answers that a test reads.
func quiet(o *transport.Options) { o.PingInterval, o.IdleTimeout = 1<<61, 1<<62 }

// heavy returns a message of an unknown type whose frame has this many bytes, from 4 KiB to 64 KiB.
func heavy(size int) []byte {
	const header, around = 8, len(`{"type":"large","pad":""}`)
	return rawws.Message(`{"type":"large","pad":"` + strings.Repeat("x", size-header-around) + `"}`)
}

func TestBytesOverTheRateAreReadMoreSlowlyAndNoneIsLost(t *testing.T) {
	const frame = 32 << 10
	for name, messages := range map[string]struct {
		stream []byte
		cost   time.Duration // at 64 KiB a second, and 4 frames a second
	}{
		"large messages":              {heavy(frame), time.Second / 2},
		"messages of the common size": {heavy(16 << 10), time.Second / 4},
		"small messages":              {rawws.Message(`{"type":"small"}`), time.Second / 4},
	} {
		t.Run(name, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, by carrier) {
				synctest.Test(t, func(t *testing.T) {
					s := by.listenInMemory(t, 64<<10, quiet, func(o *transport.Options) { o.Rate, o.Burst, o.ByteRate = 4, 8, 64<<10 })
					c, other := s.login(t, "alice"), s.login(t, "bob")
					const burst = 2 * time.Second
					time.Sleep(burst)
					start := time.Now()
					const sent = 20
					feed(t, c, func(yield func([]byte) bool) {
						for i := 0; i < sent && yield(messages.stream); i++ {
						}
					})
					for i := range sent {
						wantError(t, c, "unknown-type")
						want := max(0, time.Duration(i+1)*messages.cost-burst)
						if got := time.Since(start); got != want {
							t.Fatalf("answer %d came after %v, want %v", i, got, want)
						}
					}
					now := time.Now()
					write(t, other, rawws.Message("{}"))
					wantError(t, other, "malformed")
					if waited := time.Since(now); waited > 0 {
						t.Errorf("another connection waited %v", waited)
					}
				})
			})
		})
	}
}

// What a message costs does not depend on its fragments. One that is alone as large as the burst passes all the same.
func TestFragmentsCostTheBytesThatTheyHave(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, quiet, func(o *transport.Options) { o.Rate, o.Burst, o.ByteRate = 1000, 100, 8<<10 })
			c := s.login(t, "alice")
			time.Sleep(time.Second)
			start := time.Now()
			text := `{"type":"large","pad":"` + strings.Repeat("x", 16<<10) + `"}`
			write(t, c, inFragments(text, 1<<10))
			wantError(t, c, "unknown-type")
			if took := time.Since(start); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
				t.Errorf("16 KiB at 8 KiB a second took %v, want 2 s less a burst of 100 ms", took)
			}
		})
	})
}

func TestWithoutARateThereIsNoRateOfBytes(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, quiet, func(o *transport.Options) { o.Rate, o.ByteRate = 0, 1<<10 })
			c := s.login(t, "alice")
			start := time.Now()
			for range 100 {
				write(t, c, heavy(60<<10))
				wantError(t, c, "unknown-type")
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("6 MB took %v, want no time", took)
			}
		})
	})
}

func TestTheRatesOfARunningServiceCanBeChanged(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, quiet, func(o *transport.Options) { o.Rate, o.Burst = 1, 1 })
			c := s.login(t, "alice")
			var start time.Time
			change := func(rate, burst int) {
				t.Helper()
				synctest.Wait() // the frame behind the one that was answered is charged
				l := transport.DefaultOptions().Limits
				l.Rate, l.Burst = rate, burst
				if err := s.SetLimits(l); err != nil {
					t.Fatal(err)
				}
				start = time.Now()
			}
			answered := func(what string, want time.Duration) {
				t.Helper()
				wantError(t, c, "malformed")
				if got := time.Since(start); got != want {
					t.Errorf("%s was answered after %v, want %v", what, got, want)
				}
			}
			send := func(n int) {
				for range n {
					write(t, c, rawws.Message("{}"))
				}
				synctest.Wait()
			}
			start = time.Now()
			send(3)
			answered("the first", time.Second)
			change(0, 0)
			answered("the one that waited", time.Second)
			answered("the next, without a limit", time.Second)

			change(1, 10)
			send(11)
			for range 10 {
				wantError(t, c, "malformed")
			}
			change(1, 1) // the one that waits is not made to wait for longer
			answered("the one that waited", time.Second)
			send(1)
			answered("the next", 2*time.Second)

			wrong := transport.Limits{Rate: -1}
			if err := s.SetLimits(wrong); err == nil {
				t.Error("a wrong limit was taken")
			}
			send(1)
			answered("the one after a wrong limit", 3*time.Second)
		})
	})
}

func TestWhoDoesNotLogInInTimeIsClosed(t *testing.T) {
	const timeout = 30 * time.Second
	login := rawws.Message(`{"type":"login","login":"carol"}`)
	logout := rawws.Message(`{"type":"logout","login":"carol"}`)
	for name, client := range map[string]func(*testing.T, *rawws.Conn) (from time.Time){
		"says nothing": func(*testing.T, *rawws.Conn) time.Time { return time.Now() },
		"pings": func(t *testing.T, c *rawws.Conn) time.Time {
			from := time.Now()
			for range 20 {
				write(t, c, rawws.Message(`{"type":"ping"}`))
				wantText(t, c, `{"type":"pong"}`)
				time.Sleep(time.Second)
			}
			return from
		},
		"is refused": func(t *testing.T, c *rawws.Conn) time.Time {
			from := time.Now()
			for range 15 {
				write(t, c, rawws.Message(`{"type":"login","login":""}`))
				if _, err := c.ReadText(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			return from
		},
		"logs out": func(t *testing.T, c *rawws.Conn) time.Time {
			var from time.Time
			for range 3 {
				time.Sleep(20 * time.Second)
				write(t, c, login)
				wantText(t, c, loginAccepted)
				time.Sleep(40 * time.Second)
				write(t, c, logout)
				from = time.Now()
			}
			return from
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, by carrier) {
				synctest.Test(t, func(t *testing.T) {
					s := by.listenInMemory(t, 64<<10, quiet, func(o *transport.Options) { o.LoginTimeout = timeout })
					users := []*rawws.Conn{s.login(t, "alice"), s.login(t, "bob")}
					c := s.connect(t)
					from := client(t, c)
					if code, reason, _, err := c.ReadClose(); code != 1008 || reason != reasonNoLogin || err != nil {
						t.Errorf("closed with %d %q, %v; want 1008 %q", code, reason, err, reasonNoLogin)
					}
					wantAfter(t, "the close", from, timeout)
					c.Close()
					relays(t, users[0], users[1], "alice", "bob")
				})
			})
		})
	}
}

// Whoever never answers the close frame is disconnected all the same, and gives its place back.
func TestWhoAnswersNoCloseIsDisconnected(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, quiet, func(o *transport.Options) { o.LoginTimeout = 30 * time.Second })
			users := []*rawws.Conn{s.login(t, "alice"), s.login(t, "bob")}
			for range 100 {
				s.connect(t)
			}
			time.Sleep(29 * time.Second)
			synctest.Wait()
			if n := transport.PlacesTaken(s.Server); n != 102 {
				t.Errorf("%d places are taken, want 102", n)
			}
			time.Sleep((2 + 3 + 1) * time.Second) // a sweep, the time for an answer, and another sweep
			synctest.Wait()
			if n := transport.PlacesTaken(s.Server); n != 2 {
				t.Errorf("%d places are taken, want those of the users", n)
			}
			relays(t, users[0], users[1], "alice", "bob")
		})
	})
}

func TestALoginTimeoutCanBeSetAndTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onLoops.listenInMemory(t, 64<<10, quiet)
		c := s.connect(t)
		time.Sleep(time.Hour)
		l := transport.DefaultOptions().Limits
		l.LoginTimeout = 2 * time.Hour
		if err := s.SetLimits(l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		l.LoginTimeout = 0
		if err := s.SetLimits(l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		write(t, c, rawws.Message(loginFrame))
		wantText(t, c, loginAccepted)
	})
}

func TestLimitsThatCannotWorkAreRefused(t *testing.T) {
	system := actors.NewSystem(actors.Options{})
	defer system.Stop(t.Context())
	for name, change := range map[string]func(*transport.Limits){
		"a rate of few bytes":               func(l *transport.Limits) { l.ByteRate = 1023 },
		"a negative rate of bytes":          func(l *transport.Limits) { l.ByteRate = -1 },
		"a negative number of connections":  func(l *transport.Limits) { l.MaxConnections = -1 },
		"a login timeout of a millisecond":  func(l *transport.Limits) { l.LoginTimeout = time.Millisecond },
		"a negative login timeout":          func(l *transport.Limits) { l.LoginTimeout = -time.Minute },
		"a rate that is beyond nanoseconds": func(l *transport.Limits) { l.Rate = 2_000_000_000 },
	} {
		t.Run(name, func(t *testing.T) {
			o := transport.DefaultOptions()
			change(&o.Limits)
			if _, err := transport.New(system, o); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v, want one line", err)
			}
		})
	}
}
