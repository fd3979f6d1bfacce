package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport/internal/epoll"
)

// narrow is a simulated socket that takes only room bytes more.
type narrow struct {
	descriptor
	room int
}

func (s *narrow) Write(b []byte, _ bool) (int, error) {
	n := min(len(b), s.room)
	s.room -= n
	if n < len(b) {
		return n, epoll.ErrFull
	}
	return n, nil
}

// pass lets seconds pass, and wakes a connection once a second.
func (m *simulation) pass(c *looped, seconds int) {
	for range seconds {
		time.Sleep(time.Second)
		c.wake()
		m.opening.run()
	}
}

func TestTheEndOfABatchIsProgressToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulate(t)
		defer m.stop()
		c := m.open("alice")
		s := &narrow{c.socket, 100}
		c.socket = s
		for range 2 { // the first message is stuck, the second waits
			c.Send(make([]byte, 1000))
			m.opening.run()
		}
		time.Sleep(9 * time.Second)
		s.room = len(c.outbox.out.bytes) - c.outbox.written // the client takes exactly the rest of the first message
		c.Writable()
		m.opening.run()
		for passed := range 10 {
			if c.closing() {
				t.Fatalf("closed %d s after it took something, want 10 s", passed)
			}
			m.pass(c, 1)
		}
		if !c.closing() {
			t.Error("not closed 10 s after it took something")
		}
		s.room = 1 << 20
		c.Writable()
		m.opening.run()
	})
}

// A system reports room only when there is much of it. A client that reads slowly has taken bytes long before that.
func TestAClientThatTakesSomethingUnnoticedIsNotTakenForStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulate(t)
		defer m.stop()
		c := m.open("alice")
		s := &narrow{c.socket, 100}
		c.socket = s
		c.Send(make([]byte, 1000))
		m.opening.run()
		for range 3 {
			m.pass(c, 5)
			s.room = 10 // nobody reports this room to the loop
			m.pass(c, 6)
			if c.closing() {
				t.Fatal("closed although the client has taken something in the last 10 s")
			}
		}
		m.pass(c, 10)
		if !c.closing() {
			t.Error("not closed although the client has taken nothing for more than 10 s")
		}
		s.room = 1 << 20
		c.Writable()
		m.opening.run()
	})
}
