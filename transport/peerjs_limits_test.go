package transport_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport/internal/rawws"
)

func TestPeerJSConcurrentLimitIsExact(t *testing.T) {
	const limit, tries = 10, 50
	synctest.Test(t, func(t *testing.T) {
		s := onLoops.withPeers(actors.PeerJS{Limit: limit}).listenInMemory(t, 64<<10, servePeers)
		for range 2 {
			var opened, refused atomic.Int64
			var wg sync.WaitGroup
			connections := make([]*rawws.Conn, tries)
			for i := range tries {
				connections[i] = s.ask(t, fmt.Sprint("id", i), "t")
				wg.Go(func() {
					switch text, _ := connections[i].ReadText(); text {
					case peerOpen:
						opened.Add(1)
					case peerError("Server has reached its concurrent user limit"):
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			if opened.Load() != limit || refused.Load() != tries-limit {
				t.Fatalf("%d were let in and %d refused", opened.Load(), refused.Load())
			}
			wantText(t, s.ask(t, "id0", "t"), peerOpen) // takes over
			for _, c := range connections {
				c.Close()
			}
			synctest.Wait()
			old := s.ask(t, "id0", "t")
			wantText(t, old, peerOpen)
			old.Close()
			synctest.Wait()
			if n := s.system.Sessions(); n != 0 {
				t.Fatalf("%d sessions are left", n)
			}
		}
	})
}

func TestPeerJSOfManyRacingForOneIdExactlyOneGetsIt(t *testing.T) {
	eachPeerCarrier(t, actors.PeerJS{}, func(t *testing.T, by carrier) {
		s := by.listen(t, servePeers)
		for round := range 3 {
			var opened, taken atomic.Int64
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					switch text, err := s.ask(t, fmt.Sprint("id", round), fmt.Sprint("token", i)).ReadText(); text {
					case peerOpen:
						opened.Add(1)
					case peerIDTaken:
						taken.Add(1)
					default:
						t.Errorf("received %q, %v", text, err)
					}
				})
			}
			wg.Wait()
			if opened.Load() != 1 || taken.Load() != 19 {
				t.Fatalf("%d got the id, and %d were told that it is taken", opened.Load(), taken.Load())
			}
		}
	})
}

func TestPeerJSBounds(t *testing.T) {
	message := func(size int) []byte {
		const head, tail = `{"type":"OFFER","dst":"bob","payload":"`, `"}`
		return rawws.Message(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
	}
	inMemory(t, actors.PeerJS{MaxMessage: 256 << 10}, func(t *testing.T, s *service) {
		bob := s.peer(t, "bob", "b")
		long, longer, encoded := s.peer(t, "long", "t"), s.peer(t, "longer", "t"), s.peer(t, "encoded", "t")
		feed(t, long, slices.Values([][]byte{message(256 << 10)}))
		if text, err := bob.ReadText(); err != nil || len(text) < 256<<10 {
			t.Errorf("%d bytes came, %v", len(text), err)
		}
		write(t, longer, message(256<<10 + 1)[:20])
		wantClose(t, longer, 1009)
		write(t, encoded, rawws.Message("{\"type\":\"\xFF\"}"))
		wantClose(t, encoded, 1007)
	})
}

// What is sent to nobody is bounded, and the sender is told soon.
func TestPeerJSFloodToAnAbsentId(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onLoops.withPeers(actors.PeerJS{MaxMessage: 256 << 10}).listenInMemory(t, 64<<10, servePeers)
		alice := s.peer(t, "alice", "a")
		start := time.Now()
		message := rawws.Message(`{"type":"OFFER","dst":"nobody","payload":"` + strings.Repeat("x", 64<<10) + `"}`)
		feed(t, alice, func(yield func([]byte) bool) {
			for range 64 << 20 / len(message) {
				if !yield(message) {
					return
				}
			}
		})
		wantText(t, alice, `{"type":"EXPIRE","src":"nobody","dst":"alice"}`)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("the sender was told after %v", took)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if f := s.system.Figures(); f.PeersAwaited != 1 || f.PeersAwaitedBytes > 1<<20+64<<10 {
			t.Errorf("%d bytes wait for %d ids", f.PeersAwaitedBytes, f.PeersAwaited)
		}
	})
}
