package transport

import (
	"testing"
	"time"
	"unsafe"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/rawws"
)

func TestOneLoopWritesOneTally(t *testing.T) {
	if n := unsafe.Sizeof(tally{}); n%128 != 0 {
		t.Errorf("a tally takes %d bytes, want whole pairs of cache lines", n)
	}
	for _, loops := range []uint32{1, 2, 3, 6, 8, 48, 64} {
		var all connections
		all.divide(loops)
		on := map[uint8]uint32{}
		for i := range 10_000 {
			c := new(looped)
			c.carrier = c
			number := uint32(i) % loops
			c.shard = uint8(number)
			shard := all.choose(&c.conn)
			if other, taken := on[shard]; taken && other != number || shard >= shardCount {
				t.Fatalf("with %d loops, shard %d has connections of loops %d and %d", loops, shard, other, number)
			}
			on[shard] = number
			if got := all.loopOf[shard]; uint32(got) != number {
				t.Fatalf("with %d loops, the tally of shard %d is that of loop %d, want %d", loops, shard, got, number)
			}
		}
		if used := uint32(len(on)); used < shardCount/loops*loops {
			t.Errorf("with %d loops, %d of %d shards are used", loops, used, shardCount)
		}
	}
}

func TestFiguresCountWhatConnectionsDo(t *testing.T) {
	m := simulate(t)
	defer m.stop()
	m.tallies = make([]tally, m.connections.loops)
	alice, bob, carol := m.open("alice"), m.open("bob"), m.open("carol")
	dave, erin := m.open("dave"), m.open("erin")
	offer := `{"type":"offer","offer":"x","from":"alice","to":"bob"}`
	before := m.Figures()
	if open := before.Open[Carrier{Loop: true}]; open != 5 || before.Opened != 5 || before.Closing != 0 || before.Relays != 0 {
		t.Errorf("with five connections the figures are %+v", before)
	}
	m.receive(alice, offer)
	m.receive(alice, `{"type":"offer","offer":"x","from":"alice","to":"nobody"}`)
	queued := 0
	m.EachQueue(1000, func(bytes int) {
		queued++
		if bytes != 0 {
			t.Errorf("%d bytes wait", bytes)
		}
	})
	if queued != 5 {
		t.Errorf("it looks at %d queues, want 5", queued)
	}
	bob.Close(messages.CloseTooSlow, "")
	if f := m.Figures(); f.Closing != 1 {
		t.Errorf("a connection is closing, and the figures are %+v", f)
	}
	carol.Receive(rawws.CloseFrame(4000, ""), time.Now()) // this code is the client's
	dave.cut()
	erin.Receive(rawws.Message("{\xff}"), time.Now())
	m.opening.run()
	f := m.Figures()
	if f.Closes[messages.CloseTooSlow] != 1 || f.Closes[messages.CloseInvalidPayload] != 1 || f.ClosedByClient != 1 || f.Lost != 1 {
		t.Errorf("closed: %v, %d by clients and %d lost; want 4000 and 1007 by the service, one by its client and one lost", f.Closes, f.ClosedByClient, f.Lost)
	}
	if _, ok := f.Closes[messages.CloseEnded]; !ok {
		t.Error("a code that was never given is not in the figures")
	}
	if f.Relays != 2 || f.RelayedBytes != uint64(2*len(offer)+len("nobody")-len("bob")) || f.ReceivedBytes <= before.ReceivedBytes {
		t.Errorf("relayed: %d messages, %d bytes of %d", f.Relays, f.RelayedBytes, f.ReceivedBytes)
	}
	m.close(bob)
	m.close(erin)
	if f := m.Figures(); f.Open[Carrier{Loop: true}] != 1 || f.Closing != 0 || f.Opened != 5 {
		t.Errorf("with one connection left the figures are %+v", f)
	}
}

func TestALatencyIsCountedInItsBucket(t *testing.T) {
	var l latency
	for _, took := range []time.Duration{0, 10 * time.Microsecond, 11 * time.Microsecond, time.Millisecond, time.Hour} {
		l.observe(took)
	}
	f := l.figures()
	for bound, want := range map[time.Duration]uint64{10 * time.Microsecond: 2, 25 * time.Microsecond: 3, 500 * time.Microsecond: 3, time.Millisecond: 4, 10 * time.Second: 4} {
		if f.Buckets[bound] != want {
			t.Errorf("%d took no longer than %v, want %d", f.Buckets[bound], bound, want)
		}
	}
	if f.Count != 5 || f.Sum != time.Hour+time.Millisecond+21*time.Microsecond {
		t.Errorf("%d took %v", f.Count, f.Sum)
	}
}
