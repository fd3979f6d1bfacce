package transport

import (
	"math/bits"
	"sync"

	"p2p-messaging/transport/internal/frame"
)

const (
	// smallestKept is the capacity of the smallest kept.
	smallestKept = 512
	// largestKept is the largest capacity of a kept that is used again. It is a power of two. The longest frame and what one read brings
	// behind it find room, or a client that sends such frames without a pause leaves as much garbage as it sends.
	largestKept = 128 << 10
	// perDoubling is the number of capacities between a capacity and its double.
	perDoubling = 4
)

// kept holds bytes of a client between two reads. Every client can make the service keep bytes, so a kept has little more
// capacity than it needs.
type kept struct {
	bytes []byte
	taken int // bytes at the start that were acted on
	seen  int // bytes at the start in which a close frame was looked for
	// frames is the state of the reading behind the bytes: those of an unfinished message, or those that were seen.
	frames frame.Reader
}

// keeps holds kepts between uses, by capacity. Its zero value is ready.
type keeps struct {
	pools [perDoubling*8 + 1]sync.Pool // eight doublings from smallestKept to largestKept
}

// keptCapacity returns the capacity of a kept for n bytes: smallestKept, or at most a quarter more than n. Class is the
// number of that capacity, beginning with 0.
func keptCapacity(n int) (capacity, class int) {
	if n <= smallestKept {
		return smallestKept, 0
	}
	double := bits.Len(uint(n - 1)) // 2^(double-1) < n <= 2^double
	step := 1 << (double - 1) / perDoubling
	steps := (n + step - 1) / step // from perDoubling+1 to 2*perDoubling
	return steps * step, (double-bits.Len(smallestKept))*perDoubling + steps - perDoubling
}

// get returns an empty kept that has room for n bytes.
func (p *keeps) get(n int) *kept {
	capacity, class := keptCapacity(n)
	if class < len(p.pools) {
		if k, ok := p.pools[class].Get().(*kept); ok {
			return k
		}
	}
	return &kept{bytes: make([]byte, 0, capacity)}
}

// put takes back a kept, which may be nil.
func (p *keeps) put(k *kept) {
	if k == nil || cap(k.bytes) > largestKept {
		return
	}
	_, class := keptCapacity(cap(k.bytes))
	*k = kept{bytes: k.bytes[:0]}
	p.pools[class].Put(k)
}

// add returns a kept with the bytes of k that were not acted on, and b behind them. K may be nil. It belongs to add.
func (p *keeps) add(k *kept, b []byte) *kept {
	switch {
	case k == nil:
		k = p.get(len(b))
	case len(k.bytes)+len(b) > cap(k.bytes):
		k = p.move(k, len(k.bytes)-k.taken+len(b))
	}
	k.bytes = append(k.bytes, b...)
	return k
}

// fit returns a kept with the bytes of k that were not acted on. Its capacity is not larger than they need.
func (p *keeps) fit(k *kept) *kept {
	if waiting := len(k.bytes) - k.taken; cap(k.bytes) > smallestKept {
		if capacity, _ := keptCapacity(waiting); capacity < cap(k.bytes) {
			return p.move(k, waiting)
		}
	}
	return k
}

// move moves the bytes of k that were not acted on to a kept that has room for n bytes.
func (p *keeps) move(k *kept, n int) *kept {
	m := p.get(n)
	m.bytes = append(m.bytes, k.bytes[k.taken:]...)
	m.seen, m.frames = max(0, k.seen-k.taken), k.frames
	p.put(k)
	return m
}
