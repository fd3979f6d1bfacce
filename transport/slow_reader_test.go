package transport_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

func contextFor(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func offer(from, to string, size int) string {
	return fmt.Sprintf(`{"type":"offer","offer":"%s","from":"%s","to":"%s"}`, strings.Repeat("x", size), from, to)
}

// stuck returns a connection that is logged in as "stuck" and does not read. More bytes wait for it than its network holds.
func (s *service) stuck(t *testing.T) *rawws.Conn {
	t.Helper()
	c, sender := s.login(t, "stuck"), s.login(t, "sender")
	for range 8 {
		write(t, sender, rawws.Message(offer("sender", "stuck", 1000)))
	}
	synctest.Wait()
	write(t, sender, rawws.CloseFrame(1000, ""))
	wantClose(t, sender, 1000)
	sender.Close()
	synctest.Wait()
	return c
}

func TestAReaderThatTakesNothingFor10SecondsIsEnded(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 1500)
			start := time.Now()
			c := s.stuck(t)
			time.Sleep(9 * time.Second)
			synctest.Wait()
			if n := s.system.Sessions(); n != 1 {
				t.Fatalf("%d sessions after 9 s, want the reader's", n)
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			if n := s.system.Sessions(); n != 0 {
				t.Errorf("%d sessions after %v, want none", n, time.Since(start))
			}
			// The login is free again at once.
			again := s.login(t, "stuck")
			again.Close()
			// A client that wakes up now reads whole frames, and then the close frame.
			code, _, texts, err := c.ReadClose()
			if code != 4000 || err != nil {
				t.Errorf("closed with %d, %v; want 4000", code, err)
			}
			if len(texts) == 0 || len(texts) > 3 {
				t.Errorf("%d frames were still delivered, want those that were begun", len(texts))
			}
			for _, text := range texts {
				if text != offer("sender", "stuck", 1000) {
					t.Errorf("received %q", text)
				}
			}
		})
	})
}

func TestAReaderThatNeverWakesUpIsCutOff(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 1500)
			c := s.stuck(t)
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if _, err := c.Write([]byte{0}); err == nil {
				t.Error("the socket is open 30 s after the reader stopped")
			}
		})
	})
}

func TestASlowReaderThatMakesProgressStays(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 1500)
			c := s.stuck(t)
			for received := 0; received < 5000; {
				time.Sleep(9 * time.Second)
				n, err := beneath(c).take(300)
				if err != nil {
					t.Fatalf("after %d bytes: %v", received, err)
				}
				received += n
				write(t, c, rawws.Frame{Opcode: rawws.Pong}.Append(nil))
			}
			if n := s.system.Sessions(); n != 1 {
				t.Errorf("%d sessions, want the slow reader's", n)
			}
			c.Close()
		})
	})
}

func TestAClientThatDoesNotReadItsAnswersIsNotReadEither(t *testing.T) {
	const id = `"0123456789abcdef0123456789abcdef"`
	for name, tt := range map[string]struct {
		open func(*service, testing.TB) *rawws.Conn
		text string
		want func(testing.TB, *rawws.Conn)
	}{
		"errors": {
			func(s *service, t testing.TB) *rawws.Conn { return s.connect(t) }, "{}",
			func(t testing.TB, c *rawws.Conn) { wantError(t, c, "malformed") },
		},
		"pongs without a login": {
			func(s *service, t testing.TB) *rawws.Conn { return s.connect(t) }, `{"type":"ping","id":` + id + `}`,
			func(t testing.TB, c *rawws.Conn) { wantText(t, c, `{"type":"pong","id":`+id+`}`) },
		},
		"pongs of a session": {
			func(s *service, t testing.TB) *rawws.Conn { return s.login(t, "alice") }, `{"type":"ping","id":` + id + `}`,
			func(t testing.TB, c *rawws.Conn) { wantText(t, c, `{"type":"pong","id":`+id+`}`) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, by carrier) {
				synctest.Test(t, func(t *testing.T) {
					s := by.listenInMemory(t, 4<<10)
					c := tt.open(s, t)
					const frames = 20_000 // their answers are several times the queue limit
					sent := feed(t, c, slices.Values(slices.Repeat([][]byte{rawws.Message(tt.text)}, frames)))
					synctest.Wait()
					if n := sent.Load(); n > frames/2 {
						t.Errorf("%d of %d frames were read although no answer was", n, frames)
					}
					time.Sleep(9 * time.Second) // less than the write timeout of 10 s
					for range frames {
						tt.want(t, c)
					}
				})
			})
		})
	}
}

func TestAClientThatReadsItsAnswersSlowlyIsNotTakenForDead(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 4<<10)
			c := s.connect(t)
			const frames = 10_000
			feed(t, c, slices.Values(slices.Repeat([][]byte{rawws.Message("{}")}, frames)))
			// For five minutes the service does not read from the client, because too many bytes wait for it.
			for i := range 5 * 60 / 9 {
				time.Sleep(9 * time.Second)
				if _, err := beneath(c).take(1); err != nil {
					t.Fatalf("after %d bytes: %v", i, err)
				}
			}
			for range frames {
				wantError(t, c, "malformed")
			}
		})
	})
}

func TestAClientThatStillSendsSeesTheCloseFrame(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 4<<10)
			c := s.connect(t)
			// The client sends 8 MiB in two seconds. The service sends its close frame at the beginning of that time. The
			// client reads it at the end.
			write(t, c, rawws.Frame{Opcode: rawws.Text, Length: 8 << 20}.Append(nil))
			for range 64 {
				time.Sleep(2 * time.Second / 64)
				write(t, c, make([]byte, 8<<20/64))
			}
			wantClose(t, c, 1009)
		})
	})
}

func TestAFloodedReaderThatDoesNotReadHarmsNobody(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		// The flood is much larger than the allowed growth of the heap. So the test fails if the service holds most of the
		// flood. Short runs and the race detector use smaller numbers.
		total, most := 300<<20, int64(64<<20)
		if testing.Short() || raceEnabled {
			total, most = 24<<20, 12<<20
		}
		s := by.listen(t, func(o *transport.Options) { o.WriteTimeout = 10 * patience }) // longer than the flood lasts
		stalled, flooder := s.login(t, "stalled"), s.login(t, "flooder")
		a, b := s.login(t, "a"), s.login(t, "b")
		for _, c := range []*rawws.Conn{stalled, flooder, a, b} {
			_ = c.SetDeadline(time.Now().Add(4 * patience))
		}
		before := heap()
		wantBounded := func() {
			if grown := int64(heap()) - int64(before); grown > most {
				t.Fatalf("the heap grew by %d MB, want less than %d", grown>>20, most>>20)
			}
		}

		text := offer("flooder", "stalled", 60_000)
		frame := rawws.Message(text)
		frames := total / len(frame)
		go func() {
			for range frames {
				if _, err := flooder.Write(frame); err != nil {
					t.Errorf("flood: %v", err)
					return
				}
			}
			if _, err := flooder.Write(rawws.Message("{}")); err != nil {
				t.Errorf("flood: %v", err)
			}
		}()
		overloaded := 0
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for {
				answer, err := flooder.ReadText()
				switch {
				case err != nil:
					t.Errorf("the flooder was told %v", err)
					return
				case strings.Contains(answer, `"code":"peer-overloaded"`) && strings.HasSuffix(answer, `"to":"stalled"}`):
					overloaded++
				case strings.Contains(answer, `"code":"malformed"`): // the answer to the last frame
					return
				default:
					t.Errorf("the flooder was told %s", answer)
				}
			}
		}()

		// Meanwhile two other clients relay messages.
		relays := 0
		relay := offer("a", "b", 300)
		for done := false; !done; relays++ {
			select {
			case <-flooded:
				done = true
			default:
			}
			write(t, a, rawws.Message(relay))
			wantText(t, b, relay)
			if relays%1000 == 0 {
				wantBounded()
			}
		}
		wantBounded() // the stalled reader is still connected, and its frames wait
		t.Logf("%d of %d frames were refused while %d relays of others went on, %.1f MB of heap afterwards",
			overloaded, frames, relays, float64(int64(heap())-int64(before))/(1<<20))
		if overloaded == 0 {
			t.Error("the flooder was never told that the other is overloaded")
		}

		// When the stalled reader wakes up, it gets every frame that was not refused.
		for range frames - overloaded {
			if got, err := stalled.ReadText(); err != nil || got != text {
				t.Fatalf("the stalled reader received %.100q, %v", got, err)
			}
		}
		write(t, stalled, rawws.Message("{}"))
		wantError(t, stalled, "malformed") // no other frame comes before this answer
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
