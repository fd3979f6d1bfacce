package transport

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// unshared is a socket that must not be written to or closed while the mutex of its connection's shard is held.
type unshared struct {
	descriptor
	t     *testing.T
	shard *shard
	used  int
}

func (u *unshared) check(what string) {
	u.used++
	if !u.shard.mu.TryLock() {
		u.t.Errorf("%s while the mutex of the connection's shard is held", what)
		return
	}
	u.shard.mu.Unlock()
}

func (u *unshared) Write(b []byte, last bool) (int, error) {
	u.check("a write")
	return u.descriptor.Write(b, last)
}

func (u *unshared) Close() {
	u.check("the end")
	u.descriptor.Close()
}

// The sweep holds a shard's mutex while it pings, closes and wakes connections. So it must leave all writing and removing
// to the connection's loop.
func TestTheSweepNeitherWritesNorRemovesAConnection(t *testing.T) {
	onLoop(t, 40_000, func(t *testing.T, c *outboxCase, l *looped, w *watchful) {
		u := &unshared{descriptor: l.socket, t: t, shard: &c.server.connections.shards[l.shard]}
		l.socket = u
		done := make(chan struct{})
		l.socket.Post(task(func() { // more than pressSize is queued when the sweep comes
			defer close(done)
			l.outbox.put(&c.server.buffers, 1, bytes.Repeat([]byte("x"), 2*pressSize), nil)
			l.outbox.mu.Lock()
			l.outbox.state = scheduled
			l.outbox.mu.Unlock()
			shard := u.shard
			shard.mu.Lock()
			shard.visit[l.index].due = 0
			l.nextPing = 0
			shard.mu.Unlock()
			shard.sweep(c.server.now())
			l.start(nil)
		}))
		<-done
		time.Sleep(90 * time.Second) // the client stalls, the service gives up on it, and the connection ends
		synctest.Wait()
		c.far.Close()
		_ = c.server.connections.wait(t.Context())
		if !w.closed || u.used == 0 {
			t.Error("the connection has not ended")
		}
	})
}

// reentered is a session that counts the calls of Undelivered while a method of its own link runs.
type reentered struct {
	*witness
	within bool
	calls  int
}

func (r *reentered) Undelivered(text []byte, sender messages.Address, retained bool) {
	if r.within {
		r.calls++
	}
	r.witness.Undelivered(text, sender, retained)
}

// If a Link method called the session, a session that delivers to its client would be called while it still handles
// another message.
func TestNoLinkMethodCallsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reentered{witness: newWitness()}
		m := simulateWith(t, r)
		c := m.adopt()
		m.connections.enter(unknown)
		m.openLooped(c, unknown, entry{key: sampleKey}, nil)
		m.opening.run()
		c.socket = unwritable{c.socket}
		r.within = true
		for n := range 100 {
			r.deliver(c, "sender", n, pressSize/3, nil) // enough to press the carrier, so a write fails before the round ends
		}
		c.Send([]byte("own"))
		c.Close(messages.CloseNormal, "")
		c.Resume()
		c.cut()
		r.within = false
		m.opening.run()
		if r.calls > 0 {
			t.Errorf("the session was called %d times while a method of its link ran", r.calls)
		}
		if back := len(r.back["sender"]); back == 0 || back != len(r.taken["sender"]) {
			t.Errorf("%d of %d messages came back", back, len(r.taken["sender"]))
		}
		_ = m.connections.wait(t.Context())
	})
}

// unwritable is a socket whose writes fail.
type unwritable struct{ descriptor }

func (unwritable) Write([]byte, bool) (int, error) { return 0, net.ErrClosed }

// simulateWith returns a simulation whose connections all have the session s.
func simulateWith(t *testing.T, s session) *simulation {
	m := &simulation{TB: t}
	m.begin()
	var err error
	if m.Server, err = newServer(func(actors.Link) session { return s }, actors.DefaultQueueLimit, DefaultOptions()); err != nil {
		t.Fatal(err)
	}
	return m
}

// The connection takes most of the memory of an idle session, and there may be a million sessions.
func TestAConnectionOnALoopTakesFewBytes(t *testing.T) {
	if n := unsafe.Sizeof(looped{}); n > 192 {
		t.Errorf("a connection on a loop takes %d bytes, want no more than 192", n)
	}
	if n := unsafe.Sizeof(blocking{}); n > 248 {
		t.Errorf("a connection that goroutines carry takes %d bytes, want no more than 248", n)
	}
}
