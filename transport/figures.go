package transport

import (
	"crypto/tls"
	"encoding/binary"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"p2p-messaging/messages"
)

// Figures says what a [Server] does and has done since [New].
type Figures struct {
	// Open is the number of WebSockets, and Closing that of those among them that are being closed. Opened counts those that there were.
	Open    map[Carrier]int
	Closing int
	Opened  uint64
	// Handshaking is the number of connections whose TLS handshake takes place. Visiting is that of the other connections that have not
	// asked for a WebSocket, such as those that ask for the page.
	Handshaking, Visiting int

	// Closes counts the WebSockets that the service has closed, by the code of the close frame. ClosedByClient counts those whose client
	// sent a close frame first, and Lost those that ended without a close frame.
	Closes               map[messages.CloseCode]uint64
	ClosedByClient, Lost uint64
	// Refused counts the connections and requests for a WebSocket that were refused, by the reason.
	Refused map[string]uint64
	// Failures counts panics. Each has ended the connection or the request that it happened on.
	Failures uint64

	// Relays counts the messages from one client to another, those included that the session then refuses. RelayedBytes counts the
	// bytes of their texts, and ReceivedBytes all bytes of WebSockets that were read. They are zero without [Options.Measure].
	Relays, RelayedBytes, ReceivedBytes uint64
	// Latency says how long relayed messages were in the service.
	Latency Latency
}

// Carrier says how the bytes of a WebSocket come.
type Carrier struct {
	Loop bool // an event loop reads it; otherwise a goroutine of its own does
	TLS  bool // the service speaks TLS on it
}

// Latency is a histogram of the time from the moment at which the service reads a message to that at which the network has taken it
// for its addressee. It holds a sample: those that were read in about one of 64 rounds of an event loop. Without [Options.Measure] it
// is empty.
type Latency struct {
	Buckets map[time.Duration]uint64 // how many took no longer than that
	Count   uint64                   // how many were timed
	Sum     time.Duration            // of their times
}

// tally holds the counters of the connections that one event loop reads. They are written for every message, so no other processor
// should write to the same cache lines. (Processors fetch lines in pairs.) The loop writes to no other, so its own stays in its cache.
type tally struct {
	relays, relayedBytes, receivedBytes atomic.Uint64
	_                                   [128 - 3*8]byte
}

// timedShare says that one in so many rounds of an event loop is timed. It is a power of two.
const timedShare = 64

// counts are the counters of a server that are not written for every message.
type counts struct {
	opened, removed [4]atomic.Uint64 // by carrier
	closes          [closeSlots]atomic.Uint64
	closedByClient  atomic.Uint64
	lost            atomic.Uint64
	full            atomic.Uint64
	failures        atomic.Uint64
	latency         latency
	looked          atomic.Uint32 // the shard at which EachQueue has looked last
}

// carriedBy returns the index in counts of a connection's carrier.
func carriedBy(c *conn) int {
	switch carrier := c.carrier.(type) {
	case *looped:
		if _, secure := carrier.socket.(*secured); secure {
			return 3
		}
		return 2
	case *blocking:
		if _, secure := carrier.socket.(*tls.Conn); secure {
			return 1
		}
	}
	return 0
}

// closeSlots is the number of close codes that are counted: 16 from each of the bases.
const closeSlots = 3 * 16

func closeBases() [3]messages.CloseCode { return [...]messages.CloseCode{1000, 4000, 4100} }

// closed counts a connection that the service closes with a code.
func (n *counts) closed(code messages.CloseCode) {
	for i, base := range closeBases() {
		if code >= base && code < base+16 {
			n.closes[16*i+int(code-base)].Add(1)
		}
	}
}

// closeCodes are the codes that the service gives.
func closeCodes() []messages.CloseCode {
	return []messages.CloseCode{
		messages.CloseNormal, messages.CloseGoingAway, messages.CloseProtocolError, messages.CloseUnsupportedData, messages.CloseInvalidPayload,
		messages.ClosePolicyViolation, messages.CloseMessageTooBig, messages.CloseInternalError, messages.CloseServiceRestart,
		messages.CloseTryAgainLater, messages.CloseTooSlow, messages.CloseNoSignOfLife, messages.CloseTokenEnded, messages.CloseTakenOver, messages.CloseEnded,
	}
}

// sealed counts a connection that is closed from now on, with a close frame of this payload. Nil means no close frame.
func (n *counts) sealed(payload []byte, byClient bool) {
	switch {
	case payload == nil:
		n.lost.Add(1)
	case byClient:
		n.closedByClient.Add(1)
	case len(payload) >= 2:
		n.closed(messages.CloseCode(binary.BigEndian.Uint16(payload)))
	default:
		n.closed(messages.CloseNoStatus)
	}
}

// latencyBounds are the upper ends of the buckets. They grow by the factor 2 or 2.5.
func latencyBounds() [latencyBuckets]time.Duration {
	return [...]time.Duration{
		10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	}
}

const latencyBuckets = 19

// latency counts times by bucket. The last counts those that are longer than every bound.
type latency struct {
	buckets [latencyBuckets + 1]atomic.Uint64
	sum     atomic.Int64
}

func (l *latency) observe(took time.Duration) {
	i := 0
	for bounds := latencyBounds(); i < len(bounds) && took > bounds[i]; i++ {
	}
	l.buckets[i].Add(1)
	l.sum.Add(int64(took))
}

func (l *latency) figures() Latency {
	f := Latency{Buckets: make(map[time.Duration]uint64, latencyBuckets), Sum: time.Duration(l.sum.Load())}
	for i, bound := range latencyBounds() {
		f.Count += l.buckets[i].Load()
		f.Buckets[bound] = f.Count
	}
	f.Count += l.buckets[latencyBuckets].Load()
	return f
}

// read counts bytes that have come. The reader calls it.
func (c *conn) read(bytes int) {
	if t := c.tally(); t != nil {
		t.receivedBytes.Add(uint64(bytes))
	}
}

// relay counts a message to another client. The reader calls it.
func (c *conn) relay(bytes int) {
	if t := c.tally(); t != nil {
		t.relays.Add(1)
		t.relayedBytes.Add(uint64(bytes))
	}
}

// tally returns the counters that the connection's reader writes, or nil if nothing is measured.
func (c *conn) tally() *tally {
	if c.server.tallies == nil {
		return nil
	}
	return &c.server.tallies[c.server.connections.loopOf[c.shard]]
}

// time notes when the message that was queued last was read, if it is one of those that are timed. Via is the carrier that brought it,
// or nil. The nanoseconds of the time at which a round began choose about one round in timedShare.
func (c *conn) time(via any) {
	if c.server.tallies == nil {
		return
	}
	var sender *conn
	switch carrier := via.(type) {
	case *looped:
		sender = &carrier.conn
	case *blocking:
		sender = &carrier.conn
	}
	if sender == nil || sender.server != c.server {
		return
	}
	if at := sender.lastRead.Load(); at%timedShare == 0 && at > 0 {
		c.outbox.time(at)
	}
}

// Figures returns what the server does and has done.
func (s *Server) Figures() Figures {
	n := &s.counts
	f := Figures{
		Open:           make(map[Carrier]int, len(n.opened)),
		Closes:         make(map[messages.CloseCode]uint64),
		ClosedByClient: n.closedByClient.Load(),
		Lost:           n.lost.Load(),
		Failures:       n.failures.Load(),
		Latency:        n.latency.figures(),
	}
	ended, open := f.ClosedByClient+f.Lost, 0
	for i, base := range closeBases() {
		for j := range messages.CloseCode(16) {
			if count := n.closes[16*i+int(j)].Load(); count > 0 {
				f.Closes[base+j] = count
				ended += count
			}
		}
	}
	for _, code := range closeCodes() {
		f.Closes[code] += 0
	}
	for i := range n.opened {
		removed := n.removed[i].Load() // before opened: what is open must not be less than nothing
		opened := n.opened[i].Load()
		f.Opened += opened
		ended -= min(ended, removed)
		f.Open[Carrier{Loop: i >= 2, TLS: i%2 == 1}] = int(opened - removed)
		open += int(opened - removed)
	}
	f.Closing = min(int(ended), open)
	f.Handshaking = s.handshakes.count()
	f.Visiting = max(0, s.connections.places.open()-open-f.Handshaking)
	f.Refused = s.refusals.figures()
	f.Refused[http.StatusText(http.StatusServiceUnavailable)] += n.full.Load()
	for i := range s.tallies {
		t := &s.tallies[i]
		f.Relays += t.relays.Load()
		f.RelayedBytes += t.relayedBytes.Load()
		f.ReceivedBytes += t.receivedBytes.Load()
	}
	return f
}

// EachQueue calls f with the number of bytes that wait for clients. It looks at this number of connections at most, other ones each
// time.
func (s *Server) EachQueue(most int, f func(bytes int)) {
	all := &s.connections
	for range all.shards {
		shard := &all.shards[s.counts.looked.Add(1)%shardCount]
		share := max(1, most/shardCount)
		shard.mu.Lock()
		for i := range min(share, len(shard.visit)) {
			f(int(shard.visit[i].conn.outbox.waiting.Load()))
		}
		shard.mu.Unlock()
	}
}

// count returns how many TLS handshakes take place.
func (h *handshakes) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.under.Len()
}

// open returns how many sockets are open.
func (p *places) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// figures returns how many refusals there were of each kind.
func (l *refusals) figures() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Collect(func(yield func(string, uint64) bool) {
		for kind, f := range l.byKind {
			if !yield(kind, f.total) {
				return
			}
		}
	})
}
