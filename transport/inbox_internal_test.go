package transport

import (
	"bytes"
	"sync"
	"testing"

	"p2p-messaging/transport/internal/frame"
	"p2p-messaging/transport/internal/rawws"
)

// FuzzInbox gives a stream to an inbox in pieces. After each piece it takes a part of the bytes and keeps the rest, as a
// reader does with incomplete frames. The bytes must come back in order.
func FuzzInbox(f *testing.F) {
	f.Add([]byte("some bytes that come in pieces"), []byte{3, 1, 10, 0, 5, 5, 2, 9})
	f.Add([]byte("some bytes that come in pieces"), []byte{255, 255})
	f.Add([]byte("some bytes that come in pieces"), []byte{1, 0, 1, 0, 1, 0, 200, 4})
	f.Fuzz(func(t *testing.T, stream, moves []byte) {
		var i inbox
		var pool keeps
		var got []byte
		come := 0
		for n, move := range moves {
			b := i.waiting() // the reader goes on without new bytes
			var piece []byte
			if n%2 == 0 {
				piece = bytes.Clone(stream[come:min(come+int(move), len(stream))])
				come += len(piece)
				b = i.join(&pool, piece)
			}
			take := min(len(b), int(move)/2)
			got = append(got, b[:take]...)
			i.keep(&pool, b, take)
			clear(piece) // it belongs to the loop, which reads into it again
			if waits := i.waiting(); !bytes.Equal(waits, stream[len(got):come]) {
				t.Fatalf("%q waits, want %q", waits, stream[len(got):come])
			}
			if i.held != nil && len(i.waiting()) == 0 {
				t.Fatal("a buffer is kept for nothing")
			}
			if i.held != nil && cap(i.held.bytes) > max(smallestKept, len(i.waiting())*5/4+1) {
				t.Fatalf("%d bytes are kept for the %d that wait", cap(i.held.bytes), len(i.waiting()))
			}
		}
		if !bytes.Equal(got, stream[:len(got)]) {
			t.Fatalf("%q was taken of %q", got, stream)
		}
		i.drop(&pool)
		if i.waiting() != nil {
			t.Error("what was dropped waits")
		}
	})
}

// FuzzFindClose looks for a close frame in a stream that comes in pieces of up to 16 KB. Between two looks the rules
// may change, as they do by a login and a logout: the last bit says which hold.
func FuzzFindClose(f *testing.F) {
	large := rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 20_000)}
	forged := rawws.Frame{Opcode: rawws.Continuation, Length: 1<<64 - 5000}
	f.Add(rawws.Join(large, forged), []byte{254, 254, 1})
	f.Add(rawws.Join(large, rawws.Frame{}), []byte{254, 0, 255})
	f.Add(append(rawws.Join(rawws.Frame{Opcode: rawws.Ping}, large), rawws.CloseFrame(1000, "bye")...), []byte{100, 101, 200})
	f.Fuzz(func(t *testing.T, stream, pieces []byte) {
		var i inbox
		var pool keeps
		for _, p := range pieces {
			rules := acceptedWithLogin
			if p&1 != 0 {
				rules = acceptedWithoutLogin
			}
			piece := bytes.Clone(stream[:min(int(p/2)*128, len(stream))])
			stream = stream[len(piece):]
			i.keep(&pool, i.join(&pool, piece), 0)
			if payload, found := i.findClose(rules); found {
				if len(payload) > frame.MaxControl {
					t.Fatalf("a close frame has %d bytes", len(payload))
				}
				return
			}
		}
	})
}

func TestFragmentsMakeOneMessage(t *testing.T) {
	var i inbox
	var pool keeps
	for range 2 {
		for _, part := range []string{"one ", "", "message"} {
			if whole := i.fragment(&pool, []byte(part), frame.Reader{}, false); whole != nil {
				t.Errorf("%q is a whole message", whole.bytes)
			}
		}
		whole := i.fragment(&pool, []byte("."), frame.Reader{}, true)
		if whole == nil || string(whole.bytes) != "one message." || i.message != nil {
			t.Fatalf("the message is %v, and %v is kept", whole, i.message)
		}
		pool.put(whole)
	}
}

// resumable is a carrier that counts how often it was woken.
type resumable struct {
	carrier
	mu    sync.Mutex
	woken int
}

func (r *resumable) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken++
}

// TestAResumeIsSeenWheneverItComes calls Resume before the session returns, after it returns, and at the same moment.
func TestAResumeIsSeenWheneverItComes(t *testing.T) {
	for range 1000 {
		r := new(resumable)
		c := &conn{carrier: r}
		c.inbox.become(reading)
		var resuming sync.WaitGroup
		resuming.Go(c.Resume)
		if c.awaitDecision(); c.inbox.state() == awaitingDecision {
			resuming.Wait()
		}
		resuming.Wait()
		switch state := c.inbox.state(); {
		case state == reading && r.woken == 0: // Resume came before the session returned
		case state == decided && r.woken == 1:
		default:
			t.Fatalf("the state is %d, and the reader was woken %d times", state, r.woken)
		}
	}
	for state := dropping; state <= ended; state++ {
		c := &conn{carrier: new(resumable)}
		c.inbox.become(state)
		c.Resume()
		if c.inbox.state() != state {
			t.Errorf("a reader that has finished goes on in state %d", c.inbox.state())
		}
	}
}
