package service

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// collectorPercent is the amount of garbage at which Go's garbage collector runs, in percent of the live memory. A relayed
	// message leaves no garbage. So a value below Go's default of 100 makes only logins and their ends slower. With 100,000
	// sessions, a login and its end take some 10 µs more, and a session takes a fifth less memory (BenchmarkCollector in package
	// transport).
	collectorPercent = 50
	// leastGarbage is the least amount of garbage at which it runs, in bytes. A service with few sessions has little live memory.
	// Without this, the collector would run twenty times a second while clients come and go, and take 7 % of their time.
	leastGarbage = 16 << 20
	// maxCollectorPercent bounds what leastGarbage makes of collectorPercent. Go's collector never runs before the heap has 4 MiB in
	// this proportion, which makes leastGarbage (https://go.dev/doc/gc-guide).
	maxCollectorPercent = leastGarbage * 100 / (4 << 20)

	// lookInterval is the time between two looks at the memory.
	lookInterval = 5 * time.Second
	// quietAllocation is how many bytes the service may allocate between two looks at the most to count as quiet. Sixteen logins a
	// second allocate less.
	quietAllocation = 512 << 10
	// returnedBytes is the least amount of memory that is worth a collection while the service is quiet. So is quietShare, the least
	// share of the live memory. With 100,000 sessions a collection takes some 0.3 s of processor time.
	returnedBytes = 512 << 10
	quietShare    = 32
)

// SetCollector sets Go's garbage collector for a process that only serves, until the result is called. While clients come and go, the
// collector runs seldom. When that is over, the garbage goes, and its memory returns to the system. The pages of the program leave
// the memory of the process then, too. With GOGC in the environment, SetCollector does nothing.
func SetCollector() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	c := &collector{percent: collectorPercent, stopped: make(chan struct{})}
	before := debug.SetGCPercent(c.percent)
	c.follow()
	go c.tidy()
	return sync.OnceFunc(func() {
		close(c.stopped)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.percent = 0
		debug.SetGCPercent(before)
	})
}

// collector is the setting of the garbage collector.
type collector struct {
	stopped chan struct{}

	mu      sync.Mutex
	percent int // 0: stopped
}

// percentFor returns the percentage for an amount of live memory, in bytes.
func percentFor(live uint64) int {
	return int(min(max(collectorPercent, leastGarbage*100/max(live, 1)), maxCollectorPercent))
}

// sentinel is garbage. What follows a collection finds it. It is no tiny object, because those share their memory with others.
type sentinel struct{ _ [64]byte }

// follow makes the percentage follow the live memory after each collection.
func (c *collector) follow() {
	runtime.AddCleanup(new(sentinel), (*collector).adapt, c)
}

// adapt sets the percentage for the live memory that the last collection has found.
func (c *collector) adapt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.percent == 0 {
		return
	}
	var m memory
	m.read()
	// A change stops all goroutines for a moment. So a small one is not worth it.
	if next := percentFor(m.live); next*10 < c.percent*9 || next*10 > c.percent*11 {
		c.percent = next
		debug.SetGCPercent(next)
	}
	c.follow()
}

// tidy returns memory to the system when the service is quiet.
func (c *collector) tidy() {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	var m memory
	for m.read(); ; {
		select {
		case <-c.stopped:
			return
		case <-ticker.C:
		}
		before := m.allocated
		if m.read(); m.wastes(m.allocated - before) {
			debug.FreeOSMemory()
			forgetProgram()
			m.read()
			m.rest = m.dead()
		}
	}
}

// memory is what the runtime tells of the heap, in bytes.
type memory struct {
	allocated uint64 // since the start
	live      uint64 // what the last collection has found to be live
	objects   uint64 // objects, the dead ones among them that were not collected yet
	free      uint64 // memory without objects that could be returned to the system
	rest      uint64 // what was dead after memory was returned last

	samples []metrics.Sample
}

// wastes reports whether a collection is worth it, after a time in which that many bytes were allocated.
func (m *memory) wastes(allocated uint64) bool {
	return allocated <= quietAllocation && m.dead() >= m.rest+max(returnedBytes, m.live/quietShare)
}

// dead returns how much memory holds no live objects.
func (m *memory) dead() uint64 { return m.objects - min(m.live, m.objects) + m.free }

func (m *memory) read() {
	if m.samples == nil {
		m.samples = []metrics.Sample{
			{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
			{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		}
	}
	metrics.Read(m.samples)
	for i, value := range []*uint64{&m.allocated, &m.live, &m.objects, &m.free} {
		if m.samples[i].Value.Kind() == metrics.KindUint64 {
			*value = m.samples[i].Value.Uint64()
		}
	}
}
