package transport

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/rawws"
)

func TestAKeptHasLittleMoreRoomThanItNeeds(t *testing.T) {
	classes := make(map[int]int) // the capacity of each class
	for n := range largestKept + 1 {
		capacity, class := keptCapacity(n)
		if capacity < n || capacity > max(smallestKept, n*5/4+1) {
			t.Fatalf("%d bytes get room for %d", n, capacity)
		}
		if other, known := classes[class]; known && other != capacity {
			t.Fatalf("class %d has the capacities %d and %d", class, other, capacity)
		}
		if again, same := keptCapacity(capacity); again != capacity || same != class {
			t.Fatalf("room for %d bytes is of class %d with room for %d, want its own class %d", capacity, same, again, class)
		}
		classes[class] = capacity
	}
	if n := messages.MaxMessageBytes + 64<<10; n > largestKept {
		t.Errorf("%d bytes, which are the longest message and one read, are not used again", n)
	}
	var pool keeps
	if len(classes) != len(pool.pools) || classes[len(pool.pools)-1] != largestKept {
		t.Errorf("%d classes up to %d, want %d up to %d", len(classes), classes[len(classes)-1], len(pool.pools), largestKept)
	}
	for _, n := range []int{0, 1, smallestKept, smallestKept + 1, 5000, largestKept, largestKept + 1, 300_000} {
		k := pool.get(n)
		if len(k.bytes) != 0 || cap(k.bytes) < n {
			t.Errorf("a kept for %d bytes has %d and room for %d", n, len(k.bytes), cap(k.bytes))
		}
		pool.put(k)
	}
}

// room returns how many bytes the service keeps for the unfinished message of c, with the spare room.
func (i *inbox) room() (n int) {
	for _, k := range []*kept{i.held, i.message} {
		if k != nil {
			n += cap(k.bytes)
		}
	}
	return n
}

// A client sends a stream in pieces and stops at any point. What the service keeps for it is what has come of the unfinished
// message, and little more. When the connection ends, the bytes are given back, although the socket lingers.
func TestWhatIsKeptOfAnUnfinishedMessageIsWhatHasCome(t *testing.T) {
	fragment := func(opcode byte, size int) rawws.Frame {
		return rawws.Frame{Opcode: opcode, More: true, Payload: bytes.Repeat([]byte{' '}, size)}
	}
	whole := rawws.Message(`{"type":"ping"}`)
	for name, tt := range map[string]struct {
		before []byte // whole messages
		stream []byte
	}{
		"one frame":                  {nil, rawws.Message(string(make([]byte, 60_000)))},
		"fragments of 32 KB":         {nil, rawws.Join(fragment(rawws.Text, 32_000), fragment(rawws.Continuation, 32_000))},
		"fragments of 100 bytes":     {nil, append(fragment(rawws.Text, 100).Append(nil), bytes.Repeat(fragment(rawws.Continuation, 100).Append(nil), 600)...)},
		"one frame behind others":    {bytes.Repeat(whole, 3000), rawws.Message(string(make([]byte, 1000)))},
		"a fragment behind a larger": {rawws.Message(string(make([]byte, 64_000))), fragment(rawws.Text, 600).Append(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			m := simulate(t)
			for _, largest := range []int{100, 3000, 40_000, 64 << 10} {
				c := m.open("alice")
				come := -len(tt.before)
				for rest := append(bytes.Clone(tt.before), tt.stream[:len(tt.stream)-1]...); len(rest) > 0; {
					piece := min(1+random.IntN(largest), len(rest))
					c.Receive(bytes.Clone(rest[:piece]), time.Now())
					rest = rest[piece:]
					if come += piece; come < 0 {
						continue // the unfinished frame is one of the whole messages
					}
					if room := c.inbox.room(); room > 2*smallestKept+come*5/4 {
						t.Fatalf("in pieces of up to %d bytes, %d bytes are kept of %d", largest, room, come)
					}
				}
				c.Close(1000, "")
				m.opening.run()
				if room := c.inbox.room(); room > 0 {
					t.Errorf("%d bytes are kept for a connection that has ended", room)
				}
				m.opening.run()
			}
			m.stop()
		})
	}
}

// lingeringSocket is a socket whose other side never closes.
type lingeringSocket struct{ descriptor }

func (lingeringSocket) CloseWrite() error { return nil }

func TestTheBytesOfAnUnfinishedMessageAreGivenBackWhenTheConnectionEnds(t *testing.T) {
	for name, end := range map[string]func(*looped){
		"the service closes":         func(c *looped) { c.Close(1000, "") },
		"the client closes":          func(c *looped) { c.Receive(rawws.CloseFrame(1000, ""), time.Now()) },
		"the client breaks the rule": func(c *looped) { c.Receive(rawws.Frame{Opcode: 3}.Append(nil), time.Now()) },
		"the client is gone":         func(c *looped) { c.Ended(io.EOF) },
	} {
		t.Run(name, func(t *testing.T) {
			m := simulate(t)
			c := m.open("alice")
			socket := c.socket
			c.socket = lingeringSocket{socket}
			c.Receive(rawws.Frame{Opcode: rawws.Text, More: true, Payload: make([]byte, 30_000)}.Append(nil), time.Now())
			if c.inbox.room() == 0 || c.clock.due() == never {
				t.Fatal("nothing is kept of an unfinished message, or it has no time")
			}
			end(c)
			m.opening.run()
			if room := c.inbox.room(); room > 0 || c.clock.due() != never {
				t.Errorf("%d bytes are kept, and the time of their message ends at %d", room, c.clock.due())
			}
			socket.Shutdown()
			m.opening.run()
			m.stop()
		})
	}
}
