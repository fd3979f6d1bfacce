package transport_test

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// goodbyes are the ways in which a client may go.
var goodbyes = map[string]func(c *rawws.Conn){
	"with a close frame, and waits for the answer": func(c *rawws.Conn) {
		_, _ = c.Write(rawws.CloseFrame(1000, ""))
	},
	"with a close frame, and closes the socket": func(c *rawws.Conn) {
		_, _ = c.Write(rawws.CloseFrame(1001, ""))
		_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	},
	"without a close frame": func(c *rawws.Conn) {
		_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	},
}

// eachService runs a test for each carrier, and over TLS, in memory.
func eachService(t *testing.T, test func(t *testing.T, listen func(*testing.T, ...func(*transport.Options)) *service)) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		test(t, func(t *testing.T, change ...func(*transport.Options)) *service {
			return by.listenInMemory(t, 64<<10, change...)
		})
	})
	t.Run("TLS", func(t *testing.T) {
		test(t, func(t *testing.T, change ...func(*transport.Options)) *service {
			return listenTLS(t, 64<<10, func(c net.Conn) net.Conn { return c }, change...)
		})
	})
}

// allow sets the rate, and keeps the service from sending pings.
func allow(rate, burst int) func(*transport.Options) {
	return func(o *transport.Options) {
		o.Rate, o.Burst = rate, burst
		o.PingInterval, o.IdleTimeout = 1<<61, 1<<62
	}
}

func TestALoginIsFreeAtOnceWhenAFloodingClientHasGone(t *testing.T) {
	for name, leave := range goodbyes {
		t.Run(name, func(t *testing.T) {
			eachService(t, func(t *testing.T, listen func(*testing.T, ...func(*transport.Options)) *service) {
				synctest.Test(t, func(t *testing.T) {
					const burst, frames = 100, 3000
					s := listen(t, allow(10, burst))
					bob, alice := s.login(t, "bob"), s.login(t, "alice")
					start := time.Now()
					var want []string
					for n := range frames {
						text := fmt.Sprintf(`{"type":"bye","number":%d,"from":"alice","to":"bob"}`, n)
						want = append(want, text)
						write(t, alice, rawws.Message(text))
					}
					leave(alice)
					synctest.Wait()
					again := s.login(t, "alice")
					if took := time.Since(start); took > 0 {
						t.Errorf("the login was free after %v, want at once", took)
					}
					// The login itself was one frame of the burst. What the rate allowed has arrived, and nothing else.
					for _, text := range want[:burst-1] {
						wantText(t, bob, text)
					}
					write(t, again, rawws.Message(offer("alice", "bob", 1)))
					wantText(t, bob, offer("alice", "bob", 1))
				})
			})
		})
	}
}

// Behind a logout, messages may not be as large as before. The service has looked past the frames that wait for the rate, into a message
// that is too large then.
func TestAMessageTooLargeBehindALogoutEndsItsConnectionAlone(t *testing.T) {
	eachService(t, func(t *testing.T, listen func(*testing.T, ...func(*transport.Options)) *service) {
		synctest.Test(t, func(t *testing.T) {
			s := listen(t, allow(10, 5))
			alice := s.login(t, "alice")
			pongs := bytes.Repeat(rawws.Frame{Opcode: rawws.Pong}.Append(nil), 20)
			feed(t, alice, slices.Values([][]byte{pongs, rawws.Message(`{"type":"logout","login":"alice"}`), pongs,
				rawws.Frame{Opcode: rawws.Text, More: true, Payload: bytes.Repeat([]byte("x"), 20_000)}.Append(nil),
				rawws.Frame{Opcode: rawws.Continuation, Length: 1<<64 - 5000}.Append(nil)}))
			time.Sleep(time.Minute)
			if code, reason, _, err := alice.ReadClose(); code != 1009 || err != nil {
				t.Errorf("closed with %d %q, %v; want 1009", code, reason, err)
			}
			relays(t, s.login(t, "bob"), s.login(t, "carol"), "bob", "carol")
		})
	})
}

func TestWhatTheRateAllowsArrivesAlthoughItsSenderHasGone(t *testing.T) {
	for name, leave := range goodbyes {
		t.Run(name, func(t *testing.T) {
			eachService(t, func(t *testing.T, listen func(*testing.T, ...func(*transport.Options)) *service) {
				synctest.Test(t, func(t *testing.T) {
					const burst = 200 // fewer bytes than may wait for bob
					s := listen(t, allow(10, burst))
					bob, alice := s.login(t, "bob"), s.connect(t)
					// The frames come behind a login that the service must decide about first.
					stream := rawws.Message(loginFrame)
					text := offer("alice", "bob", 1000)
					for range burst - 1 {
						stream = append(stream, rawws.Message(text)...)
					}
					feed(t, alice, slices.Values([][]byte{stream, {}}))
					for range burst - 1 {
						wantText(t, bob, text)
					}
					synctest.Wait() // until all is written
					leave(alice)
					synctest.Wait()
					s.login(t, "alice").Close()
				})
			})
		})
	}
	t.Run("a few frames and the goodbye in one write", func(t *testing.T) {
		eachCarrier(t, func(t *testing.T, by carrier) {
			s := by.listen(t, allow(10, 100))
			bob := s.login(t, "bob")
			for round := range 20 {
				c := s.connect(t)
				// Each has a login of its own: the goodbye may be answered a moment before the login is free.
				login := fmt.Sprintf("alice %d", round)
				stream := rawws.Message(fmt.Sprintf(`{"type":"login","login":%q}`, login))
				text := fmt.Sprintf(`{"type":"bye","from":%q,"to":"bob"}`, login)
				for range 3 {
					stream = append(stream, rawws.Message(text)...)
				}
				write(t, c, append(stream, rawws.CloseFrame(1000, "")...))
				_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
				for range 3 {
					wantText(t, bob, text)
				}
				if code, _, texts, err := c.ReadClose(); code != 1000 || len(texts) != 1 || err != nil {
					t.Fatalf("closed with %d behind %q, %v", code, texts, err)
				}
			}
		})
	})
}

// The service reads ahead for a client with a login. That must not lose, double or reorder anything.
func TestNoneOfManyFramesOverTheRateIsLost(t *testing.T) {
	eachService(t, func(t *testing.T, listen func(*testing.T, ...func(*transport.Options)) *service) {
		synctest.Test(t, func(t *testing.T) {
			const rate, burst, frames = 500, 100, 2000
			s := listen(t, allow(rate, burst))
			bob, alice := s.login(t, "bob"), s.login(t, "alice")
			start := time.Now()
			feed(t, alice, func(yield func([]byte) bool) {
				for n := 0; n < frames; n++ {
					text := fmt.Appendf(nil, `{"type":"offer","offer":"%0*d","from":"alice","to":"bob"}`, 1+n%700, n)
					frame := rawws.Frame{Opcode: rawws.Text, Payload: text}.Append(nil)
					if n%7 == 0 { // in two pieces
						if !yield(frame[:len(frame)/2]) {
							return
						}
						frame = frame[len(frame)/2:]
					}
					if !yield(frame) {
						return
					}
				}
			})
			for n := range frames {
				wantText(t, bob, fmt.Sprintf(`{"type":"offer","offer":"%0*d","from":"alice","to":"bob"}`, 1+n%700, n))
				// The login was the first frame of the burst.
				if got, want := time.Since(start), max(0, time.Duration(n+2-burst)*time.Second/rate); got != want {
					t.Fatalf("frame %d came after %v, want %v", n, got, want)
				}
			}
			write(t, alice, rawws.CloseFrame(1000, ""))
			wantClose(t, alice, 1000)
		})
	})
}

// A client that floods, and stays, is not read without end.
func TestWhatIsReadAheadIsBounded(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 16<<10, allow(1, 1))
			transport.SetQueueLimit(s.Server, 100_000)
			alice := s.login(t, "alice")
			frame := rawws.Message(offer("alice", "nobody", 1000))
			sent := feed(t, alice, slices.Values(slices.Repeat([][]byte{frame}, 400)))
			synctest.Wait()
			if n := int(sent.Load()) * len(frame); n < 100_000 || n > 100_000+64<<10+16<<10+len(frame) {
				t.Errorf("%d bytes were taken of a client over the rate, want the limit of 100,000 and what one read brings", n)
			}
			for n := 0; n < 400; n++ {
				wantError(t, alice, "peer-unavailable") // nothing was lost
			}
		})
	})
}
