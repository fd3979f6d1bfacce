package transport_test

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// countedWaits counts the write deadlines that are set, one for each wait of the writer. After manyWaits of them, it makes
// each take a millisecond. Otherwise a writer that retries without a real wait would stop the clock of the bubble, and the
// test would never end.
type countedWaits struct {
	net.Conn
	writes *atomic.Int64
}

const manyWaits = 500

func (c countedWaits) SetWriteDeadline(deadline time.Time) error {
	if c.writes.Add(1) > manyWaits {
		time.Sleep(time.Millisecond)
	}
	return c.Conn.SetWriteDeadline(deadline)
}

// flooded returns a service over TLS, a reader and a sender. The sender has sent frames of 1,000 bytes to the reader, which
// has read none of them. Waits counts the waits of writers from now on.
func flooded(t *testing.T, frames int) (s *service, reader, sender *rawws.Conn, waits *atomic.Int64) {
	waits = new(atomic.Int64)
	s = listenTLS(t, 1500, func(c net.Conn) net.Conn { return countedWaits{c, waits} })
	reader, sender = s.login(t, "reader"), s.login(t, "sender")
	for range frames {
		write(t, sender, rawws.Message(offer("sender", "reader", 1000)))
	}
	synctest.Wait()
	waits.Store(0)
	return s, reader, sender, waits
}

func TestOverTLSAReaderMayPauseForLessThanTheWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames = 100
		_, reader, _, waits := flooded(t, frames)
		for range frames / 20 {
			time.Sleep(9 * time.Second)
			for range 20 {
				wantText(t, reader, offer("sender", "reader", 1000))
			}
			write(t, reader, rawws.Frame{Opcode: rawws.Pong}.Append(nil))
		}
		if n := waits.Load(); n > manyWaits {
			t.Errorf("the service waited %d times, want once for each record", n)
		}
	})
}

func TestOverTLSAReaderThatStallsIsCutOffAndTheSenderTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames = 100
		s, reader, sender, waits := flooded(t, frames)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n := s.system.Sessions(); n != 2 {
			t.Fatalf("%d sessions after 9 s, want the reader's and the sender's", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := s.system.Sessions(); n != 1 {
			t.Errorf("%d sessions after 11 s, want the sender's", n)
		}
		if n := waits.Load(); n > manyWaits {
			t.Errorf("the service waited %d times, want once for each record", n)
		}
		received := 0
		for {
			text, err := reader.ReadText()
			if err != nil {
				break
			}
			if received++; text != offer("sender", "reader", 1000) {
				t.Errorf("received %q", text)
			}
		}
		write(t, sender, rawws.Message("{}"))
		refused := 0
		for {
			text, err := sender.ReadText()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, `"code":"peer-unavailable"`) {
				break
			}
			refused++
		}
		if received == frames || received+refused != frames {
			t.Errorf("%d frames were received and %d refused, want %d together", received, refused, frames)
		}
	})
}

func TestOverTLSMoreWaitsForAReaderThanARecordCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames = 5
		s := listenTLS(t, 1<<10, func(c net.Conn) net.Conn { return c })
		reader, sender := s.login(t, "reader"), s.login(t, "sender")
		for range frames {
			write(t, sender, rawws.Message(offer("sender", "reader", 50_000)))
		}
		synctest.Wait()
		for range frames {
			wantText(t, reader, offer("sender", "reader", 50_000))
		}
	})
}
