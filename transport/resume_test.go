package transport_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// keep logs in on c, asks for a kept session, and returns the next secret. Members are what the login has besides.
func keep(t testing.TB, c *rawws.Conn, login, members string) (secret string, resumed bool) {
	t.Helper()
	write(t, c, rawws.Message(fmt.Sprintf(`{"type":"login","login":%q,"keep":true%s}`, login, members)))
	text, err := c.ReadText()
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Success bool
		Resume  string
		Resumed bool
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil || !reply.Success {
		t.Fatalf("the login was answered with %s", text)
	}
	return reply.Resume, reply.Resumed
}

func resumes(secret string, received int) string {
	return fmt.Sprintf(`,"resume":%q,"received":%d`, secret, received)
}

func TestADeadConnectionIsTakenOverAtOnce(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		s := by.listen(t)
		bob := s.login(t, "bob")
		dead := s.connect(t)
		secret, _ := keep(t, dead, "alice", "")
		write(t, bob, rawws.Message(relay("bob", "alice", 1)))
		wantText(t, dead, relay("bob", "alice", 1))
		alice := s.connect(t)
		if _, resumed := keep(t, alice, "alice", resumes(secret, 0)); !resumed {
			t.Fatal("the session was not resumed")
		}
		wantText(t, alice, relay("bob", "alice", 1))
		write(t, bob, rawws.Message(relay("bob", "alice", 2)))
		wantText(t, alice, relay("bob", "alice", 2))
		if code, _, _, err := dead.ReadClose(); code != 4100 || err != nil {
			t.Errorf("the old connection was closed with %d, %v; want 4100", code, err)
		}
	})
}

// relay returns an offer with a number.
func relay(from, to string, number int) string {
	return fmt.Sprintf(`{"type":"offer","offer":%d,"from":%q,"to":%q}`, number, from, to)
}

// A frame that was begun on a connection that takes nothing is finished. Behind it comes the close frame.
func TestNothingMoreIsWrittenToAConnectionThatWasTakenOver(t *testing.T) {
	for name, c := range map[string]struct {
		end  []byte // what the client has sent on it before
		code int
	}{"a connection that is open": {nil, 4100}, "one that its client has closed": {rawws.CloseFrame(1001, ""), 1001}} {
		t.Run(name, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, by carrier) {
				synctest.Test(t, func(t *testing.T) {
					s := by.listenInMemory(t, 4<<10)
					bob := s.login(t, "bob")
					stuck := s.connect(t)
					secret, _ := keep(t, stuck, "alice", "")
					const sent = 40
					long := strings.Repeat("x", 3000)
					text := func(n int) string {
						return fmt.Sprintf(`{"type":"offer","offer":[%d,%q],"from":"bob","to":"alice"}`, n, long)
					}
					for n := range sent {
						write(t, bob, rawws.Message(text(n)))
						if n == 1 {
							synctest.Wait() // The network takes no more. What follows waits in the service.
						}
					}
					synctest.Wait()
					if c.end != nil {
						write(t, stuck, c.end)
						synctest.Wait()
					}
					alice := s.connect(t)
					keep(t, alice, "alice", resumes(secret, 0))
					for n := range sent {
						wantText(t, alice, text(n))
					}
					got := 0
					for {
						f, err := stuck.ReadFrame()
						if err != nil {
							t.Fatalf("after %d messages: %v", got, err)
						}
						if f.Opcode == rawws.Close {
							if code := int(binary.BigEndian.Uint16(f.Payload)); code != c.code {
								t.Errorf("closed with %d, want %d", code, c.code)
							}
							break
						}
						if string(f.Payload) != text(got) {
							t.Fatalf("message %d is %.40q…", got, f.Payload)
						}
						got++
					}
					most := 3 // what the network had taken, and the rest of one frame
					switch {
					case by.secure:
						most = 12 // and of one record
					}
					if got > most {
						t.Errorf("%d messages came on the old connection, want %d at most", got, most)
					}
				})
			})
		})
	}
}

func TestWhichEndsOfAConnectionEndItsKeptSession(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*testing.T, *rawws.Conn)
		over bool
	}{
		"the socket closes":              {end: func(_ *testing.T, c *rawws.Conn) { c.Close() }},
		"the client closes with 1000":    {end: func(t *testing.T, c *rawws.Conn) { write(t, c, rawws.CloseFrame(1000, "")) }},
		"the client closes with 1001":    {end: func(t *testing.T, c *rawws.Conn) { write(t, c, rawws.CloseFrame(1001, "")) }},
		"the client closes with 1002":    {end: func(t *testing.T, c *rawws.Conn) { write(t, c, rawws.CloseFrame(1002, "")) }},
		"the client closes with nothing": {end: func(t *testing.T, c *rawws.Conn) { write(t, c, rawws.Frame{Opcode: rawws.Close}.Append(nil)) }},
		"a close frame breaks RFC 6455":  {end: func(t *testing.T, c *rawws.Conn) { write(t, c, rawws.CloseFrame(1005, "")) }, over: true},
		"a frame breaks RFC 6455":        {end: func(t *testing.T, c *rawws.Conn) { write(t, c, []byte{0xF1, 0x80, 0, 0, 0, 0}) }, over: true},
		"a binary message": {end: func(t *testing.T, c *rawws.Conn) {
			write(t, c, rawws.Frame{Opcode: rawws.Binary, Payload: []byte("x")}.Append(nil))
		}, over: true},
		"a text that is not UTF-8": {end: func(t *testing.T, c *rawws.Conn) {
			write(t, c, rawws.Frame{Opcode: rawws.Text, Payload: []byte{'"', 0xFF}}.Append(nil))
		}, over: true},
		"a message too long": {end: func(t *testing.T, c *rawws.Conn) { write(t, c, []byte{0x81, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}) }, over: true},
	} {
		t.Run(name, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, by carrier) {
				s := by.listen(t)
				first := s.connect(t)
				secret, _ := keep(t, first, "alice", "")
				c.end(t, first)
				for {
					if _, err := first.ReadFrame(); err != nil {
						break
					}
				}
				next := s.connect(t)
				if _, resumed := keep(t, next, "alice", resumes(secret, 0)); resumed == c.over {
					t.Errorf("resumed: %t, want %t", resumed, !c.over)
				}
			})
		})
	}
}

// A client that knows nothing of confirming confirms by its answers to pings.
func TestTheAnswerToAPingConfirms(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			s := by.listenInMemory(t, 64<<10)
			bob := s.login(t, "bob")
			alice := s.connect(t)
			secret, _ := keep(t, alice, "alice", "")
			write(t, bob, rawws.Message(relay("bob", "alice", 1)))
			wantText(t, alice, relay("bob", "alice", 1))
			go func() {
				for {
					if _, err := bob.ReadFrame(); err != nil {
						return
					}
				}
			}()
			f, err := alice.ReadFrame()
			if err != nil || f.Opcode != rawws.Ping || len(f.Payload) != 8 {
				t.Fatalf("got %+v, %v; want a ping with a count", f, err)
			}
			write(t, alice, rawws.Frame{Opcode: rawws.Pong, Payload: f.Payload}.Append(nil))
			synctest.Wait()
			next := s.connect(t)
			if _, resumed := keep(t, next, "alice", resumes(secret, 0)); resumed {
				t.Error("the session was resumed from before what was confirmed")
			}
		})
	})
}

func TestAKeptSessionCostsNothingToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onLoops.listenInMemory(t, 64<<10, func(o *transport.Options) { o.PingInterval = time.Second })
		plain := s.login(t, "alice")
		f, err := plain.ReadFrame()
		if err != nil || f.Opcode != rawws.Ping || len(f.Payload) != 0 {
			t.Errorf("got %+v, %v; want a ping without a payload", f, err)
		}
	})
}
