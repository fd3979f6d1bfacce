package actors

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"p2p-messaging/messages"
	"p2p-messaging/messages/peerjs"
)

// busyLink is a link that keeps the registry busy while it is asked to admit a login.
type busyLink struct {
	*fakeLink
	asked, goOn chan struct{}
}

func (l busyLink) Admit(bool) bool {
	close(l.asked)
	<-l.goOn
	return true
}

// Clients that send to ids that nobody has wait while the registry is busy, whatever the ids are.
func TestMessagesForManyAbsentPeersAreBounded(t *testing.T) {
	for _, size := range []int{10, 60_000, 200_000} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestSystem(t, Options{PeerJS: &PeerJS{MaxMessage: 256 << 10}, ResumeWindow: window})
			all := []*peerClient{arrive(t, s, "alice", "a"), arrive(t, s, "bob", "b")}
			busy := busyLink{newFakeLink(), make(chan struct{}), make(chan struct{})}
			go s.Connect(busy).Receive(decoded(t, `{"type":"login","login":"carol","keep":true,"resume":"0123456789abcdef0123456789abcdef"}`))
			<-busy.asked

			payload := `"` + strings.Repeat("x", size) + `"`
			sent, stopped := 0, 0
			for n := 0; stopped < len(all) && sent < 16<<20; n++ {
				for i, p := range all {
					if p == nil {
						continue
					}
					m, _ := peerjs.Read(fmt.Appendf(nil, `{"type":"OFFER","dst":"nobody%d","payload":%s}`, n, payload), p.ID())
					sent += len(m.Text)
					if !p.Receive(m) {
						defer p.link.awaitResume()
						all[i] = nil
						stopped++
					}
				}
			}
			if most := maxRouted + 2*(size+200); stopped < len(all) || sent > most {
				t.Errorf("with %d bytes in a message, %d bytes were taken, and %d clients had to wait; want at most %d bytes", size, sent, stopped, most)
			}
			close(busy.goOn)
			synctest.Wait()
			if left := s.peers.routed.Load(); left != 0 {
				t.Errorf("%d bytes are still to be passed on", left)
			}
			if _, bytes := s.peers.waiting.figures(); bytes < sent {
				t.Errorf("%d bytes wait, and %d were sent", bytes, sent)
			}
		})
	}
}

// What an id occupies for which a message waits is counted, and not only the message.
func TestTheMemoryOfIdsThatAreAwaitedIsCounted(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	const ids = 10_000
	s := newTestSystem(t, Options{PeerJS: &PeerJS{ExpireTimeout: time.Hour}})
	alice := arrive(t, s, "alice", "a")
	before, _ := live()
	for n := range ids {
		alice.say(t, "OFFER", fmt.Sprint("nobody", n), 0)
	}
	after, _ := live()
	_, counted := s.peers.waiting.figures()
	if got := int(after) - int(before); got > counted*5/4 {
		t.Errorf("an id that is awaited occupies %d bytes, and counts as %d", got/ids, counted/ids)
	}
}

// Those who were told that a message of theirs was dropped are noted while others wait. That is bounded, too.
func TestThoseWhoWereToldAreBounded(t *testing.T) {
	s := newTestSystem(t, Options{PeerJS: &PeerJS{ExpireTimeout: time.Hour}})
	w := &s.peers.waiting
	p := arrive(t, s, "alice", "a")
	room := &waitingRoom{absence: w.begin(p.session, 0)}
	for n := range 10_000 {
		room.note(strings.Repeat("long", 100) + fmt.Sprint(n))
		if _, counted := w.figures(); counted != room.bytes || counted < room.toldSize || counted > maxToldBytes {
			t.Fatalf("after %d ids, %d bytes are counted, and %d in the room", n, counted, room.bytes)
		}
	}
	room.absence.end()
	if n, bytes := w.figures(); n != 0 || bytes != 0 {
		t.Errorf("%d bytes are left of %d ids", bytes, n)
	}
}

// Who comes and goes under ever new ids fills no place with reservations. A client that is there stays.
func TestReservationsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{PeerJS: &PeerJS{Reserve: time.Hour, Limit: 4}})
		arrive(t, s, "bob", "b")
		for n := range 20 {
			arrive(t, s, fmt.Sprint("attacker", n), "x").Closed(false)
		}
		if n, _ := s.peers.reserved.figures(); n != 3 {
			t.Errorf("%d ids are reserved, want 3", n)
		}
		for n := 17; n < 20; n++ { // those that came last
			if _, answer := callIn(t, s, fmt.Sprint("attacker", n), "thief"); answer != peerjs.IDTaken {
				t.Errorf("a thief of id %d was told %s", n, answer)
			}
		}
		carol := arrive(t, s, "carol", "c")
		if _, answer := callIn(t, s, "dora", "d"); answer != string(peerjs.AppendError(nil, peerjs.ErrorLimit)) {
			t.Errorf("with half of the room reserved, a newcomer was told %s", answer)
		}
		bob := arrive(t, s, "bob", "b") // comes back although the service is full
		for _, p := range []*peerClient{bob, carol} {
			p.Closed(false)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		arrive(t, s, "bob", "b").Leave()
		if n := s.peers.taken.Load(); n != 0 {
			t.Errorf("%d ids are taken", n)
		}
	})
}

// However reservations make room while their clients come back, no more clients are there than may be, and the count stays right.
func TestTheLimitHoldsWhileReservationsMakeRoom(t *testing.T) {
	const limit, clients, rounds = 3, 6, 300
	s := newTestSystem(t, Options{PeerJS: &PeerJS{Reserve: time.Hour, Limit: limit}})
	var here, most atomic.Int64
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for range rounds {
				p, answer := callIn(t, s, fmt.Sprint("id", i), "t")
				if answer != peerjs.Open {
					continue
				}
				n := here.Add(1)
				for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
				}
				here.Add(-1)
				p.Closed(false)
			}
		})
	}
	wg.Wait()
	reserved, _ := s.peers.reserved.figures()
	if taken := s.peers.taken.Load(); most.Load() > limit || int(taken) != reserved || taken > limit {
		t.Errorf("up to %d clients were there, %d ids are taken, and %d reserved", most.Load(), taken, reserved)
	}
	for taken := s.peers.taken.Load(); taken > 0; taken-- {
		s.peers.reserved.cede(0) // and nobody takes the room
		s.peers.taken.Add(-1)
	}
	arrive(t, s, "last", "t").Leave()
	if taken := s.peers.taken.Load(); taken != 0 {
		t.Errorf("%d ids are taken in the end", taken)
	}
}

// nobodyElsewhere is a cluster whose other nodes have nobody.
type nobodyElsewhere struct {
	*fakeCluster
	system *System
	asked  atomic.Int64 // the messages that it was given
}

func (c *nobodyElsewhere) Deliver(_ []byte, m *messages.Deliver) {
	c.asked.Add(1)
	c.system.Refuse(m, messages.CodePeerUnavailable)
}

// However often an id is awaited anew, one timer looks for its client at the other nodes.
func TestOneTimerSeeksAPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &nobodyElsewhere{fakeCluster: newFakeCluster()}
		c.grants = true
		s := newTestSystem(t, Options{Cluster: c, PeerJS: &PeerJS{ExpireTimeout: time.Hour, Reserve: time.Hour}})
		c.system = s
		await := func() {
			m := peerjs.Arrived([]byte(messages.PeerKey("carol")), []byte(`{"type":"OFFER","src":"alice","dst":"carol"}`))
			m.Sender = peerAddress("alice")
			s.root.Send(s.registry, &absentee{message: (*messages.Deliver)(m)})
		}
		for range 50 {
			await()
			arrive(t, s, "carol", "c").Closed(false)
		}
		arrive(t, s, "carol", "c").Closed(false)
		await()
		s.EndPeer("carol")
		synctest.Wait()
		before := c.asked.Load()
		time.Sleep(10*seekInterval + time.Millisecond)
		synctest.Wait()
		if n := c.asked.Load() - before; n == 0 || n > 11 {
			t.Errorf("the id was sought %d times in ten intervals", n)
		}
	})
}

// An idle id is its session, its connection and its name. Their sizes are those of the allocator's classes.
func TestAPeersSessionTakesOneCacheLineAndAHalf(t *testing.T) {
	if n := unsafe.Sizeof(peerSession{}); n > 96 {
		t.Errorf("the session of a PeerJS id takes %d bytes, want no more than 96", n)
	}
	if n := unsafe.Sizeof(Peer{}); n > 48 {
		t.Errorf("the connection of a PeerJS client takes %d bytes, want no more than 48", n)
	}
}
