package routes

import "sync"

// maxBroadcasts is how many bytes of broadcasts may wait to be published.
const maxBroadcasts = MaxWaiting

// broadcasts is what waits to be sent to all.
type broadcasts struct {
	routes *Routes

	mu         sync.Mutex
	chunks     []chunk
	bytes      int
	publishing bool
}

// Broadcast sends a copy of body to all other processes that can be reached now. There is no outcome. Another process receives the broadcasts of
// this one in order. Broadcast reports whether the message will be sent. It is not if too much waits.
func (r *Routes) Broadcast(body []byte) bool {
	r.leaving.RLock()
	defer r.leaving.RUnlock()
	return !r.closed && len(body) <= MaxBody && r.broadcasts.put(body)
}

func (b *broadcasts) put(body []byte) bool {
	size := len(body) + perMessage
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+size > maxBroadcasts {
		return false
	}
	last := len(b.chunks) - 1
	if last < 0 || cap(b.chunks[last].data)-len(b.chunks[last].data) < size {
		b.chunks = append(b.chunks, newChunk(size))
		last++
	}
	b.chunks[last].data = appendBody(b.chunks[last].data, body)
	b.bytes += size
	if !b.publishing {
		b.publishing = true
		go b.publish()
	}
	return true
}

func (b *broadcasts) publish() {
	var room [headRoom]byte
	head := appendHead(room[:0], b.routes.address, answer{}, 1, 1)
	for {
		b.mu.Lock()
		if len(b.chunks) == 0 {
			b.chunks, b.bytes, b.publishing = nil, 0, false
			b.mu.Unlock()
			return
		}
		c := b.chunks[0]
		b.chunks[0] = chunk{}
		b.chunks = b.chunks[1:]
		b.mu.Unlock()
		data := c.data[headRoom-len(head):]
		copy(data, head)
		b.routes.publish(everybody, "", data)
		b.mu.Lock()
		b.bytes -= min(b.bytes, len(c.data))
		b.mu.Unlock()
		c.release()
	}
}

func (b *broadcasts) flushed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.publishing
}
