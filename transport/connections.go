package transport

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"p2p-messaging/transport/internal/files"
)

const (
	// shardCount is the number of shards. Connections are spread over them, so that they do not all share one mutex.
	shardCount = 64
	// sweepInterval is the time between two sweeps.
	sweepInterval = time.Second
)

// connections holds all connections of a server. One goroutine, the sweep, visits each connection when its time has come.
// So no connection needs a timer of its own. The sweep runs only while there are connections.
type connections struct {
	places   places
	now      func() int64
	interval time.Duration // between two sweeps

	loops  uint32            // of the server
	loopOf [shardCount]uint8 // the loop that has the connections of a shard
	next   atomic.Uint32     // the number of connections that were added
	shards [shardCount]shard

	mu       sync.Mutex
	count    int
	refusing bool // no connection may enter any more
	sweeping bool
	changed  sync.Cond     // count has become zero, or sweeping false
	none     chan struct{} // tells the sweep that count has been zero
}

// shard is a part of the connections.
type shard struct {
	mu    sync.Mutex
	visit []visit
}

// visit says when the sweep looks at a connection again. It keeps the time beside the pointer so that a sweep touches
// only connections that are due.
type visit struct {
	due  int64
	conn *conn
}

// init sets the number of places and the times of the sweep.
func (s *connections) init(now func() int64, o Options) {
	s.places.init(o.Logger, files.Limit())
	s.divide(uint32(min(runtime.GOMAXPROCS(0), shardCount)))
	s.now = now
	alive := o.IdleTimeout
	if o.PeerJS != nil {
		alive = min(alive, o.PeerJS.AliveTimeout)
	}
	// The interval is short in proportion to short times.
	s.interval = max(min(sweepInterval, o.PingInterval/10, alive/10, o.WriteTimeout/10, o.MessageTimeout/10), time.Millisecond)
	s.changed.L = &s.mu
	s.none = make(chan struct{}, 1)
}

// divide divides the shards among this number of loops.
func (s *connections) divide(loops uint32) {
	s.loops = loops
	for shard := range s.loopOf {
		s.loopOf[shard] = uint8(uint32(shard) % loops)
	}
}

// enter counts a connection from an address that is about to be opened, and reports whether it may be.
func (s *connections) enter(from address) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusing {
		return false
	}
	s.count++
	s.places.enter(from)
	if !s.sweeping {
		s.sweeping = true
		go s.sweep()
	}
	return true
}

// leave is called once for each connection that has entered, when no goroutine uses the connection any more.
func (s *connections) leave(from address) {
	s.places.leave(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count--; s.count == 0 {
		s.changed.Broadcast()
		select {
		case s.none <- struct{}{}:
		default:
		}
	}
}

// refuse lets no connection enter from now on.
func (s *connections) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = true
}

// add makes the sweep visit a connection that has entered. It reports whether connections may still enter. If they may not,
// a call of each may have missed this connection.
func (s *connections) add(c *conn) bool {
	now := s.now()
	ping, _, _ := c.rhythm()
	c.nextPing = now + rand.Int64N(ping) + 1 // pings are spread
	c.lastRead.Store(now)
	c.server.counts.opened[carriedBy(c)].Add(1)
	c.allowedAt = math.MinInt64
	c.place = s.places.await(c, c.from)
	c.shard = s.choose(c)
	shard := &s.shards[c.shard]
	shard.mu.Lock()
	c.index = int32(len(shard.visit))
	shard.visit = append(shard.visit, visit{due: c.nextPing, conn: c})
	shard.mu.Unlock()
	if c.server.debugs() {
		c.debug("a connection has begun")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.refusing
}

// choose returns the shard of a new connection. The connections of one shard are on one loop, so each loop writes to one [tally] alone.
// Until now, the shard of a connection on a loop is the number of the loop.
func (s *connections) choose(c *conn) uint8 {
	next := s.next.Add(1)
	if _, ok := c.carrier.(*looped); !ok {
		return uint8(next % shardCount)
	}
	// Connections are given to the loops in turn. So the quotient counts those of one loop.
	row := next / s.loops % (shardCount / s.loops)
	return uint8((uint32(c.shard) + row*s.loops) % shardCount)
}

// remove ends the visits to a connection, and calls leave for it.
func (s *connections) remove(c *conn) {
	shard := &s.shards[c.shard]
	shard.mu.Lock()
	last := len(shard.visit) - 1
	shard.visit[c.index] = shard.visit[last]
	shard.visit[c.index].conn.index = c.index
	shard.visit[last] = visit{}
	shard.visit = shard.visit[:last]
	if last == 0 {
		shard.visit = nil
	}
	shard.mu.Unlock()
	c.server.counts.removed[carriedBy(c)].Add(1)
	if c.server.debugs() {
		c.debug("a connection has ended")
	}
	s.places.release(c.place)
	s.leave(c.from)
}

// hasten makes the sweep visit a connection at the given time or sooner. The caller must not hold the shard's mutex.
func (s *connections) hasten(c *conn, at int64) {
	shard := &s.shards[c.shard]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	v := &shard.visit[c.index]
	v.due = min(v.due, at)
}

// each calls f with every connection. It holds the mutex of the connection's shard during the call, so f must not call add,
// remove or hasten.
func (s *connections) each(f func(*conn)) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		for _, v := range shard.visit {
			f(v.conn)
		}
		shard.mu.Unlock()
	}
}

// sweep visits connections that are due, until there are no connections.
func (s *connections) sweep() {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			now := s.now()
			s.places.dismissOverdue(time.Now())
			for i := range s.shards {
				s.shards[i].sweep(now)
			}
		case <-s.none:
			s.mu.Lock()
			if s.count == 0 {
				s.sweeping = false
				s.changed.Broadcast()
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
		}
	}
}

func (s *shard) sweep(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.visit {
		if v := &s.visit[i]; v.due <= now {
			v.due = v.conn.check(now)
		}
	}
}

// wait returns when there are no connections and no sweep. If ctx ends first, wait returns ctx's error.
func (s *connections) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count > 0 || s.sweeping {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.changed.Wait()
	}
	return nil
}
