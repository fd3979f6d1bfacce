package transport_test

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

const reasonUnfinished = "a message begun and not finished"

// wantUnfinished checks that the service closes a connection because of a message that began at a moment and was not
// finished. Answers to whole messages may come before.
func wantUnfinished(t *testing.T, c *rawws.Conn, began time.Time, want time.Duration) {
	t.Helper()
	if code, reason, _, err := c.ReadClose(); code != 1008 || reason != reasonUnfinished || err != nil {
		t.Errorf("closed with %d %q, %v; want 1008 %q", code, reason, err, reasonUnfinished)
	}
	wantAfter(t, "the close", began, want)
	c.Close()
	synctest.Wait()
}

// begun returns streams that begin a message, or a control frame, and do not finish it.
func begun() map[string][]byte {
	fragment := func(opcode byte, size int) []byte {
		return rawws.Frame{Opcode: opcode, More: true, Payload: make([]byte, size)}.Append(nil)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	half := func(b []byte) []byte { return b[:len(b)/2] }
	return map[string][]byte{
		"one byte":                             {0x81},
		"a header":                             header(rawws.Frame{Opcode: rawws.Text, Payload: make([]byte, 1000)}),
		"half a message":                       half(rawws.Message(padded(4000))),
		"half a message behind a whole one":    join(rawws.Message("{}"), half(rawws.Message(padded(4000)))),
		"a fragment":                           fragment(rawws.Text, 4000),
		"an empty fragment":                    fragment(rawws.Text, 0),
		"two fragments":                        join(fragment(rawws.Text, 4000), fragment(rawws.Continuation, 4000)),
		"a fragment and half of another":       join(fragment(rawws.Text, 4000), half(fragment(rawws.Continuation, 4000))),
		"a fragment and a pong":                join(fragment(rawws.Text, 4000), rawws.Frame{Opcode: rawws.Pong}.Append(nil)),
		"a message in fragments, and a second": join(inFragments(padded(4000), 1000), fragment(rawws.Text, 1000)),
		"half a pong":                          half(rawws.Frame{Opcode: rawws.Pong, Payload: make([]byte, 100)}.Append(nil)),
	}
}

func TestAMessageThatIsNotFinishedEndsItsConnection(t *testing.T) {
	for name, stream := range begun() {
		t.Run(name, func(t *testing.T) {
			services := map[string]func(*testing.T) *service{
				"loops":      func(t *testing.T) *service { return onLoops.listenInMemory(t, 64<<10) },
				"goroutines": func(t *testing.T) *service { return byGoroutines.listenInMemory(t, 64<<10) },
				"TLS": func(t *testing.T) *service {
					return listenTLS(t, 64<<10, func(c net.Conn) net.Conn { return c })
				},
			}
			for carrier, listen := range services {
				t.Run(carrier, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := listen(t)
						for _, login := range []bool{false, true} {
							c := s.connect(t)
							if login {
								c = s.login(t, "bob")
							}
							time.Sleep(7 * time.Second) // longer than the time from one sweep to the next
							began := time.Now()
							write(t, c, stream)
							wantUnfinished(t, c, began, 10*time.Second)
						}
						if n := s.system.Sessions(); n != 0 {
							t.Errorf("%d sessions are left, want none", n)
						}
					})
				})
			}
		})
	}
}

func TestBytesThatDripDoNotExtendTheTimeOfAMessage(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		for name, drops := range map[string][]byte{
			"of a frame":   rawws.Message(loginFrame),
			"of fragments": inFragments(loginFrame, 1),
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := by.listenInMemory(t, 64<<10, func(o *transport.Options) { o.PingInterval = time.Second })
					c := s.connect(t)
					began := time.Now()
					for i := range 8 { // a byte at each ping of the service
						write(t, c, drops[i:i+1])
						time.Sleep(time.Second)
					}
					for range 8 {
						if f, err := c.ReadFrame(); err != nil || f.Opcode != rawws.Ping {
							t.Fatalf("received %v, %v; want a ping", f, err)
						}
					}
					wantUnfinished(t, c, began, 10*time.Second)
				})
			})
		}
		t.Run("with pongs between them", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := by.listenInMemory(t, 64<<10)
				c := s.connect(t)
				began := time.Now()
				write(t, c, rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte("{")}.Append(nil))
				for range 9 {
					time.Sleep(time.Second)
					write(t, c, rawws.Frame{Opcode: rawws.Pong}.Append(nil))
					write(t, c, rawws.Frame{Opcode: rawws.Continuation, More: true, Payload: []byte(" ")}.Append(nil))
				}
				wantUnfinished(t, c, began, 10*time.Second)
			})
		})
	})
}

func TestEachMessageHasTimeOfItsOwn(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			c := s.login(t, "alice")
			text := `{"type":"ping","id":1}`
			stream := bytes.Repeat(append(rawws.Message(text), inFragments(text, 4)...), 5)
			// Each write brings the end of one message and the beginning of the next.
			size := len(stream) / 10
			for i := range 10 {
				write(t, c, stream[i*size:(i+1)*size])
				time.Sleep(9 * time.Second)
			}
			write(t, c, stream[10*size:])
			for range 10 {
				wantText(t, c, `{"type":"pong","id":1}`)
			}
			time.Sleep(15 * time.Second) // nothing is unfinished now
			write(t, c, rawws.Message(text))
			wantText(t, c, `{"type":"pong","id":1}`)
		})
	})
}

// What the client has sent waits in the service for the rate. That is not the client's fault.
func TestTheTimeInWhichAClientIsNotReadDoesNotCount(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10, func(o *transport.Options) {
				o.Rate, o.Burst = 1, 1
				o.PingInterval, o.IdleTimeout = 1<<61, 1<<62
			})
			c := s.login(t, "alice")
			const frames = 40
			write(t, c, bytes.Join([][]byte{
				bytes.Repeat(rawws.Frame{Opcode: rawws.Pong}.Append(nil), frames/2),
				rawws.Frame{Opcode: rawws.Text, More: true, Payload: []byte(`{"type":`)}.Append(nil),
				bytes.Repeat(rawws.Frame{Opcode: rawws.Pong}.Append(nil), frames/2),
				rawws.Frame{Opcode: rawws.Continuation, Payload: []byte("the rest")}.Append(nil)[:3],
			}, nil))
			time.Sleep((frames + 1 + 9) * time.Second)
			synctest.Wait()
			if n := s.system.Sessions(); n != 1 {
				t.Fatalf("%d sessions, want one: the client had 9 s for its message", n)
			}
			wantUnfinished(t, c, time.Now(), time.Second)
		})
	})
}
