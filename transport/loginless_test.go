package transport_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/files"
	"p2p-messaging/transport/internal/rawws"
)

// chat makes two clients send to each other until stop is called, which returns how many messages have arrived.
func (s *service) chat(t *testing.T) (stop func() int) {
	t.Helper()
	a, b := s.login(t, "chatting a"), s.login(t, "chatting b")
	_, _ = a.SetDeadline(time.Time{}), b.SetDeadline(time.Time{})
	ended, counted := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { counted <- n }()
		for {
			for _, way := range []struct {
				from, to         *rawws.Conn
				sender, receiver string
			}{{a, b, "chatting a", "chatting b"}, {b, a, "chatting b", "chatting a"}} {
				text := offer(way.sender, way.receiver, 300)
				if _, err := way.from.Write(rawws.Message(text)); err != nil {
					t.Errorf("message %d: %v", n, err)
					return
				}
				if got, err := way.to.ReadText(); err != nil || got != text {
					t.Errorf("message %d arrived as %q, %v", n, got, err)
					return
				}
				n++
			}
			select {
			case <-ended:
				return
			default:
			}
		}
	}()
	return func() int {
		close(ended)
		return <-counted
	}
}

// silent opens WebSockets that never log in and never answer, as many as it is told, and returns them.
func (s *service) silent(t *testing.T, sockets int) []net.Conn {
	t.Helper()
	request := []byte(rawws.Request("/ws", s.host))
	var all []net.Conn
	t.Cleanup(func() {
		for _, c := range all {
			c.Close()
		}
	})
	for range sockets {
		c, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// waitForPlaces waits until no more than most places are taken.
func (s *service) waitForPlaces(t *testing.T, most int) {
	t.Helper()
	for start := time.Now(); transport.PlacesTaken(s.Server) > most; <-time.After(10 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("%d places are taken, want no more than %d", transport.PlacesTaken(s.Server), most)
		}
	}
}

func TestThousandsThatNeverLogInHarmNobody(t *testing.T) {
	sockets, most, long := 500, 50, os.Getenv("P2P_TEST_LONG") != "" // .ci/run sets it
	if long {
		sockets, most = 5000, 500
	}
	if files.Limit() < 3*sockets {
		t.Skip("this process may not open so many files")
	}
	for name, limit := range map[string]func(*transport.Options){
		"for places":        func(o *transport.Options) { o.MaxConnections = most },
		"for their address": perAddress(most),
		"for a login":       func(o *transport.Options) { o.LoginTimeout = time.Second },
		"for all, and a login": func(o *transport.Options) {
			perAddress(most)(o)
			o.MaxConnections, o.LoginTimeout = most+100, time.Second
		},
		"for nothing at all": func(*transport.Options) {},
	} {
		if strings.Contains(name, "login") && !long {
			continue // they take some seconds
		}
		t.Run(name, func(t *testing.T) {
			s := onLoops.listen(t, limit)
			stop := s.chat(t)
			all := s.silent(t, sockets)
			if name == "for nothing at all" {
				for _, c := range all {
					c.Close()
				}
			}
			// Whoever comes now gets a place, and can log in.
			late := s.login(t, "late")
			switch name {
			case "for places", "for their address":
				s.waitForPlaces(t, most+files.Spare(files.Limit()))
			default: // those that were told to go never answer; they are closed all the same
				s.waitForPlaces(t, 3)
			}
			write(t, late, rawws.Message(`{"type":"ping"}`))
			wantText(t, late, `{"type":"pong"}`)
			if n := stop(); n < 10 {
				t.Errorf("%d messages arrived meanwhile", n)
			}
			s.log.clear()
		})
	}
}
