package transport

import (
	"testing"
	"testing/synctest"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// undecided is a session that has not decided when Receive returns. The test calls Resume.
type undecided struct {
	unkept
	received int
	closed   bool
}

func (u *undecided) Receive(m *messages.Relay) bool {
	m.Release()
	u.received++
	return false
}

func (u *undecided) Closed(bool)                                { u.closed = true }
func (u *undecided) LoggedIn() bool                             { return false }
func (u *undecided) Undelivered([]byte, messages.Address, bool) {}

func TestNothingIsReadUntilADecisionHasCome(t *testing.T) {
	eachCarrier(t, "", func(t *testing.T, carry func(*Server)) {
		synctest.Test(t, func(t *testing.T) {
			u := new(undecided)
			var link actors.Link
			s, err := newServer(func(l actors.Link) session { link = l; return u }, actors.DefaultQueueLimit, DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			carry(s)
			l := memnet.Listen(1 << 10)
			go s.Serve(l)
			socket, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			c, err := rawws.Open(socket, rawws.Request("/", "service.test"))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := c.Write(rawws.Message(`{"type":"login","login":"alice"}`)); err != nil {
					t.Fatal(err)
				}
			}
			for want := 1; want <= 3; want++ {
				synctest.Wait()
				if u.received != want {
					t.Errorf("%d messages were acted on, want %d", u.received, want)
				}
				if want < 3 {
					link.Resume()
				}
			}
			link.Close(messages.CloseTooSlow, "while a decision is awaited")
			if code, _, _, err := c.ReadClose(); code != uint16(messages.CloseTooSlow) || err != nil {
				t.Errorf("closed with %d, %v; want 4000", code, err)
			}
			c.Close()
			synctest.Wait()
			if !u.closed {
				t.Error("the session was not told that its connection has ended")
			}
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}
